"""API-Bank: what of a reply is the call, how the authors' evaluator and ours judge it, on a checkout of our own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate.run import Order, evaluate
from codeact_kernel.evaluate.suites.apibank import SAMPLES, ApiBank
from codeact_kernel.evaluate.suites.apibank_parse import read

PARAMETERS = {"Book": ("city", "note", "nights")}
ARGUMENTS = {"city": "Visby", "note": "two, with a view"}
CHECKOUT = os.environ.get("M3TOOLEVAL_CHECKOUT", "")
CALLS = [
    ("code", "[Book(city='Visby', note='two, with a view')]", ARGUMENTS),
    ("code", 'Book(city="Visby", note="it\'s [5]")', {"city": "Visby", "note": "it's [5]"}),
    ("code", "```python\n[Book(city='Visby', nights=3)]\n```", {"city": "Visby", "nights": 3}),
    ("code", "[Book()]", {}),
    ("json", '[{"action": "Book", "city": "Visby", "note": "two, with a view"}]', ARGUMENTS),
    ("json", 'Sure: {"action": "Book", "nights": 3, "city": "Visby"}', {"city": "Visby", "nights": 3}),
    ("text", "[Action: Book, city: Visby, note: two, with a view]", ARGUMENTS),
    ("text", "Action: Book, city: 'Visby', nights: 3", {"city": "Visby", "nights": "3"}),
    ("text", "[Action: Book, place: Visby, at: 09:30]", {"place": "Visby", "at": "09:30"}),
]


@pytest.mark.parametrize(("action", "reply", "arguments"), CALLS)
def test_a_reply_is_read_by_its_syntax(action, reply, arguments):
    assert read(reply, action, PARAMETERS) == ("Book", arguments)


@pytest.mark.parametrize(
    ("action", "reply"),
    [
        ("code", "[Book(city=os.environ)]"),
        ("code", "[Book('Visby')]"),
        ("code", "I would book."),
        ("code", "[x.Book()]"),
        ("json", '[{"city": "Visby"}]'),
        ("json", "[Book]"),
        ("json", '[{"action": 5}]'),
        ("text", "[Book, city: Visby]"),
        ("code", ""),
    ],
)
def test_what_makes_no_call_is_not_read(action, reply):
    assert read(reply, action, PARAMETERS) is None


MANAGER = """
import json, googletrans
from apis.book import Book
class ToolManager:
    def __init__(self): self.made = Book()
    def get_api_by_name(self, name): return {"Book": {"input_parameters": Book.input_parameters}}[name]
    def get_api_description(self, name): return json.dumps({"name": name})
    def init_tool(self, name): return self.made
    def api_call(self, name, **parameters): return self.made.call(**parameters)
"""
BOOK = """
class Book:
    input_parameters = {"city": {"type": "str"}, "note": {"type": "str"}}
    def call(self, city, note):
        print("booking")
        return {"input": {"city": city}, "output": "down" if city == "Kalmar" else "done"}
    def check_api_call_correctness(self, response, truth): return response["output"] == truth["output"]
"""
EXTRACTION = """
import re
def parse_api_call(text, mode):
    match = re.search(r"\\\\[(\\\\w+)\\\\((.*)\\\\)\\\\]", text)
    if not match: raise ValueError("No valid action found in text")
    return match.group(1), dict(re.findall(r"(\\\\w+)='([^',]*)'", match.group(2)))
def convert_api_call_to_code_as_action(name, arguments): return f"[{name}({arguments})]"
convert_api_call_to_json_as_action = convert_api_call_to_text_as_action = convert_api_call_to_code_as_action
"""
EVALUATOR = """
import rouge_that_is_not_there
BASE_CALL_PROMPT = "Say {form}.\\n"
ACTION_MODE_TO_CALL_PROMPT = {mode + "_as_action": BASE_CALL_PROMPT.format(form=mode) for mode in ("code", "json", "text")}
"""


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """A small API-Bank of ours, in the layout of the authors'."""
    folder = tmp_path_factory.mktemp("bank")
    for name, text in (
        ("tool_manager.py", MANAGER),
        ("apis/book.py", BOOK),
        ("apis/__init__.py", ""),
        ("api_call_extraction.py", EXTRACTION.replace("\\\\", "\\")),
        ("evaluator.py", EVALUATOR),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / SAMPLES).mkdir(parents=True)
    for number, city in enumerate(("Visby", "Kalmar")):
        arguments = {"city": city, "note": "it's fine"}
        turns = [
            {"role": "User", "text": f"Book {city}."},
            {"role": "AI", "text": "Which note?"},
            {"role": "User", "text": "it's fine"},
            {"role": "API", "api_name": "Book", "param_dict": arguments, "result": {"output": "done"}},
            {"role": "AI", "text": "Done."},
            {"role": "API", "api_name": "Book", "param_dict": arguments, "result": {"output": "done"}},
        ]
        (folder / SAMPLES / f"b{number}.jsonl").write_text("".join(json.dumps(turn) + "\n" for turn in turns))
    return folder


def play(bank, out, reply):
    script = out.parent / f"{out.name}.jsonl"
    script.write_text(json.dumps(reply) + "\n")
    config = CodeAct(model=f"scripted:{script}")
    return evaluate(Order(suite=ApiBank(), data=bank, out=out, config=config), lambda _: None)


def test_each_call_of_a_dialogue_is_asked_for_with_what_was_said_before(bank):
    cases = ApiBank().cases(bank)
    assert [case.id for case in cases] == ["b0/3", "b0/5", "b1/3", "b1/5"]
    assert [role for role, _ in cases[1].data["messages"]["code"]] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
        "assistant",
    ]
    assert cases[0].data["messages"]["json"][0][1] == 'Say json.\n{"name": "Book"}'
    assert cases[1].data["messages"]["code"][-2:] == [["user", "Response: done"], ["assistant", "Done."]]


def test_both_scores_of_a_reply(bank, tmp_path):
    """The regular expression stops at the quote; the API that is down spoils the right call."""
    rows = play(bank, tmp_path / "right", """[Book(city="Kalmar", note="it's fine")]""")
    assert [row["scores"] for row in rows] == [
        {"official": 0.0, "corrected": 0.0},
        {"official": 0.0, "corrected": 0.0},
        {"official": 0.0, "corrected": 1.0},
        {"official": 0.0, "corrected": 1.0},
    ]
    rows = play(bank, tmp_path / "plain", "[Book(city='Visby', note='well')]")
    assert [row["scores"]["official"] for row in rows] == [1.0, 1.0, 1.0, 1.0]
    assert all((tmp_path / "plain" / row["episode"]).is_file() for row in rows)


def test_an_api_bank_without_action_spaces_is_refused(bank, tmp_path):
    with pytest.raises(ConfigError, match="--data"):
        ApiBank().cases(None)
    with pytest.raises(ConfigError, match="holds no API-Bank"):
        ApiBank().cases(tmp_path)
    (tmp_path / SAMPLES).mkdir(parents=True)
    (tmp_path / "evaluator.py").write_text("")
    with pytest.raises(ConfigError, match="without action spaces"):
        ApiBank().cases(tmp_path)


@pytest.mark.skipif(not CHECKOUT, reason="M3TOOLEVAL_CHECKOUT names no checkout of the authors'")
def test_the_authors_level_1_has_its_calls():
    cases = ApiBank().cases(Path(CHECKOUT))
    assert len(cases) == len({case.id for case in cases}) == 389
    assert len({case.id.rpartition("/")[0] for case in cases}) == 214

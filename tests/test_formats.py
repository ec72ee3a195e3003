"""The action spaces besides code: what is one call, what is an answer, what is sent back, and what we say."""

from __future__ import annotations

import ast
import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.agent import formats, prompt
from codeact_kernel.agent.formats import json as json_format
from codeact_kernel.agent.formats import text as text_format
from codeact_kernel.agent.verdicts import OWN_WORDS
from codeact_kernel.episode.chat import conversation
from codeact_kernel.oneshot import run
from codeact_kernel.replay.rehearse import rehearse
from codeact_kernel.types import Step

JSON_CALLS = {
    "bare": ('{"tool": "f", "args": [1, "a"]}', "", "f(1, 'a')"),
    "thought and object": ('I look.\n{"tool": "f", "args": []}', "I look.", "f()"),
    "fence": ('I look.\n```json\n{"tool": "f", "args": {"x": 1.5}}\n```', "I look.", "f(x=1.5)"),
    "the paper's marks": (
        'Thought: go\nAction: {"tool": "f", "args": [true, null]} End Action',
        "Thought: go",
        "f(True, None)",
    ),
    "tool_call tags": ('<tool_call>\n{"name": "f", "arguments": {"x": "y"}}\n</tool_call>', "", "f(x='y')"),
    "method of a variable": ('{"tool": "df.head", "args": [3]}', "", "df.head(3)"),
    "nested data": ('{"tool": "f", "args": [[1, {"a": false}]]}', "", "f([1, {'a': False}])"),
    "one argument without a list": ('{"tool": "f", "args": "x"}', "", "f('x')"),
    "no arguments": ('{"tool": "f"}', "", "f()"),
    "first of two": ('{"tool": "f", "args": [1]}\n{"tool": "g", "args": [2]}', "", "f(1)"),
    "over several lines": ('{\n  "tool": "f",\n  "args": [\n    1\n  ]\n}', "", "f(1)"),
}
TEXT_CALLS = {
    "plain": ("Action: f, 1, two words, 2.5", "", "f(1, 'two words', 2.5)"),
    "thought before": ("I look.\nAction: f, Visby", "I look.", "f('Visby')"),
    "the paper's end": ("Thought: go Action: x\nAction: f, 1 End Action", "Thought: go Action: x", "f(1)"),
    "no arguments": ("Action: view", "", "view()"),
    "on the next line": ("Action:\nf, 1\nEnd Action", "", "f(1)"),
    "quotes keep commas": ("Action: f, \"a, b\", 'c'", "", "f('a, b', 'c')"),
    "apostrophes are letters": ("Action: f, it's, O'Hara", "", 'f("it\'s", "O\'Hara")'),
    "a list": ("Action: f, [1, 2], x", "", "f([1, 2], 'x')"),
    "written as code": ('Action: f("a", n=2)', "", "f('a', n=2)"),
    "dates are texts": ("Action: f, 2023-07-01", "", "f('2023-07-01')"),
    "first of two": ("Action: f, 1\nAction: g, 2", "", "f(1)"),
}


@pytest.mark.parametrize("name", JSON_CALLS)
def test_a_json_reply_becomes_one_call(name):
    reply, thought, code = JSON_CALLS[name]
    action = json_format.parse(reply)
    assert (action.thought, action.code, action.complaint) == (thought, code, None)


@pytest.mark.parametrize("name", TEXT_CALLS)
def test_a_text_reply_becomes_one_call(name):
    reply, thought, code = TEXT_CALLS[name]
    action = text_format.parse(reply)
    assert (action.thought, action.code, action.complaint) == (thought, code, None)


@pytest.mark.parametrize("parse", [json_format.parse, text_format.parse])
def test_prose_is_the_answer(parse):
    action = parse("Visby has 14 boats; {braces} and 3 actions: none.")
    assert (action.code, action.complaint) == (None, None)
    assert action.thought.startswith("Visby has 14")


@pytest.mark.parametrize(
    ("parse", "reply", "finish", "words"),
    [
        (json_format.parse, '{"tool": "f", "args": [1}', "stop", "not valid JSON"),
        (json_format.parse, "{'tool': 'f', 'args': []}", "stop", "not valid JSON"),
        (json_format.parse, '{"args": [1]}', "stop", "names no tool"),
        (json_format.parse, '{"tool": "__import__(\'os\').system", "args": ["ls"]}', "stop", "cannot be called"),
        (json_format.parse, '{"tool": "f", "args": {"a b": 1}}', "stop", "arguments"),
        (json_format.parse, '{"tool": "f", "args": [1e999]}', "stop", "JSON"),
        (json_format.parse, '{"tool": "f", "args": [', "length", "token limit"),
        (json_format.parse, " \n", "stop", "empty"),
        (text_format.parse, "Action: , 1", "stop", "names no tool"),
        (text_format.parse, "Action: os system, ls", "stop", "cannot be called"),
        (text_format.parse, "Action: f, 1", "length", "token limit"),
        (text_format.parse, "", "stop", "empty"),
    ],
)
def test_what_cannot_be_called_is_sent_back_with_one_reason(parse, reply, finish, words):
    action = parse(reply, finish)
    assert action.code is None
    assert words in action.complaint


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(values, max_size=4))
def test_json_arguments_arrive_as_they_were(args):
    action = json_format.parse(json.dumps({"tool": "f", "args": args}))
    node = ast.parse(action.code, mode="eval").body
    assert [ast.literal_eval(value) for value in node.args] == args


@given(st.text())
def test_no_reply_breaks_a_parser_and_what_it_gives_is_one_call_of_literals(reply):
    for parse in (json_format.parse, text_format.parse):
        for text in (reply, f"Action: {reply}", f'{{"tool": {reply}', f'{{"tool": "f", "args": [{reply}]}}'):
            action = parse(text)
            if action.code is not None:
                node = ast.parse(action.code, mode="eval").body
                assert isinstance(node, ast.Call)
                for value in [*node.args, *(one.value for one in node.keywords)]:
                    ast.literal_eval(value)


@pytest.mark.parametrize("name", ["json", "text"])
def test_nothing_that_we_say_speaks_of_code(name):
    for words in OWN_WORDS:
        if words == "after-chained-assignment":  # about a line of pandas, which no call writes
            continue
        said = formats.named(name).words(prompt.words(words))
        assert "code" not in said.replace("{task}", ""), said
        assert "```" not in said


def test_the_words_of_code_are_its_own():
    assert formats.named("code").words("write the next code block") == "write the next code block"
    assert formats.named("later").name == "code"


FACTS = "def population(city):\n    return {'Visby': 24330, 'Kalmar': 41388}[city]"


@pytest.mark.parametrize(
    ("action", "replies"),
    [
        ("json", ['{"tool": "population", "args": ["Vsby"]}', 'So.\n{"tool": "population", "args": ["Visby"]}']),
        ("text", ["Action: population, Vsby", "So.\nAction: population, Visby"]),
    ],
)
def test_an_episode_of_calls_is_a_notebook_that_is_rehearsed(action, replies, tmp_path):
    script = tmp_path / "script.jsonl"
    script.write_text("".join(json.dumps(reply) + "\n" for reply in [*replies, "Visby has 24330 people."]))
    result = run(
        "How many people live in Visby?",
        model=f"scripted:{script}",
        action=action,
        setup=[FACTS],
        out=tmp_path / "episode.ipynb",
        cwd=tmp_path,
    )
    assert (result.status, result.steps) == ("done", 3)
    notebook = json.loads(result.episode.read_bytes())
    header = notebook["metadata"]["codeact"]
    assert header["agent"]["format"] == action
    assert header["prompt"]["system"] == prompt.words(f"system-{action}")
    code = [cell["source"] for cell in notebook["cells"] if cell["metadata"]["codeact"]["kind"] == "action"]
    assert ["".join(source) for source in code] == ["population('Vsby')", "population('Visby')"]
    seen = [
        turn.observation.text for turn in conversation(notebook)[1] if isinstance(turn, Step) and turn.observation
    ]
    assert "make a corrected call" in seen[0]
    assert "24330" in seen[1]
    assert "without a call" in seen[1]
    rehearsal = asyncio.run(rehearse(notebook))
    assert (rehearsal.problem, rehearsal.steps) == ("", 3)

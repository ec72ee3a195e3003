"""How a task ends with a value, when the user's check holds, and what the model may ask the user."""

from __future__ import annotations

import asyncio
import json

import pytest
from kernel_client import block, started, write_script

import codeact_kernel
from codeact_kernel.agent import probe_functions
from codeact_kernel.agent.verdicts import is_question
from codeact_kernel.errors import ConfigError
from codeact_kernel.replay.rehearse import rehearse


@pytest.fixture
def kernel(tmp_path):
    with started(tmp_path) as made:
        assert made.run("%load_ext codeact_kernel")[0]["status"] == "ok"
        yield made


def rehearsed(path):
    found = asyncio.run(rehearse(json.loads(path.read_bytes()), path.name))
    return found.problem, found.difference


def run(folder, *replies, **more):
    return codeact_kernel.run(
        "What is it?", model=write_script(folder, *replies), cwd=folder, out=folder / "e.ipynb", **more
    )


def test_a_final_value_ends_the_task_and_its_text_is_the_answer(tmp_path):
    result = run(tmp_path, block("final_answer(6 * 7)"))
    assert (result.status, result.answer, result.steps) == ("done", "42", 1)
    cells = json.loads((tmp_path / "e.ipynb").read_bytes())["cells"]
    assert [cell["metadata"]["codeact"]["kind"] for cell in cells] == [
        "about",
        "task",
        "thought",
        "action",
        "answer",
    ]
    assert "".join(cells[-1]["source"]) == "42"
    assert rehearsed(tmp_path / "e.ipynb") == ("", "")


def test_a_final_value_of_a_cell_that_failed_afterwards_does_not_count(tmp_path):
    result = run(tmp_path, block("final_answer(1)\n1 / 0"), block("print(2)"), "It is 2.")
    assert (result.answer, result.steps) == ("It is 2.", 3)


def test_a_variable_of_that_name_is_the_users(tmp_path):
    result = run(tmp_path, block("final_answer = print\nfinal_answer(3)\nout = [1]\nprint(out[0])"), "It is 3.")
    assert result.answer == "It is 3."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("'two words'", "two words"),
        ("[1, {'a': None}]", "[1, {'a': None}]"),
        ("None", "None"),
        ("object()", "<object>"),
        ("'x' * 10**6", "x" * probe_functions.MOST_ANSWER),
        ("pandas.DataFrame({'a': [1, 2]})", "DataFrame, 2 rows"),
        ("type('Odd', (), {'__repr__': lambda self: 1 / 0})()", "<Odd>"),
    ],
)
def test_every_value_has_a_text_that_runs_no_code_of_its_own(tmp_path, value, text):
    result = run(tmp_path, block(f"final_answer({value})"), setup=["import pandas"])
    assert result.answer.startswith(text)


def test_with_a_variable_named_the_magic_keeps_the_value_itself(kernel):
    model = kernel.script(block("final_answer({'a': [1, 2]})"))
    reply, text = kernel.run(f"%codeact --inline -o kept -m {model} collect them")
    assert reply["status"] == "ok"
    assert "{'a': [1, 2]}" in text
    assert kernel.run("kept['a'][1]")[1] == "2"
    task = next(cell for cell in kernel.episode().cells if cell.metadata["codeact"]["kind"] == "task")
    assert "final_answer(value)" in task.metadata["codeact"]["record"]["content"]


def test_a_plain_reply_is_kept_as_text(kernel):
    model = kernel.script(block("print(5)"), "It is 5.")
    kernel.run(f"%codeact --inline -o kept -m {model} say it")
    assert kernel.run("kept")[1] == "'It is 5.'"


def test_a_check_that_does_not_hold_is_told_and_the_model_goes_on(tmp_path):
    replies = [block("final_answer(-1)"), block("print('look')"), "It is 7, surely.", block("final_answer(7)")]
    result = run(tmp_path, *replies, require="answer > 0")
    assert (result.status, result.answer, result.steps) == ("done", "7", 4)
    records = [
        cell["metadata"]["codeact"].get("record") for cell in json.loads(result.episode.read_bytes())["cells"]
    ]
    told = [record["told"]["text"] for record in records if record and record.get("told")]
    assert told[0] == "`answer > 0` is false"
    assert "fails with TypeError" in told[1]
    first = next(record for record in records if record and record.get("told"))
    assert "the user's check says that `answer > 0` is false" in first["observation"]["text"]
    assert rehearsed(result.episode) == ("", "")


def test_a_check_may_use_what_is_in_the_kernel(tmp_path):
    setup = ["limit = 10"]
    assert run(tmp_path, block("final_answer(9)"), require="answer < limit", setup=setup).status == "done"


def test_a_check_that_is_no_expression_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="is no Python expression") as error:
        run(tmp_path, "x", require="answer >")
    assert "\n" not in str(error.value)


def test_a_check_in_the_live_kernel_sees_the_value(kernel):
    model = kernel.script(block("final_answer([1])"), block("final_answer([1, 2])"))
    text = kernel.run(f"%codeact --inline --check 'len(answer) == wanted' -m {model} two of them")[1]
    assert "NameError" in str(kernel.episode())
    kernel.run("wanted = 2")
    model = kernel.script(block("final_answer([1])"), block("final_answer([1, 2])"))
    text = kernel.run(f"%codeact --inline --check 'len(answer) == wanted' -m {model} again, two of them")[1]
    assert "[1, 2]" in text


@pytest.mark.parametrize(
    ("reply", "asks"),
    [
        ("Which of the two columns do you mean?", True),
        ("There are two tables. Should I use orders or returns?", True),
        ("East lost 165 customers. Would you like a plot?", False),
        ("East lost 165 customers, North 120, South 98, West 77: which is most?", False),
        ("East lost 165 customers.", False),
        ("Is there anything else?", False),
    ],
)
def test_only_what_the_task_hangs_on_is_a_question(reply, asks):
    assert is_question(reply) == asks


def test_a_question_goes_to_the_person_at_stdin_and_the_episode_goes_on(kernel):
    model = kernel.script("Which column do you mean?", block("print('price')"), "You mean price.")
    _, text = kernel.run(f"%codeact --inline -m {model} average the column", stdin=["price, please"])
    assert "You mean price." in text
    assert "The user answers: price, please" in str(kernel.episode())
    assert rehearsed(kernel.episodes()[0]) == ("", "")


def test_one_question_a_task_and_nobody_there_makes_it_the_answer(kernel, tmp_path):
    model = kernel.script("Which one?", "But which one exactly?", "unused")
    _, text = kernel.run(f"%codeact --inline -m {model} take it", stdin=[""])
    assert "But which one exactly?" in text
    assert "The user gave no answer." in str(kernel.episode())
    assert run(tmp_path, "Which one?", "Which one?").answer == "Which one?"


def test_code_may_ask_the_user(kernel):
    model = kernel.script(block("name = ask_user('Which table?')\nprint(name.upper())"), "You said ORDERS.")
    _, text = kernel.run(f"%codeact --inline -m {model} look at it", stdin=["orders"])
    assert "You said ORDERS." in text
    assert "ORDERS" in str(kernel.episode())


def test_code_that_asks_where_nobody_is_there_is_told_to_decide(tmp_path):
    result = run(tmp_path, block("ask_user('Which table?')"), block("print(1)"), "I took table 1.")
    assert result.status == "done"
    assert "Nobody is here to answer. Decide by yourself" in result.episode.read_text()

"""DSEval: sessions in one kernel, judged by the validators of the checkout, the state put back for each question.

The checkout in `dseval_small` is ours, in the layout of theirs. With `DSEVAL_CHECKOUT=folder` in the environment
our verdicts are held against those of their own environment, for hits and near-misses.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate import results
from codeact_kernel.evaluate.arms import arms_of, groups_table, pairs_table, scores_table
from codeact_kernel.evaluate.run import Order, evaluate
from codeact_kernel.evaluate.suites.dseval import DSEval

SMALL = Path(__file__).with_name("dseval_small")
REFERENCE = Path(__file__).with_name("dseval_reference.py")
CHECKOUT = os.environ.get("DSEVAL_CHECKOUT", "")
READ = 'boats = [{**row, "price": int(row["price"])} for row in csv.DictReader(open("inputs/boats.csv"))]'
COUNT = 'sum(boat["harbour"] == "Visby" for boat in boats)'
TAX = 'for boat in boats:\n    boat["price"] *= 1.25'
CHEAPEST = 'min(boat["price"] for boat in boats)'


SCRIPT: dict[str, list[str]] = {}
"""What `answers` runs for a question, cell by cell; a text that is no code is replied as it is."""
ASKED = {
    "read": "Read inputs/boats.csv",
    "count": "How many boats lie in Visby?",
    "tax": "Add 25 % tax",
    "cheapest": "What does the cheapest boat cost?",
}


def answers(messages):
    """The model of these tests: what SCRIPT has for the question, then a sentence."""
    asked = [
        (number, one["content"].rfind(question), question)
        for number, one in enumerate(messages)
        for question in SCRIPT
        if one["role"] == "user" and question in one["content"]
    ]
    question = max(asked)[2]  # reminders name it again
    began = min(number for number, _, name in asked if name == question)
    said = sum(one["role"] == "assistant" for one in messages[began:])
    cells = SCRIPT[question]
    return f"```python\n{cells[said]}\n```" if said < len(cells) else "That is what was asked for."


def play(out, script, data=SMALL, group="01-prices", **more):
    SCRIPT.clear()
    SCRIPT.update(script)
    config = CodeAct(model="callable:test_eval_dseval:answers")
    order = Order(**({"suite": DSEval(), "data": data, "out": out, "config": config, "groups": (group,)} | more))
    return evaluate(order, lambda _: None)


def boats(**cells):
    """Return a script for the session on boats, the reference where nothing is given."""
    right = {"read": READ, "count": COUNT, "tax": TAX, "cheapest": CHEAPEST} | cells
    return {ASKED[name]: [code] if isinstance(code, str) else code for name, code in right.items()}


def verdicts(row):
    return [note.split()[1] for note in row["notes"] if note[0].isdigit()]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """One session answered as it should be, one with a fault in each answer."""
    folder = tmp_path_factory.mktemp("dseval")
    right = play(folder / "right", boats())
    faults = boats(
        read="1 / 0", count=f"boats = boats[:2]\n{COUNT}", tax=f"{TAX}\ndel csv", cheapest=f"print({CHEAPEST})"
    )
    return folder, right, play(folder / "wrong", faults)


def test_a_session_is_one_conversation_in_one_kernel_and_one_episode(two):
    folder, right, _ = two
    assert verdicts(right[0]) == ["CORRECT"] * 4
    assert right[0]["scores"] == {"official": 1.0, "lenient": 1.0, "intact": 1.0}
    assert (right[0]["marks"], right[0]["failure"]) == ([1.0] * 4, "")
    notebook = nbformat.read(folder / "right" / right[0]["episode"], as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert text.count("dseval_session.go_on()") == 4
    assert text.index(READ) < text.index(COUNT) < text.index(TAX) < text.index(CHEAPEST)


def test_each_question_finds_the_state_that_the_reference_leaves_and_is_judged_by_what_became_of_it(two):
    _, _, wrong = two
    assert verdicts(wrong[0]) == ["CRASH", "INTACT_VIOLATION", "INTACT_VIOLATION", "PRESENTATION_ERROR"]
    assert wrong[0]["scores"] == {"official": 0.0, "lenient": 0.75, "intact": 0.5}
    assert wrong[0]["failure"] == "intact violation"
    assert wrong[0]["raised"] == {"ZeroDivisionError": 1}


def test_the_submission_is_the_last_cell_and_what_all_cells_changed_counts(tmp_path):
    script = boats(
        read=[READ, "boats[0]"],
        count=["boats.append(3)", "boats.pop()", COUNT],
        tax=["boats[0]['price'] = 1", TAX],
    )
    row = play(tmp_path, script)[0]
    assert verdicts(row) == ["CORRECT", "CORRECT", "WRONG_VARIABLES", "CORRECT"]
    assert row["marks"] == [1.0, 1.0, 0.0, 1.0]


def test_a_reply_without_a_cell_is_the_submission(tmp_path):
    row = play(tmp_path, boats(cheapest=[]))[0]
    assert verdicts(row) == ["CORRECT"] * 3 + ["CRASH"]


def test_a_session_whose_data_is_missing_is_set_aside_in_a_clear_sentence(tmp_path):
    row = play(tmp_path, {}, group="02-missing")[0]
    assert "lost.csv is not in this checkout; put it into" in row["set_aside"]
    assert row["scores"] == {}


def test_a_session_whose_reference_does_not_run_here_is_judged_up_to_there(tmp_path):
    row = play(tmp_path, {"two and two": ["2 + 2"]}, group="03-prices")[0]
    assert row["marks"] == [1.0]
    assert "the reference does not run here (AttributeError" in row["notes"][-1]


def test_the_report_counts_questions(two):
    folder, _, _ = two
    found = {name: results.read(folder / name) for name in ("right", "wrong")}
    arms = arms_of(
        [(folder / name, about, [row | {"model": name} for row in rows]) for name, (about, rows) in found.items()]
    )
    assert [row[1:3] for row in scores_table(arms)[1:]] == [
        ["1 (4 questions)", "4 (100 %, 51 to 100)"],
        ["1 (4 questions)", "0 (0 %, 0 to 49)"],
    ]
    assert groups_table(arms)[1][1:] == ["4 of 4", "0 of 4"]
    assert pairs_table(arms)[1][1:6] == ["4", "0", "4", "0", "0"]


def test_what_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="needs --data"):
        DSEval().cases(None)
    with pytest.raises(ConfigError, match=r"give the folder that has dseval/validator\.py"):
        DSEval().cases(tmp_path)
    with pytest.raises(ConfigError, match="holds no sessions"):
        DSEval().cases(SMALL, "leetcode")


@pytest.mark.skipif(not CHECKOUT, reason="DSEVAL_CHECKOUT names no checkout of the authors'")
@pytest.mark.parametrize("session", DSEval().cases(Path(CHECKOUT)) if CHECKOUT else [], ids=lambda one: one.task)
def test_our_verdicts_are_those_of_their_environment(session, tmp_path):
    path = Path(CHECKOUT).resolve() / "benchmarks" / f"{session.id}.py"
    asked = subprocess.run(
        [sys.executable, REFERENCE, CHECKOUT, path], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    if asked.returncode:
        pytest.skip(asked.stderr.strip().splitlines()[-1])
    rounds = json.loads(asked.stdout.splitlines()[-1])
    assert len(rounds) >= 3
    for number, theirs in enumerate(rounds):
        script = {question: [code] for question, code, _ in theirs}
        rows = play(tmp_path / str(number), script, Path(CHECKOUT), suite=Only(session.id), group=session.group)
        assert verdicts(rows[0]) == [verdict for _, _, verdict in theirs], rows[0]["notes"]


class Only(DSEval):
    """The suite with one session."""

    def __init__(self, name):
        self._only = name

    def cases(self, data, protocol=""):
        return [case for case in super().cases(data, protocol) if case.id == self._only]

"""The quickstart tasks as a suite: played by a reference solution and by a guess, in real kernels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.quickstart.run import reference_replies
from benchmarks.quickstart.tasks_dev import DEV
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate.run import Order, evaluate
from codeact_kernel.evaluate.suites.quickstart import Quickstart

ROOT = Path(__file__).parents[1]


def play(out, replies):
    script = out.parent / f"{out.name}.jsonl"
    script.write_text("".join(json.dumps(reply) + "\n" for reply in replies))
    order = Order(suite=Quickstart(), data=ROOT, out=out, config=CodeAct(model=f"scripted:{script}"), limit=1)
    return evaluate(order, lambda _: None)[0]


def test_a_half_has_its_tasks():
    suite = Quickstart()
    assert [len(suite.cases(ROOT, half)) for half in suite.protocols] == [24, 24, 48]
    assert {case.id.partition("/")[0] for case in suite.cases(ROOT)} == {"dev"}


def test_the_reference_solves_a_task_and_a_guess_does_not(tmp_path):
    row = play(tmp_path / "right", reference_replies(DEV[0]))
    assert (row["scores"], row["failure"], row["turns"]) == ({"solved": 1.0}, "", 2)
    row = play(tmp_path / "wrong", ["```python\nprint(1)\n```", "It is 1.", "It is 1."])
    assert row["scores"] == {"solved": 0.0}
    assert row["failure"] == "wrong answer"
    assert row["notes"]


def test_a_folder_without_the_tasks_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no benchmarks/quickstart"):
        Quickstart().cases(tmp_path)

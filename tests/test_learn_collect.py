"""`codeact collect`: episodes of tasks, judged; the same folder gone on with."""

from __future__ import annotations

import json

import nbformat
import pytest

from codeact_kernel import cli
from codeact_kernel.collecting import Wanted, accepted, collect
from codeact_kernel.config import CodeAct
from codeact_kernel.episode.chat import check_messages, conversation
from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate import results
from codeact_kernel.types import Step

OWN = [
    {"id": f"own/{n}", "family": "own", "split": "train", "text": f"What is {n} times 37?", "expected": [n * 37]}
    for n in (11, 12, 13)
]


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    """Six demonstrations, one a domain, collected by the command."""
    out = tmp_path_factory.mktemp("learn") / "collected"
    assert cli.main(["collect", "learn", "-m", "reference", "--limit", "6", "-j", "2", "--out", str(out)]) == 0
    return out


def test_demonstrations_become_true_episodes_that_the_checker_accepts(demonstrations):
    _, rows = results.read(demonstrations)
    assert len(rows) == 6
    for row in rows:
        assert row["scores"] == {"solved": 1.0}, row
        assert row["protocol"] == "train"
        assert row["case"].startswith(row["group"] + "/")
        notebook = json.loads((demonstrations / row["episode"]).read_text("utf-8"))
        nbformat.validate(nbformat.from_dict(notebook))
        assert check_messages(notebook) == []
        system, turns = conversation(notebook)
        steps = [turn for turn in turns if isinstance(turn, Step)]
        assert len(system) < 300
        assert steps[-1].answer == row["answers"][0]
        assert any(step.execution is not None for step in steps)


def test_the_same_command_plays_nothing_again_and_another_is_refused(demonstrations, capsys):
    before = (demonstrations / "ledger.jsonl").read_bytes()
    command = ["collect", "learn", "-m", "reference", "-j", "2", "--out", str(demonstrations)]
    assert cli.main([*command, "--limit", "6"]) == 0
    assert "6 of 6 episodes were accepted" in capsys.readouterr().out
    assert (demonstrations / "ledger.jsonl").read_bytes() == before
    assert cli.main([*command, "--limit", "7"]) == 2
    assert "another limit" in capsys.readouterr().err


def multiplies(messages):
    """Right for 11 only; for 12 it guesses, for 13 it miscalculates."""
    number = messages[1]["content"].split("What is ")[1].split()[0]
    if messages[-1]["content"].startswith("Output"):
        return f"It is {messages[-1]['content'].split()[1]}."
    if number == "12" or len(messages) > 2:
        return "It is 444."
    return f"```python\nprint({number} * {37 if number == '11' else 36})\n```"


def test_the_checker_rejects_guesses_and_wrong_answers(tmp_path):
    data = tmp_path / "own.jsonl"
    data.write_text("".join(json.dumps(task) + "\n" for task in OWN))
    config = CodeAct(model="callable:test_learn_collect:multiplies")
    rows = collect(Wanted("learn", config, tmp_path / "out", data=data), lambda _: None)
    assert [row["scores"]["solved"] for row in rows] == [1.0, 0.0, 0.0]
    assert [row["case"] for row in accepted(rows)] == ["own/11"]
    assert all((tmp_path / "out" / row["episode"]).is_file() for row in rows)
    assert rows[1]["notes"] == ["No output shows 444."]


def test_several_tries_are_warm_and_each_has_its_seed(tmp_path):
    data = tmp_path / "own.jsonl"
    data.write_text(json.dumps(OWN[0]))
    config = CodeAct(model="callable:test_learn_collect:multiplies")
    rows = collect(Wanted("learn:train", config, tmp_path / "out", data=data, epochs=2, seed=5), lambda _: None)
    assert [(row["epoch"], row["seed"]) for row in rows] == [(1, 5), (2, 6)]
    about, _ = results.read(tmp_path / "out")
    assert about["sampling"] == {"temperature": 0.7, "top_p": 1.0, "seed": 5}


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"tasks": "nothing"}, "no tasks 'nothing'"),
        ({"tasks": "learn:half"}, "not 'half'"),
        ({"tasks": "quickstart", "config": CodeAct(model="reference")}, "knows the tasks of `learn` only"),
        ({"tasks": "learn", "config": CodeAct(model="reference"), "epochs": 2}, "same each time"),
    ],
)
def test_what_cannot_be_collected_is_refused_at_once(tmp_path, wanted, sentence):
    given = {"config": CodeAct(model="callable:test_learn_collect:multiplies"), "out": tmp_path / "out"} | wanted
    with pytest.raises(ConfigError, match=sentence):
        collect(Wanted(**given), lambda _: None)


def test_the_reference_is_no_model_of_other_tasks(tmp_path):
    data = tmp_path / "own.jsonl"
    data.write_text(json.dumps(OWN[0]))
    rows = collect(Wanted("learn", CodeAct(model="reference"), tmp_path / "out", data=data), lambda _: None)
    assert "has no demonstration" in rows[0]["set_aside"]
    assert accepted(rows) == []

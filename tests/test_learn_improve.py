"""`codeact improve`: the right commands in the right order, each gone on with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from codeact_kernel import cli
from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate import results
from codeact_kernel.improving import STEPS, Circle, plan


def test_a_round_collects_filters_trains_and_evaluates_and_the_end_compares():
    made = plan(Circle("smollm2-135m", Path("o")))
    assert [command.step for command in made] == [
        "collect",
        "dataset",
        "train",
        "eval",
        "eval",
        "ability",
        "report",
    ]
    lines = [command.line for command in made]
    assert "--model reference --epochs 1" in lines[0]
    assert lines[1] == "codeact dataset o/round-1/episodes --out o/round-1/data"
    assert "--base smollm2-135m --data o/round-1/data --out o/round-1/tuned-1" in lines[2]
    assert "--protocol heldout --model hf:o/round-1/tuned-1" in lines[3]
    assert "--model hf:smollm2-135m" in lines[4]
    assert lines[6] == "codeact report o/base/heldout o/round-1/heldout --out o/report.ipynb"


def test_later_rounds_are_played_by_the_tuned_model_and_learn_from_all_that_was_accepted():
    made = plan(Circle("org/name", Path("o"), rounds=2, tries=3, seed=7, checkout=Path("here"), engine="ray"))
    collects = [command.line for command in made if command.step == "collect"]
    assert "--model hf:o/round-1/tuned-1 --epochs 3" in collects[1]
    assert ["--seed 8" in collects[0], "--seed 9" in collects[1]] == [True, True]
    assert all("--engine ray" in line for line in collects)
    datasets = [command.line for command in made if command.step == "dataset"]
    assert datasets[1] == "codeact dataset o/round-1/episodes o/round-2/episodes --out o/round-2/data"
    assert [command.line for command in made if command.step == "train"][1].count("--base org/name") == 1
    assert sum("quickstart --data here" in command.line for command in made) == 3
    outs = [re.search(r"--out (\S+)", command.line)[1] for command in made]
    assert len(set(outs)) == len(outs)


def test_options_reach_their_commands_and_senseless_numbers_are_refused(capsys):
    more = {"train": ("--epochs", "2"), "dataset": ("--no-hf",)}
    by_step = {command.step: command.line for command in plan(Circle("b", Path("o"), more=more))}
    assert by_step["train"].endswith("--epochs 2")
    assert by_step["dataset"].endswith("--no-hf")
    with pytest.raises(ConfigError, match="must be 1 or more"):
        plan(Circle("b", Path("o"), rounds=0))
    assert cli.main(["improve", "--base", "b", "--out", "o", "--train", "'"]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert set(STEPS) == set(by_step)


def test_the_plan_is_shown_as_commands_that_the_command_line_takes(capsys):
    assert cli.main(["improve", "--base", "b", "--out", "o", "--plan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert all(line.startswith("codeact ") for line in lines)
    parser = cli._parser()
    for line in lines:
        assert parser.parse_args(line.split()[1:]).command in STEPS


def test_a_circle_runs_its_commands_stops_at_one_that_fails_and_goes_on(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(cli.__file__).parents[1]))
    words = ["improve", "--base", str(tmp_path / "none"), "--out", str(tmp_path / "o"), "--limit", "1"]
    assert cli.main([*words, "--until", "collect"]) == 0
    said = capfd.readouterr().out
    assert "== round 1: reference plays tasks" in said
    assert "1 of 1 episodes were accepted" in said
    _, rows = results.read(tmp_path / "o" / "round-1" / "episodes")
    assert rows[0]["scores"] == {"solved": 1.0}
    assert cli.main(words) == 2
    assert "That ended with the exit code 2" in capfd.readouterr().out

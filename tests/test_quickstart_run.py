"""The quickstart runner: real episodes with scripted replies, its figures, its files."""

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.quickstart.__main__ import main
from benchmarks.quickstart.report import summary, wilson
from benchmarks.quickstart.run import Settings, chosen, failure, run_one
from benchmarks.quickstart.tasks_dev import DEV
from benchmarks.quickstart.tasks_heldout import HELDOUT


def task(slot):
    return next(one for one in DEV if one.slot == slot)


def script(path, *replies):
    path.write_text("".join(json.dumps(reply) + "\n" for reply in replies))
    return f"scripted:{path}"


class TestRealEpisodes:
    @pytest.mark.parametrize("slot", ["join-2", "plot"])
    def test_reference_solution_passes_through_the_whole_agent(self, slot, tmp_path):
        record = run_one(task(slot), Settings("", tmp_path, reference=True))
        assert record.ok, (record.failure, record.cause, record.problems)
        assert (record.failure, record.problems, record.steps) == ("", [], 2)
        assert (tmp_path / record.episode).is_file()

    def test_wrong_answer_is_a_miss_that_says_why(self, tmp_path):
        mistake = task("filter-1").mistake
        model = script(tmp_path / "wrong.jsonl", f"```python\n{mistake.code}\n```", mistake.answer)
        record = run_one(task("filter-1"), Settings(model, tmp_path / "out"))
        assert (record.ok, record.failure, record.status) == (False, "wrong answer", "done")
        assert "does not state" in record.problems[0]

    def test_step_limit_is_no_answer(self, tmp_path):
        replies = [f"```python\nprint({i})\n```" for i in range(4)]
        record = run_one(
            task("filter-1"), Settings(script(tmp_path / "s.jsonl", *replies), tmp_path / "o", max_steps=2)
        )
        assert (record.failure, record.status, record.steps) == ("step limit", "limit", 2)

    def test_repeated_action_has_its_own_class(self, tmp_path):
        replies = ["```python\nflights['nope'].sum()\n```"] * 7
        record = run_one(task("filter-1"), Settings(script(tmp_path / "r.jsonl", *replies), tmp_path / "o"))
        assert record.failure == "repeated action", record.cause

    def test_missing_script_is_an_error_not_an_exception(self, tmp_path):
        record = run_one(task("filter-1"), Settings(f"scripted:{tmp_path / 'none.jsonl'}", tmp_path / "o"))
        assert record.failure == "error"
        assert "none.jsonl" in record.cause

    def test_command_writes_results_and_resumes(self, tmp_path, capsys):
        out = tmp_path / "out"
        assert main(["--reference", "--only", "simulation", "--half", "both", "--out", str(out)]) == 0
        content = json.loads((out / "results.json").read_text())
        assert [one["id"] for one in content["tasks"]] == ["dev/simulation", "heldout/simulation"]
        assert content["summary"]["all"]["ok"] == 2
        assert content["model"]["backend"] == "scripted"
        assert str(tmp_path) not in json.dumps(content["asked"])
        assert "| dev/simulation | ok |" in (out / "results.md").read_text()
        first = capsys.readouterr().out
        assert len(re.findall(r"^(?:dev|heldout)/simulation +ok ", first, re.MULTILINE)) == 2
        assert main(["--reference", "--only", "simulation,regex", "--out", str(out), "--resume"]) == 0
        again = capsys.readouterr().out
        assert "dev/regex" in again
        assert not re.search(r"^dev/simulation", again, re.MULTILINE)
        assert len(json.loads((out / "results.json").read_text())["tasks"]) == 3


class TestFigures:
    @pytest.mark.parametrize(
        ("won", "of", "low", "high"), [(16, 24, 0.4671, 0.8203), (0, 24, 0.0, 0.1380), (24, 24, 0.8620, 1.0)]
    )
    def test_wilson_interval(self, won, of, low, high):
        assert wilson(won, of) == pytest.approx((low, high), abs=2e-4)

    def test_interval_without_trials_says_nothing(self):
        assert wilson(0, 0) == (0.0, 1.0)
        assert summary([])["share"] is None

    @pytest.mark.parametrize(
        ("status", "cause", "problems", "name"),
        [
            ("done", "", [], ""),
            ("done", "", ["no"], "wrong answer"),
            ("limit", "No answer after 3 steps", [], "step limit"),
            ("interrupted", "Stopped", [], "interrupted"),
            ("failed", "The kernel died while it ran this step", [], "crash"),
            ("failed", "The model's replies could not be used 3 times", [], "unusable replies"),
            ("failed", "The model cannot be reached", [], "error"),
        ],
    )
    def test_failure_classes(self, status, cause, problems, name):
        assert failure(status, cause, problems) == name


class TestChoice:
    def test_limit_counts_per_half(self):
        assert [one.half for one in chosen((*DEV, *HELDOUT), "both", "", 2)] == [
            "dev",
            "dev",
            "heldout",
            "heldout",
        ]

    def test_slots_and_ids(self):
        both = chosen((*DEV, *HELDOUT), "both", "plot,dev/json", None)
        assert [one.id for one in both] == ["dev/json", "dev/plot", "heldout/plot"]

    def test_unknown_task_is_named(self):
        with pytest.raises(ValueError, match="'nothing'"):
            chosen(DEV, "dev", "nothing", None)

    def test_model_or_reference_is_needed(self, capsys):
        with pytest.raises(SystemExit) as stop:
            main([])
        assert stop.value.code == 2
        assert "--model" in capsys.readouterr().err

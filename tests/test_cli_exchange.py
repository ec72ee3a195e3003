"""`codeact export`, `codeact import` and `codeact diff` as a user types them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from episode_helpers import action, answer, create, load, small_turns, write

from codeact_kernel.cli import main
from codeact_kernel.cli_exchange import show
from codeact_kernel.episode.diffing import diff
from codeact_kernel.types import TaskTurn

SAMPLES = Path(__file__).parent / "episodes" / "v1.0"
SECRET = "correct-horse-battery-staple"


@pytest.fixture
def episode(tmp_path):
    """The file of an episode in which a secret of the environment stands."""
    turns: list = [TaskTurn("log in", "Task: log in", "")]
    turns.append(action(turns, 1, f"key = '{SECRET}'", f"{SECRET}\n"))
    turns.append(answer(turns, 2, "It is done."))
    writer = create(tmp_path / "in")
    write(writer, turns)
    return writer.path


def test_export_and_import_give_the_same_files(tmp_path, capsys):
    files = sorted(str(path) for path in SAMPLES.glob("*.ipynb"))
    out = tmp_path / "rows.jsonl"
    assert main(["export", *files, "--out", str(out)]) == 0
    assert f"codeact: {len(files)} episodes in {out}; 0 files could not be exported." in capsys.readouterr().err
    assert main(["import", str(out), "--out", str(tmp_path / "back")]) == 0
    said = capsys.readouterr()
    assert said.err == f"codeact: {len(files)} episodes in {tmp_path / 'back'}; 0 rows could not be read.\n"
    assert len(said.out.splitlines()) == len(files)
    for file in map(Path, files):
        assert (tmp_path / "back" / file.name).read_bytes() == file.read_bytes()


def test_what_was_redacted_is_listed_per_file_and_without_its_value(tmp_path, capsys, monkeypatch, episode):
    monkeypatch.setenv("MY_SERVICE_TOKEN", SECRET)
    out = tmp_path / "rows.jsonl"
    clean = SAMPLES / "done.ipynb"
    for form in ("messages", "openai", "codeact-instruct", "jupyter-agent"):
        assert main(["export", str(episode), str(clean), "--format", form, "--out", str(out)]) == 0
        said = capsys.readouterr()
        assert f"codeact: {episode}: redacted MY_SERVICE_TOKEN (" in said.err
        assert said.err.count(": redacted ") == 1
        assert SECRET not in out.read_text() + said.err + said.out
    assert main(["export", str(episode), "--no-redact", "--out", str(out)]) == 0
    assert SECRET in out.read_text()
    assert ": redacted " not in capsys.readouterr().err


def test_third_party_formats_cannot_be_written_with_secrets(tmp_path, capsys, episode):
    out = tmp_path / "rows.jsonl"
    assert main(["export", str(episode), "--format", "openai", "--no-redact", "--out", str(out)]) == 2
    assert "--no-redact is for messages only" in capsys.readouterr().err
    assert not out.exists()


def test_files_that_cannot_be_exported_are_named_and_the_others_go_on(tmp_path, capsys):
    junk = tmp_path / "junk.ipynb"
    junk.write_text("{")
    plain = tmp_path / "plain.ipynb"
    plain.write_text(json.dumps({"metadata": {}, "cells": [], "nbformat": 4, "nbformat_minor": 5}))
    out = tmp_path / "rows.jsonl"
    files = [str(junk), str(plain), str(tmp_path / "none.ipynb"), str(SAMPLES / "done.ipynb")]
    assert main(["export", *files, "--out", str(out)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    for name, line in zip(files, lines, strict=False):
        assert name in line or name == files[-1]
    assert len(out.read_bytes().splitlines()) == 1


def test_an_edited_episode_is_exported_and_that_is_said(tmp_path, capsys):
    notebook = load(SAMPLES / "done.ipynb")
    edited = tmp_path / "edited.ipynb"
    notebook["cells"][4]["source"] = "n = 4"
    edited.write_text(json.dumps(notebook))
    assert main(["export", str(edited), "--out", str(tmp_path / "rows.jsonl")]) == 0
    assert "not as it was recorded: The code of entry 2 is not what ran" in capsys.readouterr().err


def test_an_output_file_is_not_touched_when_nothing_could_be_exported(tmp_path, capsys):
    out = tmp_path / "rows.jsonl"
    out.write_text("mine\n")
    assert main(["export", str(tmp_path / "none.ipynb"), "--out", str(out)]) == 1
    assert out.read_text() == "mine\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl"]
    assert main(["export", str(SAMPLES / "done.ipynb"), "--out", str(tmp_path / "no" / "rows.jsonl")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_bad_rows_are_named_by_line_and_the_exit_code_is_1(tmp_path, capsys):
    rows = tmp_path / "rows.jsonl"
    good = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
    rows.write_text(f"{json.dumps(good)}\n\n{{\n{json.dumps(good)}\n")
    assert main(["import", str(rows), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    assert "codeact: rows.jsonl, line 3: It is no JSON, or it was cut off." in said.err
    assert "2 episodes in" in said.err
    assert [load(line)["metadata"]["codeact"]["source"]["line"] for line in map(Path, said.out.split())] == [1, 4]
    assert main(["import", str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "out")]) == 2


def test_diff_shows_both_episodes_and_says_by_its_exit_code_whether_they_differ(tmp_path, capsys):
    one, two = str(SAMPLES / "done.ipynb"), str(SAMPLES / "failed.ipynb")
    assert main(["diff", one, one]) == 0
    assert "3 same." in capsys.readouterr().out
    assert main(["diff", one, two, "--cells"]) == 1
    shown = capsys.readouterr().out
    assert "print(m)" in shown
    assert "There are **3** rows." in shown
    assert "2 same" in shown
    assert main(["diff", one, two, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [step["verdict"] for step in found["steps"]][:2] == ["same", "same"]
    assert found["header"]["status"] == ["done", "failed"]
    assert main(["diff", one, str(tmp_path / "none.ipynb")]) == 2


def test_texts_of_an_episode_do_no_harm_in_a_terminal(tmp_path):
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self):
            return True

    turns: list = [TaskTurn("[bold]x[/bold]", "Task", "")]
    turns.append(action(turns, 1, "print('\x1b[2J\x1b]0;title\x07')", "\x1b[31mred\x1b[0m [link=x]\ud83d\r\n"))
    writer = create(tmp_path)
    write(writer, turns, "running")
    writer.close()
    notebook = load(writer.path)
    stream = Terminal()
    show(diff(notebook, notebook), "a", "b", stream)
    shown = stream.getvalue()
    assert "\x1b[2J" not in shown
    assert "\x1b]0;" not in shown
    assert "[bold]x[/bold]" in shown
    assert "[link=x]" in shown


def test_a_diff_of_all_kinds_of_steps_is_shown(tmp_path):
    paths = []
    for name, turns in (("a", small_turns()), ("b", small_turns()[:3])):
        writer = create(tmp_path / name)
        write(writer, turns)
        paths.append(writer.path)
    stream = io.StringIO()
    show(diff(*map(load, paths)), "a", "b", stream)
    assert "only-a" in stream.getvalue()
    assert "they part at step 3/-" in stream.getvalue()

"""Episodes of others are replayed in an isolated kernel, on copies of the files that they name."""

from __future__ import annotations

import json

import pytest
from episode_helpers import load, names
from kernel_client import block, write_script

from codeact_kernel.cli import main
from codeact_kernel.episode import provenance
from codeact_kernel.errors import ExecutionError
from codeact_kernel.execute import isolated
from codeact_kernel.oneshot import run
from codeact_kernel.replay import runner
from codeact_kernel.replay.plan import Plan
from codeact_kernel.replay.runner import Options

here = pytest.mark.skipif(bool(isolated.why_not()), reason=isolated.why_not() or "isolated mode can be had")
READS = "print(open('sales.csv').read())\nopen('made.txt', 'w').write('x')"


@pytest.fixture
def made(tmp_path, monkeypatch):
    """An episode made here whose data lies in another folder than it does."""
    monkeypatch.chdir(tmp_path)
    for name in ("data", "demo"):
        (tmp_path / name).mkdir()
    (tmp_path / "data" / "sales.csv").write_text("north,41\n")
    (tmp_path / "data" / "unnamed").mkdir()
    model = write_script(tmp_path, block(READS), "North has 41.")
    found = run("which?", model=model, cwd="data", out="demo/e.ipynb", approve="auto")
    (tmp_path / "data" / "made.txt").unlink()
    return found.episode


def replayed(capsys, *args):
    code = main(["replay", *map(str, args), "--json", "-q"])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])["files"][0]


def test_ones_own_episode_is_replayed_as_before(made, capsys):
    code, found = replayed(capsys, made)
    assert code == 0
    assert not any("made here" in problem for problem in found["problems"])
    assert (made.parent.parent / "data" / "made.txt").exists()


@here
def test_an_episode_of_others_sees_copies_of_its_files_and_changes_nothing(made, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    before = names(tmp_path / "data")
    code, found = replayed(capsys, made)
    assert (code, found["verdict"]) == (0, "same")
    assert any("its replay is isolated" in problem for problem in found["problems"])
    assert names(tmp_path / "data") == before


@here
def test_a_changed_episode_counts_as_a_strangers(made):
    header = load(made)["metadata"]["codeact"]
    assert provenance.made_here(header)
    assert not provenance.made_here({**header, "digest": "0" * 64})
    assert not provenance.made_here({**header, "prelude": "0" * 64})
    assert not provenance.made_here({})


def test_where_nothing_can_be_isolated_it_is_said(made, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(runner, "why_not", lambda: "There is no bubblewrap.")
    code, found = replayed(capsys, made)
    assert code == 0
    assert (
        "This episode was not made here, and its replay is not isolated. There is no bubblewrap."
        in found["problems"]
    )
    code, found = replayed(capsys, made, "--isolated")
    assert (code, found["cannot"]) == (2, "There is no bubblewrap.")


def test_other_languages_are_never_silently_let_out(tmp_path, monkeypatch):
    entered = False
    monkeypatch.setattr(runner, "why_not", lambda: "")
    with pytest.raises(ExecutionError, match="cannot be isolated"):
        runner.how_isolated(Plan((), "julia", {}, (), entered), tmp_path, Options(isolation="yes"))

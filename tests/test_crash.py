"""kill -9 of a user's kernel at every event of an episode: what `codeact recover` makes of what is left."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest
from episode_helpers import load, names
from kernel_client import block, started, write_script

from codeact_kernel.episode.chat import check_messages, conversation
from codeact_kernel.episode.journal import read_events
from codeact_kernel.episode.notebook import verify
from codeact_kernel.types import Step

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")

ACTIONS = 5
REPLIES = [block(f"n{k} = {k} * 111\nprint(n{k})", f"Step {k}.") for k in range(1, ACTIONS + 1)] + ["It is 555."]
EVENTS = ["open", "task", *["completion", "step"] * (ACTIONS + 1), "end"]
CASES = [(when, number) for number in range(len(EVENTS)) for when in ("before", "after")]

DYING = """
import os, signal
from codeact_kernel.episode.journal import Journal
kept, events = Journal.append, []
def append(self, event, data):
    if {when!r} == "before" and len(events) == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    kept(self, event, data)
    if {when!r} == "after" and len(events) == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    events.append(event)
Journal.append = append
"""


@dataclass
class Crash:
    """What a killed kernel left, and what the command made of it."""

    folder: Path
    kinds: list = field(default_factory=list)
    answered: int = 0
    code: int = 0
    out: str = ""
    err: str = ""
    left: set = field(default_factory=set)

    @property
    def nothing(self):
        """Whether it died before anything of the episode was on the disk."""
        return not self.kinds


def crash(folder, scripts, when, number):
    """Kill a kernel at an event, then run `codeact recover` on what it left."""
    folder.mkdir()
    with started(folder) as nb:
        nb.run("%load_ext codeact_kernel\n" + DYING.format(when=when, number=number))
        nb.run_until_death(f"%codeact -m {write_script(scripts, *REPLIES, name=folder.name)} Count up to 555.")
        status = nb.manager.provisioner.process.returncode
    assert status == -signal.SIGKILL, status
    found = Crash(folder)
    journal = next(folder.glob("episodes/*.jsonl"), None)
    if journal is not None:
        events = read_events(journal.read_bytes())
        found.kinds = [event["event"] for event in events]
        found.answered = sum(event["event"] == "step" for event in events)
    file = (
        folder / "episodes" if journal is None else journal if when == "after" else journal.with_suffix(".ipynb")
    )
    done = subprocess.run(
        [sys.executable, "-m", "codeact_kernel.cli", "recover", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
    )
    found.code, found.out, found.err = done.returncode, done.stdout.strip(), done.stderr.strip()
    found.left = names(folder / "episodes")
    return found


@pytest.fixture(scope="module")
def crashes(tmp_path_factory):
    """Every case, two at a time: starting a kernel is mostly waiting."""
    folder, scripts = tmp_path_factory.mktemp("crashes"), tmp_path_factory.mktemp("scripts")
    with ThreadPoolExecutor(2) as pool:
        work = {
            (when, number): pool.submit(crash, folder / f"{when}-{number}", scripts, when, number)
            for when, number in CASES
        }
        return {case: future.result() for case, future in work.items()}


@pytest.fixture(scope="module")
def afterwards(tmp_path_factory):
    with started(tmp_path_factory.mktemp("afterwards")) as notebook:
        yield notebook


def kinds_of(notebook):
    return [cell["metadata"]["codeact"]["kind"] for cell in notebook["cells"]]


@pytest.mark.parametrize(("when", "number"), CASES)
def test_a_kernel_killed_at_any_event_leaves_every_complete_step(crashes, when, number):
    found = crashes[when, number]
    assert found.kinds == EVENTS[: number + (when == "after")]
    if found.nothing:
        assert found.code == 1
        assert len(found.err.splitlines()) == 1
        assert "nothing was left" in found.err
        return
    assert (found.code, found.err) == (0, "")
    assert found.left == {Path(found.out).name}
    notebook = load(Path(found.out))
    nbformat.validate(nbformat.from_dict(notebook))
    header = notebook["metadata"]["codeact"]
    assert header["status"] == ("done" if found.kinds[-1] == "end" else "recovered")
    assert header["steps"] == found.answered
    steps = [turn for turn in conversation(notebook)[1] if isinstance(turn, Step)]
    assert [step.completion.text for step in steps] == REPLIES[: found.answered]
    assert check_messages(notebook) == []
    assert verify(notebook) == []
    actions = [cell for cell in notebook["cells"] if cell["metadata"]["codeact"]["kind"] == "action"]
    assert ["".join(cell["outputs"][0]["text"]) for cell in actions] == [
        f"{k * 111}\n" for k in range(1, min(found.answered, ACTIONS) + 1)
    ]
    assert ("answer" in kinds_of(notebook)) == (found.answered == len(REPLIES))


@pytest.mark.parametrize(("when", "number"), CASES)
def test_a_new_kernel_works_where_another_was_killed(crashes, afterwards, when, number):
    folder = crashes[when, number].folder
    afterwards.run(f"%cd -q {folder}\n%reload_ext codeact_kernel")
    reply, text = afterwards.run(f"%codeact -m {afterwards.script(block('print(7)'), 'It is 7.')} anew")
    assert reply["status"] == "ok", text
    assert "It is 7." in text
    listing = afterwards.run("%codeact list")[1]
    assert listing.count("episodes/") == 1 + (not crashes[when, number].nothing)
    assert "running" not in listing


def test_a_new_kernel_works_beside_an_episode_that_was_not_recovered(afterwards, tmp_path):
    with started(tmp_path) as nb:
        nb.run("%load_ext codeact_kernel\n" + DYING.format(when="after", number=3))
        nb.run_until_death(f"%codeact -m {afterwards.script(*REPLIES)} Count up to 555.")
    before = names(tmp_path / "episodes")
    assert len(before) == 3
    afterwards.run(f"%cd -q {tmp_path}\n%reload_ext codeact_kernel")
    reply, text = afterwards.run(f"%codeact -m {afterwards.script('Yes.')} Count up to 555.")
    assert reply["status"] == "ok", text
    after = names(tmp_path / "episodes")
    assert before < after
    assert len(after) == 4

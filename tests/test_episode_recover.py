"""After a crash: journals cut anywhere, processes killed anywhere."""

from __future__ import annotations

import json
import shutil
import sys

import nbformat
import pytest
from episode_helpers import action, answer, header, load, run_script, small_turns, write
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.episode import chat
from codeact_kernel.episode.cells import source_of
from codeact_kernel.episode.journal import read_events
from codeact_kernel.episode.notebook import verify
from codeact_kernel.episode.recover import recover
from codeact_kernel.episode.schema import check
from codeact_kernel.episode.store import EpisodeWriter
from codeact_kernel.errors import BusyError, EpisodeError
from codeact_kernel.types import Outcome, TaskTurn

EVENTS = ["open", "task", *["completion", "step"] * 5, "end"]


def five_steps() -> list:
    turns: list = [TaskTurn("Count.", "Task: Count.", "")]
    for index in range(1, 5):
        turns.append(action(turns, index, f"n{index} = {index}", f"{index}\n"))
    turns.append(answer(turns, 5, "Counted."))
    return turns


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    """The bytes of a journal and of its notebook, of a process that ended in the middle of step 7."""
    folder = tmp_path_factory.mktemp("crashed")
    writer = EpisodeWriter.create(folder, header=header(), title="Crash", prelude=["import math"])
    turns = small_turns()
    write(writer, turns[:-1], "running")
    writer.completion(turns[-1])
    data = writer.path.with_suffix(".jsonl").read_bytes(), writer.path.read_bytes()
    writer.close()
    return data


def test_a_journal_cut_at_any_byte_gives_all_its_whole_events(crashed):
    data = crashed[0]
    ends = [number for number, byte in enumerate(data) if byte == 10]
    whole = read_events(data)
    assert len(whole) == len(ends) == 15
    lines = data.split(b"\n")
    start = 0
    for number, line in enumerate(lines[:-1]):
        events = whole[:number]
        # Every cut of the line, tried on the line alone: the lines before it are as they were.
        assert all(read_events(line[:cut]) == [] for cut in range(len(line)))
        for cut in (0, 1, len(line) // 2, len(line) - 1):
            assert read_events(data[: start + cut]) == events
        assert read_events(data[: start + len(line)]) == whole[: number + 1]
        start += len(line) + 1


@given(st.binary(max_size=40), st.integers(0, 14))
def test_a_damaged_line_costs_only_itself(crashed, junk, place):
    lines = crashed[0].split(b"\n")
    whole = read_events(crashed[0])
    lines[place] = junk
    events = read_events(b"\n".join(lines))
    assert [event for event in events if event in whole] == whole[:place] + whole[place + 1 :]


def test_a_journal_cut_anywhere_recovers_the_whole_steps(tmp_path, crashed):
    data, turns = crashed[0], small_turns()
    ends = [number for number, byte in enumerate(data) if byte == 10]
    cuts = {0, 1, ends[0] - 1, len(data)} | {end + extra for end in ends for extra in (0, 1, 40)}
    path = tmp_path / "e.ipynb"
    for cut in sorted(cuts):
        path.unlink(missing_ok=True)
        path.with_suffix(".jsonl").write_bytes(data[:cut])
        events = [event["event"] for event in read_events(data[:cut])]
        if not events:
            with pytest.raises(EpisodeError):
                recover(path)
            continue
        assert recover(path.with_suffix(".jsonl")) == path
        notebook = load(path)
        assert chat.conversation(notebook)[1] == turns[: events.count("task") + events.count("step")]
        assert verify(notebook) == []
        assert check(notebook) == []
        nbformat.validate(nbformat.from_dict(notebook))
        assert notebook["metadata"]["codeact"]["status"] == "recovered"
        interrupted = [cell for cell in notebook["cells"] if "**Interrupted.**" in source_of(cell)]
        assert len(interrupted) == (events[-1] == "completion")
        assert {file.name for file in tmp_path.iterdir()} == {"e.ipynb"}


def test_a_journal_cut_at_every_single_byte_recovers_its_whole_steps_or_says_there_is_nothing(tmp_path):
    writer = EpisodeWriter.create(tmp_path, header=header(), title="C", prelude=[])
    turns = five_steps()[:2]
    write(writer, turns, "running")
    data, path = writer.path.with_suffix(".jsonl").read_bytes(), tmp_path / "e.ipynb"
    writer.close()
    seen = set()
    for cut in range(len(data) + 1):
        path.unlink(missing_ok=True)
        path.with_suffix(".jsonl").write_bytes(data[:cut])
        events = [event["event"] for event in read_events(data[:cut])]
        try:
            recover(path)
        except EpisodeError:
            assert not events
            seen.add("nothing")
            continue
        kept = chat.conversation(load(path))[1]
        assert kept == turns[: events.count("task") + events.count("step")]
        seen.add(len(kept))
    assert seen == {"nothing", 0, 1, 2}


def test_recovery_from_a_notebook_older_than_its_journal_takes_both(tmp_path, crashed):
    path = tmp_path / "e.ipynb"
    journal, notebook = crashed
    path.with_suffix(".jsonl").write_bytes(journal)
    old = json.loads(notebook)
    old["cells"] = old["cells"][:6]
    old["metadata"]["mine"] = 1
    path.write_text(json.dumps(old))
    assert recover(tmp_path) == path
    found = load(path)
    assert found["metadata"]["mine"] == 1
    assert chat.conversation(found)[1] == small_turns()[:-1]
    assert verify(found) == []
    assert recover(path) == path
    assert load(path) == found


def test_a_damaged_notebook_is_kept_and_the_episode_recovered_beside_it(tmp_path, crashed):
    path = tmp_path / "e.ipynb"
    path.with_suffix(".jsonl").write_bytes(crashed[0])
    path.write_bytes(crashed[1][:500])
    found = recover(path)
    assert found == tmp_path / "e-recovered.ipynb"
    assert path.read_bytes() == crashed[1][:500]
    assert chat.conversation(load(found))[1] == small_turns()[:-1]


def test_a_journal_of_another_episode_is_refused(tmp_path, crashed):
    path = tmp_path / "e.ipynb"
    path.with_suffix(".jsonl").write_bytes(crashed[0])
    other = json.loads(crashed[1])
    other["metadata"]["codeact"]["episode"] = "0" * 26
    path.write_text(json.dumps(other))
    before = path.read_bytes()
    with pytest.raises(EpisodeError, match="different episodes"):
        recover(path)
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"e.ipynb", "e.jsonl"}


def test_there_may_be_nothing_to_recover(tmp_path):
    with pytest.raises(EpisodeError, match="no journal"):
        recover(tmp_path / "e.ipynb")
    with pytest.raises(EpisodeError, match="nothing was left"):
        recover(tmp_path)
    (tmp_path / "data.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(EpisodeError, match="nothing was left"):
        recover(tmp_path)
    with pytest.raises(EpisodeError):
        recover(tmp_path / "data.jsonl")
    assert (tmp_path / "data.jsonl").read_text() == '{"a": 1}\n'


DATA = '{"region": "north", "event": "click"}\n{"event": "open", "door": 3}\n'


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("name", ["sales.ipynb", "sales.jsonl"])
def test_data_of_the_user_beside_an_episode_is_no_journal(tmp_path, ended, name):
    writer = EpisodeWriter.create(tmp_path, header=header(), title="Sales", path=tmp_path / "sales.ipynb")
    write(writer, five_steps(), None if ended else "running")
    if not ended:
        shutil.copy(writer.path, tmp_path / "copy")
        writer.close()
        (tmp_path / "copy").rename(writer.path)
    (tmp_path / "sales.jsonl").write_text(DATA)
    assert recover(tmp_path / name) == writer.path
    assert (tmp_path / "sales.jsonl").read_text() == DATA
    found = load(writer.path)
    assert found["metadata"]["codeact"]["status"] == ("done" if ended else "recovered")
    assert chat.conversation(found)[1] == five_steps()


def test_a_live_episode_is_not_recovered(tmp_path):
    writer = EpisodeWriter.create(tmp_path, header=header(), title="Live")
    write(writer, five_steps()[:2], "running")
    for path in (writer.path, writer.path.with_suffix(".jsonl"), tmp_path):
        with pytest.raises(BusyError):
            recover(path)
    write(writer, five_steps()[2:])
    assert recover(writer.path) == writer.path
    assert load(writer.path)["metadata"]["codeact"]["status"] == "done"


CASES = (
    [("before", n) for n in range(1, 13)]
    + [("after", n) for n in range(13)]
    + [("saving", n) for n in range(8)]
    + [("saved", n) for n in (0, 6, 7)]
)

KILLED = """
import json, os, signal, sys, traceback
from pathlib import Path
from codeact_kernel.episode import store
from codeact_kernel.episode.journal import Journal
from episode_helpers import header, write
from test_episode_recover import CASES, five_steps

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def run(folder, when, number):
    counts = {"events": 0, "saves": 0}
    append, save = Journal.append, store.save_atomically

    def dying_append(self, event, data):
        if (when, number) == ("before", counts["events"]): kill()
        append(self, event, data)
        if (when, number) == ("after", counts["events"]): kill()
        counts["events"] += 1

    def dying_save(path, data):
        def dying_fsync(fd):
            os.ftruncate(fd, len(data) // 2)
            kill()
        if (when, number) == ("saving", counts["saves"]): os.fsync = dying_fsync
        save(path, data)
        if (when, number) == ("saved", counts["saves"]): kill()
        counts["saves"] += 1

    Journal.append, store.save_atomically = dying_append, dying_save
    write(store.EpisodeWriter.create(folder, header=header(), title="Killed"), five_steps())

for when, number in CASES:
    child = os.fork()
    if not child:
        try:
            run(Path(sys.argv[1]) / f"{when}-{number}", when, number)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (when, number, status)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """One folder for each case, as a process left it that was killed there."""
    folder = tmp_path_factory.mktemp("killed")
    run_script(KILLED, folder)
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
@pytest.mark.parametrize(("when", "number"), CASES)
def test_a_process_killed_anywhere_loses_no_complete_step(killed, when, number):
    folder = killed / f"{when}-{number}"
    journal = next(folder.glob("*.jsonl"))
    kinds = [event["event"] for event in read_events(journal.read_bytes())]
    if when in {"before", "after"}:
        assert kinds == EVENTS[: number + (when == "after")]
    for saved in folder.glob("*.ipynb"):
        assert verify(load(saved)) == []
    path = recover(folder)
    notebook = load(path)
    nbformat.validate(nbformat.from_dict(notebook))
    assert verify(notebook) == []
    assert check(notebook) == []
    assert chat.check_messages(notebook) == []
    assert chat.conversation(notebook)[1] == five_steps()[: kinds.count("task") + kinds.count("step")]
    status = notebook["metadata"]["codeact"]["status"]
    assert status == ("done" if kinds[-1] == "end" else "recovered")
    interrupted = [source_of(cell) for cell in notebook["cells"] if "**Interrupted.**" in source_of(cell)]
    assert len(interrupted) == (kinds[-1] == "completion")
    assert {file.name for file in folder.iterdir()} == {path.name}


def test_a_follow_up_that_crashed_keeps_the_first_task(tmp_path):
    first = EpisodeWriter.create(tmp_path, header=header(), title="Two")
    turns = small_turns()
    write(first, turns)
    more = TaskTurn("And?", "Task: And?", "")
    write(first, [more], "running")
    journal = first.path.with_suffix(".jsonl")
    events = read_events(journal.read_bytes())
    assert events[0]["cells"] == []
    data = journal.read_bytes(), first.path.read_bytes()
    first.end(Outcome("done"))
    journal.write_bytes(data[0])
    first.path.write_bytes(data[1])
    recover(journal)
    notebook = load(first.path)
    assert chat.conversation(notebook)[1] == [*turns, more]
    assert [task["status"] for task in notebook["metadata"]["codeact"]["tasks"]] == ["done", "recovered"]
    assert verify(notebook) == []

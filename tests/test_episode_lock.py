"""One writer per episode: who may write, and what becomes of the locks of the dead."""

from __future__ import annotations

import json
import os

import pytest
from episode_helpers import create, names, run_script

from codeact_kernel.episode.lock import Lock
from codeact_kernel.episode.recover import recover
from codeact_kernel.errors import BusyError


def test_there_is_one_writer(tmp_path):
    writer = create(tmp_path)
    with pytest.raises(BusyError, match="is writing this episode"):
        Lock(writer.path).acquire()
    with pytest.raises(BusyError):
        recover(writer.path)
    code = "import sys; from pathlib import Path; from codeact_kernel.episode.recover import recover; recover(Path(sys.argv[1]))"
    with pytest.raises(AssertionError, match="BusyError: Process"):
        run_script(code, writer.path)
    writer.close()
    lock = Lock(writer.path)
    lock.acquire()
    lock.release()
    assert names(tmp_path) == {writer.path.name}


@pytest.mark.parametrize(
    ("holder", "free"),
    [
        ({"pid": 2**22 + 5, "host": None, "started": 1.0}, True),
        ({"pid": os.getpid(), "host": None, "started": 1.0}, True),
        ({"pid": os.getpid(), "host": None}, False),
        ({"pid": 1, "host": "another host", "started": 1.0}, False),
        ({}, True),
    ],
)
def test_a_lock_is_stale_when_its_process_is_gone(tmp_path, holder, free):
    import socket

    if holder.get("host", "") is None:
        holder = holder | {"host": socket.gethostname()}
    lock = Lock(tmp_path / "e.ipynb")
    lock.path.write_text(json.dumps(holder))
    if free:
        lock.acquire()
        assert json.loads(lock.path.read_text())["pid"] == os.getpid()
        lock.release()
        assert names(tmp_path) == set()
    else:
        with pytest.raises(BusyError):
            lock.acquire()
        assert json.loads(lock.path.read_text()) == holder
        assert names(tmp_path) == {".e.lock"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_writes_nothing_and_keeps_the_lock(tmp_path):
    code = """
import os, sys
from pathlib import Path
from episode_helpers import header, small_turns, write
from codeact_kernel.episode.store import EpisodeWriter
writer = EpisodeWriter.create(Path(sys.argv[1]), header=header(), title="Fork")
turns = small_turns()
write(writer, turns[:2], "running")
journal = writer.path.with_suffix(".jsonl")
before = writer.path.read_bytes(), journal.read_bytes()
child = os.fork()
if not child:
    writer.step(turns[2]); writer.close()
    os._exit(0)
os.waitpid(child, 0)
assert (writer.path.read_bytes(), journal.read_bytes()) == before
assert len(list(Path(sys.argv[1]).iterdir())) == 3
write(writer, turns[2:])
print(len(list(Path(sys.argv[1]).iterdir())))
"""
    assert run_script(code, tmp_path).strip() == "1"

"""Faults of the disk, of files that are no episodes, and of the pages that look on."""

from __future__ import annotations

import errno
import json

import pytest
from episode_helpers import load
from kernel_client import block
from panel_client import Page

from codeact_kernel.episode.chat import check_messages

REPLIES = [block("n = 1\nprint('first', n)"), block("print('second')"), "It is 1."]
BREAK = """
import errno, os
from codeact_kernel.episode import files, journal
whole, real_open, real_sync, calls = journal.write_all, os.open, os.fsync, [0]
def write_all(fd, data):
    calls[0] += 1
    if {fails}:
        raise OSError({number}, os.strerror({number}))
    return whole(fd, data)
journal.write_all = files.write_all = write_all
"""
MEND = "journal.write_all = files.write_all = whole\ndel whole, real_open, real_sync, calls, write_all, files, journal"
ERRORS = {"full": errno.ENOSPC, "broken": errno.EIO, "read-only": errno.EROFS, "over quota": errno.EDQUOT}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("when", ["one write", "every write from then on"])
def test_disk(bench, name, when):
    """The episode goes on in memory, says so once, and is whole as soon as the disk is."""
    fails = "calls[0] == 4" if when == "one write" else "calls[0] >= 4"
    with bench.survives(status={"done"}, steps=3):
        bench.nb.run(BREAK.format(fails=fails, number=ERRORS[name]))
        text = bench.ask(*REPLIES)
        bench.nb.run(MEND)
        if when != "one write":
            assert "cannot be saved" in text
            assert text.count("goes on in memory") == 1
            bench.nb.run("%codeact save episodes/again.ipynb")
            for path in bench.nb.episodes():
                if path.name != "again.ipynb":
                    path.unlink()
            for path in (bench.nb.folder / "episodes").glob("*.jsonl"):
                path.unlink()
    assert "first 1" in bench.observations[0]


def test_the_folder_vanishes(bench):
    code = "import shutil\nshutil.rmtree('episodes')\nprint('gone')"
    with bench.survives(status={"done"}, steps=3):
        bench.ask(block(code), block("print('second')"), "Done, second.", "Done.")
    assert "gone" in bench.observations[0]


def test_the_folder_is_a_file(bench):
    folder = bench.nb.folder / "episodes"
    if folder.exists():
        folder.rmdir()
    folder.write_text("a file")
    try:
        text = bench.ask(*REPLIES)
        assert "cannot be saved" in text
        assert "It is 1." in text
        assert folder.read_text() == "a file"
    finally:
        folder.unlink()
    bench.kernel_answers()


def test_another_program_writes_the_episode(bench):
    code = (
        "import pathlib\n[p.write_text('{}') for p in pathlib.Path('episodes').glob('*.ipynb')]\nprint('written')"
    )
    with bench.survives(status={"done"}, steps=3):
        bench.ask(block(code), block("print('second')"), "Done, second.", "Done.")


def test_the_journal_is_deleted(bench):
    code = "import pathlib\n[p.unlink() for p in pathlib.Path('episodes').glob('*.jsonl')]\nprint('deleted')"
    with bench.survives(status={"done"}, steps=3):
        bench.ask(block(code), block("print('second')"), "Done, second.", "Done.")


HOSTILE = {
    "nothing": b"",
    "zeros": b"\0" * 4096,
    "no JSON": b"{",
    "a list": b"[1]",
    "very deep": b"[" * 100_000,
    "a number for cells": b'{"cells": 7, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
    "infinity": b'{"cells": [], "metadata": {"x": Infinity}, "nbformat": 4, "nbformat_minor": 5}',
    "a later version": json.dumps(
        {
            "cells": [],
            "metadata": {"codeact": {"schema": "codeact-episode", "version": "9.0"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    ).encode(),
    "odd types": json.dumps(
        {
            "cells": [{"cell_type": "code", "source": 7, "metadata": {"codeact": {"kind": 3, "record": []}}}],
            "metadata": {"codeact": {"schema": "codeact-episode", "version": "1.0", "steps": "x", "tasks": 1}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    ).encode(),
    "odd bytes": b"\xff\xfe\x00{" * 50,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_beside_the_episodes(bench, name):
    """It is passed over by the listing, refused in one sentence, and the next episode is as ever."""
    folder = bench.nb.folder / "episodes"
    folder.mkdir(exist_ok=True)
    for suffix in (".ipynb", ".jsonl"):
        (folder / f"hostile{suffix}").write_bytes(HOSTILE[name])
    for cell in ("%codeact list", "%codeact replay episodes/hostile.ipynb"):
        reply, text = bench.nb.run(cell)
        assert "Traceback" not in text
    assert reply["status"] == "error"
    assert text.startswith("UsageError: ")
    for path in folder.glob("hostile*"):
        path.unlink()
    with bench.survives(status={"done"}, steps=3):
        bench.ask(*REPLIES)


def finished(bench, page, run):
    assert page.done(run)["status"] == "done"
    (path,) = bench.nb.episodes()
    assert check_messages(load(path)) == []
    assert load(path)["metadata"]["codeact"]["steps"] == 3
    bench.kernel_answers()


def test_a_page_is_loaded_again_during_the_episode(bench):
    page = Page(bench.nb)
    slow = [block("import time\ntime.sleep(0.5)\nprint('first')"), *REPLIES[1:]]
    run = page.start("go", model=bench.nb.script(*slow), approval="auto")
    page.wait(lambda: page.last("execute"))
    again = Page(bench.nb)
    finished(bench, again, run)
    assert run in json.dumps(again.hello)


def test_a_page_never_runs_the_cells(bench):
    page = Page(bench.nb, passive=True)
    run = page.start("go", model=bench.nb.script(*REPLIES), approval="auto")
    assert page.done(run, timeout=60)["status"] == "done"
    bench.kernel_answers()


def test_a_comm_is_closed_during_the_episode(bench):
    page = Page(bench.nb)
    slow = [block("import time\ntime.sleep(0.5)\nprint('first')"), *REPLIES[1:]]
    run = page.start("go", model=bench.nb.script(*slow), approval="auto")
    page.wait(lambda: page.last("execute"))
    page._content("comm_close", {"comm_id": page.comm_id, "data": {}})
    finished(bench, Page(bench.nb), run)


def test_two_pages_look_on(bench):
    page, other = Page(bench.nb), Page(bench.nb)
    run = other.start("go", model=bench.nb.script(*REPLIES), approval="auto")
    finished(bench, other, run)
    assert page.comm_id != other.comm_id


@pytest.mark.parametrize(
    "data", [{}, {"v": 1}, {"v": 1, "type": "nosuch"}, {"v": 9, "type": "stop"}, [], "x", None]
)
def test_a_page_sends_nonsense(bench, data):
    page = Page(bench.nb)
    page._content("comm_msg", {"comm_id": page.comm_id, "data": data})
    run = page.start("go", model=bench.nb.script(*REPLIES), approval="auto")
    finished(bench, page, run)

"""Episodes among other files: found again, listed, and what their headers say of packages and data."""

from __future__ import annotations

import json
import time

import pytest
from episode_helpers import TASK, answer, create, header, small_turns, write

from codeact_kernel.canonical import sha256
from codeact_kernel.episode.header import files_of, packages_of, ulid
from codeact_kernel.episode.store import answer_of, find, listing
from codeact_kernel.errors import EpisodeError
from codeact_kernel.types import Outcome


def test_the_newest_done_episode_of_a_cell_is_found(tmp_path):
    paths = []
    for number, status in enumerate(["done", "done", "failed"]):
        writer = create(tmp_path)
        turns = small_turns()
        turns[-1] = answer(turns[:-1], 7, f"Answer {number}")
        write(writer, turns if status == "done" else turns[:-1], Outcome(status, cause="It failed."))
        path = tmp_path / f"2026010{number + 1}-000000-x.ipynb"
        writer.path.rename(path)
        paths.append(path)
    (tmp_path / "20270101-000000-junk.ipynb").write_bytes(b"\x00\xff" * 1000)
    (tmp_path / "20270102-000000-cut.ipynb").write_bytes(paths[0].read_bytes()[:900])
    (tmp_path / "20270103-000000-other.ipynb").write_text('{"cells": [], "metadata": {}}')
    (tmp_path / "20270104-000000-folder.ipynb").mkdir()
    key = {"cell_id": "c1", "notebook": "work.ipynb", "task": TASK}
    assert find(tmp_path, **key) == paths[1]
    assert answer_of(paths[1], TASK) == "Answer 1"
    assert answer_of(paths[1], "another") is None
    assert answer_of(paths[2], TASK) is None
    for changed in ({"cell_id": "c2"}, {"notebook": "other.ipynb"}, {"task": TASK + "?"}, {"cell_id": None}):
        assert find(tmp_path, **(key | changed)) is None
    assert find(tmp_path / "none", **key) is None
    with pytest.raises(EpisodeError):
        answer_of(tmp_path / "20270101-000000-junk.ipynb", TASK)
    assert [(listed.path, listed.status, listed.steps) for listed in listing(tmp_path)] == [
        (paths[2], "failed", 6),
        (paths[1], "done", 7),
        (paths[0], "done", 7),
    ]
    assert listing(tmp_path)[0].model == "scripted"


def test_finding_is_fast_and_survives_files_saved_by_other_programs(tmp_path):
    writer = create(tmp_path, header=header(origin={"notebook": "n", "cell_id": "first", "task": TASK}))
    write(writer, small_turns())
    data = writer.path.read_bytes()
    writer.path.unlink()
    again = json.dumps(json.loads(data), sort_keys=True).encode()
    for number in range(200):
        folder = tmp_path / f"2026{number:04}-000000-x.ipynb"
        folder.write_bytes(again if number % 2 else data)
    started = time.perf_counter()
    assert find(tmp_path, cell_id="other", notebook="n", task=TASK) is None
    assert time.perf_counter() - started < 1.0
    found = find(tmp_path, cell_id="first", notebook="n", task=TASK)
    assert found is not None
    assert found.name.startswith("20260199")


def test_the_header_notes_packages_and_files(tmp_path):
    assert set(packages_of(["nbformat.v4", "json", "dateutil", "no_such_module"])) == {
        "nbformat",
        "python-dateutil",
    }
    (tmp_path / "data.csv").write_text("a\n1\n")
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "big.bin").open("wb") as file:
        file.truncate(5 << 20)
    found = files_of(tmp_path)
    assert found == {"data.csv": {"size": 4, "sha256": sha256("a\n1\n")}, "big.bin": {"size": 5 << 20}}
    ids = [ulid() for _ in range(100)]
    assert len(set(ids)) == 100
    assert all(len(name) == 26 for name in ids)
    assert ids[0][:9] <= ids[-1][:9]

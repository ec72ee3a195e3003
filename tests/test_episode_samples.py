"""The frozen episodes of version 1.0, one of each status, are read by today's code as they were by the first."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import get_args

import nbformat
import pytest
from episode_helpers import SYSTEM, load

from codeact_kernel.episode import chat
from codeact_kernel.episode.cells import mark_of
from codeact_kernel.episode.export import FORMATS, export_row
from codeact_kernel.episode.files import listing, read_episode, read_header
from codeact_kernel.episode.imports import import_file
from codeact_kernel.episode.integrity import integrity
from codeact_kernel.episode.notebook import dumps, from_notebook, loads
from codeact_kernel.episode.records import record_digest
from codeact_kernel.episode.recover import recover
from codeact_kernel.episode.redact import Redactor
from codeact_kernel.episode.rows import notebook_of, row_of
from codeact_kernel.episode.schema import check
from codeact_kernel.episode.store import EpisodeWriter
from codeact_kernel.errors import EpisodeError
from codeact_kernel.types import EpisodeStatus, TaskTurn

FOLDER = Path(__file__).parent / "episodes" / "v1.0"
STATUSES = get_args(EpisodeStatus)
KINDS = {
    "running": ["about", "prelude", "task", "thought", "action"],
    "done": ["about", "prelude", "task", "thought", "action", "answer"],
    "failed": ["about", "prelude", "human", "task", "thought", "action", "thought", "action", "error"],
    "interrupted": ["about", "prelude", "human", "task", "thought", "action", "thought", "action", "error"],
    "limit": ["about", "prelude", "human", "task", "thought", "action", "thought", "error"],
    "recovered": ["about", "prelude", "task", "thought", "action", "rejected"],
}


def test_there_is_a_sample_of_every_status():
    assert sorted(KINDS) == sorted(STATUSES)
    for status in STATUSES:
        assert (FOLDER / f"{status}.ipynb").stat().st_size < 20_000


@pytest.mark.parametrize("status", STATUSES)
def test_a_sample_is_valid_whole_and_gives_its_messages(status):
    path = FOLDER / f"{status}.ipynb"
    notebook = load(path)
    header = notebook["metadata"]["codeact"]
    assert (header["status"], header["version"]) == (status, "1.0")
    assert check(notebook) == []
    assert integrity(notebook) == []
    nbformat.validate(nbformat.read(path, as_version=4))
    assert chat.check_messages(notebook) == []
    system, turns = chat.conversation(notebook)
    assert system == SYSTEM
    assert turns[0] == TaskTurn(
        "How many rows has t?", "t (list): 3 items\n\nTask: How many rows has t?", "2026-11-23T09:30:00.000Z"
    )
    assert turns[1].code == "n = len(t)\nprint(n)"
    assert turns[1].observation.text == "3\n"
    assert [mark_of(cell)["kind"] for cell in notebook["cells"]] == KINDS[status]


@pytest.mark.parametrize("status", STATUSES)
def test_a_sample_is_rewritten_as_it_is(status):
    data = (FOLDER / f"{status}.ipynb").read_bytes()
    again = loads(dumps(from_notebook(loads(data))))
    assert again["metadata"] == loads(data)["metadata"]
    assert again["cells"][1:] == loads(data)["cells"][1:]
    assert notebook_of(row_of(loads(data))) == loads(data)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("form", FORMATS)
def test_a_sample_is_exported_in_every_format_and_read_back(tmp_path, status, form):
    row = export_row(FOLDER / f"{status}.ipynb", form, Redactor({}))
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    assert import_file(tmp_path / "rows.jsonl", tmp_path / "out").bad == []


def test_the_samples_are_listed_with_their_headers():
    found = {listed.status: listed for listed in listing(FOLDER) if listed.path.stem in STATUSES}
    assert set(found) == set(STATUSES)
    assert {listed.title for listed in found.values()} == {"How many rows has t?"}
    assert found["done"].steps == 2


def test_the_sample_that_runs_still_recovers_to_the_one_that_was_recovered(tmp_path):
    for suffix in (".ipynb", ".jsonl"):
        shutil.copy(FOLDER / f"running{suffix}", tmp_path)
    recovered = load(recover(tmp_path))
    frozen = load(FOLDER / "recovered.ipynb")
    assert recovered["cells"][1:] == frozen["cells"][1:]
    for name in ("status", "steps", "digest", "usage"):
        assert recovered["metadata"]["codeact"][name] == frozen["metadata"]["codeact"][name]


@pytest.mark.parametrize("status", [status for status in STATUSES if status != "running"])
def test_a_sample_can_be_taken_up_again(tmp_path, status):
    path = Path(shutil.copy(FOLDER / f"{status}.ipynb", tmp_path))
    writer = EpisodeWriter.resume(path)
    writer.task(TaskTurn("And twice that?", "Task: And twice that?", ""))
    writer.close()
    assert integrity(load(path)) == []
    assert check(load(path)) == []


def of_later_minor(notebook):
    """An episode as version 1.7 may write it: new keys everywhere, a new kind of cell, new values in lists."""
    notebook = copy.deepcopy(notebook)
    header = notebook["metadata"]["codeact"]
    header |= {"version": "1.7", "region": {"name": "eu", "cost": 0.25}, "goals": ["a", None]}
    header["model"]["quantisation"] = "q4"
    header["usage"]["reasoning"] = 5
    for number, cell in enumerate(notebook["cells"]):
        mark_of(cell)["confidence"] = number / 8
        cell["metadata"]["later"] = {"x": [1, 2]}
    notebook["cells"].append(
        {
            "cell_type": "markdown",
            "id": "review",
            "metadata": {
                "codeact": {"kind": "review", "position": 4, "record": {"text": "fine", "prev": header["digest"]}}
            },
            "source": ["well done"],
        }
    )
    header["digest"] = record_digest(mark_of(notebook["cells"][-1])["record"])
    return notebook


def test_a_later_minor_version_is_read_and_its_unknown_keys_survive_a_rewrite(tmp_path):
    notebook = of_later_minor(load(FOLDER / "done.ipynb"))
    path = tmp_path / "later.ipynb"
    path.write_text(json.dumps(notebook))
    assert check(notebook) == []
    assert integrity(notebook) == []
    assert len(chat.conversation(notebook)[1]) == 3
    again = loads(dumps(read_episode(path)))
    assert again["metadata"] == notebook["metadata"]
    assert again["cells"][1:] == notebook["cells"][1:]
    writer = EpisodeWriter.resume(path)
    writer.task(TaskTurn("And twice that?", "Task: And twice that?", ""))
    writer.close()
    header = load(path)["metadata"]["codeact"]
    assert (header["version"], header["region"]) == ("1.7", {"name": "eu", "cost": 0.25})
    assert header["model"]["quantisation"] == "q4"
    assert mark_of(load(path)["cells"][4])["confidence"] == 4 / 8
    review = next(cell for cell in load(path)["cells"] if cell["id"] == "review")
    assert mark_of(review) == mark_of(notebook["cells"][-1])
    assert integrity(load(path)) == []


@pytest.mark.parametrize("version", ["2.0", "2.7", "10.0"])
def test_a_new_major_version_is_refused_by_every_reader_with_one_sentence(tmp_path, version):
    notebook = load(FOLDER / "done.ipynb")
    notebook["metadata"]["codeact"]["version"] = version
    path = tmp_path / "new.ipynb"
    path.write_text(json.dumps(notebook))
    readers = [
        lambda: read_episode(path),
        lambda: check(notebook),
        lambda: integrity(notebook),
        lambda: chat.conversation(notebook),
        lambda: EpisodeWriter.resume(path),
        *(lambda form=form: export_row(path, form, Redactor({})) for form in FORMATS),
    ]
    for reader in readers:
        with pytest.raises(
            EpisodeError, match=rf"version {version}, made by a newer codeact-kernel; .* upgrade it\.$"
        ):
            reader()
    assert read_header(path)["version"] == version

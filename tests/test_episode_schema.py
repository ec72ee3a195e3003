"""Old episodes stay readable: the frozen sample of each schema version, and the schema itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import jsonschema
import nbformat
import pytest
from episode_helpers import SYSTEM, create, load, small_turns, write

from codeact_kernel.agent.prompt import build, digest_of
from codeact_kernel.episode import chat
from codeact_kernel.episode.cells import mark_of
from codeact_kernel.episode.notebook import dumps, from_notebook, loads, verify
from codeact_kernel.episode.recover import recover
from codeact_kernel.episode.schema import check, check_version
from codeact_kernel.episode.schema import load as load_schema
from codeact_kernel.episode.store import answer_of, find
from codeact_kernel.errors import EpisodeError

SAMPLES = Path(__file__).parent / "episodes"
V1 = SAMPLES / "v1.0" / "sample.ipynb"
TASK = "How many rows? Half of \ud83d and \ude00, \x00, \u2028 and caf\u00e9"


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(load_schema())


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("v*/sample.ipynb")), ids=lambda path: path.parent.name)
def test_a_frozen_sample_is_valid_and_whole(path):
    notebook = load(path)
    assert check(notebook) == []
    assert verify(notebook) == []
    assert chat.check_messages(notebook) == []
    nbformat.validate(nbformat.from_dict(notebook))


def test_the_frozen_sample_of_version_1_reads_as_it_did_when_it_was_written():
    notebook = load(V1)
    system, turns = chat.conversation(notebook)
    assert system == SYSTEM
    assert turns[0].text == TASK
    assert [getattr(turn, "kind", "task") for turn in turns] == [
        "task", "action", "action", "rejected", "action", "note", "action", "answer", "task", "answer",
    ]  # fmt: skip
    assert turns[7].request.view == {"1": 2}
    assert turns[6].observation.images[0][1].data.startswith("iVBORw0KGgo")
    messages = build(system, turns, turns[7].request.view, images=True)
    assert digest_of(messages) == "0b3f15afcb0bd6cb33c34f5077deb43b6149b75af41d345381645f4a8b3ba1ae"
    assert [mark_of(cell)["kind"] for cell in notebook["cells"]] == [
        "about", "prelude", "prelude", "task", "thought", "action", "thought", "action", "rejected", "rejected",
        "thought", "thought", "action", "answer", "human", "task", "answer", "error",
    ]  # fmt: skip
    assert answer_of(V1, TASK) == "There are **3** rows."
    assert answer_of(V1, "And k?") == "k is 5."
    assert find(V1.parent, cell_id="c1", notebook="work.ipynb", task=TASK) == V1


def test_a_rewrite_changes_no_data_of_the_frozen_sample():
    notebook = load(V1)
    again = loads(dumps(from_notebook(notebook)))
    assert again["metadata"] == notebook["metadata"]
    assert again["cells"][1:] == notebook["cells"][1:]


def test_the_frozen_journal_of_version_1_still_recovers(tmp_path):
    for suffix in (".ipynb", ".jsonl"):
        shutil.copy(V1.with_name("sample-crashed.ipynb").with_suffix(suffix), tmp_path)
    notebook = load(recover(tmp_path))
    assert chat.conversation(notebook)[1] == chat.conversation(load(V1))[1][:9]
    assert verify(notebook) == []
    assert check(notebook) == []
    assert notebook["metadata"]["codeact"]["status"] == "recovered"


def test_a_newer_major_version_is_refused_and_a_newer_minor_read(tmp_path):
    writer = create(tmp_path)
    write(writer, small_turns())
    notebook = load(writer.path)
    notebook["metadata"]["codeact"]["version"] = "1.9"
    notebook["metadata"]["codeact"]["later"] = {"x": 1}
    assert check(notebook) == []
    assert len(chat.conversation(notebook)[1]) == 8
    notebook["metadata"]["codeact"]["version"] = "2.0"
    for reader in (check, chat.conversation):
        with pytest.raises(EpisodeError, match=r"version 2.0, made by a newer codeact-kernel"):
            reader(notebook)
    with pytest.raises(EpisodeError):
        check_version({"version": "x"})


def test_the_schema_notices_what_is_wrong(tmp_path):
    writer = create(tmp_path)
    write(writer, small_turns())
    notebook = load(writer.path)
    notebook["metadata"]["codeact"]["status"] = "great"
    del mark_of(notebook["cells"][1])["record"]["content"]
    mark_of(notebook["cells"][3])["record"]["finish"] = 3
    problems = check(notebook)
    assert len(problems) == 3
    assert problems[0].startswith("metadata/codeact/status: 'great'")

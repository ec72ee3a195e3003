"""An episode, or a row, with anything at all in one of its places: read, or refused in a sentence; never a crash."""

from __future__ import annotations

import asyncio
import copy
import json
from pathlib import Path

import pytest
from episode_helpers import load
from hypothesis import given, settings
from hypothesis import strategies as st

from codeact_kernel.episode.diffing import diff, to_json
from codeact_kernel.episode.export import FORMATS, export_row, row_bytes
from codeact_kernel.episode.files import answer_of, listing
from codeact_kernel.episode.imports import import_file
from codeact_kernel.episode.integrity import integrity
from codeact_kernel.episode.redact import Redactor
from codeact_kernel.errors import CodeActError, EpisodeError
from codeact_kernel.replay import loading
from codeact_kernel.replay.fork import branch
from codeact_kernel.replay.plan import plan
from codeact_kernel.replay.rehearse import rehearse

SAMPLES = sorted((Path(__file__).parent / "episodes" / "v1.0").glob("*.ipynb"))
WHOLE = {path.stem: load(path) for path in SAMPLES}
VALUES = [None, 0, -1, 10**30, 0.5, True, "", "x", [], ["a"], [1], [[]], [{}], {}, {"a": 1}, {"text": [1]}]


def places(value, way=()):
    """The ways to all that is in a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*way, key)
        yield from places(item, (*way, key))


PLACES = {name: [way for way in places(made) if len(way) < 10] for name, made in WHOLE.items()}


def damaged(made, way, value, *, gone=False):
    """A deep copy with a value at a place, or with nothing there."""
    made = copy.deepcopy(made)
    owner = made
    for key in way[:-1]:
        owner = owner[key]
    if gone:
        del owner[way[-1]]
    else:
        owner[way[-1]] = copy.deepcopy(value)
    return made


@st.composite
def damages(draw):
    name = draw(st.sampled_from(sorted(WHOLE)))
    way = draw(st.sampled_from(PLACES[name]))
    return WHOLE[name], damaged(WHOLE[name], way, draw(st.sampled_from(VALUES)), gone=draw(st.booleans()))


def read_in_every_way(folder, whole, made):
    """Do with a damaged episode all that is done with files; only our own errors may come out."""
    path = folder / "damaged.ipynb"
    path.write_text(json.dumps(made))
    ways = [
        lambda: integrity(made),
        lambda: json.dumps(to_json(diff(whole, made, cells=False)), allow_nan=False),
        lambda: answer_of(path, "x"),
        lambda: plan(loading.load(path, trust=True), path, anyway=True, without_prelude=True),
        lambda: branch(loading.load(path, trust=True)),
        lambda: asyncio.run(rehearse(loading.load(path, trust=True), path)),
        *(lambda form=form: row_bytes(export_row(path, form, Redactor({}))) for form in FORMATS),
    ]
    said = [sentence for sentence in map(refusal, ways) if sentence is not None]
    listing(folder)
    assert all(sentence.endswith(".") for sentence in said), said
    return len(said)


def refusal(way):
    try:
        way()
    except CodeActError as error:
        return str(error)
    return None


@settings(max_examples=60, deadline=None)
@given(damages())
def test_a_damaged_episode_is_read_or_refused(tmp_path_factory, made):
    read_in_every_way(tmp_path_factory.mktemp("damage"), *made)


def cell_with(kind):
    cells = WHOLE["done"]["cells"]
    return next(number for number, cell in enumerate(cells) if cell["metadata"]["codeact"]["kind"] == kind)


RECORD = ("cells", cell_with("action"), "metadata", "codeact", "record")
OUTPUTS = ("cells", cell_with("action"), "outputs")


@pytest.mark.parametrize(
    ("way", "value"),
    [
        ((*RECORD, "code"), {}),
        ((*RECORD, "thought"), ["x"]),
        ((*RECORD, "request"), "x"),
        ((*RECORD, "observation", "text"), 5),
        ((*RECORD, "surrogates"), {"/text": [{"a": 1}]}),
        (("cells", cell_with("task"), "metadata", "codeact", "record", "content"), {}),
        (OUTPUTS, [{"output_type": "stream", "name": "stdout", "text": [{}]}]),
        (OUTPUTS, ["x"]),
        (("cells", 1), "x"),
        (("metadata", "codeact", "kernel"), "python3"),
    ],
)
def test_what_is_needed_and_has_the_wrong_type_is_refused(tmp_path, way, value):
    assert read_in_every_way(tmp_path, WHOLE["done"], damaged(WHOLE["done"], way, value)) >= (
        0 if "surrogates" in way else 3
    )


def test_an_episode_whose_task_was_deleted_is_not_called_rehearsed():
    made = copy.deepcopy(WHOLE["done"])
    del made["cells"][cell_with("task")]
    with pytest.raises(EpisodeError, match="its task was deleted"):
        asyncio.run(rehearse(made, "it"))


def test_rows_with_odd_places_and_roles_are_named_and_the_others_are_imported(tmp_path):
    good = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}
    odd_role = {"messages": [{"role": ["user"], "content": "hi"}]}
    row = export_row(SAMPLES[0], "messages", None)
    odd_place = copy.deepcopy(row)
    odd_place["messages"][1]["at"] = "/cells/" + "9" * 5000 + "/metadata"
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in (odd_role, odd_place, good)))
    found = import_file(file, tmp_path / "made")
    assert [line.split(":")[0] for line in found.bad] == ["rows.jsonl, line 1", "rows.jsonl, line 2"]
    assert len(found.paths) == 1

"""Nothing is lost: notebook -> row of messages -> notebook, exactly; and messages after whatever others do to a notebook."""

from __future__ import annotations

import copy
import json
import subprocess
import sys

import nbformat
import pytest
from episode_helpers import (
    AT,
    SYSTEM,
    action,
    asked,
    conversations,
    create,
    header,
    load,
    outputs,
    reply,
    small_turns,
    texts,
    write,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from codeact_kernel.episode import chat
from codeact_kernel.episode.cells import (
    Entry,
    error_entry,
    human_entry,
    interrupted_entry,
    mark_of,
    prelude_entry,
    step_entry,
    task_entry,
)
from codeact_kernel.episode.export import export_row, row_bytes
from codeact_kernel.episode.imports import import_file
from codeact_kernel.episode.integrity import integrity, prelude_digest
from codeact_kernel.episode.notebook import Episode, dumps, loads
from codeact_kernel.episode.plain import escape, plain
from codeact_kernel.episode.redact import Redactor
from codeact_kernel.episode.rows import notebook_of, row_of
from codeact_kernel.episode.schema import check
from codeact_kernel.types import Step, TaskTurn

PARTS, EXAMPLES = 4, 250
"""A thousand generated episodes, in parts that each stay far from the time limit of a test on a busy machine."""

HURRIED = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "phases": [Phase.generate],  # an episode takes longer to shrink than a test may
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
foreign_cells = st.builds(
    lambda kind, source, extra: {
        "cell_type": kind,
        "id": "x",
        "metadata": {"mine": plain(extra)},
        "source": source,
    },
    st.sampled_from(["markdown", "raw"]),
    texts.map(plain),
    json_values,
)
huge = st.builds(lambda text, times: text * times, texts, st.sampled_from([0, 1, 1, 1, 3000]))


@st.composite
def episodes(draw) -> Episode:
    """An episode of every kind of entry, cells of others between them, with unknown keys and odd values."""
    made = Episode(header={})
    sources = draw(st.lists(texts, max_size=3))
    position = 0
    if sources:
        cwd = draw(st.sampled_from([".", "../data", "."]))
        made.entries.append(prelude_entry(sources, 0, draw(st.sets(st.integers(0, 2))), cwd))
        position = 1
    turns: list = []
    for turn in draw(conversations()):
        if isinstance(turn, Step) and draw(st.integers(0, 9)) == 0:
            turn = turn.with_(drafts=(draw(huge),))  # noqa: PLW2901
        make = task_entry if isinstance(turn, TaskTurn) else step_entry
        made.entries.append(make(turn, position, made.head))
        turns.append(turn)
        position += 1
        if draw(st.integers(0, 4)) == 0:
            cells = draw(st.lists(outputs, max_size=2))
            made.entries.append(
                human_entry(draw(huge), cells, draw(st.none() | st.integers(0, 9)), position, made.head)
            )
            position += 1
        if draw(st.integers(0, 5)) == 0:
            made.entries.append(Entry("foreign", -1, (draw(foreign_cells) | {"id": f"foreign-{position}"},)))
    last = draw(st.sampled_from(["", "error", "interrupted"]))
    if last == "error":
        made.entries.append(
            error_entry(draw(st.sampled_from(["failed", "limit"])), draw(texts), position, made.head)
        )
    elif last == "interrupted":
        step = Step(99, "action", reply(draw(texts)), asked(turns), code=draw(st.none() | texts))
        made.entries.append(interrupted_entry(step, position, made.head))
    extra = {"steps": made.steps, "digest": made.head, "later": draw(json_values), "title": draw(huge)}
    made.header = escape(header() | extra | {"prelude": prelude_digest(made)})
    made.metadata = {"mine": plain(draw(json_values))}
    return made


@pytest.mark.parametrize("part", range(PARTS))
def test_a_thousand_generated_episodes_come_back_from_their_row_byte_for_byte(part):
    @settings(max_examples=EXAMPLES, **HURRIED)
    @given(episodes())
    def check_one(episode):
        data = dumps(episode)
        notebook = loads(data)
        line = row_bytes(row_of(notebook))
        row = json.loads(line.decode("utf-8"), parse_constant=pytest.fail)
        again = notebook_of(row)
        assert again == notebook
        assert json.dumps(again) == json.dumps(notebook)
        assert notebook == loads(data)
        assert check(again) == []
        assert integrity(again) == []
        assert chat.check_messages(again) == []
        said = [message["content"] for message in row["messages"]]
        _, turns = chat.conversation(notebook)
        wanted = [SYSTEM]
        for turn in turns:
            seen = getattr(turn, "observation", None)
            wanted += [turn.content] if isinstance(turn, TaskTurn) else [turn.completion.text]
            wanted += [seen.text] if seen else []
        assert said == [plain(text) for text in wanted]

    check_one()


def test_a_row_holds_each_text_once(tmp_path):
    writer = create(tmp_path)
    turns: list = [TaskTurn("q", "the question and its context", AT)]
    turns.append(
        action(turns, 1, "1", "what came of it, in words of its own\n").with_(
            completion=reply("a reply that is long enough to count")
        )
    )
    write(writer, turns)
    row = json.dumps(export_row(writer.path, "messages", Redactor({})))
    assert row.count("the question and its context") == 1
    assert row.count("a reply that is long enough to count") == 1


def test_files_go_through_a_row_and_come_back_with_their_bytes(tmp_path):
    paths = []
    for number in range(3):
        writer = create(tmp_path / "in", title=f"task {number}", prelude=["import math"] * number)
        write(writer, small_turns(), "running" if number == 2 else None)
        writer.close()
        paths.append(writer.path)
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(b"".join(row_bytes(export_row(path, "messages", Redactor({}))) for path in paths))
    result = import_file(rows, tmp_path / "out")
    assert result.bad == result.notes == []
    assert [path.name for path in result.paths] == [path.name for path in paths]
    assert [path.read_bytes() for path in result.paths] == [path.read_bytes() for path in paths]


def test_an_edited_episode_comes_back_edited_and_that_is_said(tmp_path):
    writer = create(tmp_path)
    write(writer, small_turns())
    notebook = load(writer.path)
    notebook["cells"].pop(3)
    edited = tmp_path / "edited.ipynb"
    edited.write_text(json.dumps(notebook))
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(row_bytes(export_row(edited, "messages", Redactor({}))))
    result = import_file(rows, tmp_path / "out")
    assert load(result.paths[0]) == notebook
    assert "not as it was recorded" in result.notes[0]


def test_a_message_that_was_edited_in_its_row_is_noticed(tmp_path):
    writer = create(tmp_path)
    write(writer, small_turns())
    row = export_row(writer.path, "messages", Redactor({}))
    row["messages"][2]["content"] += "!"
    assert any("edited" in problem for problem in integrity(notebook_of(row)))


# -- what others do to a notebook


def through_nbformat(notebook):
    return json.loads(nbformat.writes(nbformat.reads(json.dumps(notebook), as_version=4)))


def cleared(notebook):
    """What *Edit > Clear Outputs of All Cells* does."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
            cell["metadata"].pop("execution", None)
    return notebook


def stripped(notebook):
    from nbstripout import strip_output

    made = nbformat.reads(json.dumps(notebook), as_version=4)
    return json.loads(nbformat.writes(strip_output(made, keep_output=False, keep_count=False, keep_id=False)))


def through_collaboration(notebook):
    """A save by a server with collaborative editing: the notebook goes into a shared document and comes out again."""
    from jupyter_ydoc import YNotebook

    document = YNotebook()
    text = json.dumps(nbformat.reads(json.dumps(notebook), as_version=4))
    # pycrdt panics at integers of more than 64 bits; a browser would have made them floats
    document.set(json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 19 else float(digits)))
    return json.loads(json.dumps(document.get()))


CHANGES = [through_nbformat, cleared, stripped, through_collaboration]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_messages_are_rebuilt_after(change):
    @settings(max_examples=40, **HURRIED)
    @given(episodes())
    def check_one(episode):
        before = loads(dumps(episode))
        after = change(before)
        assert chat.check_messages(after) == []
        assert integrity(after) == []
        assert check(after) == []
        one, two = chat.conversation(before), chat.conversation(after)
        assert [without_outputs(turn) for turn in one[1]] == [without_outputs(turn) for turn in two[1]]
        assert notebook_of(json.loads(row_bytes(row_of(plain(after))))) == plain(after)

    check_one()


def without_outputs(turn):
    """A turn as it is without the outputs of its cell: pictures keep their digest."""
    if isinstance(turn, TaskTurn):
        return turn
    ran, seen = turn.execution, turn.observation
    if ran is not None:
        names = ("status", "started", "finished", "result", "stdin")
        ran = type(ran)(**{name: getattr(ran, name) for name in names})
    if seen is not None:
        images = tuple((number, type(image)(image.mime, "", image.sha256)) for number, image in seen.images)
        seen = type(seen)(seen.status, seen.text, images, seen.dropped_chars, seen.dropped_images)
    return turn.with_(execution=ran, observation=seen)


def test_messages_are_rebuilt_after_the_command_nbstripout(tmp_path):
    writer = create(tmp_path)
    write(writer, small_turns())
    subprocess.run([sys.executable, "-m", "nbstripout", str(writer.path)], check=True, timeout=120)
    notebook = load(writer.path)
    assert not any(cell.get("outputs") for cell in notebook["cells"])
    assert chat.check_messages(notebook) == []
    assert integrity(notebook) == []
    assert len(chat.conversation(notebook)[1]) == len(small_turns())


@pytest.mark.parametrize("clear", [False, True])
def test_messages_are_rebuilt_after_a_run_under_nbclient(tmp_path, clear):
    from nbclient import NotebookClient

    writer = create(tmp_path, prelude=["import math"], cwd=tmp_path)
    write(writer, small_turns())
    before = load(writer.path)
    made = nbformat.reads(json.dumps(cleared(before) if clear else before), as_version=4)
    NotebookClient(
        made, timeout=120, startup_timeout=120, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    nbformat.write(made, writer.path)
    after = load(writer.path)
    ran = [cell for cell in after["cells"] if mark_of(cell).get("kind") == "action"]
    assert ran[0]["outputs"][0]["text"] == ["3\n"]
    assert chat.check_messages(after) == []
    assert integrity(after) == []
    assert notebook_of(row_of(after)) == after

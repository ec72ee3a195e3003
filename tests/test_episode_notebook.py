"""Episodes as notebooks, and back."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

import nbformat
import pytest
from episode_helpers import AT, SYSTEM, action, answer, conversations, header, picture, small_turns
from hypothesis import given, settings
from hypothesis import strategies as st

from codeact_kernel.agent.prompt import build, digest_of
from codeact_kernel.canonical import sha256
from codeact_kernel.episode import chat
from codeact_kernel.episode.cells import human_entry, mark_of, prelude_entry, source_of, step_entry, task_entry
from codeact_kernel.episode.notebook import Episode, dumps, from_notebook, loads, verify
from codeact_kernel.episode.plain import escape, plain, unescape
from codeact_kernel.episode.schema import check
from codeact_kernel.errors import EpisodeError
from codeact_kernel.types import TaskTurn

if TYPE_CHECKING:
    import random


def episode_of(turns, head=None) -> Episode:
    episode = Episode(header={})
    for position, turn in enumerate(turns):
        make = task_entry if isinstance(turn, TaskTurn) else step_entry
        episode.entries.append(make(turn, position, episode.head))
    episode.header = escape((head or header()) | {"steps": episode.steps, "digest": episode.head})
    return episode


def notebook_of(turns, head=None) -> dict:
    return loads(dumps(episode_of(turns, head)))


def without_nan(turn):
    """The turn as JSON can hold it: outputs without NaN, no surrogates in outputs."""
    if isinstance(turn, TaskTurn) or turn.execution is None or turn.execution.status == "refused":
        return turn
    ran = turn.execution
    changed = {
        name: getattr(ran, name)
        for name in ("status", "execution_count", "started", "finished", "result", "stdin")
    }
    return turn.with_(execution=type(ran)(**changed, outputs=tuple(plain(ran.outputs))))


@settings(max_examples=60, deadline=None)
@given(conversations(), st.text(st.characters(), max_size=20))
def test_any_conversation_comes_back_from_the_json_text_and_gives_the_same_messages(turns, system):
    head = header()
    head["prompt"]["system"] = system
    data = dumps(episode_of(turns, head))
    notebook = loads(data)
    found_system, found = chat.conversation(notebook)
    assert found_system == system
    assert found == [without_nan(turn) for turn in turns]
    for images in (False, True):
        assert build(system, found, images=images) == build(system, turns, images=images)
    assert verify(notebook) == []
    assert check(notebook) == []
    nbformat.validate(nbformat.reads(data.decode(), as_version=4))
    nbformat.writes(nbformat.reads(data.decode(), as_version=4)).encode("utf-8")


@settings(max_examples=40, deadline=None)
@given(conversations(), st.randoms(use_true_random=False))
def test_messages_survive_cleared_outputs_new_ids_moved_cells_and_stripped_timing(turns, chance: random.Random):
    notebook = notebook_of(turns)
    for number, cell in enumerate(notebook["cells"]):
        cell["id"] = f"{number}"
        cell["metadata"].pop("execution", None)
        cell["metadata"].pop("tags", None)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    chance.shuffle(notebook["cells"])
    _, found = chat.conversation(notebook)
    assert digest_of(build(SYSTEM, found, images=True)) == digest_of(build(SYSTEM, turns, images=True))


@settings(max_examples=40, deadline=None)
@given(conversations())
def test_request_digests_are_met_by_messages_rebuilt_from_the_notebook_alone(turns):
    assert chat.check_messages(notebook_of(turns)) == []


def test_an_edited_message_is_reported():
    notebook = notebook_of(small_turns())
    for cell in notebook["cells"]:
        if mark_of(cell).get("kind") == "task":
            mark_of(cell)["record"]["content"] += "!"
    assert len(chat.check_messages(notebook)) == 7
    with pytest.raises(EpisodeError, match="cannot be rebuilt"):
        chat.messages_before(*chat.conversation(notebook), 1)


def test_saving_by_another_program_changes_nothing_that_matters(tmp_path):
    turns = small_turns()
    path = tmp_path / "episode.ipynb"
    path.write_bytes(dumps(episode_of(turns)))
    nbformat.write(nbformat.read(path, as_version=4), path)
    notebook = json.loads(path.read_bytes())
    assert chat.conversation(notebook) == (SYSTEM, turns)
    assert verify(notebook) == []


def test_each_kind_of_step_is_shown_as_the_design_says():
    cells = notebook_of(small_turns())["cells"]
    shown = [(cell["cell_type"], mark_of(cell)["kind"], mark_of(cell).get("step")) for cell in cells]
    assert shown == [
        ("markdown", "about", None),
        ("markdown", "task", None),
        ("markdown", "thought", 1),
        ("code", "action", 1),
        ("markdown", "thought", 2),
        ("code", "action", 2),
        ("markdown", "rejected", 3),
        ("markdown", "rejected", 4),
        ("markdown", "thought", 5),
        ("markdown", "thought", 6),
        ("code", "action", 6),
        ("markdown", "answer", 7),
    ]
    assert source_of(cells[1]) == "How many rows?"
    assert cells[5]["metadata"]["tags"] == ["raises-exception"]
    assert "tags" not in cells[3]["metadata"]
    assert set(cells[3]["metadata"]["execution"].values()) == {AT, "2026-11-23T09:30:01.000Z"}
    assert "```python\nimport os; os.remove('x')\n```" in source_of(cells[6])
    assert "not my file" in source_of(cells[6])
    assert source_of(cells[-1]) == "There are **3** rows."


def test_refused_code_cannot_close_its_own_fence():
    turns = small_turns()[:1]
    bad = action(turns, 1, "x = '''\n````\n'''").with_(kind="rejected", execution=None)
    shown = source_of(step_entry(bad, 1, None).cells[0])
    assert shown.count("`````") == 2


def test_a_cell_that_never_ended_is_skipped_by_run_all():
    turns = small_turns()[:1]
    step = action(turns, 1, "while True: pass", status="timeout")
    cell = step_entry(step, 1, None).cells[-1]
    assert cell["metadata"]["tags"] == ["raises-exception", "skip-execution"]


def test_nan_is_never_written():
    output = {
        "output_type": "execute_result",
        "execution_count": 1,
        "metadata": {},
        "data": {"application/json": {"a": float("nan"), "b": [float("inf")]}},
    }
    turns = small_turns()[:1]
    data = dumps(episode_of([*turns, action(turns, 1, "1", outputs=[output])]))
    found = json.loads(data, parse_constant=pytest.fail)
    assert found["cells"][-1]["outputs"][0]["data"]["application/json"] == {"a": None, "b": [None]}


def test_a_picture_the_model_saw_is_not_stored_twice():
    data = dumps(episode_of(small_turns()))
    assert data.count(picture().data.encode()) == 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    )
)
def test_escaped_values_come_back_exactly_and_are_strict_utf8(value):
    stored = escape({"a/b~": value})
    text = json.dumps(stored, ensure_ascii=False)
    text.encode("utf-8")
    assert unescape(json.loads(text)) == {"a/b~": value}


def test_marks_that_do_not_fit_are_ignored():
    for marks in ("x", {"/t": "x"}, {"/t": [[0, "41"]]}, {"/t": [[9, "d800"]]}, {"/t": [["x", "d800"], [0]]}):
        assert unescape({"t": "\ufffd", "surrogates": marks}) == {"t": "\ufffd"}


def edited(change) -> list[str]:
    notebook = notebook_of(small_turns())
    change(notebook["cells"])
    return verify(notebook)


def test_the_chain_detects_what_was_deleted_moved_or_edited():
    assert edited(lambda cells: None) == []
    assert any("deleted" in problem for problem in edited(lambda cells: cells.pop(3)))
    assert any("lost its record" in problem for problem in edited(lambda cells: cells.pop(3)))
    assert any("deleted" in problem for problem in edited(lambda cells: cells.pop(7)))
    assert any("deleted" in problem for problem in edited(lambda cells: cells.pop()))
    assert any("moved" in problem for problem in edited(lambda cells: cells.insert(1, cells.pop(5))))
    assert any("copied" in problem for problem in edited(lambda cells: cells.append(copy.deepcopy(cells[3]))))
    assert any("not what ran" in problem for problem in edited(lambda cells: cells[3].update(source="n = 4")))

    def rewrite(cells):
        mark_of(cells[3])["record"]["observation"]["text"] = "4\n"

    assert any("does not follow" in problem for problem in edited(rewrite))

    def rewrite_last(cells):
        mark_of(cells[-1])["record"]["text"] = "4"

    assert any("header" in problem for problem in edited(rewrite_last))


def test_foreign_cells_and_unknown_keys_survive_a_rewrite():
    notebook = notebook_of(small_turns())
    notebook["metadata"]["mine"] = {"a": 1}
    notebook["metadata"]["codeact"]["later"] = {"b": 2}
    mark_of(notebook["cells"][3])["record"]["later"] = 3
    notebook["cells"][3]["metadata"]["scrolled"] = True
    notebook["cells"].insert(4, {"cell_type": "raw", "id": "step-1-action", "metadata": {}, "source": "my note"})
    again = loads(dumps(from_notebook(notebook)))
    assert again["metadata"]["mine"] == {"a": 1}
    assert again["metadata"]["codeact"]["later"] == {"b": 2}
    assert mark_of(again["cells"][3])["record"]["later"] == 3
    assert again["cells"][3]["metadata"]["scrolled"] is True
    assert source_of(again["cells"][4]) == "my note"
    assert len({cell["id"] for cell in again["cells"]}) == len(again["cells"])


def test_a_human_cell_and_the_prelude_replay_but_are_no_messages():
    turns = small_turns()
    episode = episode_of(turns)
    human = human_entry("k = 5", [], 9, len(turns), episode.head)
    episode.entries.append(human)
    episode.entries.append(prelude_entry(["import math", "%matplotlib inline"], len(turns) + 1))
    episode.header["digest"] = episode.head
    notebook = loads(dumps(episode))
    assert chat.conversation(notebook) == (SYSTEM, turns)
    assert verify(notebook) == []
    assert mark_of(human.cells[0])["record"]["source"] == sha256("k = 5")
    assert notebook["cells"][-1]["metadata"]["jupyter"] == {"source_hidden": True}


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b'{"cells": 1}', b"\x00\xff", b'{"metadata": {}, "cells": []}', b"[" * 5000]
)
def test_junk_is_an_episode_error(data):
    with pytest.raises(EpisodeError):
        from_notebook(loads(data))


def test_a_lost_record_is_an_episode_error_of_one_sentence():
    notebook = notebook_of(small_turns())
    del mark_of(notebook["cells"][1])["record"]["content"]
    with pytest.raises(EpisodeError, match="lacks 'content'"):
        chat.conversation(notebook)
    del mark_of(notebook["cells"][1])["record"]
    with pytest.raises(EpisodeError, match="lost its record"):
        chat.conversation(notebook)


def test_the_episode_runs_in_a_fresh_kernel(tmp_path):
    from nbclient import NotebookClient

    turns = small_turns()
    turns[-1:] = [
        action(turns[:-1], 7, "import time\nwhile True: time.sleep(1)", status="interrupted"),
        answer(turns[:-1], 8, "3"),
    ]
    notebook = nbformat.reads(dumps(episode_of(turns)).decode(), as_version=4)
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert outputs[0][0]["text"] == "3\n"
    assert outputs[1][0]["ename"] == "NameError"
    assert outputs[2][0]["data"]["text/plain"] == "4"

"""Two episodes side by side: steps that answer to each other stand together, whatever was added or changed."""

from __future__ import annotations

import copy
import json
import random
import time
from importlib import util
from unittest import mock

import pytest
from episode_helpers import SYSTEM, action, answer, header, small_turns
from hypothesis import given, settings
from test_episode_notebook import conversations, notebook_of

from codeact_kernel.episode import diffing
from codeact_kernel.episode.diffing import cell_lines, diff, to_json
from codeact_kernel.errors import EpisodeError
from codeact_kernel.types import TaskTurn


def made(*cells: tuple[str, str], said: str = "3", task: str = "How many rows?") -> dict:
    """An episode of these (code, output) and an answer."""
    turns: list = [TaskTurn(task, f"Task: {task}", "")]
    for number, (code, output) in enumerate(cells, 1):
        turns.append(action(turns, number, code, output))
    turns.append(answer(turns, len(turns), said))
    return notebook_of(turns)


def shape(found):
    return [(pair.verdict, pair.a and pair.a.index, pair.b and pair.b.index) for pair in found.pairs]


def code_cell(source, *texts):
    outputs = [{"output_type": "stream", "name": "stdout", "text": text} for text in texts]
    return {
        "cell_type": "code",
        "id": "c",
        "metadata": {},
        "execution_count": 1,
        "source": source,
        "outputs": outputs,
    }


def html_cell(text):
    output = {"output_type": "display_data", "metadata": {}, "data": {"text/html": text}}
    return code_cell("x") | {"outputs": [output]}


def scattered(count, letters="ab", seed=0):
    chance = random.Random(seed)
    return "".join(chance.choice(letters) for _ in range(count))


ODD = {
    "a long line": (code_cell(scattered(20_000)), code_cell(scattered(20_000, seed=1))),
    "a long line of HTML": tuple(html_cell(scattered(5_000, seed=seed)) for seed in (2, 3)),
    "lines among empty ones": tuple(
        code_cell("\n\n".join(f"{name}{i}" for i in range(5_000))) for name in "ab"
    ),
    "many outputs": tuple(code_cell("x", *(scattered(9, seed=n) for n in range(k, 3_000 + k))) for k in (0, 1)),
    "a large output": (code_cell("x", scattered(200_000, "ab\n")), code_cell("x", scattered(200_000, "ab\n", 1))),
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_cells_are_compared_in_time_whatever_they_hold(odd):
    cell_lines(code_cell("1"), code_cell("2"))  # nbdime takes seconds to import
    began = time.monotonic()
    found = cell_lines(*odd)
    assert time.monotonic() - began < 10
    assert found
    assert cell_lines(odd[0], odd[0]) == []


def test_steps_are_paired_in_time_whatever_their_code():
    """Words that stand between all others, such as commas, could each answer to each."""
    episodes = (
        made(*((" , ".join(f"{name}{step}_{i}" for i in range(400)), "") for step in range(30))) for name in "ab"
    )
    began = time.monotonic()
    found = diff(*episodes, cells=False)
    assert time.monotonic() - began < 20
    assert [pair.verdict for pair in found.pairs] == ["same", *["differs"] * 30, "same"]


LOAD, COUNT, SHOW = ("df = read('a.csv')", ""), ("print(len(df))", "3\n"), ("df.head()", "...")


def test_an_episode_is_the_same_as_itself():
    notebook = notebook_of(small_turns())
    found = diff(notebook, copy.deepcopy(notebook))
    assert found.same
    assert found.header == {}
    assert {pair.verdict for pair in found.pairs} == {"same"}
    assert [pair.a.kind for pair in found.pairs] == [
        "task", "action", "action", "rejected", "action", "note", "action", "answer",
    ]  # fmt: skip


def test_a_step_that_only_one_has_stands_alone_and_the_others_together():
    found = diff(made(LOAD, COUNT), made(LOAD, SHOW, COUNT))
    assert shape(found) == [("same", 0, 0), ("same", 1, 1), ("only-b", None, 2), ("same", 2, 3), ("same", 3, 4)]
    assert shape(diff(made(LOAD, SHOW, COUNT), made(LOAD, COUNT)))[2] == ("only-a", 2, None)


def test_a_step_done_in_another_way_stands_beside_it_and_what_differs_is_named():
    other = ("df = read('a.csv', sep=';')", "warned\n")
    found = diff(made(LOAD, COUNT), made(other, COUNT, said="4"))
    assert shape(found) == [("same", 0, 0), ("differs", 1, 1), ("same", 2, 2), ("differs", 3, 3)]
    assert found.pairs[1].changed == ("code", "seen", "outputs")
    assert found.pairs[3].changed == ("thought",)
    assert not found.same
    assert any("sep" in line for line in found.pairs[1].cells)


def test_the_same_code_with_another_output_differs_in_what_was_seen():
    found = diff(made(LOAD, COUNT), made(LOAD, ("print(len(df))", "4\n")))
    assert found.pairs[2].changed == ("seen", "outputs")
    assert any("4" in line and line.startswith("+") for line in found.pairs[2].cells)


def test_blank_lines_and_white_space_at_line_ends_do_not_part_steps():
    found = diff(made(("a = 1\nb = 2", "")), made(("a = 1  \n\nb = 2\n", "")))
    assert shape(found)[1][1:] == (1, 1)


def test_headers_are_compared_in_what_may_explain_a_difference():
    one, two = made(LOAD), made(LOAD)
    head = two["metadata"]["codeact"]
    head["model"]["id"], head["packages"], head["sampling"]["temperature"] = "other", {"numpy": "2.4.6"}, 0.7
    head["prompt"]["system"] = SYSTEM + "!"
    found = diff(one, two)
    assert set(found.header) == {"model", "package numpy", "sampling temperature", "system prompt"}
    assert found.header["model"] == ("scripted", "other")
    assert found.same


def test_many_different_steps_are_compared_in_bounded_time():
    one = made(*((f"a{number} = {number}", "") for number in range(70)))
    two = made(*((f"b{number} * {number}", "") for number in range(60)))
    found = diff(one, two)
    assert len({pair.a.index for pair in found.pairs if pair.a}) == 72
    assert len({pair.b.index for pair in found.pairs if pair.b}) == 62


@settings(max_examples=40, deadline=None)
@given(conversations(), conversations())
def test_every_step_of_both_stands_in_the_comparison_once_and_in_order(one, two):
    with mock.patch.object(diffing.util, "find_spec", return_value=None):  # nbdime takes its time over odd texts
        _every_step_once(one, two)


def _every_step_once(one, two):
    found = diff(notebook_of(one), notebook_of(two))
    for side, turns in (("a", one), ("b", two)):
        sides = [getattr(pair, side) for pair in found.pairs if getattr(pair, side) is not None]
        assert [each.index for each in sides] == [getattr(turn, "index", 0) for turn in turns]
    json.dumps(to_json(found), allow_nan=False).encode()
    assert diff(notebook_of(one), notebook_of(one)).same


def test_cells_are_compared_with_and_without_nbdime(monkeypatch):
    one, two = (made(cell)["cells"][3] for cell in (COUNT, ("print(len(df) + 1)", "4\n")))
    ways = []
    if util.find_spec("nbdime") is not None:
        ways.append(cell_lines(one, two))
    monkeypatch.setattr(diffing.util, "find_spec", lambda name: None)
    ways.append(cell_lines(one, two))
    for lines in ways:
        assert any(line.startswith("-") and "print(len(df))" in line for line in lines)
        assert any(line.startswith("+") and "print(len(df) + 1)" in line for line in lines)
        assert any(line.startswith("+") and "4" in line for line in lines)
    assert cell_lines(one, copy.deepcopy(one)) == []


def test_what_is_no_episode_is_refused():
    with pytest.raises(EpisodeError):
        diff(made(LOAD), {"cells": [], "metadata": {}})
    newer = notebook_of(small_turns(), header(version="2.0"))
    with pytest.raises(EpisodeError, match="newer"):
        diff(newer, made(LOAD))

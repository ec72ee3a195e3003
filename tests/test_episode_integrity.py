"""An edited, reordered or cut episode is reported as such; a whole one, and one with cleared outputs, is not."""

from __future__ import annotations

import copy

import pytest
from episode_helpers import create, load, small_turns, write

from codeact_kernel.episode.cells import mark_of
from codeact_kernel.episode.integrity import integrity
from codeact_kernel.episode.notebook import dumps, from_notebook, loads
from codeact_kernel.errors import EpisodeError


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An episode with a prelude, a cell of the user and all kinds of steps."""
    folder = tmp_path_factory.mktemp("episodes")
    writer = create(folder, prelude=["import math", "k = 5"], cwd=folder.parent)
    writer.human("k + 1", [], 3)
    write(writer, small_turns())
    return load(writer.path)


def places(notebook, kind):
    """Where the cells of a kind stand, but for the one that goes to the working folder; there is at least one."""
    marks = [mark_of(cell) for cell in notebook["cells"]]
    found = [place for place, mark in enumerate(marks) if mark.get("kind") == kind and mark.get("role") != "cwd"]
    assert found
    return found


def after(whole, change):
    notebook = copy.deepcopy(whole)
    change(notebook)
    return integrity(notebook)


def test_a_whole_episode_has_no_problem(whole):
    assert integrity(whole) == []
    assert integrity(loads(dumps(from_notebook(whole)))) == []


def test_cleared_outputs_and_added_cells_are_no_fault(whole):
    def clear(notebook):
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
        notebook["cells"].insert(
            4, {"cell_type": "code", "id": "mine", "metadata": {}, "source": "1", "outputs": []}
        )

    assert after(whole, clear) == []


@pytest.mark.parametrize("kind", ["prelude", "task", "action", "human", "answer", "rejected"])
def test_a_deleted_cell_of_any_kind_is_reported(whole, kind):
    for place in places(whole, kind):
        assert after(whole, lambda notebook, place=place: notebook["cells"].pop(place)), place


@pytest.mark.parametrize("kind", ["prelude", "action", "human"])
def test_edited_code_of_any_kind_is_reported(whole, kind):
    words = "not those that were recorded" if kind == "prelude" else "edited"
    for place in places(whole, kind):
        problems = after(whole, lambda notebook, place=place: notebook["cells"][place].update(source="x = 1"))
        assert len(problems) == 1
        assert words in problems[0]


def test_every_pair_of_neighbours_that_changes_places_is_reported(whole):
    for place in range(1, len(whole["cells"]) - 1):
        one, two = (mark_of(whole["cells"][at]).get("position") for at in (place, place + 1))
        if one == two:
            continue

        def swap(notebook, place=place):
            cells = notebook["cells"]
            cells[place], cells[place + 1] = cells[place + 1], cells[place]

        assert any("moved or copied" in problem for problem in after(whole, swap))


def test_an_edited_record_and_a_changed_header_are_reported(whole):
    def edit(notebook):
        mark_of(notebook["cells"][places(whole, "action")[0]])["record"]["observation"]["text"] = "4"

    assert any("does not follow" in problem for problem in after(whole, edit))
    change = {"steps": 9}
    assert after(whole, lambda notebook: notebook["metadata"]["codeact"].update(change)) == [
        "The header counts 9 steps, and the notebook holds 7."
    ]


@pytest.mark.parametrize(
    "damage",
    [
        lambda notebook: notebook.pop("cells"),
        lambda notebook: notebook.update(metadata=[]),
        lambda notebook: notebook["cells"].append(1),
        lambda notebook: notebook["cells"].append({"cell_type": "code", "metadata": [], "source": ""}),
        lambda notebook: notebook["cells"].append({"cell_type": "code", "metadata": {}, "source": 3}),
        lambda notebook: notebook["cells"].append({"metadata": {}, "source": ""}),
        lambda notebook: notebook["cells"].append(
            {"cell_type": "code", "metadata": {}, "source": "", "outputs": [1]}
        ),
        lambda notebook: mark_of(notebook["cells"][3]).update(kind=[]),
        lambda notebook: mark_of(notebook["cells"][3]).update(position=[]),
        lambda notebook: mark_of(notebook["cells"][4])["record"].update(text=float("nan")),
        lambda notebook: notebook["metadata"].update(codeact={}),
        lambda notebook: notebook["metadata"]["codeact"].update(version="2.0"),
    ],
)
def test_hostile_shapes_are_one_sentence(whole, damage):
    notebook = copy.deepcopy(whole)
    damage(notebook)
    try:
        problems = integrity(notebook)
    except EpisodeError as error:
        problems = [str(error)]
    assert problems
    assert all(problem.endswith((".", "it.")) and "\n" not in problem for problem in problems)

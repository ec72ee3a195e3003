"""Fork and resume: a new episode whose state was rebuilt, whatever model goes on."""

from __future__ import annotations

import asyncio
import json

import nbformat
import pytest
from kernel_client import block, write_script
from replay_helpers import changed, notebook, record, save

from codeact_kernel.branch import fork
from codeact_kernel.episode.cells import mark_of
from codeact_kernel.episode.chat import check_messages, conversation
from codeact_kernel.episode.integrity import integrity
from codeact_kernel.episode.schema import check
from codeact_kernel.errors import ConfigError, EpisodeError
from codeact_kernel.replay.environment import start_folder
from codeact_kernel.replay.fork import branch, model_of
from codeact_kernel.replay.plan import plan
from codeact_kernel.replay.rehearse import rehearse
from codeact_kernel.types import TaskTurn

REPLIES = [
    block("rows = [3, 1, 2]\nprint(sorted(rows))"),
    block("import random\nprint(random.random())\nrows.append(4)"),
    block("total = sum(rows)\ntotal"),
    "The total is 10.",
]


@pytest.fixture(scope="module")
def episode(tmp_path_factory):
    return record(tmp_path_factory.mktemp("fork"), REPLIES, setup=["factor = 10"])


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    """An episode that reached its limit, whose script goes on."""
    return record(tmp_path_factory.mktemp("limited"), REPLIES, max_steps=2)


def load(path):
    return json.loads(path.read_bytes())


def model(folder, *replies):
    return write_script(folder, *replies)


def whole(made):
    nbformat.validate(nbformat.from_dict(made))
    return integrity(made) + check(made) + check_messages(made)


def test_a_fork_goes_on_from_a_rebuilt_state_as_a_new_episode(episode, tmp_path, capsys):
    before = episode.read_bytes()
    goes_on = model(tmp_path, block("print(sum(rows) * factor, 'total' in dir())"), "It is 100.")
    result = fork(episode, step=2, model=goes_on, task="Ten times?", out=tmp_path / "fork.ipynb")
    assert (result.status, result.answer, result.steps) == ("done", "It is 100.", 2)
    made, old = load(result.episode), load(episode)
    header, parent = made["metadata"]["codeact"], old["metadata"]["codeact"]
    assert header["parent"] == parent["episode"] != header["episode"]
    assert (header["parent_step"], header["steps"], header["status"]) == (2, 4, "done")
    assert header["model"]["backend"] == "scripted"
    assert header["usage"]["calls"] == 4
    assert [task["status"] for task in header["tasks"]] == ["interrupted", "done"]
    assert whole(made) == []
    kinds = [mark_of(cell).get("kind") for cell in made["cells"]]
    assert [kind for kind in kinds if kind != "thought"] == ["about", "prelude", "task", "action", "action",
                                                             "task", "action", "answer"]  # fmt: skip
    outputs = [cell["outputs"] for cell in made["cells"] if mark_of(cell).get("kind") == "action"]
    assert "100 False" in str(outputs[2])
    assert outputs[0] == next(cell["outputs"] for cell in old["cells"] if mark_of(cell).get("kind") == "action")
    # The figure that changed is told to the user and to the model.
    assert "step 2 gave something else (differs)" in capsys.readouterr().err
    tasks = [turn for turn in conversation(made)[1] if isinstance(turn, TaskTurn)]
    assert tasks[1].text == "Ten times?"
    assert "1 of its cells gave something else" in tasks[1].content
    assert "(step 2)" in tasks[1].content
    # It lies elsewhere, and is replayed in the folder that its parent worked in.
    assert header["cwd"] != "."
    planned = plan(made, "it")
    assert start_folder(planned, tmp_path).resolve() == episode.parent
    assert asyncio.run(rehearse(made)).problem == ""
    assert episode.read_bytes() == before


def test_without_a_task_the_old_one_goes_on_and_the_fork_lies_beside_its_parent(limited, tmp_path):
    goes_on = model(
        tmp_path, block("print(len(rows), total)"), block("total = sum(rows)\ntotal"), "The total is 10."
    )
    result = fork(limited, model=goes_on)
    assert (result.status, result.answer) == ("done", "The total is 10.")
    assert result.episode == limited.with_name("episode-fork.ipynb")
    made = load(result.episode)
    assert made["metadata"]["codeact"]["parent_step"] == 2
    assert whole(made) == []
    texts = [turn.text for turn in conversation(made)[1] if isinstance(turn, TaskTurn)]
    assert texts == ["What is the total of the rows?"] * 2
    again = fork(result.episode, step=3, model=model(tmp_path, "The total is still 10."))
    assert again.episode.name == "episode-fork-fork.ipynb"
    assert load(again.episode)["metadata"]["codeact"]["parent"] == made["metadata"]["codeact"]["episode"]


def test_what_cannot_be_forked_is_said_before_anything_starts(episode, tmp_path):
    script = model(tmp_path, "x")
    for options, words in (
        ({"step": 9, "model": script}, "no step 9; its steps are 1 to 4"),
        ({"model": script}, "Step 4 is the answer"),
        ({"step": 2}, "was a script"),
        ({"step": 2, "model": script, "out": episode}, "exists already"),
        ({"step": 2, "model": "nonsense:x"}, "nonsense"),
    ):
        with pytest.raises(ConfigError, match=words):
            fork(episode, **options)
    with pytest.raises(EpisodeError, match="no episode"):
        fork(save(tmp_path / "plain.ipynb", notebook("1")), model=script)

    def edit(made):
        next(cell for cell in made["cells"] if mark_of(cell).get("kind") == "action")["source"] = "rows = []"

    edited = save(tmp_path / "edited.ipynb", changed(load(episode), edit))
    with pytest.raises(EpisodeError, match="was changed since"):
        fork(edited, step=2, model=script)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".ipynb", ".ipynb", ".jsonl"]


def test_a_branch_is_whole_at_every_step(episode):
    made = load(episode)
    for step in range(1, 5):
        kept = branch(made, step)
        assert (kept.step, kept.answered, kept.task) == (step, step == 4, "What is the total of the rows?")
        assert kept.episode.steps == step
        assert kept.episode.header["digest"] == kept.episode.head
    assert branch(made).step == 4
    assert branch(made, 2).episode.header["usage"]["calls"] == 2


def test_the_model_of_an_episode_is_named_as_a_setting():
    assert (
        model_of({"model": {"backend": "llamacpp", "id": "qwen2.5-coder-1.5b"}}) == "llamacpp:qwen2.5-coder-1.5b"
    )
    assert model_of({"model": {"id": None}}) == ""
    assert model_of({}) == ""

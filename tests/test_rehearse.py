"""Rehearse: the loop of this version says to the model what was said then, or shows the first difference."""

from __future__ import annotations

import asyncio
import inspect
import json

import pytest
from episode_helpers import create, small_turns, write
from kernel_client import block, write_script
from replay_helpers import changed, record

from codeact_kernel.agent import context, loop, observation, prompt
from codeact_kernel.agent.formats import code as code_format
from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import EpisodeError
from codeact_kernel.execute.fresh import FreshExecutor
from codeact_kernel.models.base import complete
from codeact_kernel.models.tape import Take, TapeEndError, TapeError, TapeModel, differing
from codeact_kernel.replay import rehearse as module
from codeact_kernel.replay.rehearse import rehearse
from codeact_kernel.session import Session
from codeact_kernel.terminal_view import QuietView
from codeact_kernel.types import Completion, Message, Sampling

REPLIES = [
    "Let me look.\n" + block("rows = [3, 1, 2]\nprint(sorted(rows))"),
    block("print(nothing_here)"),
    block("import warnings\nwarnings.warn('careful')\ntotal = sum(rows)\ntotal"),
    block("def f(x):\n    return x\nopen('a.txt', 'w').write('hello' * 300)\ndel rows"),
    block("print(\n"),
    block("print('New: z (int) = 5')\nz = 5"),
    block("y = 1"),
    block("y = 1"),
    block("y = 1"),
    block("for i in range(30000):\n    print(i)"),
    "",
    "The total is 6.",
]


@pytest.fixture(scope="module")
def episode(tmp_path_factory):
    """A real episode with an error, a warning, a new function, a file, a repetition, a long output, an empty reply."""
    path = record(tmp_path_factory.mktemp("rehearse"), REPLIES, max_steps=30)
    return json.loads(path.read_bytes())


def run(notebook):
    return asyncio.run(rehearse(notebook, "it"))


def test_an_episode_is_rehearsed_without_model_and_kernel(episode):
    found = run(episode)
    assert (found.problem, found.difference, found.notes) == ("", "", ())
    assert found.steps == found.of == 11
    assert found.exit_code == 0


def words_with(monkeypatch, name, change):
    real = prompt.words
    monkeypatch.setattr(prompt, "words", lambda asked: change(real(asked)) if asked == name else real(asked))


def mutate(monkeypatch, target, old, new):
    """Put a copy of a module's function or constant in its place, with one piece of its text changed."""
    source = inspect.getsource(target)
    assert old in source
    names = dict(vars(target))
    exec(compile(source.replace(old, new, 1), target.__name__, "exec"), names)
    for name, value in names.items():
        if name in vars(target) and not name.startswith("__"):
            monkeypatch.setattr(target, name, value)


@pytest.mark.parametrize("name", ["system", "after-step", "after-error", "after-syntax-error", "repeated-success"])
def test_one_character_in_the_words_is_found_and_shown(episode, monkeypatch, name):
    words_with(monkeypatch, name, lambda text: text[:-1] + "!")
    found = run(episode)
    assert found.problem
    assert found.exit_code == 1
    added = [line for line in found.difference.split("\n") if line.startswith("+")]
    assert any(line.endswith("!") for line in added), found.difference
    assert f"Message {1 if name == 'system' else ''}" in found.difference


@pytest.mark.parametrize(
    ("target", "old", "new"),
    [
        (code_format, 'strip("\\n").rstrip()', 'strip("\\n")+" "'),
        (code_format, "Your reply was empty.", "Your reply was Empty."),
        (code_format, 'return "\\n".join(text for _, text in sorted(parts)).strip()', 'return "x"'),
        (observation, 'f"Output:\\n{printed}"', 'f"Output\\n{printed}"'),
        (observation, 'f"On stderr:\\n{warned}"', 'f"On stderr: \\n{warned}"'),
        (observation, "The code ran without output.", "The code ran without outputs."),
        (observation, 'f"Error: {report.ename}: {value}"', 'f"Error {report.ename}: {value}"'),
        (observation, '"  {where}, line {number}"', '"  {where}: line {number}"'),
        (observation, "Print what you need to see.", "Print what you want to see."),
        (observation, 'f"Result: {text}"', 'f"Results: {text}"'),
        (context, 'f"New: {_variable', 'f"Now: {_variable'),
        (context, 'f"New function: ', 'f"New functions: '),
        (context, 'f"Removed: ', 'f"Removed  '),
    ],
)
def test_one_character_in_parser_or_renderer_is_found_and_shown(episode, monkeypatch, target, old, new):
    mutate(monkeypatch, target, old, new)
    if target is observation:
        monkeypatch.setattr(loop.observation, "observe", observation.observe)
    found = run(episode)
    assert found.problem, (found.steps, found.notes)
    assert "Message " in found.difference
    assert "\n-" in found.difference
    assert "\n+" in found.difference


def test_the_head_that_a_clip_keeps_is_checked_too(episode, monkeypatch):
    mutate(monkeypatch, observation, "head: float = 0.6", "head: float = 0.5")
    assert "observation" in run(episode).problem


def test_pictures_and_cells_that_were_refused_rehearse_too(tmp_path):
    replies = [
        block("import base64\nfrom IPython.display import Image, display\n"
              "display(Image(base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==')))"),
        block("import os\nos.remove('x')"),
        "I cannot.",
    ]  # fmt: skip
    path = record(tmp_path, replies, approve="ask-if-risky")
    found = run(json.loads(path.read_bytes()))
    assert (found.problem, found.steps) == ("", 3), found


def test_each_task_is_rehearsed_within_its_own_bounds(tmp_path):
    """The limit of steps is heard in the words before the last one, the limit of characters in what is left out."""
    replies = [
        block("print('x' * 5000)"),
        "It printed x.",
        block("print('y' * 900)"),
        block("print(2)"),
        "It is 2.",
    ]
    asked = [("one", {"max_steps": 2}), ("two", {"max_steps": 3, "observation_chars": 300})]

    async def tasks():
        session, executor = Session(tmp_path), FreshExecutor(cwd=tmp_path)
        await executor.start()
        try:
            for task, settings in asked:
                script = write_script(tmp_path, *(replies[:2] if task == "one" else replies[2:]))
                config = CodeAct(model=script, approval="auto", **settings)
                await session.ask(task, config, executor=executor, view=QuietView(), stop=Stop())
            return session.writer.path
        finally:
            await session.close()
            await executor.close()

    made = json.loads(asyncio.run(tasks()).read_bytes())
    found = run(made)
    assert (found.problem, found.difference, found.notes, found.steps) == ("", "", (), 5)
    for name in ("max_steps", "observation_chars"):
        assert run(changed(made, lambda notebook: header_tasks(notebook)[1].update({name: 4000}))).problem  # noqa: B023


def header_tasks(notebook):
    return notebook["metadata"]["codeact"]["tasks"]


def test_an_episode_of_before_tasks_had_bounds_takes_those_of_the_header(episode):
    def older(notebook):
        for task in header_tasks(notebook):
            del task["max_steps"], task["observation_chars"]
        del notebook["metadata"]["codeact"]["policy"]["observation_chars"]

    found = run(changed(episode, older))
    assert (found.problem, found.notes, found.steps) == ("", (), 11)


def test_cleared_outputs_are_said_to_be_unchecked_and_are_no_difference(episode):
    def clear(notebook):
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None

    found = run(changed(episode, clear))
    assert (found.problem, found.steps) == ("", 11)
    assert any("cleared" in note for note in found.notes)


def test_an_edited_reply_is_found(episode):
    def edit(notebook):
        record = next(cell["metadata"]["codeact"]["record"] for cell in notebook["cells"] if "step" in cell["id"]
                      and "text" in cell["metadata"]["codeact"].get("record", {}))  # fmt: skip
        record["text"] = record["text"].replace("rows", "rowz")

    found = run(changed(episode, edit))
    assert "parser" in found.problem
    assert "rowz" in found.difference


def test_an_episode_whose_words_no_version_made_is_no_rehearsal(tmp_path):
    writer = create(tmp_path)
    write(writer, small_turns())
    found = run(json.loads(writer.path.read_bytes()))
    assert "step 1" in found.problem
    assert "Message 1 (system) differs" in found.difference


def test_a_notebook_that_is_no_episode_is_refused():
    with pytest.raises(EpisodeError, match="no episode"):
        run({"metadata": {}, "cells": []})


def ask(tape, *contents):
    messages = [Message("user", content) for content in contents]
    return asyncio.run(complete(tape, messages, Sampling(), Stop(), lambda _: None))


def test_the_tape_answers_recorded_messages_only_and_invents_nothing():
    hello = [Message("user", "hello")]
    take = Take(Completion("hi", "stop"), prompt.digest_of(hello), "step 1", lambda: hello)
    assert ask(TapeModel([take]), "hello").text == "hi"
    tape = TapeModel([take])
    with pytest.raises(TapeError, match="step 1") as caught:
        ask(tape, "hello!")
    assert caught.value.difference == "Message 1 (user) differs:\n-hello\n+hello!"
    assert tape.error is caught.value
    with pytest.raises(TapeEndError):
        ask(TapeModel([]), "hello")


def test_a_difference_is_short_and_shows_where_long_lines_part():
    old = "a" * 5000 + "x" + "b" * 5000
    shown = differing([Message("user", old)], [Message("user", old.replace("x", "y"))])
    assert len(shown) < 600
    assert "axb" in shown
    assert "ayb" in shown
    many = "\n".join(map(str, range(500)))
    assert shown.count("\n") < 20
    assert differing([Message("user", many)], [Message("user", many.replace("1", "2"))]).endswith("more lines")


def test_the_module_needs_no_kernel():
    assert "execute" not in [name.split(".")[1] for name in _imports(module) if name.startswith("codeact_kernel.")]


def _imports(module):
    import ast

    tree = ast.parse(inspect.getsource(module))
    return [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]

"""What of M3ToolEval runs beside the authors' code: reads their tasks and runs their tools and actions.

Stdlib only: it is sent as text into kernels and processes that have nothing of ours.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import itertools
import json
import os
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

CODE = "code"


def package(folder: Any) -> Any:
    """Import the authors' `tasks` package from the folder it lies in, without its chatter; return its base."""
    try:
        importlib.import_module("tqdm")
    except ImportError:  # they draw a bar with it, which nobody sees
        stub: Any = types.ModuleType("tqdm")
        stub.tqdm = lambda items=(), **_: items
        sys.modules["tqdm"] = stub
    sys.path.insert(0, os.fspath(folder))
    with quiet():
        importlib.import_module("tasks")
    return sys.modules["tasks.base"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what is printed: the authors' code prints what it does."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def all_tasks(base: Any) -> list[Any]:
    """Return the tasks in the order in which their harness runs them."""
    return list(itertools.chain.from_iterable(made for made, _ in base.task_iterators))


def modes(base: Any) -> dict[str, Any]:
    """Return {our name of an action space: theirs}."""
    return {mode.value.partition("_")[0]: mode for mode in base.ActionMode}


def describe(folder: Any) -> str:
    """Return everything of the tasks that is not code, as JSON."""
    base = package(folder)
    found = []
    for task in all_tasks(base):
        with quiet():
            task.reset()
        found.append(
            {
                "name": task.name,
                "instruction": task.instruction,
                "expected": repr(task.expected_output),
                "single": bool(task.is_single_tool_task),
                "tools": [[tool.fn_signature, tool.description] for tool in task.tools.values()],
                "prompts": {name: task.get_prompt(mode) for name, mode in modes(base).items()},
                "also": [repr(value) for value in also_right(task)],
            }
        )
    return json.dumps({"tasks": found, "said": said(all_tasks(base)[0])})


def said(task: Any) -> dict[str, str]:
    """Return the sentences with which their parser refuses a reply, or mends one."""
    two = "Answer: 1 Answer: 2", "Action: 1 Action: 2"
    return {
        "both": task.parse_generation("Answer: Action:")["content"],
        "neither": task.parse_generation("")["content"],
        "answers": task.parse_generation(two[0])["extra_info"],
        "actions": task.parse_generation(two[1])["extra_info"],
    }


def also_right(task: Any) -> list[Any]:
    """Return answers that are right too where the expected one is not what is asked for.

    `longest_decoded_string` asks for the longest of three messages and expects the shortest length.
    """
    if not task.name.endswith("/longest_decoded_string"):
        return []
    tools = {name: tool.function for name, tool in task.tools.items()}
    words, shifts = ["4a656d", "4b6867", "4c696f"], [2, 3, 5]
    try:
        decoded = [
            tools["caesar_decode"](tools["reverse_string"](tools["convert_hex_to_ascii"](word)), shift)
            for word, shift in zip(words, shifts)  # noqa: B905 - also for Python 3.9
        ]
    except Exception:
        return []
    longest = max(map(len, decoded))
    return [longest, *(word for word in decoded if len(word) == longest)]


def open_task(folder: Any, name: str) -> Any:
    """Return a task, fresh, with its tools made."""
    task = next(task for task in all_tasks(package(folder)) if task.name == name)
    with quiet():
        task.reset()
    return task


def play(shell: Any, folder: Any, name: str) -> None:
    """Make the magic that carries out one action as their harness does: `%%act code` and the action below."""
    task = open_task(folder, name)
    spaces = modes(sys.modules["tasks.base"])

    def act(line: str, cell: str) -> None:
        with quiet():
            result = str(task.execute_action(cell, spaces[line.strip() or CODE]))
        sys.stdout.write(result)

    shell.register_magic_function(act, "cell", "act")


def tools(shell: Any, folder: Any, name: str) -> None:
    """Put the tools of a task into the kernel's namespace, as functions that say how they are called."""
    task = open_task(folder, name)
    for tool in task.tools.values():
        shell.user_ns[tool.name] = task._ns[tool.name]  # noqa: SLF001 - what their shell is given


def source() -> str:
    """Return this module as text."""
    return inspect.getsource(sys.modules[__name__])

"""What the tests of replay share: episodes recorded in real kernels, and ordinary notebooks."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

import nbformat
from kernel_client import block, write_script

import codeact_kernel

if TYPE_CHECKING:
    from pathlib import Path

COUNTED = [
    "Let me look.\n" + block("rows = [3, 1, 2]\nprint(sorted(rows))"),
    block("print(nothing_here)"),
    block("total = sum(rows)\ntotal"),
    "The total is 6.",
]


def record(folder: Path, replies=COUNTED, name="episode.ipynb", task="What is the total of the rows?", **more):
    """Carry a scripted task out in a real kernel and return the episode's path."""
    scripts = folder / "scripts"
    scripts.mkdir(parents=True, exist_ok=True)
    work = folder / "work"
    work.mkdir(exist_ok=True)
    more = {"approve": "auto", "cwd": work, **more}
    result = codeact_kernel.run(task, model=write_script(scripts, *replies), out=work / name, **more)
    return result.episode


def notebook(*cells, **metadata):
    """Return an ordinary notebook: each cell is a source, or (source, outputs), or (source, outputs, tags)."""
    made = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}, **metadata}
    )
    for number, cell in enumerate(cells, 1):
        source, outputs, tags = (*((cell,) if isinstance(cell, str) else cell), None, None)[:3]
        one = nbformat.v4.new_code_cell(source, execution_count=None if outputs is None else number)
        one.outputs = [nbformat.from_dict(output) for output in outputs or ()]
        if tags:
            one.metadata["tags"] = list(tags)
        made.cells.append(one)
    return json.loads(nbformat.writes(made))


def printed(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def result(text, count=1):
    return {
        "output_type": "execute_result",
        "data": {"text/plain": text},
        "metadata": {},
        "execution_count": count,
    }


def save(path: Path, made) -> Path:
    path.write_text(json.dumps(made), "utf-8")
    return path


def changed(made, change):
    """Return a deep copy with a change made to it."""
    made = copy.deepcopy(made)
    change(made)
    return made

"""Whether an episode is still what was recorded: edited, moved, copied and cut cells, in sentences."""

from __future__ import annotations

from typing import Any

from codeact_kernel.canonical import digest
from codeact_kernel.episode.cells import KEY, mark_of, source_of
from codeact_kernel.episode.notebook import Episode, from_notebook, verify
from codeact_kernel.episode.schema import check_version
from codeact_kernel.errors import EpisodeError

_HEADER_TYPES: dict[str, type] = {
    **dict.fromkeys(("version", "episode", "status", "cwd", "title"), str),
    **dict.fromkeys(("kernel", "packages", "files", "model", "policy", "prompt", "sampling"), dict),
    "prelude_complete": bool,
    "tasks": list,
}


def integrity(notebook: dict[str, Any]) -> list[str]:
    """Return one sentence for each way in which an episode is not what was recorded; none when it is whole.

    Cells that the user added are no fault, and cleared outputs are none: outputs are no part of the chain.
    The chain of digests shows accidents; it is no signature.

    Raises:
        EpisodeError: the notebook is no episode, is of a newer major version, or its parts have wrong types.
    """
    check_shape(notebook)
    try:
        episode = from_notebook(notebook)
        check_version(episode.header)
        return verify(notebook) + _header_problems(episode)
    except RecursionError:
        raise EpisodeError("This episode is nested too deeply to be read.") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise EpisodeError(f"The metadata of this episode cannot be read ({error}); it was damaged.") from None


def check_shape(notebook: Any) -> None:
    """Raise EpisodeError unless a value has the shape of a notebook: cells with a type, metadata and a source.

    A header of ours, where there is one, must have parts of the right types.
    """
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise EpisodeError("This file is no notebook: it has no cells.")
    if not isinstance(notebook.get("metadata"), dict):
        raise EpisodeError("This file is no episode: its metadata is no object.")
    header = notebook["metadata"].get(KEY)
    wrong = header_problem(header) if isinstance(header, dict) else ""
    if wrong:
        raise EpisodeError(f"The header's {wrong} of this episode has the wrong type; the file was damaged.")
    for number, cell in enumerate(cells):
        problem = _cell_problem(cell)
        if problem:
            raise EpisodeError(f"Cell {number} of this notebook {problem}; the file was damaged.")


def header_problem(header: dict[str, Any]) -> str:
    """Return the name of the first part of a header that has the wrong type, "" where all are right."""
    for name, kind in _HEADER_TYPES.items():
        if header.get(name) is not None and not isinstance(header[name], kind):
            return name
    files = (header.get("files") or {}).values()
    return "" if all(isinstance(file, dict) for file in files) else "files"


def prelude_digest(episode: Episode) -> str | None:
    """Return the SHA-256 of the prelude's sources without the cell that goes to the folder, None without one."""
    sources = [
        source_of(cell)
        for entry in episode.entries
        if entry.kind == "prelude"
        for cell in entry.cells
        if mark_of(cell).get("role") is None
    ]
    return digest(sources) if sources else None


def _cell_problem(cell: Any) -> str:
    if not isinstance(cell, dict) or not isinstance(cell.get("cell_type"), str):
        return "has no type"
    if not isinstance(cell.get("metadata"), dict):
        return "has metadata that is no object"
    source = cell.get("source")
    lines = isinstance(source, list) and all(isinstance(line, str) for line in source)
    if not isinstance(source, str) and not lines:
        return "has a source that is no text"
    outputs = cell.get("outputs", [])
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        return "has outputs that are no list of objects"
    return ""


def _header_problems(episode: Episode) -> list[str]:
    problems = []
    recorded, steps = episode.header.get("steps"), episode.steps
    if isinstance(recorded, int) and recorded != steps:
        problems.append(f"The header counts {recorded} steps, and the notebook holds {steps}.")
    known = episode.header.get("prelude")
    if isinstance(known, str) and known != prelude_digest(episode):
        problems.append("The cells before the episode (its prelude) are not those that were recorded.")
    return problems

"""The layout: an episode as an nbformat 4.5 notebook, and back.

An episode is a header and an append-only list of entries (`cells.py`). The order of entries is the `position`
in our metadata, never the order of cells or their ids: both change in editors.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from codeact_kernel.canonical import sha256
from codeact_kernel.episode.cells import ENTRY_OF_CELL, KEY, Cell, Entry, mark_of, markdown, number_in, source_of
from codeact_kernel.episode.plain import plain, plain_text
from codeact_kernel.episode.records import Record, record_digest
from codeact_kernel.errors import EpisodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codeact_kernel.types import NbOutput

_CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(slots=True)
class Episode:
    """A header, its entries in order, and what else the notebook's metadata holds (kernelspec and others)."""

    header: dict[str, Any]
    entries: list[Entry] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def head(self) -> str | None:
        """The digest of the last record: the head of the chain."""
        return next((entry.digest for entry in reversed(self.entries) if entry.record is not None), None)

    @property
    def steps(self) -> int:
        """How many steps are complete."""
        return sum(entry.kind == "step" for entry in self.entries)


def metadata_of(episode: Episode) -> dict[str, Any]:
    """Return the notebook's metadata: the header and what Jupyter needs to choose a kernel."""
    kernel = episode.header.get("kernel") or {}
    name = str(kernel.get("name") or "python3")
    own: dict[str, Any] = {
        "kernelspec": {"name": name, "display_name": "Python 3 (ipykernel)", "language": "python"},
        "language_info": {"name": "python"},
    }
    if kernel.get("language_version"):
        own["language_info"]["version"] = str(kernel["language_version"])
    return {**plain(own), **episode.metadata, KEY: episode.header}


def about_cell(episode: Episode) -> Cell:
    """Return the first cell: for people only, made again at every save."""
    header = episode.header
    model = (header.get("model") or {}).get("id") or "a model"
    title = " ".join(str(header.get("title") or "Episode").split())
    text = (
        f"# {title}\n\n"
        f"An episode of codeact-kernel with {model}, started {header.get('started')}; "
        f"{episode.steps} steps, status **{header.get('status')}**.\n\n"
        "Read it from top to bottom: the task, then thoughts, code that ran, and what came of it. "
        "*Run All* in any Jupyter, or `jupyter execute FILE`, runs the code again; no model is called. "
        "After a crash `codeact recover FILE` rebuilds this file up to the last finished step. "
        "The records in the cells' metadata hold what the model saw."
    )
    return markdown("about", plain_text(text), {"kind": "about"})


def to_notebook(episode: Episode) -> dict[str, Any]:
    """Return the notebook as a dict that is valid nbformat 4.5 and strict JSON."""
    cells = [about_cell(episode), *(cell for entry in episode.entries for cell in entry.cells)]
    used: set[str] = set()
    for number, cell in enumerate(cells):
        if not _CELL_ID.fullmatch(str(cell.get("id") or "")) or cell["id"] in used:
            cells[number] = cell | {"id": _free_id(f"cell-{number}", used)}
        used.add(cells[number]["id"])
    return {"metadata": metadata_of(episode), "nbformat": 4, "nbformat_minor": 5, "cells": cells}


def from_notebook(notebook: dict[str, Any]) -> Episode:
    """Return the episode of a notebook; unknown keys and foreign cells are kept.

    Cells may have been renumbered, moved or stripped of their outputs; a copy of one of our cells
    counts as foreign.

    Raises:
        EpisodeError: the notebook is no episode.
    """
    metadata = notebook.get("metadata")
    header = metadata.get(KEY) if isinstance(metadata, dict) else None
    if not isinstance(header, dict) or not isinstance(metadata, dict) or "schema" not in header:
        raise EpisodeError("This notebook is no episode: its metadata has no codeact header.")
    return Episode(
        header=header,
        entries=entries_of(notebook.get("cells") or ()),
        metadata={key: value for key, value in metadata.items() if key != KEY},
    )


def entries_of(cells: Iterable[Cell]) -> list[Entry]:
    """Return the entries that cells belong to, by position; foreign cells follow the entry they stand after."""
    owned: dict[int, list[Cell]] = {}
    foreign: dict[int, list[Cell]] = {}
    last = -1
    for cell in cells:
        mark = mark_of(cell)
        position = number_in(mark, "position", -1)
        if mark.get("kind") == "about":
            continue
        known = position >= 0 and isinstance(mark.get("kind"), str)
        if not known or any(_same_place(cell, other) for other in owned.get(position, ())):
            foreign.setdefault(last, []).append(_disowned(cell) if mark else cell)
            continue
        last = position
        owned.setdefault(position, []).append(cell)
    return _entries(owned, foreign)


def loads(data: bytes) -> dict[str, Any]:
    """Return a notebook's JSON as a dict.

    Raises:
        EpisodeError: these bytes are no notebook.
    """
    try:
        notebook = json.loads(data)
    except (ValueError, RecursionError):
        raise EpisodeError("This file is no notebook: it is not JSON, or it was cut off.") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise EpisodeError("This file is no notebook: it has no cells.")
    return notebook


def cell_bytes(cell: Cell) -> bytes:
    """Return a cell's JSON, indented as it stands in the file."""
    return _indented(_split(cell), "  ")


def notebook_bytes(metadata: dict[str, Any], cells: Iterable[bytes]) -> bytes:
    """Return a whole notebook file from its metadata and the `cell_bytes` of its cells.

    The metadata comes first in the file, so that a header is read without the cells.
    """
    head = _indented(metadata, " ").lstrip()
    body = b",\n".join(cells)
    return (
        b'{\n "metadata": '
        + head
        + b',\n "nbformat": 4,\n "nbformat_minor": 5,\n "cells": [\n'
        + body
        + b"\n ]\n}\n"
    )


def dumps(episode: Episode) -> bytes:
    """Return an episode as the bytes of its notebook file."""
    notebook = to_notebook(episode)
    return notebook_bytes(notebook["metadata"], map(cell_bytes, notebook["cells"]))


def verify(notebook: dict[str, Any]) -> list[str]:
    """Return what is wrong with the chain of records, one sentence each: deleted, reordered, edited steps.

    An empty list says that nothing was changed by accident; the digest is no signature.

    Raises:
        EpisodeError: the notebook is no episode.
    """
    episode = from_notebook(notebook)
    problems = _order_problems(notebook)
    expected, prev = 0, None
    for entry in episode.entries:
        if entry.kind == "foreign":
            continue
        if entry.position != expected:
            problems.append(f"Entries {expected} to {entry.position - 1} were deleted.")
        expected = entry.position + 1
        if entry.kind == "prelude":
            continue
        record = entry.record
        if record is None:
            problems.append(f"Entry {entry.position} has lost its record.")
            continue
        if record.get("prev") != prev:
            problems.append(
                f"Entry {entry.position} does not follow the one before it: one of them was edited or deleted."
            )
        prev = record_digest(record)
        problems += _source_problems(entry, record)
    if prev != episode.header.get("digest"):
        problems.append(
            "The last record is not the one that the header names: it was edited, or entries were deleted."
        )
    return problems


def _order_problems(notebook: dict[str, Any]) -> list[str]:
    seen = [mark_of(cell).get("position") for cell in notebook.get("cells") or ()]
    positions = [position for position in seen if isinstance(position, int)]
    return [
        f"The cells of entry {later} stand after those of entry {earlier}: cells were moved or copied."
        for earlier, later in pairwise(positions)
        if later < earlier
    ]


def _source_problems(entry: Entry, record: Record) -> list[str]:
    return [
        f"The code of entry {entry.position} is not what ran: its cell was edited."
        for cell in entry.cells
        if mark_of(cell).get("kind") in {"action", "human"} and sha256(source_of(cell)) != record.get("source")
    ]


def _entries(owned: dict[int, list[Cell]], foreign: dict[int, list[Cell]]) -> list[Entry]:
    entries = [Entry("foreign", -1, (cell,)) for cell in foreign.get(-1, ())]
    for position in sorted(owned):
        cells = sorted(owned[position], key=lambda cell: number_in(mark_of(cell), "part", 0))
        marks = [mark_of(cell) for cell in cells]
        interrupted = any(mark.get("interrupted") for mark in marks)
        kind = "interrupted" if interrupted else ENTRY_OF_CELL.get(marks[-1]["kind"], "other")
        entries.append(Entry(kind, position, tuple(cells)))
        entries += [Entry("foreign", -1, (cell,)) for cell in foreign.get(position, ())]
    return entries


def _same_place(cell: Cell, other: Cell) -> bool:
    one, two = mark_of(cell), mark_of(other)
    return one.get("part") == two.get("part")


def _disowned(cell: Cell) -> Cell:
    metadata = {key: value for key, value in cell["metadata"].items() if key != KEY}
    return cell | {"metadata": metadata}


def _free_id(wanted: str, used: set[str]) -> str:
    name = wanted
    while name in used:
        name += "x"
    return name


def _indented(value: Any, indent: str) -> bytes:
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    return (indent + text.replace("\n", "\n" + indent)).encode()


def _split(cell: Cell) -> Cell:
    """Return the cell with long texts as lists of lines, as nbformat writes them: kind to diffs."""
    result = cell | {"source": source_of(cell).splitlines(keepends=True)}
    if cell.get("outputs"):
        result["outputs"] = [_split_output(output) for output in cell["outputs"]]
    return result


def _split_output(output: NbOutput) -> NbOutput:
    result = dict(output)
    if isinstance(output.get("text"), str):
        result["text"] = output["text"].splitlines(keepends=True)
    if isinstance(output.get("data"), dict):
        result["data"] = {
            mime: value.splitlines(keepends=True) if isinstance(value, str) and mime.startswith("text/") else value
            for mime, value in output["data"].items()
        }
    return result

"""Rows of other programs, and our own, as episodes: `codeact import`. Nothing is executed."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codeact_kernel._version import __version__
from codeact_kernel.canonical import sha256
from codeact_kernel.episode.cells import error_entry, step_entry, task_entry
from codeact_kernel.episode.files import save_atomically
from codeact_kernel.episode.foreign import Conversation, format_of, read
from codeact_kernel.episode.integrity import integrity
from codeact_kernel.episode.notebook import (
    Episode,
    cell_bytes,
    dumps,
    loads,
    notebook_bytes,
)
from codeact_kernel.episode.plain import escape, plain
from codeact_kernel.episode.rows import notebook_of
from codeact_kernel.episode.schema import check, make_header
from codeact_kernel.errors import ConfigError, EpisodeError
from codeact_kernel.types import Sampling, Step, TaskTurn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Row = dict[str, Any]
FOREIGN = ("codeact-instruct", "openai", "jupyter-agent")
KEYS = {"metadata", "nbformat", "nbformat_minor", "cells"}
MOST_SOURCE_CHARS = 20_000
"""Characters of JSON that the other columns of a row may take in the header; larger ones are left out."""

MOST_NAME_BYTES = 200

_NAME = re.compile(r"[\w][\w. -]{0,150}\.ipynb")


@dataclass(slots=True)
class Imported:
    """What came of a file: the episodes, and for each line that gave none (or one with a fault) a sentence."""

    paths: list[Path] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def import_file(path: Path, folder: Path, form: str | None = None) -> Imported:
    """Write an episode into a folder for each row of a file; files that are there are never replaced.

    Args:
        path: a file of one JSON object a line.
        folder: made if need be.
        form: the rows' format, one of `export.FORMATS`; None looks at each row.

    Raises:
        ConfigError: the file cannot be read, or the folder cannot be written.
    """
    importer = _Importer(path, folder, form)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    importer.take(line, number)
    except OSError as error:
        raise ConfigError(f"{error.filename or path}: {error.strerror}.") from None
    return importer.result


class _Importer:
    """Takes the lines of one file."""

    def __init__(self, path: Path, folder: Path, form: str | None) -> None:
        self.path, self.folder, self.form = path, folder, form
        self.result = Imported()

    def take(self, line: bytes, number: int) -> None:
        """Write the episode of a line, or note why there is none."""
        where = f"{self.path.name}, line {number}"
        try:
            row = _row(line)
            data, name = self._episode(row, number)
            notebook = loads(data)
            _check(notebook)
            faults = integrity(notebook)
        except EpisodeError as error:
            self.result.bad.append(f"{where}: {error}")
            return
        except RecursionError:
            self.result.bad.append(f"{where}: It is nested too deeply to be read.")
            return
        target = next(place for place in _places(self.folder, name) if not place.exists())
        save_atomically(target, data)
        self.result.paths.append(target)
        if faults:
            self.result.notes.append(f"{where}: {target.name} is not as it was recorded: {faults[0]}")

    def _episode(self, row: Row, number: int) -> tuple[bytes, str]:
        """Return the notebook of a row, and the name of its file."""
        form = self.form or format_of(row)
        name = f"{self.path.stem}-{number:05d}.ipynb"
        if form == "messages":
            known = row.get("name")
            safe = isinstance(known, str) and _NAME.fullmatch(known) and len(known.encode()) <= MOST_NAME_BYTES
            return _bytes(plain(notebook_of(row))), str(known) if safe else name
        episode = episode_of(read(plain(row), form), row, form, file=self.path.name, line=number)
        return dumps(episode), name


def episode_of(said: Conversation, row: Row, form: str, *, file: str, line: int) -> Episode:
    """Return the episode of a conversation that another program recorded, marked as imported in its header.

    Its cells never ran here: times and usage are unknown, and what the kernel held before is too.
    """
    title = next(turn.text for turn in said.turns if isinstance(turn, TaskTurn))
    first = next((words.strip() for words in title.splitlines() if words.strip()), "Imported")
    source: Row = {"format": form, "file": file, "line": line, "id": _text_or_none(row.get("id"))}
    columns = {key: value for key, value in row.items() if key not in {"id", "messages", "conversations"}}
    kept = {key: value for key, value in columns.items() if len(json.dumps(value)) <= MOST_SOURCE_CHARS}
    source["row"] = kept
    left_out = sorted(columns.keys() - kept.keys())
    if left_out:
        source["left_out"] = left_out
    if said.lost_images:
        source["lost_images"] = said.lost_images
    header = make_header(
        model={"id": "unknown", "backend": "imported", "revision": None, "weights": None},
        sampling=Sampling(),
        system=said.system,
        kernel={"name": "python3"},
        agent={"name": "imported", "version": __version__, "format": "code"},
    )
    header |= {"title": first[:200], "source": source, "started": ""}
    episode = Episode(header={})
    for position, turn in enumerate(said.turns):
        make: Any = task_entry if isinstance(turn, TaskTurn) else step_entry
        episode.entries.append(make(turn, position, episode.head))
    last = said.turns[-1]
    done = isinstance(last, Step) and last.answer is not None
    if not done:
        cause = "The conversation that was imported ends without an answer."
        episode.entries.append(error_entry("failed", cause, len(said.turns), episode.head))
    status = "done" if done else "failed"
    tasks = [
        {"task": sha256(turn.text), "asked": "", "status": "done"}
        for turn in said.turns
        if isinstance(turn, TaskTurn)
    ]
    tasks[-1]["status"] = status
    header |= {"status": status, "tasks": tasks, "steps": episode.steps, "digest": episode.head}
    episode.header = escape(header)
    return episode


def _row(line: bytes) -> Row:
    try:
        row = json.loads(line)
    except ValueError:
        raise EpisodeError("It is no JSON, or it was cut off.") from None
    if not isinstance(row, dict):
        raise EpisodeError("It is no JSON object; a file to import holds one object a line.")
    return row


def _check(notebook: Row) -> None:
    """Raise EpisodeError unless a notebook is an episode by its schema, and valid for Jupyter."""
    import nbformat  # noqa: PLC0415 - slow to import, needed only here

    problems = check(notebook)
    if problems:
        raise EpisodeError(f"It is no valid episode: {problems[0]}")
    copy = nbformat.from_dict(json.loads(json.dumps(notebook)))  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings(action="ignore"):
            nbformat.validate(copy)
    except (nbformat.ValidationError, AssertionError, ValueError, TypeError, KeyError, AttributeError) as error:
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise EpisodeError(f"It is no valid notebook: {words}.") from None


def _bytes(notebook: Row) -> bytes:
    """Return a notebook as a file; one of ours has the bytes that it had."""
    if notebook.keys() == KEYS and notebook["nbformat"] == 4 and notebook["nbformat_minor"] == 5:
        return notebook_bytes(notebook["metadata"], map(cell_bytes, notebook["cells"]))
    return json.dumps(notebook, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _places(folder: Path, name: str) -> Iterator[Path]:
    yield folder / name
    number = 2
    while True:
        yield folder / f"{name.removesuffix('.ipynb')}-{number}.ipynb"
        number += 1


def _text_or_none(value: Any) -> str | None:
    return None if value is None else str(value)

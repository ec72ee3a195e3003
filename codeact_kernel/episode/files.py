"""Episode files: saved in one piece, their headers read without their cells, found and listed."""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codeact_kernel.canonical import sha256
from codeact_kernel.episode.cells import KEY, turn_of
from codeact_kernel.episode.integrity import check_shape
from codeact_kernel.episode.journal import write_all
from codeact_kernel.episode.notebook import Episode, from_notebook, loads, to_notebook
from codeact_kernel.episode.plain import plain, unescape
from codeact_kernel.episode.schema import check_version
from codeact_kernel.errors import CodeActError, EpisodeError
from codeact_kernel.types import Step, TaskTurn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD = b'{\n "metadata": '
"""How our own files begin; a file that another program saved again may begin otherwise."""

HEAD_BYTES = 65536
MOST_FILES = 500
"""How many episodes `find` and `listing` look at, newest first."""

_STAMPED = re.compile(r"\d{8}-\d{6}-.*\.ipynb")


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of a listing. `steps` counts complete steps, `answers` those of them that were answers.

    `started` is a time (see `types.now`).
    """

    path: Path
    title: str
    status: str
    steps: int
    answers: int
    started: str
    model: str


def save_atomically(path: Path, data: bytes) -> None:
    """Replace a file in one step: after a crash at any moment it holds the old bytes or the new ones.

    Raises:
        OSError: the bytes could not be written; the old file is as it was.
    """
    temp = temp_path(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    fd = os.open(temp, flags, 0o666)
    try:
        try:
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        temp.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temp.unlink()
        raise
    _sync_folder(path.parent)


def temp_path(path: Path) -> Path:
    """Return where the next version of a file is written before it takes the file's place."""
    return path.with_name(f".{path.name}.saving")


def read_notebook(path: Path) -> dict[str, Any]:
    """Return the notebook at a path.

    Raises:
        EpisodeError: it cannot be read, or is no notebook.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EpisodeError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        return loads(data)
    except EpisodeError as error:
        raise EpisodeError(f"{path}: {error}") from None


def read_episode(path: Path) -> Episode:
    """Return the episode at a path, its cells made valid and strict JSON, whoever saved them last.

    Raises:
        EpisodeError: it cannot be read, is no episode, was damaged, or is of a version that is too new.
    """
    notebook = plain(read_notebook(path))
    check_shape(notebook)
    episode = from_notebook(notebook)
    check_version(episode.header, path)
    return from_notebook(to_notebook(episode))


def read_header(path: Path) -> dict[str, Any] | None:
    """Return the header of an episode without reading its cells where possible; None for any other file."""
    try:
        with path.open("rb") as file:
            data = file.read(HEAD_BYTES)
            metadata = _leading_metadata(data)
            if metadata is None:
                data += file.read()
                metadata = _leading_metadata(data) or loads(data).get("metadata")
    except (OSError, EpisodeError):
        return None
    header = metadata.get(KEY) if isinstance(metadata, dict) else None
    return unescape(header) if isinstance(header, dict) and header.get("schema") == "codeact-episode" else None


def find(folder: Path, *, cell_id: str | None, notebook: str | None, task: str) -> Path | None:
    """Return the newest episode in which this task, given from this cell of this notebook, was done.

    Reads headers only, at most `MOST_FILES` of them, newest first; files that are no episodes are passed over.
    """
    wanted = {"notebook": notebook, "cell_id": cell_id, "task": sha256(task)}
    best: tuple[str, Path] | None = None
    for path, header in _headers(folder):
        for entry in _tasks(header):
            origin = entry.get("origin")
            if entry.get("status") != "done" or not isinstance(origin, dict):
                continue
            if all(origin.get(key) == value for key, value in wanted.items()):
                best = max(best or ("", path), (str(entry.get("asked") or header.get("started")), path))
        if best is not None and _STAMPED.fullmatch(path.name):
            break
    return best[1] if best else None


def answer_of(path: Path, task: str) -> str | None:
    """Return the answer that an episode holds for a task (the last one, if it was given again), None without one.

    Raises:
        EpisodeError: the file is no episode, or was damaged.
    """
    answer, inside = None, False
    for entry in read_episode(path).entries:
        turn = turn_of(entry)
        if isinstance(turn, TaskTurn):
            inside = turn.text == task
        elif inside and isinstance(turn, Step) and turn.answer is not None:
            answer = turn.answer
    return answer


def listing(folder: Path) -> list[Listed]:
    """Return the episodes of a folder, newest first, at most `MOST_FILES` of them."""
    found = [
        Listed(
            path=path,
            title=str(header.get("title") or path.stem),
            status=str(header.get("status") or ""),
            steps=header["steps"] if isinstance(header.get("steps"), int) else 0,
            answers=sum(task.get("status") == "done" for task in _tasks(header)),
            started=str(header.get("started") or ""),
            model=str(model.get("id") or "") if isinstance(model := header.get("model"), dict) else "",
        )
        for path, header in _headers(folder)
    ]
    return sorted(found, key=lambda listed: listed.started, reverse=True)


def _tasks(header: dict[str, Any]) -> list[dict[str, Any]]:
    tasks = header.get("tasks")
    return [task for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []


def _headers(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield episodes, those with a name of their own first, then newest first by the time in the name."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.endswith(".ipynb")]
    except OSError:
        return
    names.sort(key=lambda name: (_STAMPED.fullmatch(name) is None, name), reverse=True)
    for name in names[:MOST_FILES]:
        with contextlib.suppress(CodeActError):
            header = read_header(folder / name)
            if header is not None:
                yield folder / name, header


def _leading_metadata(data: bytes) -> Any:
    if not data.startswith(HEAD):
        return None
    try:
        return json.JSONDecoder().raw_decode(data.decode("utf-8", "ignore"), len(HEAD))[0]
    except (ValueError, RecursionError):
        return None


def _sync_folder(folder: Path) -> None:
    """Make the new name durable; not every system can fsync a folder, and the bytes are safe already."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

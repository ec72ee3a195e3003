"""Recover: rebuild an episode's notebook from its journal after a crash."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from codeact_kernel.episode.cells import Entry, interrupted_entry
from codeact_kernel.episode.files import read_episode, save_atomically, temp_path
from codeact_kernel.episode.journal import is_journal, read_events
from codeact_kernel.episode.lock import Lock, check_free
from codeact_kernel.episode.notebook import Episode, dumps, entries_of
from codeact_kernel.episode.plain import escape, unescape
from codeact_kernel.episode.records import step_from_record, usage_from_json, usage_to_json
from codeact_kernel.episode.schema import check_version
from codeact_kernel.errors import BusyError, EpisodeError
from codeact_kernel.types import Usage, now

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Event = dict[str, Any]


def recover(path: Path) -> Path:
    """Return the notebook of a crashed episode, rebuilt with every complete step.

    A step whose reply is known and whose result is not becomes a note. The status becomes "recovered", unless
    the journal says how the task ended. An episode that needs no recovery is left as it is.

    Args:
        path: the notebook, its journal, or a folder (then the newest journal in it that nobody writes).

    Raises:
        BusyError: a live process writes the episode.
        EpisodeError: there is nothing to recover it from.
    """
    notebook = _choose(path).with_suffix(".ipynb") if path.is_dir() else path.with_suffix(".ipynb")
    journal = notebook.with_suffix(".jsonl")
    check_free(notebook)
    lock = Lock(notebook)
    try:
        lock.acquire()
        result = _recover(notebook, journal)
    except OSError as error:
        raise EpisodeError(f"{notebook} cannot be written: {error.strerror}.") from None
    finally:
        lock.release()
    return result


def _recover(notebook: Path, journal: Path) -> Path:
    data = journal.read_bytes() if journal.exists() else b""
    ours = is_journal(data)
    events = read_events(data) if ours else []
    stored, trouble = None, None
    if notebook.exists():
        try:
            stored = read_episode(notebook)
        except EpisodeError as error:
            trouble = error
    if not events:
        if stored is None:
            if journal.exists():
                raise trouble or EpisodeError(f"{journal} is not the journal of an episode; name one that is.")
            raise trouble or EpisodeError(f"There is no journal {journal} to recover an episode from.")
        if stored.header.get("status") != "running":
            return _clean(notebook, journal, ours=ours)
    episode = _rebuild(stored, events)
    if trouble is not None:
        notebook = _free(notebook)
    save_atomically(notebook, dumps(episode))
    return _clean(notebook, journal, ours=ours)


def _rebuild(stored: Episode | None, events: Sequence[Event]) -> Episode:
    """Lay the journal's entries over those of the saved notebook; the journal is never older."""
    header = _header(stored, events)
    check_version(header)
    episode = Episode(header, list(stored.entries) if stored else [], stored.metadata if stored else {})
    known = {entry.position: number for number, entry in enumerate(episode.entries) if entry.position >= 0}
    for entry in entries_of(cell for event in events for cell in event.get("cells") or ()):
        if entry.position in known:
            episode.entries[known[entry.position]] = entry
        elif entry.position >= 0:
            episode.entries.append(entry)
    _add_interrupted(episode, events)
    _settle(episode, ended=any(event["event"] == "end" for event in events[-1:]))
    return episode


def _header(stored: Episode | None, events: Sequence[Event]) -> dict[str, Any]:
    header = unescape(stored.header) if stored else {}
    for event in events:
        changes = event.get("header")
        if not isinstance(changes, dict):
            continue
        if event["event"] == "open":
            changes = unescape(changes)
            if header and changes.get("episode") != header.get("episode"):
                raise EpisodeError("The journal and the notebook belong to different episodes; move one of them.")
        header |= changes
    if not header:
        raise EpisodeError(
            "The journal has lost its first line, and there is no notebook: nothing can be recovered."
        )
    return header


def _add_interrupted(episode: Episode, events: Sequence[Event]) -> None:
    last = next((event for event in reversed(events) if event["event"] == "completion"), None)
    if last is None or not isinstance(last.get("record"), dict) or not isinstance(last.get("position"), int):
        return
    if any(entry.position >= last["position"] for entry in episode.entries):
        return
    step = step_from_record(last["record"], int(last.get("step") or 0))
    episode.entries.append(interrupted_entry(step, last["position"], episode.head))


def _settle(episode: Episode, *, ended: bool) -> None:
    """Make the header say what the entries say."""
    header = episode.header
    if not ended:
        tasks = [dict(task) for task in header.get("tasks") or ()]
        if tasks and tasks[-1].get("status") == "running":
            tasks[-1]["status"] = "recovered"
        header |= {"status": "recovered", "ended": now(), "tasks": tasks}
        usage = sum((_usage_of(entry) for entry in episode.entries), Usage())
        header["usage"] = usage_to_json(usage)
    header |= {"steps": episode.steps, "digest": episode.head}
    episode.header = escape(header)


def _usage_of(entry: Entry) -> Usage:
    return usage_from_json((entry.record or {}).get("usage")) if entry.kind in {"step", "interrupted"} else Usage()


def _choose(folder: Path) -> Path:
    journals = sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    busy: BusyError | None = None
    for journal in journals:
        try:
            check_free(journal)
        except BusyError as error:
            busy = error
            continue
        if is_journal(journal.read_bytes()):
            return journal
    raise busy or EpisodeError(f"There is no journal of an episode in {folder}; nothing was left by a crash.")


def _free(notebook: Path) -> Path:
    """Return a free name beside a damaged notebook, which is kept."""
    number = 1
    while (
        path := notebook.with_name(f"{notebook.stem}-recovered{f'-{number}' if number > 1 else ''}.ipynb")
    ).exists():
        number += 1
    return path


def _clean(notebook: Path, journal: Path, *, ours: bool) -> Path:
    """Remove what a crash left of the episode; a file that is no journal of ours is somebody's data."""
    for path in (*([journal] if ours else []), temp_path(journal.with_suffix(".ipynb"))):
        with contextlib.suppress(OSError):
            path.unlink()
    return notebook

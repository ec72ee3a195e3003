"""The writer: keeps an episode on the disk while it happens, and never lets the disk stop the episode."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from typing import TYPE_CHECKING, Any

from codeact_kernel.episode import provenance
from codeact_kernel.episode.cells import (
    Entry,
    error_entry,
    human_entry,
    interrupted_entry,
    moved,
    prelude_entry,
    step_entry,
    task_entry,
)
from codeact_kernel.episode.files import Listed, answer_of, find, listing, read_episode, save_atomically
from codeact_kernel.episode.header import file_stem, origin_to_json, sampling_to_json, task_to_json
from codeact_kernel.episode.integrity import prelude_digest
from codeact_kernel.episode.journal import VERSION, Journal
from codeact_kernel.episode.lock import Lock, one_at_a_time
from codeact_kernel.episode.notebook import (
    Episode,
    about_cell,
    cell_bytes,
    metadata_of,
    notebook_bytes,
)
from codeact_kernel.episode.places import claim, free, named, stamp, way_to
from codeact_kernel.episode.plain import escape, plain, unescape
from codeact_kernel.episode.records import step_record, usage_from_json, usage_to_json
from codeact_kernel.episode.redact import Redactor
from codeact_kernel.errors import BusyError, EpisodeError
from codeact_kernel.redactor import redactions
from codeact_kernel.types import NbOutput, Outcome, Sampling, Step, TaskTurn, Usage, now

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence
    from pathlib import Path

__all__ = ["EpisodeWriter", "Listed", "answer_of", "find", "listing"]


class EpisodeWriter:
    """Writes one episode: each event to the journal first, then the whole notebook in one piece.

    While a task runs, the journal and the lock lie beside the notebook; after `end` the notebook is whole and
    both are gone; the next `task` (or `human`) opens them again. When the disk fails, the episode goes on in
    memory, `on_trouble` is told once, and every later save tries again. All methods may be called from any thread.
    """

    def __init__(
        self, path: Path, header: dict[str, Any], on_trouble: Callable[[str], None] | None = None
    ) -> None:
        self.path = path
        self.header = header
        self.owner = os.getpid()
        self.guard = threading.RLock()
        self._on_trouble = on_trouble
        self._troubled = False
        self._running = False
        self._reason = ""
        self._unsaved = True
        self._cwd: Path | None = None
        self._saved_entries = 0
        self._stamp: tuple[int, int] | None = None
        self._episode = Episode(header={})
        self._texts: dict[int, list[bytes]] = {}
        self._pending: Step | None = None
        self._before_task = Usage()
        self._lock = Lock(path)
        self._journal: Journal | None = None

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        header: dict[str, Any],
        title: str,
        path: Path | None = None,
        prelude: Sequence[str] = (),
        failed: Container[int] = (),
        cwd: Path | None = None,
        on_trouble: Callable[[str], None] | None = None,
    ) -> EpisodeWriter:
        """Open a new episode and save it, with its prelude, before anything has happened.

        Args:
            folder: where episodes are kept; made if need be. If it cannot be written, the episode lives in memory.
            header: see `make_header`; it belongs to the writer from now on.
            title: the user's words; the first line becomes the title, and the file's name.
            path: a file that the user named, instead of one in `folder`.
            prelude: the kernel's input history before the episode.
            failed: the numbers of the cells of the prelude that raised.
            cwd: the working folder in which the prelude began; None for unknown.
            on_trouble: told in one sentence when the disk fails.

        Raises:
            ConfigError: `path` cannot be written, or there is a file already.
        """
        redactor = Redactor()
        first = next((line.strip() for line in redactor.text(title).splitlines() if line.strip()), "Episode")
        header = {**redactor.value({**header, "title": first[:200]}), "prompt": header.get("prompt")}
        if path is not None:
            writer = cls(named(path), header, on_trouble)
            writer._claim(path)
        else:
            writer = cls(folder / f"{file_stem(first)}.ipynb", header, on_trouble)
            writer._choose(folder, file_stem(first))
        writer._cwd = cwd
        writer._settle()
        known = [redactor.text(source) for source in prelude]
        entry = prelude_entry(known, 0, failed, writer.header.get("cwd", "."))
        if entry.cells:
            writer._add(entry)
            writer.header["prelude"] = prelude_digest(writer._episode)
        writer._start()
        writer._save()
        return writer

    @classmethod
    def resume(cls, path: Path, *, on_trouble: Callable[[str], None] | None = None) -> EpisodeWriter:
        """Return a writer that goes on with a finished episode at the next `task`.

        Raises:
            EpisodeError: it is no episode, was damaged, or did not end.
        """
        episode = read_episode(path)
        header = unescape(episode.header)
        if header.get("status") == "running" or path.with_suffix(".jsonl").exists():
            raise EpisodeError(f"{path} did not end; run `codeact recover {path}` first.")
        writer = cls(path, header, on_trouble)
        writer._episode, writer._saved_entries = episode, len(episode.entries)
        writer._stamp, writer._unsaved = stamp(path), False
        if isinstance(header.get("cwd"), str):
            writer._cwd = (path.parent / header["cwd"]).resolve()
        return writer

    @property
    def trouble(self) -> str:
        """One sentence while the newest steps are not on the disk; empty when they are."""
        if not self._unsaved or not self._reason:
            return ""
        return f"The newest steps of the episode could not be saved to {self.path} ({self._reason})."

    @one_at_a_time
    def task(self, turn: TaskTurn) -> None:
        """Keep a task; after `end`, reopen the episode for it."""
        self._reopen()
        self._before_task = usage_from_json(self.header.get("usage"))
        tasks = [*(self.header.get("tasks") or ()), task_to_json(turn, self.header)]
        self.header |= {"tasks": tasks}
        self._keep("task", task_entry(turn, self._next, self._episode.head), header={"tasks": tasks})
        self._save()

    @one_at_a_time
    def completion(self, step: Step) -> None:
        """Keep a reply in the journal; on the disk before its code runs."""
        self._reopen()
        self._pending = step
        record = plain(
            {"position": self._next, "step": step.index, "record": step_record(step, self._episode.head)}
        )
        self._append("completion", record)

    @one_at_a_time
    def step(self, step: Step) -> None:
        """Keep a finished step: in the journal, then in the notebook."""
        self._reopen()
        self._pending = None
        usage = usage_from_json(self.header.get("usage")) + step.completion.usage
        self.header |= {"usage": usage_to_json(usage)}
        self._keep(
            "step", step_entry(step, self._next, self._episode.head), header={"usage": self.header["usage"]}
        )
        self._save()

    @one_at_a_time
    def human(
        self, source: str, outputs: Sequence[NbOutput], execution_count: int | None, *, failed: bool = False
    ) -> None:
        """Keep a cell that the user ran meanwhile; it is in the notebook from the next save on."""
        self._reopen()
        kept, head = Redactor().text(source), self._episode.head
        self._keep("human", human_entry(kept, outputs, execution_count, self._next, head, failed=failed))

    @one_at_a_time
    def update(self, **header_changes: Any) -> None:
        """Change the header; saved with the next step, or at `close`."""
        if isinstance(header_changes.get("sampling"), Sampling):
            header_changes["sampling"] = sampling_to_json(header_changes["sampling"])
        if isinstance(header_changes.get("origin"), dict):
            header_changes["origin"] = origin_to_json(header_changes["origin"])
        self.header |= header_changes
        self._unsaved = True
        if self._running:
            self._append("header", {"header": plain(header_changes)})

    @one_at_a_time
    def end(self, outcome: Outcome) -> None:
        """Keep how the task ended and save; when all is on the disk, the journal and the lock are gone."""
        self._reopen()
        if self._pending is not None:
            self._keep("step", interrupted_entry(self._pending, self._next, self._episode.head))
            self._pending = None
        if outcome.status != "done" and outcome.cause:
            self._keep("error", error_entry(outcome.status, outcome.cause, self._next, self._episode.head))
        tasks = list(self.header.get("tasks") or ())
        if tasks:
            tasks[-1] = {**tasks[-1], "status": outcome.status}
        self.header |= {"status": outcome.status, "ended": now(), "tasks": tasks}
        if outcome.usage != Usage():
            self.header["usage"] = usage_to_json(self._before_task + outcome.usage)
        changes = {name: self.header[name] for name in ("status", "ended", "tasks", "usage")}
        self._append("end", {"header": plain(changes)})
        self._save()
        provenance.note(self._episode.header)
        self._running = False
        self._finish()

    @one_at_a_time
    def save_as(self, path: Path) -> None:
        """Go on at another place, e.g. when the disk is full; the old files stay as they are.

        Raises:
            ConfigError: that place cannot be written either, or there is a file already.
        """
        other = EpisodeWriter(named(path), self.header)
        other._claim(path)
        old_journal, old_lock = self._journal, self._lock
        self.path, self._lock, self._stamp = other.path, other._lock, other._stamp
        self._journal, self._saved_entries, self._troubled = None, 0, False
        self._settle()
        self._texts.pop(0, None)
        if self._running:
            self._start()
        self._save()
        if old_journal is not None:
            old_journal.close() if self._unsaved else old_journal.remove()
        old_lock.release()
        if not self._running:
            self._finish()

    @one_at_a_time
    def close(self) -> None:
        """Save what is not saved and let go of the files; a task that still runs counts as interrupted."""
        if self._running:
            self.end(Outcome("interrupted", cause="The episode was closed before the task had ended."))
        elif self._unsaved:
            self._save()
        self._finish()
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._lock.release()

    # -- what is kept

    @property
    def _next(self) -> int:
        return max((entry.position for entry in self._episode.entries), default=-1) + 1

    def _add(self, entry: Entry) -> None:
        self._episode.entries.append(entry)
        self._unsaved = True

    def _keep(self, event: str, entry: Entry, **more: Any) -> None:
        self._add(entry)
        self._append(event, {"position": entry.position, "cells": list(entry.cells), **plain(more)})

    def _refresh(self) -> None:
        """Bring the stored header up to date with what was kept."""
        self.header |= {"steps": self._episode.steps, "digest": self._episode.head}
        self._episode.header = escape(self.header)

    # -- the disk

    def _choose(self, folder: Path, stem: str) -> None:
        """Find a free name in the folder and lock it; in memory only if the folder cannot be written."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in free(folder, stem):
                self.path, self._lock = path, Lock(path)
                with contextlib.suppress(BusyError):
                    self._lock.acquire()
                    return
        except OSError as error:
            self._trouble(error)

    def _claim(self, path: Path) -> None:
        """Take the place that the user named."""
        claim(path, self._lock, notebook_bytes(metadata_of(Episode(escape(self.header))), ()))
        self._stamp = stamp(self.path)

    def _settle(self) -> None:
        """Say how the working folder is reached from where the episode lies now."""
        if self._cwd is None:
            return
        self.header["cwd"] = way_to(self._cwd, self.path)
        self._episode.entries[:1] = [moved(entry, self.header["cwd"]) for entry in self._episode.entries[:1]]

    def _start(self) -> None:
        """Open a new journal that holds the header, and the entries that are not in the saved notebook."""
        self._running = True
        self._journal = Journal(self.path.with_suffix(".jsonl"))
        self._refresh()
        cells = [cell for entry in self._episode.entries[self._saved_entries :] for cell in entry.cells]
        opening = {"version": VERSION, "notebook": self.path.name, "header": self._episode.header, "cells": cells}
        self._append("open", opening)

    def _reopen(self) -> None:
        """After `end`: take the lock again, read what others changed meanwhile, and go on."""
        if self._running:
            return
        self._troubled = False
        self.header |= {"status": "running", "ended": None}
        if self._journal is not None:
            self._running = True
            self._append("header", {"header": {"status": "running", "ended": None}})
            return
        self._try(self._lock.acquire)
        if self._stamp is not None and stamp(self.path) != self._stamp:
            self._reread()
        self._start()

    def _reread(self) -> None:
        """Take the notebook as others left it; if it is another episode, or grew elsewhere, go on beside it."""
        self._texts, self._saved_entries = {}, 0
        if not self.path.exists():
            return
        try:
            stored = read_episode(self.path)
        except EpisodeError:
            stored = Episode(header={})
        if stored.header.get("episode") == self.header.get("episode") and stored.head == self._episode.head:
            self.header = unescape(stored.header) | self.header
            self._episode, self._saved_entries = stored, len(stored.entries)
            return
        self._lock.release()
        self._stamp = None
        self._choose(self.path.parent, self.path.stem)

    def _finish(self) -> None:
        """When all is on the disk, the journal and the lock have done their work."""
        if not self._unsaved:
            if self._journal is not None:
                self._journal.remove()
                self._journal = None
            self._lock.release()

    def _append(self, event: str, data: dict[str, Any]) -> None:
        if (journal := self._journal) is not None:
            self._try(lambda: journal.append(event, data))

    def _save(self) -> None:
        self._unsaved = True
        cells: list[bytes] = []
        for number, entry in enumerate(self._episode.entries):
            if number not in self._texts:
                self._texts[number] = [cell_bytes(cell) for cell in entry.cells]
            cells += self._texts[number]
        self.header["redactions"] = redactions(cell.decode() for cell in cells if b"[redacted " in cell)
        self._refresh()
        data = notebook_bytes(metadata_of(self._episode), [cell_bytes(about_cell(self._episode)), *cells])

        def save() -> None:
            self.path.parent.mkdir(parents=True, exist_ok=True)  # a cell may have removed it
            if not self._lock.held:
                self._lock.acquire()
            if self._stamp is None and self.path.exists():
                raise FileExistsError(errno.EEXIST, "another file has its name", str(self.path))
            save_atomically(self.path, data)
            self._stamp, self._unsaved, self._saved_entries = stamp(self.path), False, len(self._episode.entries)
            self._reason = ""

        self._try(save)

    def _try(self, action: Callable[[], None]) -> None:
        """Do something with the disk; if it fails, say so once and go on in memory."""
        try:
            action()
        except (OSError, BusyError) as error:
            self._trouble(error)

    def _trouble(self, error: OSError | BusyError) -> None:
        self._reason = ((isinstance(error, OSError) and error.strerror) or str(error)).rstrip(".")
        if self._troubled:
            return
        self._troubled = True
        if self._on_trouble is not None:
            self._on_trouble(
                f"The episode cannot be saved to {self.path} ({self._reason}); it goes on in memory, and "
                "every step tries again."
            )

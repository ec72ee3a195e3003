"""One writer per episode: a hidden lock file with the process that holds it.

The lock is stale when its process is gone from this host; nothing is known of processes on other hosts. (A lock
of the operating system would pass to forked children and live on with them.)
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from codeact_kernel.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CLOCK_SECONDS = 2.0
"""Two processes with one id that started within this time count as one: start times jitter with the clock."""


F = TypeVar("F", bound="Callable[..., None]")


def one_at_a_time(method: F) -> F:
    """Let one thread in at a time, and a forked child not at all: it must not write its parent's episode.

    For methods of an object with `owner`, the id of the process that made it, and `guard`, a reentrant lock.
    """

    @wraps(method)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> None:
        if os.getpid() != self.owner:
            return
        with self.guard:
            method(self, *args, **kwargs)

    return cast("F", guarded)


class Lock:
    """Holds `.<stem>.lock` beside an episode. A forked child does not hold its parent's lock."""

    def __init__(self, episode: Path) -> None:
        self.path = lock_path(episode)
        self._pid: int | None = None

    @property
    def held(self) -> bool:
        """Whether this process holds the lock."""
        return self._pid == os.getpid()

    def acquire(self) -> None:
        """Take the lock; a stale one is taken over.

        Raises:
            BusyError: another writer holds the episode.
            OSError: the lock cannot be written.
        """
        if self.held:
            return
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            draft.write_text(json.dumps(_myself()), "utf-8")
            for _ in range(8):
                try:
                    _publish(draft, self.path)
                except FileExistsError:
                    self._remove_stale()
                    continue
                self._pid = os.getpid()
                return
        finally:
            draft.unlink(missing_ok=True)
        raise BusyError(f"The lock {self.path} changes hands too fast; try again.")

    def release(self) -> None:
        """Give the lock back, if this process holds it."""
        if self.held:
            with contextlib.suppress(OSError):
                self.path.unlink()
        self._pid = None

    def _remove_stale(self) -> None:
        before = _read(self.path)
        if holder_alive(before):
            raise _busy(self.path, before)
        aside = self.path.with_name(f"{self.path.name}.{os.getpid()}.stale")
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return
        taken = _read(aside)
        if taken != before and holder_alive(taken):
            # Between our look and our move another writer took the stale lock over: this one is theirs.
            with contextlib.suppress(OSError):
                os.link(aside, self.path)
            aside.unlink()
            raise _busy(self.path, taken)
        aside.unlink()


def _publish(draft: Path, path: Path) -> None:
    """Make the lock appear with its content, in one piece where the file system has hard links."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:
        with path.open("xb") as file:
            file.write(draft.read_bytes())


def lock_path(episode: Path) -> Path:
    """Return where the lock of an episode (its notebook or journal) lies."""
    return episode.with_name(f".{episode.stem}.lock")


def check_free(episode: Path) -> None:
    """Raise BusyError if a live writer holds the episode."""
    path = lock_path(episode)
    if path.exists():
        holder = _read(path)
        if holder_alive(holder):
            raise _busy(path, holder)


def holder_alive(holder: dict[str, Any]) -> bool:
    """Say whether the process that a lock names is alive; one on another host counts as alive.

    A lock that names no process was cut off while it was written, by a crash: nobody holds it.
    """
    pid = holder.get("pid")
    if not isinstance(pid, int):
        return False
    if holder.get("host") != socket.gethostname():
        return True
    import psutil  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to import, needed only here

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        started = holder.get("started")
        return not isinstance(started, (int, float)) or abs(process.create_time() - started) < _CLOCK_SECONDS
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def _myself() -> dict[str, Any]:
    import psutil  # noqa: PLC0415 - slow to import

    return {"pid": os.getpid(), "host": socket.gethostname(), "started": psutil.Process().create_time()}


def _read(path: Path) -> dict[str, Any]:
    try:
        holder = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _busy(path: Path, holder: dict[str, Any]) -> BusyError:
    return BusyError(
        f"Process {holder.get('pid')} on {holder.get('host')} is writing this episode; "
        f"wait for it, or delete {path} if that process is gone."
    )

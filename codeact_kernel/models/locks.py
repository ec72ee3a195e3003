"""A lock between processes: one file, held by whoever opened it, freed by the system when its holder ends."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLL_SECONDS = 0.1

if sys.platform == "win32":
    import msvcrt

    def _take(handle: IO[bytes]) -> None:
        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(handle: IO[bytes]) -> None:
        fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def try_lock(path: Path) -> IO[bytes] | None:
    """Take the lock `path`; return the open file that holds it (closing it lets go), or None if it is taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("ab")
    try:
        _take(handle)
    except OSError:
        handle.close()
        return None
    return handle


@contextlib.contextmanager
def locked(path: Path, *, seconds: float) -> Iterator[None]:
    """Hold the lock `path` for a block.

    Raises:
        TimeoutError: another process held it for longer than `seconds`.
    """
    until = time.monotonic() + seconds
    while (handle := try_lock(path)) is None:
        if time.monotonic() >= until:
            raise TimeoutError(str(path))
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        handle.close()

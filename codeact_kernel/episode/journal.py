"""The journal: an append-only `<episode>.jsonl` beside the notebook while a task runs.

One event is one line of JSON, written in one piece and fsynced before `append` returns. There is no checksum: a
line that was cut off, or that the file system left as zeros, is no JSON object, since only its last byte closes
the outermost brace; and a line that was changed breaks the chain of record digests, which `verify` reports.

Events: `open` (header, entries so far), `task`, `completion` (before the code runs), `step`, `human`, `header`,
`end`. Any event may carry `header`, changes of the header.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from typing import TYPE_CHECKING, Any

from codeact_kernel.types import now

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1
OPENING = b'{"event": "open", "at": "'
"""How the first line of a journal begins; also one that was cut off is known by it."""


class Journal:
    """Appends events to a new file. What could not be written waits, in order, for the next `append`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._good = 0
        self._waiting: list[bytes] = []

    def append(self, event: str, data: dict[str, Any]) -> None:
        """Write one event and return when it is on the disk; `data` must be strict JSON.

        Raises:
            OSError: it is not; it will be written with the next event.
        """
        line = {"event": event, "at": now(), **data}
        self._waiting.append(json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        self.flush()

    def flush(self) -> None:
        """Write what waits.

        Raises:
            OSError: it could not be written, or a file that is no journal has the name.
        """
        if not self._waiting:
            return
        if self._fd is None:
            if belongs_to_others(self.path):
                raise FileExistsError(errno.EEXIST, f"{self.path.name} is another file", str(self.path))
            flags = (
                os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
            )
            self._fd = os.open(self.path, flags, 0o666)
        try:
            written = write_all(self._fd, b"".join(self._waiting))
            os.fsync(self._fd)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._good)
            os.lseek(self._fd, self._good, os.SEEK_SET)
            raise
        self._good += written
        self._waiting.clear()

    def close(self) -> None:
        """Close the file; what waits is dropped."""
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.close(self._fd)
        self._fd = None
        self._waiting.clear()

    def remove(self) -> None:
        """Close and delete the file: the notebook is whole."""
        opened = self._fd is not None
        self.close()
        if opened:
            with contextlib.suppress(OSError):
                self.path.unlink()


def is_journal(data: bytes) -> bool:
    """Say whether bytes are an episode's journal, whole or cut off: other programs write `.jsonl` files too."""
    return data.startswith(OPENING) or any(
        event["event"] == "open" and isinstance(event.get("header"), dict) and "episode" in event["header"]
        for event in read_events(data)
    )


def belongs_to_others(path: Path) -> bool:
    """Say whether there is a file at the path that is no journal of ours; what cannot be read is not ours."""
    try:
        with path.open("rb") as file:
            head = file.read(len(OPENING))
            return head != OPENING and not is_journal(head + file.read())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def write_all(fd: int, data: bytes) -> int:
    """Write all bytes, however short the single writes are, and return how many.

    Raises:
        OSError: the disk is full or broken.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    return len(data)


def read_events(data: bytes) -> list[dict[str, Any]]:
    """Return the whole events of a journal's bytes; lines that were cut off or damaged are left out."""
    events = []
    for line in data.split(b"\n"):
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            events.append(event)
    return events

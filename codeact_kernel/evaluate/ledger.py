"""The ledger: what was begun and what is done, on the disk before anything relies on it.

One JSON line an event, appended and fsynced. A line cut by a crash is dropped; a job that is done twice (at least
once is all that a cluster promises) counts once, by its first result.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from typing import IO, TYPE_CHECKING, Any

from codeact_kernel.errors import BusyError, ConfigError
from codeact_kernel.models.locks import try_lock

if TYPE_CHECKING:
    from pathlib import Path

LEDGER, MANIFEST = "ledger.jsonl", "manifest.json"
Row = dict[str, Any]


class Ledger:
    """The ledger of one output folder, held by one run at a time.

    `rows` are the results by job id; `begun` counts the attempts of each job, `failures` those with a known cause,
    `alone` those beside which nothing else was played.

    Raises:
        ConfigError: the folder holds another evaluation; the sentence says in what it differs.
        BusyError: another run holds the folder.
    """

    def __init__(self, folder: Path, manifest: Row) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        lock = try_lock(folder / ".lock")
        if lock is None:
            raise BusyError(f"Another evaluation writes to {folder}; wait for it, or give another --out.")
        self._lock: IO[bytes] = lock
        self._guard = threading.Lock()
        self.rows: dict[str, Row] = {}
        self.begun: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.alone: Counter[str] = Counter()
        self.reasons: dict[str, str] = {}
        try:
            self._path = folder / LEDGER
            self._read()
            _agree(folder / MANIFEST, manifest, begun=bool(self.begun))
            self._file = self._path.open("ab")
        except BaseException:
            lock.close()
            raise

    def begin(self, job: str, *, alone: bool = False) -> int:
        """Note that a job is begun, `alone` or beside others; return which attempt it is, from 1."""
        self.begun[job] += 1
        self.alone[job] += alone
        self._append({"event": "begun", "job": job, "attempt": self.begun[job], "alone": alone})
        return self.begun[job]

    def failed(self, job: str, reason: str, *, lost: bool = False) -> None:
        """Note why an attempt does not count; `lost`: its process ended, perhaps not by its fault."""
        self.reasons[job] = reason
        self.failures[job] += not lost
        self._append({"event": "failed", "job": job, "reason": reason, "lost": lost})

    def done(self, row: Row) -> bool:
        """Keep a result; return False if that job has one already."""
        if row["job"] in self.rows:
            return False
        self.rows[row["job"]] = row
        self._append({"event": "done", "job": row["job"], "row": row})
        return True

    def close(self) -> None:
        """Let go of the folder."""
        self._file.close()
        self._lock.close()

    def _append(self, event: Row) -> None:
        line = json.dumps(event, ensure_ascii=True).encode() + b"\n"
        with self._guard:  # jobs begin on the agent's thread and are done on ours
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())

    def _read(self) -> None:
        data = self._path.read_bytes() if self._path.is_file() else b""
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            with self._path.open("r+b") as file:
                file.truncate(len(whole))
        for line in whole.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event["event"] == "begun":
                self.begun[event["job"]] += 1
                self.alone[event["job"]] += event.get("alone", False)
            elif event["event"] == "failed":
                self.reasons[event["job"]] = event["reason"]
                self.failures[event["job"]] += not event.get("lost", False)
            else:
                self.rows.setdefault(event["job"], event["row"])


def _agree(path: Path, manifest: Row, *, begun: bool) -> None:
    """Write the manifest of an evaluation of which nothing is begun; else hold it against what is asked for."""
    if not path.is_file() or not begun:
        part = path.with_suffix(".part")
        part.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        part.replace(path)
        return
    try:
        known: Row = json.loads(path.read_text("utf-8"))
    except ValueError:
        raise ConfigError(f"{path} cannot be read; give another --out.") from None
    differing = sorted(name for name in known.keys() | manifest.keys() if known.get(name) != manifest.get(name))
    if differing:
        raise ConfigError(
            f"{path.parent} holds an evaluation with another {', '.join(differing)}; give another --out."
        )

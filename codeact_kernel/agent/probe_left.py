"""What a cell leaves running: threads of the user's code, child processes, and memory that it took."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

MOST_LISTED = 5
GREW_BYTES = 1_000_000_000
"""Growth of the kernel's memory by one cell that is told of."""
HELPERS = ("resource_tracker", "semaphore_tracker", "forkserver")
"""Words in the command lines of processes that Python starts for itself."""
_last: dict[str, Any] = {}


def left_behind() -> list[str]:
    """Return sentences on what is there that was not at the last call; the first call only looks.

    Only threads whose function the user's code defined are told of. Children and memory are known on Linux alone.
    """
    threads, children, memory = _threads(), _children(), _memory()
    known = bool(_last)
    new_threads = [threads[key] for key in threads if key not in _last.get("threads", {})]
    new_children = [children[key] for key in children if key not in _last.get("children", {})]
    grown = memory - _last.get("memory", memory)
    _last.update(threads=threads, children=children, memory=memory)
    if not known:
        return []
    found = []
    if new_threads:
        found.append(f"The cell left {_counted(new_threads, 'thread')} running: {_listed(new_threads)}.")
    if new_children:
        found.append(f"The cell left {_counted(new_children, 'child process')} running: {_listed(new_children)}.")
    if grown > GREW_BYTES:
        found.append(f"The kernel's memory grew by {grown / 1e9:.1f} GB, to {memory / 1e9:.1f} GB.")
    return found


def _counted(things: list[str], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 'es' if name.endswith('s') else 's'}"


def _listed(things: list[str]) -> str:
    return ", ".join(things[:MOST_LISTED]) + (" ..." if len(things) > MOST_LISTED else "")


def _threads() -> dict[int, str]:
    """Return the living threads that run a function of the user's, by their numbers."""
    found = {}
    for thread in threading.enumerate():
        target = getattr(thread, "_target", None) or getattr(thread, "function", None)
        own = type(thread).__module__ == "__main__" or getattr(target, "__module__", "") == "__main__"
        if own and thread.ident is not None:
            found[thread.ident] = str(thread.name)[:60]
    return found


def _children() -> dict[int, str]:
    """Return the children of this process that run, by their ids, with their names."""
    found = {}
    try:
        tasks = list(Path("/proc/self/task").iterdir())
    except OSError:
        return {}
    for task in tasks:
        try:
            words = (task / "children").read_text("ascii").split()
        except (OSError, UnicodeDecodeError):
            continue
        for word in words:
            try:
                command = Path(f"/proc/{word}/cmdline").read_bytes().decode("utf-8", "replace")
                name, _, state = Path(f"/proc/{word}/stat").read_text("utf-8", "replace").rpartition(")")
            except OSError:
                continue
            zombie = state.split()[:1] == ["Z"]
            if not zombie and not any(helper in command for helper in HELPERS):
                found[int(word)] = f"{name.partition('(')[2][:40]} (pid {word})"
    return found


def _memory() -> int:
    """Return the bytes that this process holds in memory; 0 where that is not known."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0

"""What processes hold in memory."""

from __future__ import annotations

import contextlib
import os


def held(pid: int | None = None) -> int:
    """Return the bytes that a process (by default ours) and its children hold; 0 for one that is gone."""
    import psutil  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to import

    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(os.getpid() if pid is None else pid)
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += one.memory_info().rss
    return total

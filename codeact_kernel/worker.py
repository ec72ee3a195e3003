"""The agent's own thread: one background thread with one asyncio loop, so that a model never holds the kernel."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Coroutine

T = TypeVar("T")

_lock = threading.Lock()
_worker: Worker | None = None


class Worker:
    """A daemon thread that runs coroutines from any other thread."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="codeact-agent", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start a coroutine on the agent's loop and return its future."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def close(self) -> None:
        """End the thread; work still under way is dropped."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self.loop.close()


def worker() -> Worker:
    """Return the process's agent thread, started on first use; a forked child gets its own."""
    global _worker  # noqa: PLW0603 - one thread a process is the point
    with _lock:
        if _worker is None or _worker.pid != os.getpid() or _worker.loop.is_closed():
            _worker = Worker()
        return _worker


def close_worker() -> None:
    """End the agent thread, if there is one."""
    global _worker  # noqa: PLW0603
    with _lock:
        if _worker is not None and _worker.pid == os.getpid():
            _worker.close()
        _worker = None

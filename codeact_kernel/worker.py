"""The agent's own thread: one background thread with one asyncio loop, so that a model never holds the kernel."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Coroutine

    from codeact_kernel.agent.stop import Stop

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


def worker() -> Worker:
    """Return the process's agent thread, started on first use; a forked child gets its own."""
    global _worker  # noqa: PLW0603 - one thread a process is the point
    with _lock:
        if _worker is None or _worker.pid != os.getpid() or _worker.loop.is_closed():
            _worker = Worker()
        return _worker


def wait_for(work: Coroutine[Any, Any, T], stop: Stop) -> T:
    """Carry something out on the agent's loop and return what came of it; the first Ctrl-C gives `stop`.

    Raises:
        KeyboardInterrupt: at the second Ctrl-C. What the work raises comes as well.
    """
    future = worker().submit(work)
    while True:
        try:
            return future.result()
        except KeyboardInterrupt:
            if stop.is_set():
                raise
            stop.set()

"""Stop: one signal that any thread can give and every wait of an episode listens to."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar

from codeact_kernel.errors import StoppedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class Stop:
    """A one-way signal. `set` is safe from any thread, also from a signal handler's thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.RLock()
        self._callbacks: list[Callable[[], None]] = []

    def set(self) -> None:
        """Give the signal; a second call does nothing."""
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def is_set(self) -> bool:
        """Say whether the signal was given."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise `StoppedError` if the signal was given."""
        if self._event.is_set():
            raise StoppedError("Stopped.")

    def on_set(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` once, from the thread that gives the signal; at once if it was given already.

        Returns a function that takes the callback back.
        """
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return lambda: self._forget(callback)
        callback()
        return lambda: None

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    async def guard(self, awaitable: Awaitable[T]) -> T:
        """Await something, but cancel it and raise `StoppedError` as soon as the signal is given.

        Must run on the loop that the awaitable belongs to. A cancelled awaitable is waited for, so that its
        connections are closed when this returns.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(awaitable)
        stopped = loop.create_future()

        def wake() -> None:
            if not stopped.done():
                stopped.set_result(None)

        def call() -> None:
            loop.call_soon_threadsafe(wake)

        forget = self.on_set(call)
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise StoppedError("Stopped.")
        finally:
            forget()
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=0.4)

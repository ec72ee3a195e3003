"""A stretch of code that runs for so long and no longer, whatever user objects do inside it."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

AGAIN_SECONDS = 0.1
"""Code that swallowed the exception gets it again this often."""


class OutOfTime(BaseException):
    """The time is over; raised inside whatever runs. Like KeyboardInterrupt, `except Exception` lets it pass."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the body when it has run for `seconds`.

    On the main thread of a Unix process a timer signal does it, which also ends a `sleep`; elsewhere it comes
    with the next byte code. A single call into C cannot be ended. Do not nest.
    """
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGALRM) if main and hasattr(signal, "setitimer") else None
    with _by_signal(seconds, handler) if handler is not None else _by_thread(seconds):
        yield


@contextlib.contextmanager
def _by_signal(seconds: float, before: object) -> Iterator[None]:
    active = True

    def strike(_number: int, _frame: object) -> None:
        if active:
            raise OutOfTime

    began = time.monotonic()
    signal.signal(signal.SIGALRM, strike)
    left, interval = signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3), AGAIN_SECONDS)
    try:
        yield
    finally:
        active = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)  # type: ignore[arg-type]
        if left:  # the user's own timer goes on
            passed = time.monotonic() - began
            signal.setitimer(signal.ITIMER_REAL, max(left - passed, 1e-3), interval)


@contextlib.contextmanager
def _by_thread(seconds: float) -> Iterator[None]:
    over, lock = threading.Event(), threading.Lock()
    ident = ctypes.c_ulong(threading.get_ident())
    strike = ctypes.pythonapi.PyThreadState_SetAsyncExc

    def watch() -> None:
        wait = seconds
        while not over.wait(wait):
            wait = AGAIN_SECONDS
            with lock:
                if not over.is_set():
                    strike(ident, ctypes.py_object(OutOfTime))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with lock:
            over.set()
            strike(ident, None)  # one that is on its way has come too late

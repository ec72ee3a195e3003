"""Ending a running cell from a SIGINT: stock ipykernel cannot interrupt a synchronous stretch of an async cell.

Standard library only and nothing of ours: the source of this file is also sent as text into fresh kernels.
"""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import re
import signal
import threading
import time
import types
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType, TracebackType
    from typing import Self

CELL_CODE: ContextVar[bool] = ContextVar("codeact_cell_code", default=False)
"""True in the context of a cell, and so in every task and callback that the cell starts."""
NEVER_BEGUN = "The cell was stopped before it began; nothing of it ran."
INSIST_SECONDS = 0.05
_PACKAGES = r"[\\/](?:site|dist)-packages[\\/]"
CHASE_SECONDS = 0.15
"""How long a cancellation may wait for the loop before the signal is sent again."""


def signal_main_thread() -> None:
    """Send SIGINT to the main thread, so that a system call it waits in returns."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()


def on_stack(frame: FrameType | None, codes: frozenset[CodeType]) -> bool:
    """Say whether one of the code objects is running in the frame or one of its callers."""
    while frame is not None:
        if frame.f_code in codes:
            return True
        frame = frame.f_back
    return False


def interruption() -> KeyboardInterrupt:
    """Return what ends a cell that computes; IPython shows the user's lines of its traceback, not ours."""
    error = KeyboardInterrupt()

    def render() -> list[str]:
        from IPython import get_ipython  # noqa: PLC0415 - where this is shown, it is there

        shell: Any = get_ipython()
        lines = shell.InteractiveTB.structured_traceback(KeyboardInterrupt, error, outside(error.__traceback__))
        return list(lines)

    error._render_traceback_ = render  # type: ignore[attr-defined]
    return error


def outside(trace: TracebackType | None) -> TracebackType | None:
    """Return a copy of a traceback without what its end has of this file and of libraries.

    To render a frame of a large module takes a tenth of a second and more, while the person waits for the end.
    """
    here, library = outside.__code__.co_filename, threading.__file__.rpartition("/")[0]
    entries: list[TracebackType] = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    while len(entries) > 1:
        file = entries[-1].tb_frame.f_code.co_filename
        if file != here and not file.startswith((library, "<frozen")) and not re.search(_PACKAGES, file):
            break
        entries.pop()
    for entry in reversed(entries):
        trace = types.TracebackType(trace, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return trace


class Striker:
    """Ends one cell, whatever it is doing. `strike` must be called by a signal handler on the main thread.

    `codes` are the functions below which only the cell's own code runs. `send` repeats the signal.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        codes: frozenset[CodeType],
        send: Callable[[], None] = signal_main_thread,
    ) -> None:
        self._loop = loop
        self._codes = codes
        self._send = send
        self._cell: asyncio.Future[Any] | None = None
        self._host: asyncio.Task[Any] | None = None

    @property
    def armed(self) -> bool:
        """Say whether a cell is running."""
        return self._cell is not None

    @contextlib.contextmanager
    def cell(self, future: asyncio.Future[Any], host: asyncio.Task[Any] | None = None) -> Iterator[None]:
        """Name the future to cancel while the cell awaits; outside of this, strikes do nothing.

        `host` is a task that runs the cell's synchronous code and is not to be ended: a strike that finds it
        outside the cell's code is repeated until it falls there.
        """
        before, self._cell, self._host = (self._cell, self._host), future, host or self._host
        try:
            yield
        finally:
            self._cell, self._host = before

    def strike(self, frame: FrameType | None) -> None:
        """End the cell.

        Code of the cell itself gets a KeyboardInterrupt. A task or callback that the cell started gets a
        CancelledError, because a KeyboardInterrupt there would end the kernel's loop. A cell that awaits is
        cancelled.
        """
        __tracebackhide__ = True
        cell = self._cell
        if cell is None:
            return
        if on_stack(frame, self._codes):
            raise interruption()
        if CELL_CODE.get() and asyncio.current_task(self._loop) not in {cell, self._host}:
            raise asyncio.CancelledError
        delivered = threading.Event()

        def cancel() -> None:
            delivered.set()
            if self._cell is cell:
                cell.cancel()

        self._loop.call_soon_threadsafe(cancel)
        threading.Thread(target=self._chase, args=(cell, delivered), name="codeact-chase", daemon=True).start()

    def _chase(self, cell: asyncio.Future[Any], delivered: threading.Event) -> None:
        """Signal again if the cell went on into synchronous code before the cancellation reached it."""
        if not delivered.wait(CHASE_SECONDS) and self._cell is cell:
            self._send()


class SigintGuard:
    """Owns SIGINT while entered; the handler from before comes back on exit.

    A SIGINT from outside calls `on_interrupt` and ends the running cell, if there is one; the second one also
    calls `on_hard`. One that `strike_cell` sent only ends the cell. A cell that was announced and does not run
    yet is `wanted` instead: whoever runs it looks at that once it is armed.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        codes: frozenset[CodeType],
        on_interrupt: Callable[[], None],
        on_hard: Callable[[], None],
    ) -> None:
        self.striker = Striker(loop, codes, self._resend)
        self.struck = False
        self.wanted = False
        self._steps = 0
        self._on_interrupt = on_interrupt
        self._on_hard = on_hard
        self._lock = threading.RLock()
        self._installed = False
        self._own = False
        self._count = 0
        self._struck_at = -1e9
        self._before: Any = None

    def __enter__(self) -> Self:
        """Install the handler (main thread only)."""
        self._before = signal.getsignal(signal.SIGINT)
        signal.signal(signal.SIGINT, self._handle)
        self._installed = True
        return self

    def __exit__(self, *exc: object) -> None:
        """Put the handler from before back."""
        with self._lock:
            self._installed = False
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def announce(self) -> None:
        """Say that a cell will run soon, so that an interrupt concerns it; from any thread."""
        with self._lock:
            self._steps += 1

    def check(self) -> None:
        """Raise KeyboardInterrupt if the announced cell, armed by now, was to end before its code began.

        Also where a strike has fallen already, and something before the cell's code swallowed it.
        """
        if self.wanted or self.struck:
            self.struck = True
            raise KeyboardInterrupt(NEVER_BEGUN)

    @contextlib.contextmanager
    def announced(self) -> Iterator[None]:
        """Surround the running of an announced cell."""
        try:
            yield
        finally:
            with self._lock:
                self._steps -= 1
                self.wanted = False
                self._struck_at = -1e9

    def reinstall(self) -> None:
        """Take SIGINT back from a cell that put a handler of its own there."""
        if signal.getsignal(signal.SIGINT) != self._handle:
            signal.signal(signal.SIGINT, self._handle)

    def strike_cell(self) -> None:
        """End the cell that runs or was announced, if there is one; from any thread.

        Asking again within a second does nothing: a second exception would only cut off the report of the first.
        """
        if time.monotonic() - self._struck_at > 1.0:
            # First wanted, then armed; the cell is first armed, then looks: so one of the two sees the other.
            with self._lock:
                self.wanted = self._steps > 0
            self._resend()

    def _resend(self) -> None:
        with self._lock:
            if not self._installed or not self.striker.armed:
                return
            self._own = True
            signal_main_thread()
        threading.Thread(target=self._insist, name="codeact-insist", daemon=True).start()

    def _insist(self) -> None:
        """Signal again until the handler has run: a signal right before a system call does not end that call."""
        while True:
            time.sleep(INSIST_SECONDS)
            with self._lock:
                if not (self._own and self._installed and self.striker.armed):
                    return
                signal_main_thread()

    def _handle(self, _signum: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        own, self._own = self._own, False
        if not own:
            self._count += 1
            with contextlib.suppress(Exception):
                self._on_interrupt()
            if self._count > 1:
                self._on_hard()
        if self.striker.armed:
            self.struck = True
            self._struck_at = time.monotonic()
            self.striker.strike(frame)
        elif self._steps and not own:
            self.wanted = True
            self._struck_at = time.monotonic()


def refuse_exit() -> None:
    """Stand in for a shell's `ask_exit` while a cell runs: `exit` is an error, not the end of the kernel."""
    raise SystemExit("exit() does not end this kernel; return from the cell instead.")


def between_cells(kernel: Any, codes: frozenset[CodeType]) -> None:
    """Let a SIGINT end code below `codes` only, never the kernel between a cell and its reply.

    ipykernel's own handler raises wherever it falls: the reply is then never sent, and who asked waits for it. One
    that falls beside the cell's code is sent again until the cell is hit or its request is over.
    """
    if not hasattr(kernel, "pre_handler_hook") or not hasattr(signal, "pthread_kill"):
        return
    serving = [0]  # the number of the request, 0 between two
    count = [0]

    def again(number: int) -> None:
        time.sleep(INSIST_SECONDS)
        if serving[0] == number:
            signal_main_thread()

    def handle(_signum: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        if on_stack(frame, codes):
            raise interruption()
        if serving[0]:
            threading.Thread(target=again, args=(serving[0],), name="codeact-again", daemon=True).start()

    def before() -> None:
        count[0] += 1
        kernel.saved_sigint_handler = signal.signal(signal.SIGINT, handle)
        serving[0] = count[0]

    def after() -> None:
        serving[0] = 0
        signal.signal(signal.SIGINT, kernel.saved_sigint_handler)

    kernel.pre_handler_hook, kernel.post_handler_hook = before, after


def prepare_kernel(shell: Any) -> None:
    """Make a kernel of our own interruptible everywhere and proof against `exit()`.

    Replaces `_cancel_on_sigint` of ipykernel, which cancels without waking the loop and cannot reach
    synchronous code; a kernel without it is left as it is.
    """
    kernel = shell.kernel
    shell.ask_exit = refuse_exit
    between_cells(kernel, frozenset({type(shell).run_code.__code__, type(shell).user_expressions.__code__}))
    if not hasattr(kernel, "_cancel_on_sigint"):
        return
    shell.events.register("pre_execute", lambda: CELL_CODE.set(True))
    codes = frozenset({type(shell).run_code.__code__})

    @contextlib.contextmanager
    def cancel_on_sigint(future: asyncio.Future[Any]) -> Iterator[None]:
        striker = Striker(asyncio.get_running_loop(), codes)
        before = signal.signal(signal.SIGINT, lambda _signum, frame: striker.strike(frame))
        try:
            with striker.cell(future):
                yield
        finally:
            signal.signal(signal.SIGINT, before)

    kernel._cancel_on_sigint = cancel_on_sigint  # noqa: SLF001 - the only place ipykernel offers

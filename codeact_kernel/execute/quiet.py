"""The user's own kernel for a replay: what cells give is kept, and shown to nobody meanwhile."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import io
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

from codeact_kernel.errors import ExecutionError
from codeact_kernel.execute.around import DISPLAY_FAILED
from codeact_kernel.execute.boot import PRINTS_LATE
from codeact_kernel.execute.capture import OUTPUT_TYPES, OutputReducer, Patch
from codeact_kernel.execute.live import LiveExecutor
from codeact_kernel.execute.serving import PERSIST_SECONDS, Outcome, submit
from codeact_kernel.types import ErrorReport, Execution

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")
TICK_SECONDS = 0.1
MOST_KEPT = 100_000


class QuietExecutor(LiveExecutor):
    """Runs cells in the ipykernel of `shell` like LiveExecutor, without showing what they give.

    No stream is flushed, nothing travels and nobody looks at the namespace, so a cell costs little. Once one has
    started processes, threads or tasks, cells run as LiveExecutor runs them, and are shown.
    """

    _looks = False
    _late = False
    _running: tuple[Any, Outcome, float] | None = None

    async def carry_out(self, work: Coroutine[Any, Any, T]) -> T:
        """Await something that runs cells here, on the kernel's own loop, and return what it returns.

        Must be awaited by the magic's coroutine, in place of `serve`, whose exceptions it raises. No other thread
        takes part: where one did, each cell would wait for the interpreter to change threads.
        """
        done: concurrent.futures.Future[T] = concurrent.futures.Future()
        task = asyncio.get_running_loop().create_task(work)

        def settle(_: object) -> None:
            if task.cancelled():
                done.cancel()
            elif error := task.exception():
                done.set_exception(error)
            else:
                done.set_result(task.result())

        task.add_done_callback(settle)
        over = threading.Event()
        threading.Thread(target=self._keep_time, args=(over,), name="codeact-time", daemon=True).start()
        try:
            with _history_later(self._shell):
                return await self.serve(done)
        finally:
            over.set()
            task.cancel()

    def strike(self) -> None:
        """End the cell that holds the kernel's loop; meant for another thread.

        On the main thread either the loop is free, and hears `interrupt`, or a handler of SIGINT strikes anyway.
        """
        running = self._running
        if running is not None and threading.current_thread() is not threading.main_thread():
            running[0].guard.strike_cell()

    async def run(self, code: str, *, timeout: float | None = None) -> Execution:
        """Run one cell; see `ServingExecutor.run`. The cell holds this loop, so a thread keeps the time."""
        self._late = self._late or bool(PRINTS_LATE.search(code))
        serving = await self._waiting()
        if serving.loop is not asyncio.get_running_loop():
            return await super().run(code, timeout=timeout)
        outcome = Outcome()
        serving.guard.announce()
        self._running = (serving, outcome, time.monotonic() + (float("inf") if timeout is None else timeout))
        try:
            return await asyncio.wrap_future(submit(serving, lambda: self._step(serving, code, outcome)))
        except ExecutionError as error:
            return Execution(status="interrupted", error=ErrorReport("KeyboardInterrupt", str(error)))
        finally:
            self._running = None

    def _keep_time(self, over: threading.Event) -> None:
        """Interrupt the cell that runs when its time is over, and again while it goes on."""
        struck: tuple[object, float] = (None, 0.0)
        while not over.wait(TICK_SECONDS):
            running, present = self._running, time.monotonic()
            if running is None or present < running[2]:
                continue
            if struck[0] is running and present - struck[1] < PERSIST_SECONDS:
                continue
            struck = (running, present)
            running[1].why = "timeout"
            running[0].guard.strike_cell()

    @contextlib.contextmanager
    def _capture(self, reducer: OutputReducer) -> Iterator[Any]:
        if self._late:
            with super()._capture(reducer) as tee:
                yield tee
            return
        shell = self._shell
        failed = getattr(shell, DISPLAY_FAILED, False)
        setattr(shell, DISPLAY_FAILED, False)
        message: Any = getattr(shell.displayhook, "msg", None)
        shell.displayhook.msg = None
        streams = sys.stdout, sys.stderr
        ours = _Kept("stdout", reducer, streams[0]), _Kept("stderr", reducer, streams[1])
        sys.stdout, sys.stderr = ours
        try:
            with _Quiet(shell.kernel, reducer) as quiet:
                yield quiet
        finally:
            for kept in ours:
                kept.over()
            sys.stdout, sys.stderr = streams
            setattr(shell, DISPLAY_FAILED, failed)
            shell.displayhook.msg = message


@contextlib.contextmanager
def _history_later(shell: Any) -> Iterator[None]:
    """Let IPython write its history in one piece at the end: one commit a cell takes longer than the cell."""
    manager = getattr(shell, "history_manager", None)
    if manager is None or not hasattr(manager, "db_cache_size"):
        yield
        return
    before, manager.db_cache_size = manager.db_cache_size, MOST_KEPT
    try:
        yield
    finally:
        manager.db_cache_size = before
        if getattr(manager, "save_flag", None) is not None:
            manager.save_flag.set()


class _Kept(io.TextIOBase):
    """A standard stream that a reducer reads; what comes when the cell is over goes where it always went."""

    def __init__(self, name: str, reducer: OutputReducer, stream: Any) -> None:
        self.name = name
        self._reducer: OutputReducer | None = reducer
        self._stream = stream

    encoding = "utf-8"

    def write(self, text: str) -> int:
        """Keep a text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        if self._reducer is None:
            self._stream.write(text)
        else:
            self._reducer.add("stream", {"name": self.name, "text": text})
        return len(text)

    def writable(self) -> bool:
        """Say yes."""
        return True

    def flush(self) -> None:
        """Do nothing: what was written is kept."""

    def isatty(self) -> bool:
        """Say no."""
        return False

    def fileno(self) -> int:
        """Return what the stream has that this one stands for."""
        return int(self._stream.fileno())

    def over(self) -> None:
        """Let what is written from now on go to the stream."""
        self._reducer = None


class _Quiet:
    """While entered, keeps the kernel's outputs of the main thread from being sent."""

    def __init__(self, kernel: Any, reducer: OutputReducer) -> None:
        self._session = kernel.session
        self._sockets = (kernel.iopub_socket, getattr(kernel, "iopub_thread", None))
        self._reducer = reducer
        self._thread = threading.get_ident()
        self._muted = False

    def __enter__(self) -> Self:
        self._patch = Patch(self._session, "send", self._sending)
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()

    def _sending(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def send(stream: Any, msg_or_type: Any, content: Any = None, *args: Any, **kwargs: Any) -> Any:
            ours = threading.get_ident() == self._thread and any(
                stream is socket for socket in self._sockets if socket is not None
            )
            given = isinstance(msg_or_type, str)
            kind = msg_or_type if given else msg_or_type.get("header", {}).get("msg_type")
            if not ours or self._muted or kind not in OUTPUT_TYPES:
                return original(stream, msg_or_type, content, *args, **kwargs)
            self._reducer.add(kind, (content or {}) if given else msg_or_type["content"])
            return None

        return send

    @contextlib.contextmanager
    def muted(self) -> Iterator[None]:
        """Let what is displayed meanwhile pass."""
        before, self._muted = self._muted, True
        try:
            yield
        finally:
            self._muted = before

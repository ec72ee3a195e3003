"""Runs the agent's cells in the shell the user is sitting at, while a magic's cell waits for the agent.

The magic's coroutine awaits `serve` on the shell's main loop; the agent, in its own thread, awaits `run` and
`inspect`. What a kernel and a terminal have in common is here; how outputs are seen is in live.py and terminal.py.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import platform
import sys
import threading
import time
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from codeact_kernel.errors import BusyError, ExecutionError
from codeact_kernel.execute.around import (
    DISPLAY_FAILED,
    INTERRUPTIBLE,
    changed_names,
    check_names,
    evaluated,
    look,
    order_kept,
    plain_error,
    status_of,
)
from codeact_kernel.execute.capture import OutputReducer
from codeact_kernel.execute.interrupt import CELL_CODE, NEVER_BEGUN, SigintGuard
from codeact_kernel.execute.memory import held
from codeact_kernel.execute.report import reported, snapshot_of
from codeact_kernel.types import ErrorReport, Execution, ExecutionStatus, Snapshot, now

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

    from codeact_kernel.execute.around import Watch
    from codeact_kernel.execute.capture import Capture

T = TypeVar("T")
EARLY_SECONDS = 5.0
"""How long a request may come before its `serve`."""
HARD_SECONDS = 0.5
"""How long a cell may take to end after the second interrupt before the magic returns without it."""
PERSIST_SECONDS = 1.5
"""A cell that swallowed its interrupt after a timeout is interrupted again this often."""


@dataclass(slots=True)
class _Request:
    work: Callable[[], Coroutine[Any, Any, Any]]
    future: concurrent.futures.Future[Any]


@dataclass(slots=True)
class _Serving:
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[_Request | None]
    context: Context
    post_context: Context
    guard: SigintGuard
    hard: asyncio.Future[None]
    capture: Capture | None = None


class ServingExecutor:
    """The Executor protocol for a shell that is in this process; see LiveExecutor and TerminalExecutor."""

    _looks = True
    """Whether the namespace is looked at after each cell."""

    def __init__(self, shell: Any, *, on_interrupt: Callable[[], None], watch: Watch | None = None) -> None:
        self._shell = shell
        self._watch = watch
        self._on_interrupt = on_interrupt
        self._serving: _Serving | None = None
        self._early: list[Callable[[], object]] | None = []
        self._unserved = False
        self._lock = threading.Lock()
        self._literal = True
        self._answer_stdin: Callable[[str], str] | None = None

    # -- on the shell's main loop ------------------------------------------------------------------------------
    async def serve(self, work: concurrent.futures.Future[T]) -> T:
        """Run the agent's cells until `work` is done; return its result or raise its exception.

        Must be awaited on the main thread, by the magic's own coroutine: outputs go to the cell of the magic.
        SIGINT is ours meanwhile: the first one calls `on_interrupt` and ends the running cell, the second one
        raises KeyboardInterrupt here whatever the cell does. The handler from before comes back.

        Raises:
            ExecutionError: not on the main thread.
            BusyError: this executor serves already.
            KeyboardInterrupt: the user interrupted twice.
        """
        if threading.current_thread() is not threading.main_thread():
            raise ExecutionError("The agent works in the kernel's main shell only; run this cell there.")
        loop = asyncio.get_running_loop()
        hard: asyncio.Future[None] = loop.create_future()
        codes = frozenset({ServingExecutor._run_code.__code__, *(call.__code__ for call in INTERRUPTIBLE)})

        def on_hard() -> None:
            loop.call_soon_threadsafe(_resolve, hard)

        guard = SigintGuard(loop, codes, self._on_interrupt, on_hard)
        serving = _Serving(loop, asyncio.Queue(), copy_context(), copy_context(), guard, hard)
        with self._lock:
            if self._serving is not None:
                raise BusyError("The agent is at work in this kernel; wait for it or interrupt it first.")
            self._serving = serving
            early, self._early = self._early or [], None
        try:
            with guard:
                for action in early:
                    self.post(action)
                work.add_done_callback(lambda _: _wake(serving))
                await self._answer(serving)
        finally:
            with self._lock:
                self._serving = None
            _refuse(serving.queue)
        return work.result()

    async def _answer(self, serving: _Serving) -> None:
        """Carry out requests until None comes."""
        while True:
            request = await _unless(serving.hard, serving.loop.create_task(serving.queue.get()))
            if request is None:
                return
            task = serving.loop.create_task(request.work(), context=serving.context)
            try:
                request.future.set_result(await _unless(serving.hard, task))
            except BaseException as error:
                left = serving.hard.done() or not isinstance(error, Exception)
                reason = "The cell was left behind after a second interrupt."
                request.future.set_exception(ExecutionError(reason) if left else error)
                if left:
                    raise

    async def _step(self, serving: _Serving, code: str, outcome: Outcome) -> Execution:
        """Run one cell; always returns."""
        CELL_CODE.set(True)
        started = now()
        reducer = OutputReducer()
        serving.guard.struck = False
        task = asyncio.current_task()
        assert task is not None
        failure: BaseException | None = None
        count: int | None = None
        report: dict[str, Any] = {}
        stdin: list[dict[str, str]] = []
        notes: tuple[str, ...] = ()
        keeping = order_kept(
            self._shell, stdin, serving.guard.reinstall, literal=self._literal, answer=self._answer_stdin
        )
        with serving.guard.announced(), self._capture(reducer) as capture, keeping:
            serving.capture = capture
            try:
                with serving.guard.striker.cell(task):
                    serving.guard.check()
                    check_names(self._watch, code)
                    serving.guard.check()
                    started = now()
                    result = await self._run_code(code)
                count, failure = result.execution_count, result.error_before_exec or result.error_in_exec
                if failure is None and getattr(self._shell, DISPLAY_FAILED, False):
                    failure = getattr(sys, "last_value", None)
            except BaseException as error:  # an interrupt that fell between two stretches of the user's code
                failure = error
            finished = now()
            struck = serving.guard.struck
            with contextlib.suppress(BaseException), serving.guard.striker.cell(task):
                notes = changed_names(self._watch)
                report = look(self._shell, count, failure) if self._looks else {}
            serving.capture = None
        ran = Execution(
            status=status_of(failure, struck=struck, why=outcome.why),
            outputs=reducer.outputs(),
            execution_count=count,
            started=started,
            finished=finished,
            error=plain_error(failure),
            stdin=tuple(stdin),
            notes=notes,
        )
        return reported(ran, report)

    async def _run_code(self, code: str) -> Any:
        """Run a cell as ipykernel would, inline figures included; returns IPython's ExecutionResult."""
        shell = self._shell
        problem: Any = None
        try:
            transformed = shell.transform_cell(code)
        except Exception:
            transformed, problem = code, sys.exc_info()
        try:
            result = await shell.run_cell_async(
                code, store_history=True, transformed_cell=transformed, preprocessing_exc_tuple=problem
            )
        finally:
            shell.events.trigger("post_execute")
        shell.events.trigger("post_run_cell", result)
        return result

    def _capture(self, reducer: OutputReducer) -> Any:
        """Return the context manager that feeds the reducer while a cell runs."""
        raise NotImplementedError

    # -- on the agent's loop -----------------------------------------------------------------------------------
    async def run(self, code: str, *, timeout: float | None = None) -> Execution:
        """Run one cell in the user's shell; see `execute.base.Executor`.

        A cell that swallows the interrupt after its timeout is interrupted again and again: the user's kernel is
        never killed.

        Raises:
            ExecutionError: no magic is waiting (`serve`) that could run it.
        """
        self._unserved = False
        serving, outcome = await self._waiting(), Outcome()
        if self._unserved:
            return Execution(status="interrupted", error=ErrorReport("KeyboardInterrupt", NEVER_BEGUN))
        serving.guard.announce()
        future = asyncio.wrap_future(submit(serving, lambda: self._step(serving, code, outcome)))
        try:
            done, _ = await asyncio.wait({future}, timeout=timeout)
            while not done:
                outcome.why = "timeout"
                serving.guard.strike_cell()
                done, _ = await asyncio.wait({future}, timeout=PERSIST_SECONDS)
        except asyncio.CancelledError:
            serving.guard.strike_cell()
            raise
        try:
            execution: Execution = future.result()
        except ExecutionError as error:
            return Execution(status="interrupted", error=ErrorReport("KeyboardInterrupt", str(error)))
        return execution

    async def inspect(self) -> Snapshot:
        """Return the namespace as it is now.

        Raises:
            ExecutionError: no magic is waiting (`serve`).
        """
        serving = await self._waiting()

        async def seen() -> dict[str, Any]:
            return look(self._shell, None, None)

        return snapshot_of(await asyncio.wrap_future(submit(serving, seen)))

    async def evaluate(self, expression: str) -> str:
        """Return the text of an expression's value; see `execute.base.Executor`."""
        serving = await self._waiting()

        async def found() -> str:
            task = asyncio.current_task()
            assert task is not None
            with serving.guard.striker.cell(task):
                return evaluated(self._shell, expression)

        text: str = await asyncio.wrap_future(submit(serving, found))
        return text

    async def interrupt(self) -> None:
        """Interrupt the running cell, if there is one; from any loop of any thread. Does not call on_interrupt."""
        serving = self._serving
        if serving is not None:
            serving.guard.strike_cell()
        else:
            self._unserved = True  # a step may be waiting for the magic

    def post(self, action: Callable[[], object]) -> bool:
        """Run a callable soon on the main loop, in the context of the magic's cell; from any thread.

        What it displays is not part of a cell's outputs. Runs at once while a cell awaits, otherwise after its
        synchronous stretch; waits for the first `serve`. Returns False, and drops it, after the magic has ended.
        """
        with self._lock:
            serving = self._serving
            if serving is None:
                if self._early is not None:
                    self._early.append(action)
                return self._early is not None

        def act() -> None:
            capture = serving.capture
            with capture.muted() if capture is not None else contextlib.nullcontext():
                action()

        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            serving.loop.call_soon_threadsafe(act, context=serving.post_context)
            return True
        return False

    def answer_with(self, answer: Callable[[str], str] | None) -> None:
        """Say who answers `input()` from the next cell on; None for the person at the shell."""
        self._answer_stdin = answer

    async def take_literally(self, on: bool) -> None:  # noqa: FBT001 - the one argument says it
        """Say whether cells mean what is written from the next one on; see `kernelside.take_literally`."""
        self._literal = on

    async def memory(self) -> int:
        """Return the bytes that this process and its children hold."""
        return await asyncio.to_thread(held)

    async def kill(self) -> None:
        """Do nothing: the kernel is the user's."""

    def describe(self) -> dict[str, Any]:
        """Return the `kernel` entry of an episode's header."""
        return description()

    async def close(self) -> None:
        """Interrupt what still runs; the shell is the user's and stays."""
        await self.interrupt()

    async def _waiting(self) -> _Serving:
        """Return what serves; the agent's thread may be faster than the magic that started it."""
        patience = time.monotonic() + EARLY_SECONDS
        while True:
            serving = self._serving
            if serving is not None:
                return serving
            if self._early is None or time.monotonic() > patience:
                raise ExecutionError("No %codeact cell is waiting in the kernel any more; run the task again.")
            await asyncio.sleep(0.002)


def description() -> dict[str, Any]:
    """Return the `kernel` entry of an episode's header for the shell of this process."""
    import IPython  # noqa: PLC0415 - import time

    return {
        "name": "python3",
        "implementation_version": IPython.__version__,
        "language_version": platform.python_version(),
    }


@dataclass(slots=True)
class Outcome:
    """Why a cell was ended, if we ended it."""

    why: ExecutionStatus = "interrupted"


def submit(serving: _Serving, work: Callable[[], Coroutine[Any, Any, Any]]) -> concurrent.futures.Future[Any]:
    """Have something awaited on the shell's main loop, in its turn; from any thread. Return what it will give."""
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    future.set_running_or_notify_cancel()
    serving.loop.call_soon_threadsafe(serving.queue.put_nowait, _Request(work, future))
    return future


def _wake(serving: _Serving) -> None:
    with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
        serving.loop.call_soon_threadsafe(serving.queue.put_nowait, None)


def _refuse(queue: asyncio.Queue[_Request | None]) -> None:
    while not queue.empty():
        request = queue.get_nowait()
        if request is not None:
            request.future.set_exception(ExecutionError("The %codeact cell has ended; run the task again."))


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _unless(hard: asyncio.Future[None], task: asyncio.Task[T]) -> T:
    """Await a task; after a hard interrupt cancel it, give it HARD_SECONDS and raise KeyboardInterrupt."""
    try:
        await asyncio.wait(cast("set[asyncio.Future[Any]]", {task, hard}), return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if hard.done():
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=HARD_SECONDS)
        raise KeyboardInterrupt
    return task.result()

"""Recognises the agent's cells among what a kernel is asked to execute, and stands around them.

A cell of the agent is a real execute request, whoever sends it: a front end that shows it in the notebook, or the
kernel itself when nobody is there. It is known by its cell id, and runs only with the text that was approved.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codeact_kernel.canonical import sha256
from codeact_kernel.execute.around import (
    DISPLAY_FAILED,
    INTERRUPTIBLE,
    ProtectedName,
    changed_names,
    check_names,
    look,
    order_kept,
    plain_error,
    status_of,
)
from codeact_kernel.execute.capture import OutputReducer, Tee
from codeact_kernel.execute.interrupt import CELL_CODE, NEVER_BEGUN, SigintGuard
from codeact_kernel.execute.report import reported
from codeact_kernel.types import ErrorReport, Execution, ExecutionStatus, now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codeact_kernel.execute.around import Watch

LATE = "The kernel has run this cell by itself, for no page took it on in time; it was not run twice."
LATE_SECONDS = 10.0
"""How long after the kernel sent a cell to itself the same cell from a page counts as the same request."""
CHANGED = "The cell was changed in the notebook before it ran, so it was not run: only the approved text may."
KEPT = 50
"""Ended requests that are remembered, so that a cell that comes late is told why it does not run."""


@dataclass(eq=False)
class CellRequest:
    """One cell that the agent wants to run: its id, its approved text, and what came of it."""

    cell_id: str
    code: str
    watch: Watch | None = None
    on_begin: Callable[[], None] = lambda: None
    began: threading.Event = field(default_factory=threading.Event)
    result: concurrent.futures.Future[Execution] = field(default_factory=concurrent.futures.Future)
    why: ExecutionStatus = "interrupted"
    guard: SigintGuard | None = None
    refused: bool = False
    struck: bool = False
    own: str = ""
    own_since: float = 0.0

    def by_itself(self, session: str) -> None:
        """Note that the kernel sends this cell to itself, in a Jupyter session of that id."""
        self.own, self.own_since = session, time.monotonic()

    def finish(self, execution: Execution) -> None:
        """Give the result, once."""
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            self.result.set_result(execution)


class AgentCells:
    """The agent's cells of one kernel; while installed, the kernel's `do_execute` goes through here."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._lock = threading.Lock()
        self._requests: dict[str, CellRequest] = {}
        self._running: CellRequest | None = None
        self._before: Any = None
        self._ours: Any = None

    @property
    def running(self) -> bool:
        """Say whether a cell of the agent runs now."""
        return self._running is not None

    def install(self) -> None:
        """Begin to recognise cells; a second call does nothing."""
        if self._ours is not None:
            return
        original = self._kernel.do_execute
        self._before = vars(self._kernel).get("do_execute")

        @functools.wraps(original)
        async def do_execute(code: str, silent: bool, *args: Any, **kwargs: Any) -> Any:  # noqa: FBT001
            request = None if silent else self._take(kwargs.get("cell_id"))
            if request is None:
                return await original(code, silent, *args, **kwargs)
            return await self._run(request, code, lambda: original(code, silent, *args, **kwargs))

        self._ours = do_execute
        self._kernel.do_execute = do_execute

    def uninstall(self) -> None:
        """Make the kernel what it was, unless someone wrapped it after us."""
        if self._ours is not None and vars(self._kernel).get("do_execute") is self._ours:
            if self._before is None:
                del self._kernel.do_execute
            else:
                self._kernel.do_execute = self._before
            self._ours = None

    # -- from any thread ---------------------------------------------------------------------------------------
    def expect(self, request: CellRequest) -> None:
        """Let this cell run when it comes."""
        with self._lock:
            self._requests[request.cell_id] = request
            while len(self._requests) > KEPT:
                del self._requests[next(iter(self._requests))]

    def refuse(self, request: CellRequest, why: Execution | None = None) -> bool:
        """Do not let a cell run that has not begun; say whether it had not. `why` is what came of it then."""
        with self._lock:
            if request.began.is_set():
                return False
            request.refused = True
        stopped = Execution(status="interrupted", error=ErrorReport("KeyboardInterrupt", NEVER_BEGUN))
        request.finish(why or stopped)
        return True

    def strike(self, request: CellRequest) -> None:
        """End a cell that runs, or has begun to."""
        request.struck = (
            True  # first this, then the guard; `_around` sets the guard, then looks: one sees the other
        )
        guard = request.guard
        if guard is not None:
            guard.strike_cell()

    # -- on the main thread ------------------------------------------------------------------------------------
    def _take(self, cell_id: str | None) -> CellRequest | None:
        """Return the request of a cell that is to be run now; None for the user's, and for ours when run again."""
        if cell_id is None or threading.current_thread() is not threading.main_thread():
            return None
        with self._lock:
            request = self._requests.get(cell_id)
            if request is None:
                return None
            if self._late(request):
                return CellRequest(cell_id, request.code, refused=True, own=request.own)
            if request.began.is_set() and not request.refused:
                return None
            request.began.set()
            if request.refused:
                del self._requests[cell_id]
            return request

    def _late(self, request: CellRequest) -> bool:
        """Say whether this is a page's execution of a cell that the kernel has sent to itself."""
        session = ((self._kernel.get_parent() or {}).get("header") or {}).get("session")
        return bool(request.own) and session != request.own and time.monotonic() - request.own_since < LATE_SECONDS

    async def _run(self, request: CellRequest, code: str, execute: Callable[[], Any]) -> Any:
        if request.refused:
            return self._decline(LATE if request.own else NEVER_BEGUN)
        if sha256(code) != sha256(request.code):
            request.finish(Execution(status="error", error=ErrorReport("CellChanged", CHANGED)))
            return self._decline(CHANGED)
        self._running = request
        try:
            request.on_begin()
            return await self._around(request, code, execute)
        finally:
            self._running = None
            lost = ErrorReport("ExecutionError", "The kernel could not run the cell.")
            request.finish(Execution(status="error", error=lost))

    def _decline(self, sentence: str) -> dict[str, Any]:
        """Answer an execute request without running it; the reply says so to the page, whose cell it is."""
        if sentence != NEVER_BEGUN:  # outputs would make such a cell look as if it had begun; its chip says all
            print(sentence, file=sys.stderr)  # noqa: T201 - the cell's own output
        return {
            "codeact": "declined",
            "status": "ok",
            "execution_count": self._kernel.shell.execution_count - 1,
            "user_expressions": {},
            "payload": [],
        }

    async def _around(self, request: CellRequest, code: str, execute: Callable[[], Any]) -> Any:
        shell, reducer = self._kernel.shell, OutputReducer()
        loop = asyncio.get_running_loop()
        stdin: list[dict[str, str]] = []
        started = now()
        results: list[Any] = []
        notes: tuple[str, ...] = ()
        reply: Any = None
        failure: BaseException | None = None
        CELL_CODE.set(True)
        codes = frozenset({type(shell).run_code.__code__, *(call.__code__ for call in INTERRUPTIBLE)})
        guard = SigintGuard(loop, codes, lambda: None, lambda: None)
        guard.announce()
        request.guard = guard
        guard.wanted = guard.wanted or request.struck
        with (
            guard,
            guard.announced(),
            _listening(shell, results),
            order_kept(shell, stdin, guard.reinstall),
            Tee(self._kernel, reducer),
            _cancelled_by(self._kernel, guard),
            guard.striker.cell(loop.create_future(), asyncio.current_task()),
        ):
            try:
                guard.check()
                check_names(request.watch, code)
                guard.check()
                started = now()
                reply = await execute()
                failure = self._failure(results)
            except (Exception, KeyboardInterrupt, asyncio.CancelledError) as error:  # between two stretches of it
                failure = error
            finished = now()
            struck = guard.struck
            report: dict[str, Any] = {}
            count = results[-1].execution_count if results else None
            with contextlib.suppress(BaseException):
                notes = changed_names(request.watch)
                report = look(shell, count, failure)
        request.guard = None
        ran = Execution(
            status=status_of(failure, struck=struck, why=request.why),
            outputs=reducer.outputs(),
            execution_count=count,
            started=started,
            finished=finished,
            error=plain_error(failure),
            stdin=tuple(stdin),
            notes=notes,
        )
        request.finish(reported(ran, report))
        if reply is None:
            return self._decline(str(failure) if isinstance(failure, ProtectedName) else NEVER_BEGUN)
        return reply

    def _failure(self, results: list[Any]) -> BaseException | None:
        failure: BaseException | None = None
        if results:
            failure = results[-1].error_before_exec or results[-1].error_in_exec
        if failure is None and getattr(self._kernel.shell, DISPLAY_FAILED, False):
            failure = getattr(sys, "last_value", None)
        return failure


@contextlib.contextmanager
def _listening(shell: Any, results: list[Any]) -> Iterator[None]:
    """Note the results of cells meanwhile."""

    def keep(result: Any) -> None:
        if result is not None:
            results.append(result)

    shell.events.register("post_run_cell", keep)
    try:
        yield
    finally:
        shell.events.unregister("post_run_cell", keep)


@contextlib.contextmanager
def _cancelled_by(kernel: Any, guard: SigintGuard) -> Iterator[None]:
    """Let our handler end a cell that awaits: ipykernel's own cancels without waking the loop."""
    if not hasattr(kernel, "_cancel_on_sigint"):
        yield
        return
    kernel._cancel_on_sigint = guard.striker.cell  # noqa: SLF001 - the only place ipykernel offers
    try:
        yield
    finally:
        del kernel._cancel_on_sigint  # noqa: SLF001

"""Real notebook cells: a front end inserts each action below and runs it; what came of it is seen in the kernel.

Nothing is shipped back through the browser, so a page that is closed or reloaded loses nothing: a cell that no
front end takes on is sent by the kernel to itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING, Any, Protocol

from codeact_kernel.errors import ExecutionError
from codeact_kernel.execute.agent_cells import CellRequest
from codeact_kernel.execute.around import evaluated, look
from codeact_kernel.execute.memory import held
from codeact_kernel.execute.report import snapshot_of
from codeact_kernel.execute.serving import PERSIST_SECONDS, description
from codeact_kernel.types import ErrorReport, Execution

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable

    from codeact_kernel.execute.agent_cells import AgentCells
    from codeact_kernel.execute.around import Watch
    from codeact_kernel.types import Snapshot

DELETED = "The user deleted the cell before it ran, so it was not run. Do it another way, or ask what is wanted."
ACK_SECONDS = 5.0
"""How long a front end has to say that it has sent a cell."""
LOOK_SECONDS = 1.0
"""How long a look at the namespace waits for the main thread; a cell of the user's may hold it for minutes."""


class FrontEnd(Protocol):
    """Whoever can put a cell into the user's notebook and run it there. Called on the agent's loop."""

    async def present(self) -> bool:
        """Say whether there is one; where the settings say so, wait for one."""

    def execute(self, cell_id: str, code: str) -> None:
        """Ask for the cell; it is acknowledged through `CellsExecutor.started`."""

    def began(self, cell_id: str) -> None:
        """The cell runs now. Called on the main thread."""

    def cancel(self, cell_id: str) -> None:
        """Take a cell back that has not begun."""

    def finished(self, cell_id: str, code: str, execution: Execution, *, own: bool) -> None:
        """Keep what came of a cell; `own` says that no front end ran it."""


class CellsExecutor:
    """The Executor protocol over real cells; see `execute.base.Executor`."""

    def __init__(self, cells: AgentCells, shell: Any, front: FrontEnd, *, watch: Watch | None = None) -> None:
        self._cells = cells
        self._shell = shell
        self._front = front
        self._watch = watch
        self._request: CellRequest | None = None
        self._acknowledged = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lost = False

    # -- from the front end, on any thread ---------------------------------------------------------------------
    def started(self, cell_id: str) -> None:
        """Note that a front end has sent the cell to the kernel."""
        self._note(cell_id, lost=False)

    def not_run(self, cell_id: str) -> None:
        """Note that a front end could not run the cell: the kernel runs it by itself."""
        self._note(cell_id, lost=True)

    def deleted(self, cell_id: str) -> None:
        """Note that the user deleted the cell before it ran."""
        request = self._request
        if request is not None and request.cell_id == cell_id:
            self._cells.refuse(request, Execution(status="error", error=ErrorReport("CellDeleted", DELETED)))

    def _note(self, cell_id: str, *, lost: bool) -> None:
        request, loop = self._request, self._loop
        if request is None or request.cell_id != cell_id or loop is None:
            return
        if lost and request.began.is_set():
            return

        def note() -> None:
            self._lost = self._lost or lost
            self._acknowledged.set()

        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(note)

    # -- on the agent's loop -----------------------------------------------------------------------------------
    async def run(self, code: str, *, timeout: float | None = None) -> Execution:
        """Run one cell in the user's notebook, or, where no front end does, without one."""
        self._loop = asyncio.get_running_loop()
        self._acknowledged, self._lost = asyncio.Event(), False
        cell_id = secrets.token_hex(4)
        request = CellRequest(cell_id, code, self._watch, on_begin=lambda: self._front.began(cell_id))
        self._request = request
        self._cells.expect(request)
        future = asyncio.wrap_future(request.result)
        own = True
        try:
            own = not await self._front.present()
            if not own and not future.done():
                self._front.execute(request.cell_id, code)
                own = not await self._taken_on(request, future)
                if own:
                    self._front.cancel(request.cell_id)
            if own and not future.done():
                await asyncio.to_thread(
                    send_to_itself, code, metadata={"cellId": cell_id}, known=request.by_itself
                )
            execution = await self._ended(request, future, timeout)
        except asyncio.CancelledError:
            await self.interrupt()
            raise
        finally:
            self._request = None
        self._front.finished(request.cell_id, code, execution, own=own)
        return execution

    async def _taken_on(self, request: CellRequest, future: asyncio.Future[Execution]) -> bool:
        """Say whether a front end took the cell on: it said so in time, and did not take it back since."""
        patience = self._loop_time() + ACK_SECONDS
        while not future.done() and not request.began.is_set():
            if self._lost or (not self._acknowledged.is_set() and self._loop_time() > patience):
                return False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(future), 0.05)
        return True

    def _loop_time(self) -> float:
        assert self._loop is not None
        return self._loop.time()

    async def _ended(
        self, request: CellRequest, future: asyncio.Future[Execution], timeout: float | None
    ) -> Execution:
        """Wait for the end; the time that a cell may take counts from its beginning, not in the queue."""
        while timeout is not None and not request.began.is_set() and not future.done():
            await asyncio.wait({future}, timeout=0.05)
        done, _ = await asyncio.wait({future}, timeout=timeout)
        while not done:
            request.why = "timeout"
            self._cells.strike(request)
            done, _ = await asyncio.wait({future}, timeout=PERSIST_SECONDS)
        return future.result()

    async def inspect(self) -> Snapshot:
        """Return the namespace as it is now; while a cell of the user's runs, as this thread sees it."""

        def see() -> dict[str, Any]:
            return look(self._shell, None, None)

        try:
            main = on_main(self._shell.kernel, see)
            report = await asyncio.wait_for(asyncio.wrap_future(main), LOOK_SECONDS)
        except TimeoutError:
            report = await asyncio.to_thread(see)
        return snapshot_of(report)

    async def evaluate(self, expression: str) -> str:
        """Return the text of an expression's value; see `execute.base.Executor`."""
        main = on_main(self._shell.kernel, lambda: evaluated(self._shell, expression))
        text: str = await asyncio.wrap_future(main)
        return text

    async def interrupt(self) -> None:
        """End the cell that runs, or take back the one that waits."""
        request = self._request
        if request is None:
            return
        if self._cells.refuse(request):
            self._front.cancel(request.cell_id)
        else:
            self._cells.strike(request)

    async def memory(self) -> int:
        """Return the bytes that this process and its children hold."""
        return await asyncio.to_thread(held)

    async def kill(self) -> None:
        """Do nothing: the kernel is the user's."""

    def describe(self) -> dict[str, Any]:
        """Return the `kernel` entry of an episode's header."""
        return description()

    async def close(self) -> None:
        """Interrupt what still runs."""
        await self.interrupt()


def on_main(kernel: Any, work: Callable[[], Any]) -> concurrent.futures.Future[Any]:
    """Run something on the kernel's main thread, between two stretches of what it does."""
    loop = kernel.io_loop.asyncio_loop

    async def do() -> Any:
        return work()

    return asyncio.run_coroutine_threadsafe(do(), loop)


def queued(kernel: Any) -> bool:
    """Say whether cells wait for the one that runs now; False where that cannot be known."""
    lock = getattr(kernel, "_main_asyncio_lock", None)
    return bool(getattr(lock, "_waiters", None))


def send_to_itself(
    code: str,
    *,
    silent: bool = False,
    metadata: dict[str, Any] | None = None,
    known: Callable[[str], object] = lambda _: None,
) -> None:
    """Send the kernel of this process an execute request, as a front end would; blocks for some milliseconds.

    It waits its turn behind what was sent before. Nobody is there to answer `input()`, and a failing cell does not
    abort the cells after it. `known` is told the id of the Jupyter session that sends it, before it is sent.

    Raises:
        ExecutionError: this is no kernel that listens.
    """
    import zmq  # noqa: PLC0415 - import time; kernels have it
    from ipykernel.connect import get_connection_info  # noqa: PLC0415
    from jupyter_client.session import Session  # noqa: PLC0415

    try:
        info = get_connection_info(unpack=True)
    except RuntimeError as error:
        raise ExecutionError(f"The kernel cannot be reached from inside ({error}).") from None
    assert isinstance(info, dict)
    session = Session(key=info["key"], signature_scheme=info["signature_scheme"])
    known(session.session)
    message = session.msg(
        "execute_request",
        {
            "code": code,
            "silent": silent,
            "store_history": not silent,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        },
        metadata=metadata,
    )
    port, transport = info["shell_port"], info["transport"]
    separator = ":" if transport == "tcp" else "-"
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 2000
        socket.connect(f"{transport}://{info['ip']}{separator}{port}")
        session.send(socket, message)

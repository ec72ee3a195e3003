"""A kernel of our own: the command line, replay and evaluation run their cells here."""

from __future__ import annotations

import ast
import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.approval import in_thread
from codeact_kernel.errors import ExecutionError
from codeact_kernel.execute import interrupt, isolated_outputs
from codeact_kernel.execute.boot import LOOK, PRINTS_LATE, SETTLE, preparation
from codeact_kernel.execute.capture import OUTPUT_TYPES, OutputReducer, safe_json
from codeact_kernel.execute.memory import held
from codeact_kernel.execute.process import KernelDeadError, KernelProcess, request_of
from codeact_kernel.execute.report import fault_of, plain_error_of, reported, snapshot_of
from codeact_kernel.types import ErrorReport, Execution, ExecutionStatus, Snapshot, now

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from codeact_kernel.execute.isolated import Isolation

GRACE_SECONDS = 5.0
"""How long a cell may take to end after its timeout before the kernel is killed."""
PERSIST_SECONDS = 1.5  # a cell that swallowed an interrupt is interrupted again this often


@dataclass(slots=True)
class _Cell:
    """The cell that runs now or next. `begun`: the kernel has taken it up, an interrupt will reach it.

    `wanted`: it is to be interrupted as soon as one does. `over`: it has ended, an interrupt would hit another.
    """

    reducer: OutputReducer
    stdin: list[dict[str, str]] = field(default_factory=list)
    begun: bool = False
    wanted: bool = False
    over: bool = False
    struck_at: float = 0.0
    why: ExecutionStatus = "interrupted"


class FreshExecutor:
    """Implements the Executor protocol with a kernel of its own.

    All coroutines belong to the loop of `start`; only `interrupt` may be awaited on any loop.

    Args:
        kernel_name: a Jupyter kernelspec; what only Python has (snapshots, hints) is empty for other languages.
        cwd: the kernel's working folder; None takes ours.
        env: environment variables to add. Ours that look like secrets (KEY, TOKEN, SECRET, PASSWORD ...) are
            not inherited.
        on_output: called for each piece of output as it arrives: `{"output_type": ..., ...}` as in nbformat,
            also "update_display_data" and "clear_output".
        answer_stdin: answers `input()`: called with the prompt in a thread of its own; an exception is the end of
            input for the cell. Without it, `input()` raises StdinNotImplementedError in the cell.
        look: whether the namespace is looked at after each cell; without it, executions have no snapshot, result
            or hints, and most cells cost a round trip less.
        literal: whether cells mean what is written, see `kernelside.take_literally`; a person's own cells do not.
        isolation: what the kernel may reach inside bubblewrap; None for a kernel with the user's rights.
    """

    def __init__(
        self,
        *,
        kernel_name: str = "python3",
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        on_output: Callable[[dict[str, Any]], None] | None = None,
        answer_stdin: Callable[[str], str] | None = None,
        look: bool = True,
        literal: bool = True,
        isolation: Isolation | None = None,
    ) -> None:
        self._name = kernel_name
        self._kernel = KernelProcess(kernel_name, cwd, env, isolation)
        self._isolated = isolation is not None
        self._on_output = on_output
        self._answer_stdin = answer_stdin
        self._look = look
        self._literal = literal
        self._prints_late = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cell: _Cell | None = None
        self._lock = asyncio.Lock()
        self._python = False

    async def start(self) -> None:
        """Start the kernel.

        Raises:
            ExecutionError: the kernelspec is missing, or the kernel does not come up.
        """
        self._loop = asyncio.get_running_loop()
        await self._kernel.start()
        self._python = self._kernel.info.get("language_info", {}).get("name") == "python"
        if self._python:
            try:
                await self._prepare()
            except BaseException:
                await self.close()
                raise

    async def _prepare(self) -> None:
        """Put what runs on the kernel's side there.

        As an expression: of a cell so long, IPython would first look at every token for its own syntax (30 ms).
        """
        found = await self._expression(self._preparation())
        if found.get("status") != "ok":
            raise ExecutionError(
                f"The kernel {self._name!r} could not be prepared ({fault_of(found)}); "
                "it needs Python 3.9 or later and IPython."
            )

    @property
    def python(self) -> bool:
        """Whether the kernel is a Python one; known after `start`."""
        return self._python

    def _preparation(self) -> str:
        """Return the code that puts what runs on the kernel's side there."""
        return preparation(literal=self._literal, look=self._look)

    async def run(self, code: str, *, timeout: float | None = None) -> Execution:
        """Run one cell; see `execute.base.Executor`.

        A cell that does not end within GRACE_SECONDS of its timeout takes its kernel with it: status "dead".

        Raises:
            ExecutionError: `start` was not called, or the executor is closed.
        """
        self._must_be_started()
        cell = self._cell = _Cell(OutputReducer())
        async with self._lock:
            started = now()
            self._prints_late = self._prints_late or bool(PRINTS_LATE.search(code))
            if cell.wanted:
                return Execution(
                    status="interrupted",
                    started=started,
                    finished=now(),
                    error=ErrorReport("KeyboardInterrupt", interrupt.NEVER_BEGUN),
                )
            try:
                ident, reply = await self._carry_out(cell, code, timeout)
                cell.over, finished = True, now()
                count, status = self._verdict(cell, reply)
                report = await self._report(cell, count, failed=reply.get("status") != "ok", late=ident)
            except KernelDeadError as error:
                return Execution(
                    status="dead",
                    outputs=cell.reducer.outputs(),
                    started=started,
                    finished=now(),
                    error=ErrorReport("KernelDied", str(error)),
                    stdin=tuple(cell.stdin),
                )
            finally:
                if self._cell is cell:
                    self._cell = None
        ran = Execution(
            status=status,
            outputs=cell.reducer.outputs(),
            execution_count=count,
            started=started,
            finished=finished,
            error=plain_error_of(reply),
            stdin=tuple(cell.stdin),
        )
        return reported(ran, report)

    async def _carry_out(self, cell: _Cell, code: str, timeout: float | None) -> tuple[str, dict[str, Any]]:
        """Execute, interrupt at the timeout and again while it is ignored, kill in the end."""
        content = request_of(code, allow_stdin=self._answer_stdin is not None)
        on_input = self._answered(cell) if self._answer_stdin is not None else None
        work = asyncio.create_task(self._kernel.execute(content, on_message=self._heard(cell), on_input=on_input))
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while not work.done():
                left = 0.25 if deadline is None else deadline - time.monotonic()
                await asyncio.wait({work}, timeout=max(0.0, min(0.25, left)))
                if not work.done():
                    deadline = await self._press(cell, deadline)
        finally:
            if not work.done():  # we are being cancelled: leave no cell behind that nobody waits for
                await self._kernel.interrupt()
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
        return work.result()

    async def _press(self, cell: _Cell, deadline: float | None) -> float | None:
        """Do what the clock asks for; return the next deadline."""
        present = time.monotonic()
        if deadline is not None and present >= deadline:
            if cell.why == "timeout":
                await self._kernel.kill()
                return present + GRACE_SECONDS
            cell.why = "timeout"
            await self._strike(cell)
            return present + GRACE_SECONDS
        if cell.struck_at and present - cell.struck_at > PERSIST_SECONDS:
            await self._strike(cell)
        return deadline

    def _verdict(self, cell: _Cell, reply: dict[str, Any]) -> tuple[int | None, ExecutionStatus]:
        count, answer = reply.get("execution_count"), reply.get("status")
        if cell.struck_at or answer == "abandoned":  # also where the code swallowed it: `!command` does
            return count, cell.why
        return count, "ok" if answer == "ok" else "error"

    def _heard(self, cell: _Cell) -> Callable[[str, dict[str, Any]], None]:
        def heard(kind: str, content: dict[str, Any]) -> None:
            if kind == "execute_input":
                cell.begun = True
                if cell.wanted and self._loop is not None:
                    cell.wanted = False
                    # ipykernel needs a moment from here to the cell's code; before, it would drop the whole cell
                    self._loop.call_later(0.05, lambda: asyncio.ensure_future(self._strike(cell)))
            if kind in OUTPUT_TYPES:
                content = isolated_outputs.passed(content) if self._isolated else content
                cell.reducer.add(kind, content)
                if self._on_output is not None:
                    piece = {key: value for key, value in content.items() if key != "transient"}
                    self._on_output({"output_type": kind, **safe_json(piece)})

        return heard

    def _answered(self, cell: _Cell) -> Any:
        async def answered(request: dict[str, Any]) -> str:
            assert self._answer_stdin is not None
            prompt = str(request.get("prompt", ""))
            try:
                answer = await in_thread(self._answer_stdin, prompt)
            except Exception:
                return "\x04"  # ipykernel's word for the end of input
            if not request.get("password"):
                cell.stdin.append({"prompt": prompt, "answer": answer})
            return answer

        return answered

    async def _report(
        self, cell: _Cell | None, count: int | None, *, failed: bool, late: str | None
    ) -> dict[str, Any]:
        """Return the probe's report; {} where the kernel has none to give."""
        if not self._python:
            return {}
        heard = self._heard(cell) if cell is not None else None
        settle = {"settle": SETTLE} if self._prints_late else {}
        if not self._look:
            if settle:
                await self._silently("", settle, heard, late)
            return {}
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                asked = {**settle, "look": LOOK.format(count=count, failed=failed)}
                reply = await self._silently("", asked, heard, late)
            answer = reply["user_expressions"]["look"]["data"]["text/plain"]
            report: dict[str, Any] = json.loads(ast.literal_eval(answer))
        except (TimeoutError, KeyError, ValueError, SyntaxError):
            return {}
        return report

    async def _silently(
        self,
        code: str,
        expressions: dict[str, str],
        heard: Callable[[str, dict[str, Any]], None] | None = None,
        late: str | None = None,
    ) -> dict[str, Any]:
        content = request_of(code, silent=True, expressions=expressions)
        _, reply = await self._kernel.execute(content, on_message=heard or (lambda *_: None), late=late)
        return reply

    async def _expression(self, expression: str) -> dict[str, Any]:
        """Return what the kernel says of an expression: status, data; ename and evalue where it raised.

        Raises:
            ExecutionError: the kernel is dead.
        """
        try:
            reply = await self._silently("", {"value": expression})
        except KernelDeadError as error:
            raise ExecutionError(str(error)) from None
        found: dict[str, Any] = (reply.get("user_expressions") or {}).get("value") or {}
        return found

    async def inspect(self) -> Snapshot:
        """Return the namespace as it is now; an empty one where the kernel is not Python or is dead.

        Raises:
            ExecutionError: `start` was not called, or the executor is closed.
        """
        self._must_be_started()
        async with self._lock:
            try:
                return snapshot_of(await self._report(None, None, failed=False, late=None))
            except KernelDeadError:
                return Snapshot()

    async def evaluate(self, expression: str) -> str:
        """Return the text of an expression's value; see `execute.base.Executor`."""
        self._must_be_started()
        async with self._lock:
            found = await self._expression(f"str(({expression}))")
        if found.get("status") != "ok":
            raise ExecutionError(fault_of(found))
        return str(ast.literal_eval(found["data"]["text/plain"]))

    async def interrupt(self) -> None:
        """Interrupt the running cell, if there is one; from any loop of any thread."""
        cell, loop = self._cell, self._loop
        if cell is None or loop is None:
            return
        if loop is asyncio.get_running_loop():
            await self._strike_soon(cell)
        else:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._strike_soon(cell), loop))

    async def _strike_soon(self, cell: _Cell) -> None:
        """Interrupt the cell, or note it until the kernel has taken the cell up: before, it would be ignored."""
        if not cell.begun:
            cell.wanted = True
            cell.struck_at = time.monotonic()
        elif time.monotonic() - cell.struck_at > 1.0:  # a second one would cut off the report of the first
            await self._strike(cell)

    async def _strike(self, cell: _Cell) -> None:
        if cell.over:
            return
        cell.struck_at = time.monotonic()
        await self._kernel.interrupt()

    async def memory(self) -> int:
        """Return the bytes that the kernel holds; see `execute.base.Executor`."""
        return await asyncio.to_thread(held, self._kernel.pid)

    async def kill(self) -> None:
        """End the kernel."""
        await self._kernel.kill()

    def answer_with(self, answer: Callable[[str], str] | None) -> None:
        """Say who answers `input()` from the next cell on, see `answer_stdin`; None for nobody."""
        self._answer_stdin = answer

    async def take_literally(self, on: bool) -> None:  # noqa: FBT001 - the one argument says it
        """Say whether cells mean what is written from the next one on; see `literal`.

        Raises:
            ExecutionError: `start` was not called, or the kernel died.
        """
        self._must_be_started()
        if self._python and on != self._literal:
            self._literal = on
            async with self._lock:
                await self._expression(f"__import__('_codeact_side').literally(get_ipython(), {on})")

    def describe(self) -> dict[str, Any]:
        """Return the `kernel` entry of an episode's header: name, implementation_version, language_version."""
        info = self._kernel.info
        return {
            "name": self._name,
            "implementation_version": str(info.get("implementation_version", "")),
            "language_version": str(info.get("language_info", {}).get("version", "")),
        }

    async def close(self) -> None:
        """End the kernel and everything that it started; may be called again."""
        await self._kernel.close()
        self._loop = None

    def _must_be_started(self) -> None:
        if self._loop is None:
            raise ExecutionError("The kernel is not running; call start() first.")

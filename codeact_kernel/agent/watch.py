"""A cell while it runs: what it adds to the kernel's memory, and whether the person wants to wait for it."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from codeact_kernel.errors import StoppedError
from codeact_kernel.types import ErrorReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeact_kernel.agent.approval import Asker
    from codeact_kernel.agent.conversation import Limits
    from codeact_kernel.types import Execution, NbOutput

LOOK_SECONDS = 0.25
FAR_TOO_MUCH = 1.5
"""Times the limit: a kernel of our own that holds so much in spite of the interrupt is ended."""
WAIT, INTERRUPT = "Wait", "Interrupt"
STILL = "Step {step} has not ended after {seconds:.0f} s. Wait for it, or interrupt it?"
IMPATIENT = ErrorReport("Interrupted", "The user did not want to wait any longer.")


class Watched(Protocol):
    """What is asked of an executor here; see `execute.base.Executor`."""

    async def run(self, code: str, *, timeout: float | None = None) -> Execution:
        """Run one cell."""

    async def interrupt(self) -> None:
        """Interrupt it."""

    async def memory(self) -> int:
        """Return the bytes that the kernel holds."""

    async def kill(self) -> None:
        """End the kernel where it is one of our own."""


@dataclass
class CellWatch:
    """Runs the cells of one task and holds them to its limits.

    `base` is what the kernel held when the first of them began, in bytes.
    """

    executor: Watched
    limits: Limits
    asker: Asker | None = None
    base: int | None = None
    output: int = 0
    """Bytes of output so far."""
    _why: ErrorReport | None = None

    async def run(self, code: str, step: int, timeout: float | None) -> Execution:
        """Run a cell; one that a limit or the person ended says so, and the task goes on.

        Raises:
            StoppedError: the person ended the task when asked whether to wait.
        """
        self._why = None
        helpers = []
        if self.limits.growth_bytes:
            helpers.append(asyncio.create_task(self._hold()))
        if self.limits.ask_seconds and self.asker is not None:
            helpers.append(asyncio.create_task(self._ask(step, self.asker)))
        try:
            execution = await self.executor.run(code, timeout=timeout)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        self.output += size_of(execution.outputs)
        if self._why is None or execution.status not in {"interrupted", "dead"}:
            return execution
        if execution.status == "dead":
            return replace(execution, error=self._why)
        return replace(execution, status="timeout" if self._why is IMPATIENT else "error", error=self._why)

    async def _hold(self) -> None:
        """Interrupt the cell when the kernel has grown by more than it may since the task began."""
        limit = self.limits.growth_bytes
        if self.base is None:
            self.base = await self.executor.memory()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            grown = await self.executor.memory() - self.base
            if grown > limit and self._why is None:
                self._why = ErrorReport(
                    "MemoryLimit",
                    f"The cell was ended: the kernel's memory had grown by {grown / 1e9:.2f} GB since the task "
                    f"began, and may by {limit / 1e9:.2f} GB. Work on less at once, or delete what is not used.",
                )
                await self.executor.interrupt()
            elif grown > limit * FAR_TOO_MUCH:
                await self.executor.kill()

    async def _ask(self, step: int, asker: Asker) -> None:
        """Ask whether to wait, again after twice the time."""
        began, seconds = time.monotonic(), self.limits.ask_seconds
        while True:
            await asyncio.sleep(began + seconds - time.monotonic())
            try:
                reply = await asker.reply(STILL.format(step=step, seconds=seconds), (WAIT, INTERRUPT))
            except StoppedError:  # whoever takes the answer has given the signal already
                return
            if reply == INTERRUPT:
                self._why = self._why or IMPATIENT
                await self.executor.interrupt()
                return
            seconds = 2 * max(seconds, (time.monotonic() - began) / 2)


def size_of(outputs: Sequence[NbOutput]) -> int:
    """Return the characters that outputs take in a notebook, nearly: texts and data, without their frames."""
    return sum(_size(value) for output in outputs for value in (output.get("text"), output.get("data")) if value)


def _size(value: object) -> int:
    if isinstance(value, dict):
        return sum(_size(part) for part in value.values())
    return len(value) if isinstance(value, str) else len(json.dumps(value, default=str))

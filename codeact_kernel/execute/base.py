"""The executor protocol: whoever runs the cell, the agent loop sees the same thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from codeact_kernel.types import Execution, Snapshot


class Executor(Protocol):
    """Runs cells in a kernel. All coroutines are awaited on the agent's own loop, never on the kernel's."""

    async def run(self, code: str, *, timeout: float | None = None) -> Execution:
        """Run one cell to its end and return what came of it; never raises for what the code did.

        `timeout` is in seconds; a cell that outlives it is interrupted and has status "timeout".
        A cell that `interrupt` ended has status "interrupted"; a kernel that died, "dead".
        """

    async def inspect(self) -> Snapshot:
        """Return the namespace as it is now, without running a visible cell."""

    async def evaluate(self, expression: str) -> str:
        """Return `str()` of an expression's value in the user's namespace, without a cell.

        Raises ExecutionError, "NameError: ..." for example, if it fails or the kernel is not there.
        """

    async def interrupt(self) -> None:
        """Interrupt the running cell, if there is one. Safe from any thread's loop."""

    async def memory(self) -> int:
        """Return the bytes that the kernel and its children hold; 0 where that is not known."""

    async def kill(self) -> None:
        """End the kernel at once where it is one of our own; nothing where it is the user's."""

    def describe(self) -> dict[str, Any]:
        """Return the `kernel` entry of an episode's header: name, implementation_version, language_version."""

    async def close(self) -> None:
        """Give back what was started: a kernel of our own, hooks in the user's."""

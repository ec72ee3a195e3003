"""What the user ran: the cells before an episode, the cells between two tasks, and the cells that failed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent import observation, probe
from codeact_kernel.errors import ConfigError
from codeact_kernel.execute.report import error_of
from codeact_kernel.session import HumanCell
from codeact_kernel.types import Execution

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

OURS = re.compile(r"^\s*(?:\w+\s*=\s*)?%{1,2}(?:codeact\b|(?:re)?load_ext\s+codeact_kernel)", re.MULTILINE)
MOST_ERRORS = 50


class History:
    """Listens to a shell; `busy` says whether the agent is at work, whose own cells do not count as the user's."""

    def __init__(self, shell: InteractiveShell, busy: Callable[[], bool]) -> None:
        self._shell = shell
        self._busy = busy
        self.errors: dict[int, str] = {}
        self._failed: tuple[str, str] | None = None
        self._humans: list[HumanCell] = []

    def attach(self) -> None:
        """Begin to listen."""
        self._shell.events.register("post_run_cell", self._ran)

    def detach(self) -> None:
        """Stop listening."""
        self._shell.events.unregister("post_run_cell", self._ran)

    def forget(self) -> None:
        """Forget the cells run since the last task."""
        self._humans.clear()

    def take_humans(self) -> list[HumanCell]:
        """Return the user's cells since the last call, and forget them."""
        cells, self._humans = self._humans, []
        return cells

    def prelude(self) -> tuple[list[str], bool]:
        """Return the kernel's input history without our own magics, and whether it is whole."""
        manager = self._shell.history_manager
        inputs = manager.input_hist_raw if manager is not None else []
        cells = [source for source in inputs[1:-1] if source.strip() and not OURS.search(source)]
        whole = len(inputs) >= self._shell.execution_count
        return cells, whole

    def last_failure(self) -> str:
        """Return the task that mends the last cell that failed.

        Raises:
            ConfigError: no cell failed yet.
        """
        if self._failed is None:
            raise ConfigError("No cell has failed since the extension was loaded; there is nothing to fix.")
        source, error = self._failed
        return (
            "Fix this cell. Find the cause, run a corrected version, then say in one sentence what was wrong.\n\n"
            f"```python\n{source.rstrip()}\n```\n\nIt failed with:\n{error}"
        )

    def _ran(self, result: ExecutionResult) -> None:
        info = result.info
        source = getattr(info, "raw_cell", "") or ""
        if self._busy() or not getattr(info, "store_history", False) or OURS.search(source):
            return
        count = result.execution_count or self._shell.execution_count
        self._humans.append(HumanCell(source, result.execution_count))
        error = result.error_in_exec or result.error_before_exec
        if error is None:
            return
        words = _words(error, self._shell.user_ns)
        self.errors[count] = words
        self._failed = (source, words)
        while len(self.errors) > MOST_ERRORS:
            del self.errors[next(iter(self.errors))]


def _words(error: BaseException, namespace: dict[str, Any]) -> str:
    report = probe.report(namespace, error=error, seconds=0.05)
    return observation.observe(Execution("error", error=error_of(report))).text

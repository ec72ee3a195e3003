"""The user's names through a run: what each step may change is kept before, and what is protected stays."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from codeact_kernel.run_progress import RunProgress


class Names:
    """Watches a namespace around the agent's cells; see `execute.around.Watch`."""

    def __init__(self, namespace: dict[str, Any], hidden: Callable[[], Container[str]]) -> None:
        self._namespace = namespace
        self._hidden = hidden
        self._run: RunProgress | None = None
        self._lock = threading.Lock()

    def watch(self, run: RunProgress) -> None:
        """Tell this run what undo will not restore."""
        self._run = run

    def protect(self, names: Iterable[str]) -> None:
        """Let no step change these names from now on."""

    def before(self, code: str) -> str:
        """Keep what the cell may change; return why it may not run, "" if it may."""
        return ""

    def after(self) -> tuple[str, ...]:
        """Put protected names back that the cell changed, and say so."""
        return ()

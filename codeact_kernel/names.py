"""The user's names through a run: what a step may change is kept before it runs, and what is protected stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ConfigError
from codeact_kernel.execute.checkpoint import take
from codeact_kernel.execute.fingerprints import Guard
from codeact_kernel.execute.protect import forbidden
from codeact_kernel.execute.undo import UndoLog

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from codeact_kernel.execute.checkpoint import Checkpoint, Unsaved
    from codeact_kernel.execute.undo import UndoReport
    from codeact_kernel.run_progress import RunProgress


class Names:
    """Watches a namespace around the agent's cells; see `execute.around.Watch`. Used on the main thread."""

    def __init__(
        self, namespace: dict[str, Any], hidden: Callable[[], Container[str]], most_bytes: Callable[[], int]
    ) -> None:
        self._namespace = namespace
        self._hidden = hidden
        self._most_bytes = most_bytes
        self._log = UndoLog()
        self._steps: list[tuple[str, RunProgress, int]] = []
        self._undone: list[tuple[str, RunProgress, int]] = []
        self._run: RunProgress | None = None
        self._checkpoint: Checkpoint | None = None
        self._protected: dict[str, None] = {}
        self._guard: Guard | None = None
        self._said: set[str] = set()

    def watch(self, run: RunProgress) -> None:
        """Tell this run what undo will not restore."""
        self._run, self._checkpoint = run, None

    def protect(self, names: Iterable[str]) -> None:
        """Let no step change these names from now on.

        Raises:
            ConfigError: one of them is no variable.
        """
        wanted = [name.strip() for name in names if name.strip()]
        unknown = [name for name in wanted if name not in self._namespace]
        if unknown:
            raise ConfigError(f"There is no variable {unknown[0]!r} to protect; make it first, or leave it out.")
        self._protected |= dict.fromkeys(wanted)

    def unprotect(self) -> None:
        """Let steps change every name again."""
        self._protected.clear()

    @property
    def protected(self) -> tuple[str, ...]:
        """The names that no step may change."""
        return tuple(self._protected)

    # -- around a cell -----------------------------------------------------------------------------------------
    def before(self, code: str) -> str:
        """Keep what the cell may change; return why it may not run, "" if it may."""
        self._checkpoint = self._guard = None
        if self._protected:
            refusals = forbidden(code, self._protected, self._namespace)
            if refusals:
                return " ".join(refusals)
            self._guard = Guard(self._namespace, self._protected)
        if not self._most_bytes():
            return ""
        try:
            checkpoint = take(self._namespace, code, hidden=self._hidden(), max_bytes=self._most_bytes())
        except Exception as error:  # undo is a service: the step runs without it
            if self._run is not None:
                self._run.warn(f"This step cannot be undone ({type(error).__name__}: {error}).")
            return ""
        if self._run is not None:
            self._run.change(unsaved=told(checkpoint.unsaved))
        self._checkpoint = checkpoint
        return ""

    def after(self) -> tuple[str, ...]:
        """Put protected names back that the cell changed, and say so."""
        notes = self._check_protected()
        checkpoint, self._checkpoint = self._checkpoint, None
        run = self._run
        if checkpoint is None or run is None:
            return notes
        checkpoint.settle(self._namespace)
        index = run.step_json()["index"]
        self._undone.clear()
        self._steps.append((f"step {index}", run, index))
        forgotten = self._log.push(f"step {index}", checkpoint)
        for _, one, step in self._steps[: len(forgotten)]:
            one.change(step, undoable=False)
        del self._steps[: len(forgotten)]
        if self._steps:
            run.change(index, undoable=True)
        return notes

    def _check_protected(self) -> tuple[str, ...]:
        guard, self._guard = self._guard, None
        if guard is None:
            return ()
        notes = guard.check(self._namespace)
        news = [sentence for sentence in guard.sentences if sentence not in self._said]
        self._said.update(news)
        for sentence in (*notes, *news):
            if self._run is not None:
                self._run.warn(sentence)
        return notes

    # -- afterwards --------------------------------------------------------------------------------------------
    def undo(self, steps: int = 1) -> dict[str, Any]:
        """Put the names back to before the last steps; see `Resident.undo`."""
        return self._move(self._log.undo, steps, self._steps, self._undone, undoable=False)

    def redo(self, steps: int = 1) -> dict[str, Any]:
        """Take an undo back."""
        return self._move(self._log.redo, steps, self._undone, self._steps, undoable=True)

    def _move(
        self,
        move: Callable[[dict[str, Any], int], UndoReport],
        steps: int,
        source: list[tuple[str, RunProgress, int]],
        target: list[tuple[str, RunProgress, int]],
        *,
        undoable: bool,
    ) -> dict[str, Any]:
        report = move(self._namespace, steps)
        for _ in report.steps:
            entry = source.pop()
            target.append(entry)
            entry[1].change(entry[2], undoable=undoable)
        if not report.steps:
            raise ConfigError(report.sentence)
        return {
            "sentence": report.sentence,
            "restored": [*report.restored, *report.removed],
            "not_restored": told(report.not_restored),
        }


def told(unsaved: Iterable[Unsaved]) -> list[dict[str, str]]:
    """Return what is not saved as the protocol has it."""
    return [{"name": one.name, "reason": one.reason} for one in unsaved]

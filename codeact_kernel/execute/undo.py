"""The steps that can be undone, and those that can be done again.

Only names: files, databases, the network and other processes stay as a step left them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codeact_kernel.execute.restore import UndoError, restore

if TYPE_CHECKING:
    from codeact_kernel.execute.checkpoint import Checkpoint, Unsaved
    from codeact_kernel.execute.restore import Restored

MOST_STEPS = 20
MOST_BYTES = 2**30
_SHOWN = 8
"""So many names are spelled out in a sentence."""


@dataclass(frozen=True, slots=True)
class UndoReport:
    """What an undo or redo did. `steps`: labels, in the order in which they were undone or done again."""

    sentence: str
    steps: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    not_restored: tuple[Unsaved, ...] = ()


class UndoLog:
    """Checkpoints of the last steps. Not for two threads at once.

    Args:
        most_steps: older steps are forgotten.
        most_bytes: of all that is kept, with objects that live only here; older steps are forgotten, and the last
            one too if it alone is larger.
    """

    def __init__(self, *, most_steps: int = MOST_STEPS, most_bytes: int = MOST_BYTES) -> None:
        self._most_steps = most_steps
        self._most_bytes = most_bytes
        self._done: list[tuple[str, Checkpoint]] = []
        self._undone: list[tuple[str, Checkpoint]] = []

    @property
    def steps(self) -> tuple[str, ...]:
        """Return the labels of the steps that can be undone, oldest first."""
        return tuple(label for label, _ in self._done)

    @property
    def undone(self) -> tuple[str, ...]:
        """Return the labels of the steps that can be done again, the next one last."""
        return tuple(label for label, _ in self._undone)

    @property
    def size(self) -> int:
        """Return the bytes that are kept, with objects that are known to live only here."""
        kept = [*self._undone, *self._done]
        alive = kept[-1][1].before.values() if kept else ()
        held: dict[int, int] = {}
        for _, checkpoint in kept:
            held |= checkpoint.held
        for ident in alive:
            held.pop(ident, None)
        return sum(checkpoint.size for _, checkpoint in kept) + sum(held.values())

    def push(self, label: str, checkpoint: Checkpoint) -> tuple[str, ...]:
        """Add a step (`step 3`) with the checkpoint from before it; what was undone cannot be done again any more.

        Returns the labels of the steps that were forgotten for it.
        """
        self._undone.clear()
        self._done.append((label, checkpoint))
        forgotten = []
        while self._done and (len(self._done) > self._most_steps or self.size > self._most_bytes):
            forgotten.append(self._done.pop(0)[0])
        return tuple(forgotten)

    def clear(self) -> None:
        """Forget everything."""
        self._done.clear()
        self._undone.clear()

    def undo(self, namespace: dict[str, Any], steps: int = 1) -> UndoReport:
        """Bring the names back as they were before the last `steps` steps; never raises UndoError."""
        done, failure = _move(namespace, steps, self._done, self._undone)
        return _report(namespace, "Undid", done, failure or ("" if done else "There is no step to undo."))

    def redo(self, namespace: dict[str, Any], steps: int = 1) -> UndoReport:
        """Undo the last undo: bring the names back as the steps had left them, without running anything."""
        done, failure = _move(namespace, steps, self._undone, self._done)
        return _report(namespace, "Redid", done, failure or ("" if done else "There is nothing to redo."))


def _move(
    namespace: dict[str, Any],
    steps: int,
    source: list[tuple[str, Checkpoint]],
    target: list[tuple[str, Checkpoint]],
) -> tuple[list[tuple[str, Restored]], str]:
    """Restore the last checkpoints of `source`, and leave in `target` what undoes that.

    Returns what was done for each step, and why it went no further before its time.
    """
    done: list[tuple[str, Restored]] = []
    while source and len(done) < steps:
        label, checkpoint = source[-1]
        try:
            restored = restore(namespace, checkpoint)
        except UndoError as error:
            return done, str(error)
        source.pop()
        target.append((label, restored.overwritten))
        done.append((label, restored))
    return done, ""


def _report(namespace: dict[str, Any], verb: str, done: list[tuple[str, Restored]], failure: str) -> UndoReport:
    """Sum up several restores in one sentence; `failure` is said where nothing, or not all, was done."""
    touched = sorted({name for _, one in done for name in (*one.restored, *one.removed)})
    reasons = {unsaved.name: unsaved for _, one in done for unsaved in one.not_restored}
    restored = tuple(name for name in touched if name in namespace and name not in reasons)
    removed = tuple(name for name in touched if name not in namespace)
    unsaved = tuple(reasons.values())
    sentence = failure
    if done:
        parts = []
        if restored:
            parts.append(f"{_listed(restored)} {'is' if len(restored) == 1 else 'are'} back")
        if removed:
            parts.append(f"{_listed(removed)} {'is' if len(removed) == 1 else 'are'} gone")
        if unsaved:
            names = [f"{one.name} ({one.reason})" for one in unsaved]
            parts.append(f"what changed inside {_listed(names)} could not be restored")
        sentence = (
            f"{verb} {', '.join(label for label, _ in done)}: {'; '.join(parts) or 'no variable had changed'}."
        )
        sentence += f" {failure}" if failure else ""
    return UndoReport(sentence, tuple(label for label, _ in done), restored, removed, unsaved)


def _listed(names: tuple[str, ...] | list[str]) -> str:
    """Return names as they are read out: `a, b and 3 more`."""
    if len(names) <= _SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[:_SHOWN])} and {len(names) - _SHOWN} more"

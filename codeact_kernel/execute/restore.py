"""A namespace back to a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import CodeActError
from codeact_kernel.execute.checkpoint import MOST_BYTES, MOST_SECONDS, Checkpoint, Loaded, Unsaved, take_names
from codeact_kernel.execute.deadline import OutOfTime, limited
from codeact_kernel.execute.kinds import Unsaveable
from codeact_kernel.execute.loading import put_back
from codeact_kernel.execute.saving import Saver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LOAD_SECONDS = 30.0
"""How long values may take to come back: longer than they took to be saved, but not for ever."""


class UndoError(CodeActError):
    """Names could not be brought back; the namespace is as it was."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What `restore` did.

    Attributes:
        restored: names that have the value of before again (those that had it all along are not counted).
        removed: names that are gone.
        not_restored: names that are bound as before, but whose content could not be brought back.
        overwritten: the checkpoint that brings back what was there: restoring it undoes this.
    """

    restored: tuple[str, ...]
    removed: tuple[str, ...]
    not_restored: tuple[Unsaved, ...]
    overwritten: Checkpoint


def restore(namespace: dict[str, Any], checkpoint: Checkpoint) -> Restored:
    """Bring back the names of a checkpoint, with the aliases among them, and remove those that the cell made.

    Names that are as they were, with all that share objects with them, keep their objects. Functions and classes
    of the user stay the objects that they are; what changed in them is put back. Names that were bound by others
    since the cell ran are overwritten all the same.

    Raises:
        UndoError: a value could not be loaded; nothing was changed.
        KeyboardInterrupt: the user interrupted; nothing was changed.
    """
    removed = checkpoint.removable(namespace)
    touched = [*checkpoint.segments, *checkpoint.kept, *removed]
    known = [one for one in checkpoint.unsaved if namespace.get(one.name) is checkpoint.kept.get(one.name, one)]
    overwritten = take_names(namespace, touched, known=known, max_seconds=2 * MOST_SECONDS)
    shadow = dict(namespace)
    undoing: list[Callable[[], None]] = []
    try:
        with limited(LOAD_SECONDS):
            loaded = checkpoint.load()
        changed = _changed(namespace, checkpoint, overwritten, loaded)
        for value, state in loaded.patches:
            undoing.append(put_back(value, state))
        namespace.update({name: value for name, value in loaded.values.items() if name in changed})
        namespace.update(checkpoint.kept)
        for name in removed:
            namespace.pop(name, None)
    except BaseException as error:
        for undo in reversed(undoing):
            undo()
        _leave(namespace, shadow)
        if isinstance(error, Exception | OutOfTime):
            why = "it took too long" if isinstance(error, OutOfTime) else f"{type(error).__name__}: {error}"
            raise UndoError(f"The variables could not be brought back ({why}); nothing was changed.") from error
        raise
    bound = {name for name, value in checkpoint.kept.items() if shadow.get(name, shadow) is not value}
    back = tuple(name for name in checkpoint.names if name in changed or name in bound)
    return Restored(back, removed, checkpoint.unsaved, overwritten)


def _leave(namespace: dict[str, Any], shadow: dict[str, Any]) -> None:
    """Give a namespace exactly the names and objects of `shadow`."""
    for name in [name for name in namespace if name not in shadow]:
        del namespace[name]
    namespace.update(shadow)


def _changed(
    namespace: dict[str, Any], checkpoint: Checkpoint, present: Checkpoint, loaded: Loaded
) -> frozenset[str]:
    """Return the saved names that are not as they were, and all that share or shared objects with one of them."""
    names = list(checkpoint.segments)
    together = {name: {name} for name in names}
    for groups in (checkpoint.groups, present.groups):
        leaders: dict[str, str] = {}
        for name in names:
            if name in groups:
                _merge(together, leaders.setdefault(groups[name], name), name)
    changed: set[str] = set()
    for group in {id(group): group for group in together.values()}.values():
        members = [name for name in names if name in group]
        if not all(_same_content(name, checkpoint, present, loaded) for name in members) or (
            _content(namespace, [namespace[name] for name in members])
            != _content(namespace, [loaded.values[name] for name in members])
        ):
            changed |= group
    return frozenset(changed)


def _merge(together: dict[str, set[str]], one: str, other: str) -> None:
    """Make two names members of one group."""
    joined = together[one] | together[other]
    for name in joined:
        together[name] = joined


def _same_content(name: str, checkpoint: Checkpoint, present: Checkpoint, loaded: Loaded) -> bool:
    """Say whether a name may be as it was: the same object, and nothing to put back but what is there."""
    if present.before.get(name) != checkpoint.before.get(name):
        return False
    return name not in loaded.patched or present.segments.get(name) == checkpoint.segments[name]


def _content(namespace: dict[str, Any], values: Iterable[Any]) -> tuple[object, ...]:
    """Return what a pickle of values comes to; equal for equal values, and for nothing else."""
    saver = Saver(namespace, frozenset(), MOST_BYTES, MOST_SECONDS)
    for value in values:
        try:
            saver.save(value, lenient=False, seconds=MOST_SECONDS)
        except Unsaveable:
            return (object(),)
    return b"".join(saver.sink.chunks), tuple(map(id, saver.refs))

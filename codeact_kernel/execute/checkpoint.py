"""A checkpoint: the names that a cell may change, as they are before it runs.

Only names: files, databases, the network, other processes, modules and their settings stay as the cell left them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from codeact_kernel.execute import kinds
from codeact_kernel.execute.deadline import OutOfTime, limited
from codeact_kernel.execute.loading import Loader
from codeact_kernel.execute.reach import is_ipythons, reach, reach_of
from codeact_kernel.execute.saving import Saver, too_large

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from codeact_kernel.execute.reach import Reach

MOST_BYTES = 256 * 2**20
MOST_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Unsaved:
    """A name whose value is not saved, and why: `generator: has no state that can be saved`."""

    name: str
    reason: str


@dataclass(slots=True)
class Checkpoint:
    """What `take` returns.

    Attributes:
        names: names that can be brought back.
        unsaved: names that can only be bound to the same object again; what a cell changes inside it stays.
        absent: names that did not exist and that the cell may create; they are removed.
        size: bytes that are kept.
        seconds: how long it took.
        held: id -> bytes, as far as known, of objects that are kept themselves.
        before: name -> id of its object, for all names of the namespace.
        kept: name -> the very object, where that is all that is kept.
        segments: name -> its part of the joint pickle; in order.
        refs: objects that the pickle means and does not hold.
        groups: name -> the name that stands for all that share objects with it.
        open_ended: the cell may create names that cannot be read from it.
    """

    names: tuple[str, ...] = ()
    unsaved: tuple[Unsaved, ...] = ()
    absent: tuple[str, ...] = ()
    size: int = 0
    seconds: float = 0.0
    held: dict[int, int] = field(default_factory=dict, repr=False)
    before: dict[str, int] = field(default_factory=dict, repr=False)
    kept: dict[str, Any] = field(default_factory=dict, repr=False)
    segments: dict[str, tuple[bytes, ...]] = field(default_factory=dict, repr=False)
    refs: tuple[Any, ...] = field(default=(), repr=False)
    groups: dict[str, str] = field(default_factory=dict, repr=False)
    open_ended: bool = field(default=False, repr=False)
    _made: frozenset[str] | None = field(default=None, repr=False)

    def settle(self, namespace: dict[str, Any]) -> None:
        """Note, right after the cell, which names it has made: only these are removed by an undo."""
        self._made = frozenset(name for name in namespace if name not in self.before)

    def removable(self, namespace: dict[str, Any]) -> tuple[str, ...]:
        """Return the names of a namespace that an undo takes away."""
        made = self._made
        if made is None:
            made = frozenset(namespace if self.open_ended else self.absent)
        return tuple(n for n in list(namespace) if n in made and n not in self.before and not is_ipythons(n))

    def load(self) -> Loaded:
        """Return new copies of the values; may raise anything."""
        loader = Loader((chunk for chunks in self.segments.values() for chunk in chunks), self.refs)
        loaded = Loaded()
        for name in self.segments:
            count = len(loader.patches)
            loader.load()  # the marker before each value
            loaded.values[name] = loader.load()
            if len(loader.patches) > count:
                loaded.patched.add(name)
        loaded.patches = loader.patches
        return loaded


@dataclass(slots=True)
class Loaded:
    """Values by name; `patches` for `put_back`, and the names whose values they belong to."""

    values: dict[str, Any] = field(default_factory=dict)
    patches: list[tuple[Any, Any]] = field(default_factory=list)
    patched: set[str] = field(default_factory=set)


def take(
    namespace: dict[str, Any],
    code: str,
    *,
    hidden: Container[str] = (),
    max_bytes: int = MOST_BYTES,
    max_seconds: float = MOST_SECONDS,
) -> Checkpoint:
    """Save the names that running a cell may change, in one joint pickle, so that aliases stay aliases.

    These are the names that the cell binds, deletes or mentions, those that the user's functions use that it may
    call, and all that share objects with one of these; all names where the cell cannot be read or may do anything
    (`exec`, `globals()`, `%run`). What cannot be saved is in `unsaved`, with the reason. Runs `__reduce__` and the
    like of the values; call it on the thread that runs the cells.

    Args:
        namespace: the user's names.
        code: the cell, with magics.
        hidden: names that IPython or an extension put there; they count only where the cell mentions them.
        max_bytes: of all values together.
        max_seconds: of the whole; what cannot be saved in time is unsaved. One call into C may take longer.

    Raises:
        KeyboardInterrupt: the user interrupted.
    """
    limits = _Limits(max_bytes, max_seconds)
    found = reach(namespace, code, hidden=hidden, until=limits.began + max_seconds / 4)
    return _save(namespace, found, limits)


def take_names(
    namespace: dict[str, Any],
    names: Iterable[str],
    *,
    known: Iterable[Unsaved] = (),
    max_bytes: int = MOST_BYTES,
    max_seconds: float = MOST_SECONDS,
) -> Checkpoint:
    """Save just these names, in this order, with what they share among them; see `take`.

    Those that do not exist are absent. `known`: names that need not be tried again.
    """
    limits = _Limits(max_bytes, max_seconds)
    ordered = tuple(dict.fromkeys(names))
    found = reach_of(namespace, ordered, until=limits.began + max_seconds / 4)
    return _save(namespace, found, limits, ordered, {one.name: one.reason for one in known})


@dataclass(slots=True)
class _Limits:
    """Bytes and seconds in all, from now on."""

    bytes: int
    seconds: float
    began: float = field(default_factory=time.monotonic)


def _save(
    namespace: dict[str, Any],
    found: Reach,
    limits: _Limits,
    ordered: tuple[str, ...] = (),
    known: Mapping[str, str] = MappingProxyType({}),
) -> Checkpoint:
    """Save what was found, the small first; what does not load is left out and the rest saved again."""
    order = ordered or sorted(found.names, key=lambda name: (found.sizes.get(name, 0), name))
    names = [name for name in order if name in found.names]
    refused = dict(known)
    while True:
        saving = _Saving(namespace, found, limits)
        checkpoint = saving.run(names, refused)
        wrong = saving.first_that_does_not_load(checkpoint)
        if wrong is None:
            checkpoint.seconds = time.monotonic() - limits.began
            return checkpoint
        refused[wrong[0]] = wrong[1]


class _Saving:
    """One attempt at a joint pickle."""

    def __init__(self, namespace: dict[str, Any], found: Reach, limits: _Limits) -> None:
        self._namespace, self._found = namespace, found
        self._max_bytes, self._max_seconds = limits.bytes, limits.seconds
        self._until = limits.began + limits.seconds
        self._saver = Saver(namespace, found.shared, limits.bytes, limits.seconds)
        self._segments: dict[str, tuple[int, int]] = {}

    def run(self, names: list[str], refused: dict[str, str]) -> Checkpoint:
        """Save every name for which there is no reason against it."""
        sizes = self._found.sizes
        kept: dict[str, Any] = {}
        reasons = dict(refused)
        todo = []
        for name in names:
            value = kept[name] = self._namespace[name]
            if name in refused or kinds.is_fixed(value, self._namespace):
                continue
            if is_ipythons(name):
                continue
            if sizes.get(name, 0) > self._max_bytes:
                reasons[name] = too_large(self._max_bytes)
            else:
                todo.append(name)
        for number, name in enumerate(todo):
            reason = self._save_one(name, last=number == len(todo) - 1)
            if reason:
                reasons[name] = reason
            if name in self._segments:
                del kept[name]
        unsaved = tuple(Unsaved(name, reasons[name]) for name in names if name in reasons)
        chunks = self._saver.sink.chunks
        return Checkpoint(
            names=tuple(name for name in names if name not in reasons),
            unsaved=unsaved,
            absent=tuple(sorted(self._found.creates)),
            size=self._saver.sink.size,
            held={id(value): sizes.get(name, 0) for name, value in kept.items()},
            before={name: id(value) for name, value in list(self._namespace.items())},
            open_ended=self._found.open_ended,
            kept=kept,
            segments={name: tuple(chunks[begin:end]) for name, (begin, end) in self._segments.items()},
            refs=tuple(self._saver.refs),
            groups=self._found.groups,
        )

    def _save_one(self, name: str, *, last: bool) -> str:
        """Save a name; return why it is not saved, or not wholly, or ""."""
        value = self._namespace[name]
        reason = ""
        for lenient in (False, True):
            left = self._until - time.monotonic()
            if left <= 0:
                return reason or f"took longer than {self._max_seconds:.2g} s"
            try:
                # a value that hangs must leave time for those behind it
                self._segments[name] = self._saver.save(value, lenient=lenient, seconds=left if last else left / 2)
            except kinds.Unsaveable as error:
                reason = str(error)
                if reason.startswith(("took", "larger", "nested")):
                    break
                continue
            break
        return self._worded(value, reason)

    def _worded(self, value: Any, reason: str) -> str:
        """Say `holds a ...` where the reason is about something inside the value."""
        inside = ": " in reason or reason == "open file"
        if not inside or reason.startswith(kinds.spelled(type(value)).replace("_", " ")):
            return reason
        return f"holds {reason}"

    def first_that_does_not_load(self, checkpoint: Checkpoint) -> tuple[str, str] | None:
        """Load it once where values have code of their own for that; return the first name that fails, and why."""
        if not self._saver.must_load:
            return None
        loader = Loader(self._saver.sink.chunks, checkpoint.refs)
        for name in self._segments:
            left = max(self._until - time.monotonic(), 0.05)
            try:
                with limited(left):
                    loader.load()
                    loader.load()
            except (Exception, OutOfTime) as error:
                slow = isinstance(error, OutOfTime)
                kind = kinds.spelled(type(self._namespace[name]))
                why = f"took longer than {self._max_seconds:.2g} s" if slow else f"{kind}: cannot be loaded again"
                return name, why
        return None

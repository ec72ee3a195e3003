"""Whether protected names still hold what they held, and their values from before."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from codeact_kernel.execute import kinds
from codeact_kernel.execute.checkpoint import MOST_BYTES, MOST_SECONDS, Checkpoint, Unsaved, take_names
from codeact_kernel.execute.deadline import OutOfTime, limited
from codeact_kernel.execute.kinds import Unsaveable
from codeact_kernel.execute.restore import UndoError, restore
from codeact_kernel.execute.saving import Saver

if TYPE_CHECKING:
    from collections.abc import Iterable


class Fingerprints:
    """Digests of the values of names, to find out later which of them changed.

    Frames, series and arrays count by content, dtypes, index, labels and attributes; all else by its pickle.
    `unread`: names of whose value there is no digest, and why; of these only the binding is compared.
    """

    def __init__(self, bound: dict[str, Any], digests: dict[str, bytes], unread: tuple[Unsaved, ...]) -> None:
        self._bound = bound
        self._digests = digests
        self.unread = unread

    @classmethod
    def of(cls, namespace: dict[str, Any], names: Iterable[str]) -> Fingerprints:
        """Read the names that exist; up to MOST_SECONDS for each."""
        bound = {name: namespace[name] for name in names if name in namespace}
        digests: dict[str, bytes] = {}
        unread: list[Unsaved] = []
        for name, value in bound.items():
            try:
                digests[name] = _digest(value, namespace)
            except Unsaveable as error:
                unread.append(Unsaved(name, str(error)))
        return cls(bound, digests, tuple(unread))

    def changed(self, namespace: dict[str, Any]) -> tuple[str, ...]:
        """Return the names that are gone, bound to something of another content, or changed in place."""
        found = []
        for name, value in self._bound.items():
            present = namespace.get(name, self)
            if name in self._digests and present is not self:
                try:
                    same = _digest(present, namespace) == self._digests[name]
                except Unsaveable:
                    same = False
            else:
                same = present is value
            if not same:
                found.append(name)
        return tuple(found)


class Guard:
    """Protected names before a cell: `check` afterwards puts back what the cell changed all the same.

    Args:
        namespace: the user's names.
        names: the protected ones; those that do not exist are left alone.
    """

    def __init__(self, namespace: dict[str, Any], names: Iterable[str]) -> None:
        here = [name for name in names if name in namespace]
        self._prints = Fingerprints.of(namespace, here)
        self._copy: Checkpoint = take_names(namespace, here)
        reasons = {one.name: one.reason for one in (*self._copy.unsaved, *self._prints.unread)}
        self._reasons = reasons

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return what cannot be watched or put back, one sentence for each name; to be said once."""
        return tuple(
            f"{name} is protected, but changes inside it cannot be undone ({reason})."
            for name, reason in self._reasons.items()
        )

    def check(self, namespace: dict[str, Any]) -> tuple[str, ...]:
        """Put back the names that changed; return a sentence for each."""
        changed = self._prints.changed(namespace)
        if not changed:
            return ()
        try:
            restore(namespace, self._copy)
        except UndoError as error:
            return tuple(f"{name} is protected and was changed by this cell. {error}" for name in changed)
        return tuple(self._said(name) for name in changed)

    def _said(self, name: str) -> str:
        reason = self._reasons.get(name)
        if reason is None:
            return f"{name} is protected and was changed by this cell; it was put back. Work on a copy of it."
        return (
            f"{name} is protected and was changed by this cell; it is the same object as before, but what "
            f"changed inside it could not be put back ({reason})."
        )


def _digest(value: Any, namespace: dict[str, Any]) -> bytes:
    """Return a digest of a value; raise Unsaveable where there is none."""
    digest = hashlib.blake2b(digest_size=20)
    try:
        with limited(MOST_SECONDS):
            arrays = _arrays(value, digest)
    except OutOfTime:
        raise Unsaveable(f"took longer than {MOST_SECONDS:.2g} s") from None
    except Exception as error:
        raise Unsaveable(f"{kinds.spelled(type(value))}: cannot be read ({type(error).__name__})") from None
    saver = Saver(namespace, frozenset(), MOST_BYTES, MOST_SECONDS)
    for part in arrays:
        saver.save(part, lenient=False, seconds=MOST_SECONDS)
    for chunk in saver.sink.chunks:
        digest.update(chunk)
    digest.update(repr([id(ref) for ref in saver.refs]).encode())
    return digest.digest()


def _arrays(value: Any, digest: hashlib.blake2b) -> list[Any]:
    """Digest what is plain memory, and return what must be pickled for the digest."""
    pandas, numpy = kinds.loaded("pandas"), kinds.loaded("numpy")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        labels = [value.attrs, value.flags.allows_duplicate_labels]
        columns = [_memory(value.iloc[:, place]) for place in range(value.shape[1])]
        indexes = [*_index(value.columns, digest), *_index(value.index, digest)]
        return [type(value), labels, *_all(columns, digest), *indexes]
    if pandas is not None and isinstance(value, pandas.Series):
        labels = [value.name, value.attrs, value.flags.allows_duplicate_labels]
        return [type(value), labels, *_all([_memory(value)], digest), *_index(value.index, digest)]
    if pandas is not None and isinstance(value, pandas.Index):
        return [type(value), *_index(value, digest)]
    if numpy is not None and type(value) is numpy.ndarray:
        return [type(value), value.flags.writeable, *_all([value], digest)]
    return [value]


def _index(index: Any, digest: hashlib.blake2b) -> list[Any]:
    levels = getattr(index, "levels", None)
    if levels is None:
        return [type(index), list(index.names), *_all([_memory(index)], digest)]
    parts = [part for level in levels for part in _index(level, digest)]
    return [type(index), list(index.names), *parts, *_all(list(index.codes), digest)]


def _memory(values: Any) -> Any:
    """Return the array under a series or index."""
    return values.to_numpy() if isinstance(values.dtype, kinds.loaded("numpy").dtype) else values.array


def _all(arrays: list[Any], digest: hashlib.blake2b) -> list[Any]:
    """Digest the bytes of numeric arrays; return the other arrays, and everything's dtype and shape."""
    numpy = kinds.loaded("numpy")
    rest: list[Any] = []
    for array in arrays:
        rest.append((str(array.dtype), array.shape))
        if isinstance(array, numpy.ndarray) and not array.dtype.hasobject:
            digest.update(numpy.ascontiguousarray(array).reshape(-1).view("u1"))
        elif isinstance(array, numpy.ndarray):
            rest.append(array.ravel().tolist())
        else:
            rest.append(array)
    return rest

"""What the user's names hold and share: a bounded walk over their objects that runs no code of the user."""

from __future__ import annotations

import gc
import time
import types
from typing import TYPE_CHECKING, Any

from codeact_kernel.execute import kinds
from codeact_kernel.execute.mentions import DYNAMIC, code_names

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_OBJECTS = 300_000
"""So many objects are looked at for one name."""
_STOPS = types.ModuleType | types.FrameType | types.TracebackType | types.CodeType
_PLAIN = frozenset({list, dict, set})
_AS_STRIDED = "DummyArray"
"""What numpy's `as_strided` puts between a view and its base."""
_HELD_BY_MANY = (tuple, frozenset, type, types.FunctionType, types.CellType)
"""Objects that are kept or built anew without being anyone's: what they hold counts, they do not."""


class Graph:
    """Finds what names share. `walk` each name once; the names that share objects end in one `group`.

    `sizes`: name -> bytes that a pickle of it takes at least. `calls`: global names that functions found on the
    way mention, and `binds` those that they bind. `dynamic`: one of them may change any name. `unread`: names
    that were not walked to their end.
    """

    def __init__(self, namespace: dict[str, Any], until: float) -> None:
        self._namespace = namespace
        self._until = until
        self._owner: dict[object, str] = {}
        self._parent: dict[str, str] = {}
        self._views: dict[int, set[int]] = {}
        self._blocks: dict[int, set[int]] = {}
        self._memory: dict[int, tuple[set[str], set[str]]] = {}
        self._alive: list[Any] = []  # ids stay true while the objects live
        self.sizes: dict[str, int] = {}
        self.unread: set[str] = set()
        self.calls: set[str] = set()
        self.binds: set[str] = set()
        self.dynamic = False

    @property
    def shared(self) -> frozenset[int]:
        """Return the ids of arrays that own memory which views among the walked names share."""
        return frozenset(
            root
            for root, views in self._views.items()
            if len(views | self._blocks.get(root, set())) > 1 and len(self._blocks.get(root, ())) < 2
        )

    def group(self, name: str) -> str:
        """Return the name that stands for all names that share objects with `name`."""
        while (above := self._parent.get(name, name)) != name:
            name = above
        return name

    def walk(self, name: str) -> None:
        """Look at everything that a name holds; note in `calls` what its functions mention."""
        seen: set[int] = set()
        todo: list[Any] = [self._namespace[name]]
        self.sizes.setdefault(name, 0)
        while todo:
            value = todo.pop()
            if type(value) in kinds.ATOMS:
                self.sizes[name] += len(value) if isinstance(value, str | bytes) else 1
                continue
            ident = id(value)
            if ident in seen:
                continue
            seen.add(ident)
            if len(seen) > MOST_OBJECTS or (not len(seen) % 64 and time.monotonic() > self._until):
                self.unread.add(name)
                return
            if isinstance(value, _STOPS) or value is self._namespace:
                continue
            plain = type(value) in _PLAIN  # most objects are; what follows is slow
            if plain or not (isinstance(value, _HELD_BY_MANY) or kinds.is_fixed(value, self._namespace)):
                self._alive.append(value)
                if self._claim(ident, name):
                    continue
            todo += self._referents(value, name) if plain else self._inside(value, name)

    def _claim(self, key: object, name: str) -> bool:
        """Note that a name holds an object; say whether another name has it already."""
        owner = self._owner.setdefault(key, name)
        if owner == name:
            return False
        self._join(owner, name)
        return True

    def _join(self, one: str, other: str) -> None:
        one, other = self.group(one), self.group(other)
        if one != other:
            self._parent[other] = one

    def _inside(self, value: Any, name: str) -> Iterable[Any]:
        """Return what an object holds, without what is only a list or array of atoms."""
        kind = type(value)
        if isinstance(value, type):
            ours = kinds.is_users(value, self._namespace)
            return [*kinds.class_state(value).values(), *value.__bases__] if ours else ()
        if kind is types.FunctionType:
            return self._inside_function(value)
        if kinds.is_shell(kind):
            return ()
        held = self._inside_library(value, name)
        if held is not None:
            return held
        if isinstance(value, kinds.RUNNING):
            self._note_calls(kinds.code_of(value))
        if isinstance(value, bytearray):
            self.sizes[name] += len(value)
        return self._referents(value, name)

    def _referents(self, value: Any, name: str) -> Iterable[Any]:
        """Return what any object refers to, nothing if that is only atoms."""
        held = gc.get_referents(value)
        if kinds.ATOMS.issuperset(map(type, held)):
            self.sizes[name] += 2 * len(held)
            return ()
        return held

    def _inside_library(self, value: Any, name: str) -> Iterable[Any] | None:
        """Return what an array or a part of a frame holds, None for anything else."""
        numpy, pandas = kinds.loaded("numpy"), kinds.loaded("pandas")
        if numpy is not None and isinstance(value, numpy.ndarray):
            return self._inside_array(value, name, block=False)
        if pandas is not None and isinstance(value, getattr(pandas, "Index", ())):
            self.sizes[name] += int(getattr(value, "nbytes", 0))
            return ()
        return self._inside_block(value, name) if is_block(type(value)) else None

    def _inside_function(self, function: types.FunctionType) -> Iterable[Any]:
        if function.__globals__ is self._namespace:
            self._note_calls(function.__code__)
        elif kinds.in_library(function, self._namespace):
            return ()
        return [
            *(function.__defaults__ or ()),
            *(function.__kwdefaults__ or {}).values(),
            *function.__dict__.values(),
            *(function.__closure__ or ()),
        ]

    def _note_calls(self, code: types.CodeType) -> None:
        names, bound = code_names(code)
        self.calls |= names
        self.binds |= bound
        self.dynamic |= not names.isdisjoint(DYNAMIC)

    def _inside_array(self, array: Any, name: str, *, block: bool) -> list[Any]:
        """Return the elements of an object array, and what its memory belongs to where that is no array."""
        root = memory_of(array)
        self._alive += [array, root]
        own = isinstance(root, kinds.loaded("numpy").ndarray)
        if id(root) not in self._memory:
            self.sizes[name] += int(getattr(root, "nbytes", 0)) or int(array.nbytes)
        self._share(root, name, block=block)
        (self._blocks if block else self._views).setdefault(id(root), set()).add(id(array))
        elements: list[Any] = array.ravel(order="K").tolist() if array.dtype.kind == "O" else []
        if kinds.ATOMS.issuperset(map(type, elements)):
            self.sizes[name] += 2 * len(elements)
            elements = []
        return elements if own else [*elements, root]

    def _share(self, root: object, name: str, *, block: bool) -> None:
        """Note that a name uses memory.

        Two blocks of frames that copy on write are independent though they share memory; a block and an array
        are not.
        """
        by_arrays, by_blocks = self._memory.setdefault(id(root), (set(), set()))
        (by_blocks if block else by_arrays).add(name)
        if by_arrays:
            for other in by_arrays | by_blocks:
                self._join(other, name)

    def _inside_block(self, block: Any, name: str) -> list[Any]:
        """Return what the columns of a frame hold."""
        ndarray = kinds.loaded("numpy").ndarray
        values = block.values
        arrays = [values]
        if not isinstance(values, ndarray):  # the library's own arrays keep theirs in themselves or in attributes
            self._alive.append(values)
            held = gc.get_referents(values)
            arrays = [*held, *(value for part in held if type(part) is dict for value in part.values())]
            self.sizes[name] += int(getattr(values, "nbytes", 0))
        inside: list[Any] = []
        for array in arrays:
            if isinstance(array, ndarray):
                inside += self._inside_array(array, name, block=copies_on_write())
        return inside


def memory_of(array: Any) -> Any:
    """Return what owns the memory of an array: an array, or what it was made from."""
    root = array
    while True:
        base = root.obj if isinstance(root, memoryview) else root.base
        if base is None:
            return root
        root = base
        if not isinstance(root, kinds.loaded("numpy").ndarray | memoryview) and type(root).__name__ != _AS_STRIDED:
            return root


def is_block(kind: type) -> bool:
    """Say whether a type is pandas' store of columns."""
    return str(kind.__module__).startswith("pandas.core.internals.blocks")


def copies_on_write() -> bool:
    """Say whether frames of the loaded pandas that share memory are independent all the same."""
    pandas = kinds.loaded("pandas")
    return int(pandas.__version__.partition(".")[0]) >= 3 or bool(pandas.options.mode.copy_on_write)

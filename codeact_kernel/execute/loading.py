"""Bytes of a Saver back to values."""

from __future__ import annotations

import io
import pickle
import types
from typing import TYPE_CHECKING, Any

from codeact_kernel.execute import kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

EMPTY_CELL = "an empty cell"


class Loader(pickle.Unpickler):
    """Loads what a Saver saved, value after value.

    `patches`: what is to be put back into objects that stayed, with `put_back`, when all values are there.
    """

    def __init__(self, chunks: Iterable[bytes], refs: tuple[Any, ...]) -> None:
        super().__init__(io.BytesIO(b"".join(chunks)))
        self.patches: list[tuple[Any, Any]] = []
        self._refs = refs

    def find_class(self, module: str, name: str, /) -> Any:
        """Return a global; `fetch` and `patch` mean this loader."""
        if module == __name__ and name == "fetch":
            return self._refs.__getitem__
        if module == __name__ and name == "patch":
            patches = self.patches  # and not `self`: a cycle would keep all values alive for a while
            return lambda value, state: patches.append((value, state))
        return super().find_class(module, name)


def fetch(_at: int) -> Any:
    """Stand in a pickle for an object that stayed; see Loader."""
    raise NotImplementedError


def patch(_value: Any, _state: Any) -> None:
    """Stand in a pickle for what is put back into an object that stayed; see Loader."""
    raise NotImplementedError


def view(root: Any, place: tuple[Any, ...], writeable: bool) -> Any:  # noqa: FBT001 - called by pickle
    """Return an array on the memory of `root`: an array, a bytearray or an array.array.

    `place`: shape, dtype, offset in bytes, strides.
    """
    numpy = kinds.loaded("numpy")
    shape, dtype, offset, strides = place
    straight = root.T if isinstance(root, numpy.ndarray) and not root.flags.c_contiguous else root
    if dtype.hasobject:
        rest = straight.reshape(-1)[offset // dtype.itemsize :]
        array = numpy.lib.stride_tricks.as_strided(rest, shape, strides)
    else:
        array = numpy.ndarray(shape, dtype, straight, offset, strides)
    if not writeable:
        array.flags.writeable = False
    return array


def owned(data: Any, shape: Any, dtype: Any, order: str, writeable: bool) -> Any:  # noqa: FBT001 - called by pickle
    """Return an array with memory of its own from the bytes of its elements in `order`."""
    numpy = kinds.loaded("numpy")
    array = numpy.empty(shape, dtype, order)
    array.ravel(order="K").view("u1")[:] = numpy.frombuffer(data, "u1")
    if not writeable:
        array.flags.writeable = False
    return array


def chained(error: BaseException, state: tuple[tuple[Any, ...], Any]) -> None:
    """Give an exception its attributes and its place among others."""
    (trace, cause, context, suppress), attributes = state
    if attributes is not None:
        error.__setstate__(attributes)
    error.__traceback__ = trace
    error.__cause__ = cause
    error.__context__ = context
    error.__suppress_context__ = suppress


def put_back(value: Any, state: Any) -> Callable[[], None]:
    """Put saved state into a function, class or closure cell that stayed; return what takes it out again."""
    if isinstance(value, types.FunctionType):
        before = (value.__defaults__, value.__kwdefaults__, dict(value.__dict__))
        _fill_function(value, *state[:3])
        return lambda: _fill_function(value, *before)
    if isinstance(value, types.CellType):
        content = _content(value)
        _fill_cell(value, state)
        return lambda: _fill_cell(value, content)
    if isinstance(value, type):
        held = kinds.class_state(value)
        _fill_class(value, state[0])
        return lambda: _fill_class(value, held)
    return lambda: None


def _fill_function(function: types.FunctionType, defaults: Any, keywords: Any, attributes: dict[str, Any]) -> None:
    function.__defaults__ = defaults
    function.__kwdefaults__ = keywords
    if function.__dict__ or attributes:
        function.__dict__.clear()
        function.__dict__.update(attributes)


def _content(cell: types.CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return (EMPTY_CELL, None)


def _fill_cell(cell: types.CellType, content: tuple[Any, ...]) -> None:
    if len(content) == 1:
        cell.cell_contents = content[0]
    elif len(_content(cell)) == 1:
        del cell.cell_contents


def _fill_class(kind: type, state: dict[str, Any]) -> None:
    """Give a class the attributes of before; its metaclass has no say."""
    present = kinds.class_state(kind)
    for name in present.keys() - state.keys():
        type.__delattr__(kind, name)
    for name, value in state.items():
        if name not in present or present[name] is not value:
            type.__setattr__(kind, name, value)

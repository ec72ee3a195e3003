"""Values to bytes and back within one process: functions, classes and modules stay the objects that they are.

This is pickle and not cloudpickle, because what is saved comes back into the same process. cloudpickle gives a
function that comes back globals of its own, so that `global n` no longer means the user's `n`; it makes an open
file a copy of its text and a memoryview a copy of its bytes, without a word. Here a function or class of the user
stays the object that it is; what may change in it (defaults, attributes, closure, class attributes) is saved and
put back.
"""

from __future__ import annotations

import copyreg
import enum
import gc
import pickle
import time
import types
import warnings
from collections.abc import Callable
from typing import Any

from codeact_kernel.execute import kinds
from codeact_kernel.execute.deadline import OutOfTime, limited
from codeact_kernel.execute.graph import is_block, memory_of
from codeact_kernel.execute.kinds import Unsaveable
from codeact_kernel.execute.loading import EMPTY_CELL, chained, fetch, owned, patch, view

Reduced = tuple[Any, ...]
Rule = Callable[["Saver", Any], Any]
_AS_IT_IS = (types.ModuleType, types.CodeType, types.TracebackType, enum.Enum)
_OURS: frozenset[Any] = frozenset({chained, fetch, owned, patch, view})
_SMALL = kinds.ATOMS | kinds.FROZEN


class _Full(Exception):  # noqa: N818 - an answer, not a fault
    """There is no room for more bytes."""


class _Sink:
    """A file that takes so many bytes, and raises before it takes more."""

    def __init__(self, most: int, until: float) -> None:
        self.chunks: list[bytes] = []
        self.size = 0
        self.most = most
        self.until = until

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        if self.size + size > self.most:
            raise _Full
        if time.monotonic() > self.until:
            raise OutOfTime
        self.chunks.append(bytes(data))
        self.size += size
        return size


class Saver(pickle.Pickler):
    """Saves one value after the other, with what they share.

    A value that fails leaves nothing behind. `must_load`: only loading shows whether a value is saved well.

    Args:
        namespace: the user's names; functions that have it as their globals are the user's.
        shared: ids of arrays whose memory is saved once, with the views that others have of it.
        most: bytes in all.
        seconds: the limit that a reason names.
    """

    def __init__(self, namespace: dict[str, Any], shared: frozenset[int], most: int, seconds: float) -> None:
        self.sink = _Sink(most, float("inf"))
        super().__init__(self.sink, protocol=5)
        self.refs: list[Any] = []
        self._parts: list[Any] = []  # what the last value holds that stays as it is
        self._failed: list[None] | None = None
        self.must_load = False
        self._namespace = namespace
        self._shared = shared
        self._seconds = seconds
        self._lenient = False
        self._at: dict[int, int] = {}
        self._rules: dict[type, Rule] = {}  # unbound: a cycle would keep all bytes alive for a while
        self._met: set[type] = set()
        self._block_values: set[int] = set()

    def save(self, value: Any, *, lenient: bool, seconds: float) -> tuple[int, int]:
        """Save a value; return where its bytes begin and end in `sink.chunks`.

        Args:
            value: any object.
            lenient: what cannot be saved inside a container or an object of the user stays as it is.
            seconds: how long it may take.

        Raises:
            Unsaveable: with the reason in words.
        """
        self._tidy()
        sink, marker, refs = self.sink, [None], len(self.refs)
        before = len(sink.chunks), sink.size
        self._lenient = lenient
        sink.until = time.monotonic() + seconds
        try:
            with warnings.catch_warnings(), limited(seconds):
                warnings.simplefilter("ignore")
                self.dump(marker)  # its number tells which entries of the memo are older than the value
                self.dump(value)
        except BaseException as error:
            if isinstance(error, _Full) and before[1] > sink.most / 10:
                error = Unsaveable(f"with the other names {too_large(sink.most)}")
            del sink.chunks[before[0] :]
            sink.size = before[1]
            for ref in self.refs[refs:]:
                self._at.pop(id(ref), None)
            del self.refs[refs:]
            self._failed, self._parts = marker, []
            if isinstance(error, Exception | OutOfTime):
                raise _explained(error, value, sink.most, self._seconds) from None
            raise
        return before[0], len(sink.chunks)

    def _tidy(self) -> None:
        """Forget the value that failed before; make values fail too that hold what could not be saved.

        Done only when another value comes: it takes long after a large one.
        """
        if self._failed is None and not self._parts:
            return
        collecting = gc.isenabled()
        gc.disable()  # so many new tuples would start it again and again
        try:
            memo: dict[int, tuple[int, Any]] = self.memo.copy()
            if self._failed is not None:
                first = memo[id(self._failed)][0] if id(self._failed) in memo else len(memo)
                memo = {ident: entry for ident, entry in memo.items() if entry[0] < first}
            for part in self._parts:
                if id(part) in memo:
                    stand_in = object()
                    memo[id(stand_in)] = (memo.pop(id(part))[0], stand_in)
            self.memo = memo
        finally:
            if collecting:
                gc.enable()
        self._failed, self._parts = None, []

    # -- rules -------------------------------------------------------------------------------------------------
    def reducer_override(self, value: Any) -> Any:
        """Return how pickle is to save an object that is not a plain builtin."""
        kind = type(value)
        rule = self._rules.get(kind)
        if rule is None:
            rule = self._rules[kind] = self._rule(kind)
        if not self._lenient:
            return rule(self, value)
        try:
            if rule is Saver._plain and kind not in _SMALL and not kinds.is_open(kind, self._namespace):
                self._try(value)
            return rule(self, value)
        except Unsaveable:
            self._parts.append(value)
            return self._ref(value)

    def _rule(self, kind: type) -> Rule:
        """Return the rule for values of a type."""
        if issubclass(kind, type):
            return Saver._class
        if issubclass(kind, _AS_IT_IS):
            return Saver._ref
        reason = kinds.refusal(kind)
        if reason:
            return lambda _saver, _value: _refuse(reason)
        numpy, figures = kinds.loaded("numpy"), kinds.loaded("matplotlib.figure")
        libraries: list[tuple[bool, Rule]] = [
            (numpy is not None and issubclass(kind, numpy.ndarray), Saver._array),
            (figures is not None and issubclass(kind, figures.Figure), Saver._figure),
            (is_block(kind), Saver._block),
            (issubclass(kind, BaseException), Saver._exception),
        ]
        for holds, rule in libraries:
            if holds:
                return rule
        rules: dict[type, Rule] = {
            types.FunctionType: Saver._function,
            types.BuiltinFunctionType: Saver._builtin,
            types.CellType: Saver._cell,
            types.MethodType: Saver._method,
            **dict.fromkeys(kinds.HOLDERS, Saver._holder),
        }
        return rules.get(kind, Saver._plain)

    def _ref(self, value: Any, state: Any = None) -> Reduced:
        """Keep the very object; `state` is put back into it."""
        at = self._at.get(id(value))
        if at is None:
            at = self._at[id(value)] = len(self.refs)
            self.refs.append(value)
        return (fetch, (at,)) if state is None else (fetch, (at,), state, None, None, patch)

    def _class(self, kind: type) -> Reduced:
        fixed = kinds.is_fixed(kind, self._namespace)
        return self._ref(kind, None if fixed else (kinds.class_state(kind), kind.__bases__))

    def _function(self, function: types.FunctionType) -> Any:
        if function in _OURS:
            return NotImplemented
        if kinds.in_library(function, self._namespace):
            return self._ref(function)
        return self._ref(function, kinds.function_state(function))

    def _builtin(self, function: types.BuiltinFunctionType) -> Any:
        return self._ref(function) if kinds.is_fixed(function, self._namespace) else NotImplemented

    def _method(self, method: types.MethodType) -> Reduced:
        return types.MethodType, (method.__func__, method.__self__)

    def _cell(self, cell: types.CellType) -> Reduced:
        try:
            return self._ref(cell, (cell.cell_contents,))
        except ValueError:
            return self._ref(cell, (EMPTY_CELL, None))

    def _holder(self, holder: Any) -> Reduced:
        names = ("fget", "fset", "fdel", "__func__", "func")
        return self._ref(holder, tuple(getattr(holder, name) for name in names if hasattr(holder, name)))

    def _array(self, array: Any) -> Any:
        numpy, root = kinds.loaded("numpy"), memory_of(array)
        owner = kinds.spelled(type(root))
        if isinstance(array, numpy.memmap) or owner.startswith("mmap."):
            raise Unsaveable("numpy.memmap: its values are in a file")
        if owner.startswith("torch."):
            raise Unsaveable(f"numpy.ndarray: its memory is that of a {owner}")
        if type(array) is not numpy.ndarray:
            return self._plain(array)
        others = root is not array and id(root) in self._shared
        if others or isinstance(root, bytearray) or owner == "array.array":
            return self._view(array, root)
        if array.dtype.hasobject:
            return self._plain(array)
        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        flat = pickle.PickleBuffer(array.ravel(order=order).view("u1"))
        return (owned, (flat, array.shape, array.dtype, order, array.flags.writeable))

    def _view(self, array: Any, root: Any) -> Reduced:
        """Save where in its root's memory a view lies."""
        numpy, begin = kinds.loaded("numpy"), root
        if isinstance(root, numpy.ndarray):
            objects = root.dtype.hasobject or array.dtype.hasobject
            if not _contiguous(root) or (objects and not root.dtype == array.dtype == object):
                raise Unsaveable("numpy.ndarray: a view of memory in a layout of its own")
        else:
            begin = numpy.frombuffer(root, "u1")
        offset = array.ctypes.data - begin.ctypes.data
        return (view, (root, (array.shape, array.dtype, offset, array.strides), array.flags.writeable))

    def _block(self, block: Any) -> Any:
        """Frames that copy on write may use the same array; what comes back would not know of it."""
        build, (values, *rest), *more = self._plain(block)
        if id(values) in self._block_values:
            values = values.copy()
        self._block_values.add(id(values))
        return (build, (values, *rest), *more)

    def _figure(self, figure: Any) -> Any:
        """A figure that comes back must not open a window of its own."""
        build, args, state, *more = self._plain(figure)
        state = {key: part for key, part in state.items() if key != "_restore_to_pylab"}
        return (build, args, state, *more)

    def _exception(self, error: BaseException) -> Any:
        self.must_load = True
        build, args, *state = self._plain(error)
        chain = (error.__traceback__, error.__cause__, error.__context__, error.__suppress_context__)
        return (build, args, (chain, state[0] if state else None), None, None, chained)

    def _plain(self, value: Any) -> Any:
        """Ask the object; what it raises makes it unsaveable."""
        if time.monotonic() > self.sink.until:
            raise OutOfTime
        kind = type(value)
        reduce = copyreg.dispatch_table.get(kind)
        try:
            reduced = reduce(value) if reduce is not None else value.__reduce_ex__(5)
        except Exception as error:
            raise Unsaveable(f"{kinds.spelled(kind)}: {_saying(error)}") from None
        if kind not in self._met:
            self._met.add(kind)
            self.must_load = self.must_load or kinds.may_not_load(kind, self._namespace)
        if isinstance(reduced, str) and kinds.is_users(kind, self._namespace):
            return self._ref(value)
        return reduced

    def _try(self, value: Any) -> None:
        """Raise `Unsaveable` if an object of a library cannot be saved whole."""
        trial = Saver(self._namespace, self._shared, self.sink.most, self._seconds)
        trial.sink.until = self.sink.until
        try:
            trial.dump(value)
        except Exception as error:
            reason = _explained(error, value, self.sink.most, self._seconds)
            inner = str(reason)
            name = kinds.spelled(type(value))
            raise Unsaveable(inner if inner.startswith(name) else f"{name} holds {inner}") from None


def _contiguous(array: Any) -> bool:
    return bool(array.flags.c_contiguous or array.flags.f_contiguous)


def _explained(error: BaseException, value: Any, most: int, seconds: float) -> Unsaveable:
    """Return why saving a value failed, in words."""
    if isinstance(error, Unsaveable):
        return error
    if isinstance(error, _Full):
        return Unsaveable(too_large(most))
    if isinstance(error, OutOfTime):
        return Unsaveable(f"took longer than {seconds:.2g} s")
    if isinstance(error, RecursionError):
        return Unsaveable("nested too deeply")
    return Unsaveable(f"{kinds.spelled(type(value))}: {_saying(error)}")


def too_large(most: int) -> str:
    """Return the reason of a value that is larger than so many bytes."""
    size = f"{most / 2**20:.0f} MB" if most >= 2**20 else f"{most / 2**10:.0f} kB"
    return f"larger than {size}"


def _saying(error: BaseException) -> str:
    """Return what an object's refusal comes to."""
    plain = type(error) in {TypeError, pickle.PicklingError, NotImplementedError}
    return "cannot be pickled" if plain else f"cannot be pickled ({type(error).__name__})"


def _refuse(reason: str) -> Any:
    raise Unsaveable(reason)

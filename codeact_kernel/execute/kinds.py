"""What sort of thing a user's value is, as far as saving it goes. Runs no code of the user."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import fractions
import functools
import io
import logging
import pathlib
import re
import sys
import types
import uuid
import weakref
import zoneinfo
from typing import Any

ATOMS = frozenset(
    {
        int,
        float,
        complex,
        bool,
        str,
        bytes,
        type(None),
        type(...),
        type(NotImplemented),
        range,
        slice,
        types.CodeType,
    }
)
"""Types whose values neither change nor hold anything that does."""
FROZEN = ATOMS | {
    decimal.Decimal,
    fractions.Fraction,
    dt.date,
    dt.datetime,
    dt.time,
    dt.timedelta,
    dt.timezone,
    zoneinfo.ZoneInfo,
    uuid.UUID,
    re.Pattern,
    pathlib.PosixPath,
    pathlib.WindowsPath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    types.TracebackType,
    types.GenericAlias,
    types.UnionType,
}
"""Types whose values are the same for ever."""
RUNNING = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)
HOLDERS = (property, staticmethod, classmethod, functools.cached_property)
"""Descriptors that hold functions."""
_OPEN_ROOTS = frozenset({"builtins", "abc", "typing", "collections", "enum", "dataclasses", "types"})
_SHELL_MODULES = ("IPython.", "ipykernel.", "traitlets.", "codeact_kernel.")
_LIBRARY_FROZEN = frozenset({"dtype", "Timestamp", "Timedelta", "NaTType", "NAType", "Interval", "Period"})
_CACHED = functools._lru_cache_wrapper  # noqa: SLF001 - its only name
_MAIN = "__main__"
_MOST_ELEMENTS = 1000


class Unsaveable(Exception):  # noqa: N818 - an answer, not a fault
    """The value, or something in it, cannot be saved; `str(error)` says why, in words for the user."""


def spelled(kind: type) -> str:
    """Return a type's name as people write it: `list`, `sqlite3.Connection`, `_thread.lock`."""
    module = str(getattr(kind, "__module__", ""))
    plain = module in {"builtins", "io", "_io", _MAIN, ""}
    return kind.__qualname__ if plain else f"{module}.{kind.__qualname__}"


def loaded(module: str) -> Any:
    """Return a library that the user has imported, or None."""
    return sys.modules.get(module)


def in_library(value: Any, namespace: dict[str, Any]) -> bool:
    """Say whether a class or function is found under its own name in an imported module other than the user's."""
    module = loaded(str(getattr(value, "__module__", None)))
    if module is None or module is loaded(_MAIN) or getattr(module, "__dict__", None) is namespace:
        return False
    found: Any = module
    try:
        for part in value.__qualname__.split("."):
            found = vars(found)[part]
    except (AttributeError, KeyError, TypeError):
        return False
    return getattr(found, "__func__", found) is value


def is_users(kind: type, namespace: dict[str, Any]) -> bool:
    """Say whether a class was made in the user's own namespace."""
    module = getattr(kind, "__module__", None)
    return module is not None and module in {_MAIN, namespace.get("__name__", _MAIN)}


def is_open(kind: type, namespace: dict[str, Any]) -> bool:
    """Say whether a class is the user's own up to builtins, so that nothing is known only to a library."""
    return all(
        is_users(base, namespace) or str(base.__module__).partition(".")[0] in _OPEN_ROOTS for base in kind.__mro__
    )


def is_fixed(value: Any, namespace: dict[str, Any], depth: int = 0) -> bool:
    """Say whether keeping the very object is all that it takes to bring a value back."""
    kind = type(value)
    if kind in FROZEN or isinstance(value, types.ModuleType | enum.Enum | enum.EnumMeta):
        return True
    if kind in {tuple, frozenset}:
        return len(value) <= _MOST_ELEMENTS and depth < 5 and all(is_fixed(v, namespace, depth + 1) for v in value)
    if kind is types.BuiltinFunctionType:
        return isinstance(value.__self__, types.ModuleType | None)
    if isinstance(value, type):
        return in_library(value, namespace) or not is_users(value, namespace)
    if kind is types.FunctionType:
        return in_library(value, namespace)
    return _is_fixed_in_library(value, kind)


def _is_fixed_in_library(value: Any, kind: type) -> bool:
    if kind.__name__ in _LIBRARY_FROZEN and str(kind.__module__).startswith(("numpy", "pandas")):
        return True
    numpy = loaded("numpy")
    if numpy is None:
        return False
    return kind is numpy.ufunc or (isinstance(value, numpy.generic) and kind is not numpy.void)


def function_state(function: types.FunctionType) -> tuple[Any, ...]:
    """Return what may change in a function of the user: defaults, keyword defaults, attributes, closure cells."""
    return function.__defaults__, function.__kwdefaults__, function.__dict__, function.__closure__


def class_state(kind: type) -> dict[str, Any]:
    """Return what a class of the user holds: data, and functions (whose defaults and attributes may change)."""
    state: dict[str, Any] = {}
    for name, value in vars(kind).items():
        function = isinstance(value, types.FunctionType | property | staticmethod | classmethod)
        dunder = name.startswith("__") and name.endswith("__")
        if function or not (dunder or name == "_abc_impl" or hasattr(type(value), "__get__")):
            state[name] = value
    return state


def is_shell(kind: type) -> bool:
    """Say whether values of a type belong to the running kernel and lead everywhere."""
    return str(kind.__module__).startswith(_SHELL_MODULES)


def code_of(running: Any) -> types.CodeType:
    """Return the code of a generator or coroutine."""
    code: types.CodeType = (
        getattr(running, "gi_code", None) or getattr(running, "cr_code", None) or running.ag_code
    )
    return code


def refusal(kind: type) -> str:
    """Return why values of a type are never saved, in words; "" where saving may be tried."""
    name = spelled(kind)
    if issubclass(kind, RUNNING):
        return f"{name.replace('_', ' ')}: has no state that can be saved"
    if issubclass(kind, io.IOBase):
        return "" if kind in {io.BytesIO, io.StringIO} else "open file"
    reasons = {
        f"{name}: lives in the logging module": issubclass(kind, logging.Logger),
        f"{name}: cannot be pickled": issubclass(kind, weakref.ref | weakref.finalize),
        f"{name}: belongs to the running kernel": is_shell(kind),
        "a cached function: what it remembers is not saved": issubclass(kind, _CACHED),
        f"{name}: owns something that ends with it": hasattr(kind, "__del__"),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def may_not_load(kind: type, namespace: dict[str, Any]) -> bool:
    """Say whether a type has code of its own on the way back from a pickle, so that loading must be tried."""
    if issubclass(kind, BaseException):
        return True
    own = [base for base in kind.__mro__ if is_users(base, namespace)]
    return any(name in vars(base) for base in own for name in _CODE_ON_LOADING)


_CODE_ON_LOADING = (
    *("__reduce__", "__reduce_ex__", "__setstate__", "__getstate__", "__new__", "__getnewargs__"),
    *("__getnewargs_ex__", "__setattr__", "__setitem__", "__hash__", "append", "extend", "add", "__getattr__"),
    "__getattribute__",
)
"""What pickle may call in a class of the user while it loads."""

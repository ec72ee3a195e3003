"""What lives in a kernel, as JSON: variables, files, the last result and the last error.

Standard library only and nothing of ours: the source of this file is also sent as text into other kernels
(Python >= 3.9). Nothing here calls code of the user: no `__repr__`, `__len__`, property or `__getattr__` of a
class that is not a genuine class of the builtins, pandas, numpy or a few other known modules.
"""

from __future__ import annotations

import builtins
import difflib
import hashlib
import linecache
import os
import re
import sys
import time
import types
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

MOST_NAMES, MOST_FILES, MOST_FRAMES, MOST_COLUMNS, WHOLE_ROWS, HEAD_ROWS = 60, 40, 6, 12, 20, 10
COUNTED_ROWS = 20_000  # a column of Python objects is read value by value up to here (about 4 ms)
DATA_FILES = (".csv .tsv .parquet .feather .json .jsonl .xlsx .xls .db .sqlite .txt .ipynb .npy .npz .pkl .h5 .md .py .gz "
              ".zip .xml .html .yaml .yml .toml .log .geojson").split()  # fmt: skip
ALIASES = {
    "pd": "import pandas as pd", "np": "import numpy as np", "plt": "import matplotlib.pyplot as plt",
    "sns": "import seaborn as sns", "px": "import plotly.express as px", "pl": "import polars as pl",
    "sp": "import scipy as sp", "tf": "import tensorflow as tf", "nx": "import networkx as nx",
    "sm": "import statsmodels.api as sm", "Path": "from pathlib import Path", "dt": "import datetime as dt",
    "Counter": "from collections import Counter", "defaultdict": "from collections import defaultdict",
    "timedelta": "from datetime import timedelta", "Fraction": "from fractions import Fraction",
    "Decimal": "from decimal import Decimal", "reduce": "from functools import reduce",
}  # fmt: skip
SHELL_NAMES = frozenset(("In", "Out", "get_ipython", "exit", "quit"))
TRUSTED = frozenset("numpy pandas datetime decimal fractions uuid pathlib zoneinfo ipaddress".split())
KINDS = {id(kind): kind for kind in (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset)}
_MRO = type.__dict__["__mro__"].__get__
_QUALNAME = type.__dict__["__qualname__"].__get__
_MODULE = type.__dict__["__module__"].__get__
_MODULE_DICT = types.ModuleType.__dict__["__dict__"].__get__
_ARGS = BaseException.__dict__["args"].__get__
_TRACEBACK = BaseException.__dict__["__traceback__"].__get__


# -- types, without asking the object -------------------------------------------------------------------------
def _text(value: Any) -> str:
    return str.__str__(value) if issubclass(type(value), str) else ""


def _base(cls: type) -> Any:
    """Return the builtin kind of value that a class derives from, or None."""
    return next((KINDS[id(kind)] for kind in _MRO(cls) if id(kind) in KINDS), None)


def _genuine(cls: type) -> str:
    """Return the top module that really holds the class; "" if the class only says so."""
    module = _text(_MODULE(cls))
    home = sys.modules.get(module)
    if not issubclass(type(home), types.ModuleType):
        return ""
    return module.partition(".")[0] if _MODULE_DICT(home).get(_text(_QUALNAME(cls))) is cls else ""


def _label(cls: type) -> str:
    """Return a class's name as a reader knows it: `int`, `pandas.DataFrame`, `Order`."""
    module, name = _text(_MODULE(cls)), _text(_QUALNAME(cls)).rpartition(".")[2]
    root = module.partition(".")[0]
    if root in ("builtins", "__main__", ""):
        return name
    known = _MODULE_DICT(sys.modules[root]) if issubclass(type(sys.modules.get(root)), types.ModuleType) else {}
    return f"{root if known.get(name) is cls else module}.{name}"[:120]


def _is(value: Any, label: str) -> bool:
    """Say whether a value is exactly a library's class, such as `pandas.DataFrame`."""
    cls = type(value)
    return _label(cls) == label and _genuine(cls) == label.partition(".")[0]


# -- values as short text -------------------------------------------------------------------------------------
def _plain(value: Any, width: int = 60, depth: int = 2) -> str:
    """Return a short text of a value; objects of unknown classes show their class only."""
    cls = type(value)
    base = _base(cls)
    if value is None or base in (bool, float, complex):
        return "None" if base is None else str(base.__repr__(value))
    if base is int:
        bits = int.bit_length(value)
        return int.__repr__(value) if bits <= 1024 else f"<int of about {bits * 0.30103:.0f} digits>"
    if base in (str, bytes):
        size = base.__len__(value)
        short = base.__repr__(base.__getitem__(value, slice(0, width)))
        return str(short) if size <= width else f"{short}... ({size:,} characters)"
    if base is not None:
        return _items(value, base, width, depth)
    if _genuine(cls) in TRUSTED and not _is(value, "numpy.ndarray") and not hasattr(cls, "iloc"):
        return str(value)[: 2 * width]
    return f"<{_label(cls)}>"


def _items(value: Any, base: Any, width: int, depth: int) -> str:
    size = base.__len__(value)
    if depth <= 0 and size:
        return f"<{base.__name__} of {size:,}>"
    marks = {list: "[]", tuple: "()"}.get(base, "{}")
    most = max(3, width // 8)
    if base is dict:
        pairs = islice(dict.items(value), most)
        parts = [f"{_plain(key, 30, 1)}: {_plain(item, width, depth - 1)}" for key, item in pairs]
    else:
        parts = [_plain(item, width, depth - 1) for item in islice(base.__iter__(value), most)]
    if base is tuple and size == 1:
        parts[0] += ","
    if size > most:
        parts.append(f"... {size - most:,} more")
    return marks[0] + ", ".join(parts) + marks[1]


def _cell(value: Any) -> str:
    """Return a table cell: text without quotes, floats with at least the digits that pandas shows."""
    base = _base(type(value))
    if base is float:
        exact = float.__repr__(value)
        if len(exact) <= 12 or value != value or abs(value) >= 1e15:
            return exact
        short = f"{value:.6f}".rstrip("0") if abs(value) >= 1 else f"{value:.8g}"
        return short + "0" if short.endswith(".") else short
    if base is str:
        text = str.__getitem__(value, slice(0, 60)).replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
        return text if str.__len__(value) <= 60 else text[:57] + "..."
    return _plain(value, 30, 1)


# -- pandas and numpy -----------------------------------------------------------------------------------------
def _aligned(columns: list[tuple[str, list[str]]]) -> str:
    widths = [max(len(cell) for cell in [head, *cells]) for head, cells in columns]
    rows = [[head for head, _ in columns], *map(list, zip(*(cells for _, cells in columns)))]  # noqa: B905
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)  # noqa: B905


def _rows(frame: Any, most: int, whole: int) -> str:
    """Return the head of a DataFrame or Series as an aligned table, with its index; whole when it is short."""
    total = len(frame)
    shown = total if total <= whole else most
    index = frame.index[:shown]
    name = ", ".join(_cell(part) for part in index.names if part is not None)
    columns = [(name, [_cell(item) for item in index.tolist()])]
    if len(frame.shape) == 1:
        columns.append(("" if frame.name is None else _cell(frame.name), [_cell(v) for v in frame.iloc[:shown].tolist()]))
    else:
        for place, label in enumerate(frame.columns[:MOST_COLUMNS].tolist()):
            columns.append((_cell(label), [_cell(item) for item in frame.iloc[:shown, place].tolist()]))
    text = _aligned(columns)
    if len(frame.shape) == 2 and frame.shape[1] > MOST_COLUMNS:
        text += f"\n... {frame.shape[1] - MOST_COLUMNS:,} more columns"
    return text if shown == total else f"{text}\n... {total - shown:,} more rows"


def _vouched(frame: Any) -> bool:
    """Say whether every column is stored in an array class of pandas or numpy (others may run user code)."""
    kinds = [frame.dtype] if len(frame.shape) == 1 else frame.dtypes.tolist()
    return all(_genuine(type(kind)) in ("pandas", "numpy") for kind in kinds)


def _column(series: Any, deadline: float) -> str:
    """Return a column's dtype, the number of missing and, for text, of distinct values where that is cheap."""
    kind, rows = str(series.dtype), len(series)
    values: list[Any] | None = None
    missing = 0
    if time.perf_counter() > deadline or not rows:
        return kind
    if kind == "object":
        if rows > COUNTED_ROWS:
            return kind
        values = [v for v in series.tolist() if not _missing(v)]
        missing = rows - len(values)
        if not values or any(type(v) is not str for v in values):
            kind, values = ("object" if values else "empty"), None
        else:
            kind = "str"
    elif kind in ("str", "string", "category"):
        missing = int(series.isna().sum()) if rows <= 5_000_000 else 0
        values = series.dropna().unique().tolist() if rows <= 10 * COUNTED_ROWS else None
    elif rows <= 5_000_000 and getattr(series.dtype, "kind", "O") not in "iub":
        missing = int(series.isna().sum())
    notes = []
    if values:
        distinct = list(dict.fromkeys(values)) if kind == "str" else values
        few = ": " + ", ".join(_plain(v, 20, 0) for v in distinct) if len(distinct) <= 6 else ""
        notes.append(f"{len(distinct):,} distinct{few}")
    if missing:
        notes.append(f"{missing:,} missing")
    return f"{kind} ({'; '.join(notes)})" if notes else kind


def _missing(value: Any) -> bool:
    cls = type(value)
    return value is None or (cls is float and value != value) or _QUALNAME(cls) in ("NAType", "NaTType")


def _shape(frame: Any, deadline: float) -> str:
    """Return a DataFrame's size and its columns on one line."""
    rows, width = frame.shape
    labels = frame.columns[:30].tolist()
    parts = [f"{_cell(label)} {_column(frame.iloc[:, i], deadline)}" for i, label in enumerate(labels)]
    more = f", ... {width - 30:,} more" if width > 30 else ""
    return f"{rows:,} rows x {width:,} columns: {', '.join(parts)}{more}".rstrip(": ")


def _array(value: Any, most: int) -> str:
    head = ", ".join(_cell(item) for item in value.flat[:most].tolist())
    more = ", ..." if value.size > most else ""
    return f"shape {value.shape}, {value.dtype}: [{head}{more}]"


def _sample(frame: Any) -> list[Any]:
    """Return some values from all over a frame, to notice most changes in place."""
    picked = frame.iloc[:: max(1, len(frame) // 8)].iloc[:9]
    if len(frame.shape) == 1:
        return [_plain(v) for v in picked.tolist()]
    return [_plain(v) for i in range(min(30, frame.shape[1])) for v in picked.iloc[:, i].tolist()]


def _summary(value: Any, deadline: float) -> tuple[str, Any]:
    """Return a variable's summary, and more of its content for the stamp."""
    base = _base(type(value))
    if _is(value, "pandas.DataFrame") and _vouched(value):
        head = f"\n{_rows(value, 3, 3)}".rsplit("\n... ", 1)[0] if len(value) and value.shape[1] else ""
        return _shape(value, deadline) + head, _sample(value)
    if _is(value, "pandas.Series") and _vouched(value):
        values = ", ".join(_cell(v) for v in value.iloc[:5].tolist())
        return f"{len(value):,} rows, {_column(value, deadline)}: {values}{', ...' * (len(value) > 5)}", _sample(value)
    if _is(value, "numpy.ndarray") and value.dtype.kind != "V":
        return _array(value, 6), _plain(value.flat[:: max(1, value.size // 16)].tolist(), 300)
    if _is(value, "polars.DataFrame"):
        columns = ", ".join(f"{name} {kind}" for name, kind in islice(value.schema.items(), 30))
        return f"{value.height:,} rows x {value.width:,} columns: {columns}", None
    if base in (list, tuple, set, frozenset, dict):
        size = base.__len__(value)
        last = list(islice(reversed(value), 3)) if type(value) in (list, tuple) else None
        return f"{size:,} item{'s' * (size != 1)}: {_plain(value, 40, 2)}"[:300], _plain(last, 100, 2)
    if value is None or base is not None or _genuine(type(value)) in TRUSTED:
        return _plain(value, 80)[:300], None
    return "", None


def _result(value: Any, deadline: float) -> str | None:
    """Return what a cell's last expression was, typed; None for objects whose own text says more."""
    base = _base(type(value))
    if _is(value, "pandas.DataFrame") and _vouched(value):
        return f"DataFrame, {_shape(value, deadline)}\n{_rows(value, HEAD_ROWS, WHOLE_ROWS)}"
    if _is(value, "pandas.Series") and _vouched(value):
        return f"Series, {len(value):,} rows, {_column(value, deadline)}\n{_rows(value, HEAD_ROWS, WHOLE_ROWS)}"
    if _is(value, "numpy.ndarray") and value.dtype.kind != "V":
        whole = value.size <= 200 and value.ndim <= 3
        return f"ndarray, {_array(value, 200 if whole else 20)}"
    if base in (list, tuple, set, frozenset, dict):
        size = base.__len__(value)
        return f"{_label(type(value))} of {size:,}: {_plain(value, 400, 4)}"[:3000]
    if base is not None or _genuine(type(value)) in ("numpy", "datetime", "decimal", "fractions"):
        return f"{_label(type(value))}: {_plain(value, 2000)}"
    return None


# -- the namespace and the folder -----------------------------------------------------------------------------
def _signature(name: str, value: Any) -> str:
    """Return a function's name, parameters with plain defaults, and the first line of its docstring."""
    if type(value) is not types.FunctionType:
        return f"{name}(...)"
    code, defaults = value.__code__, value.__defaults__ or ()
    plain = list(code.co_varnames[: code.co_argcount])
    for place, default in enumerate(defaults, len(plain) - len(defaults)):
        plain[place] += f"={_plain(default, 20, 0)}"
    rest = code.co_varnames[code.co_argcount :]
    only, extra = rest[: code.co_kwonlyargcount], list(rest[code.co_kwonlyargcount :])
    if code.co_flags & 4:
        plain.append("*" + extra.pop(0))
    elif only:
        plain.append("*")
    given = value.__kwdefaults__ or {}
    plain += [f"{key}={_plain(given[key], 20, 0)}" if key in given else key for key in only]
    if code.co_flags & 8:
        plain.append("**" + extra.pop(0))
    line = _text(value.__doc__).strip().partition("\n")[0][:80]
    return f"{name}({', '.join(plain)})"[:160] + (f": {line}" if line else "")


def _entry(value: Any, deadline: float) -> list[str]:
    summary, more = "", None
    if time.perf_counter() < deadline:
        try:
            summary, more = _summary(value, deadline)
        except Exception:
            summary = ""
    stamp = hashlib.sha256(f"{id(value)} {summary} {more}".encode("utf-8", "replace")).hexdigest()[:12]
    return [_label(type(value)), summary[:900], stamp]


def _names(namespace: dict[str, Any], hidden: Collection[str], deadline: float) -> dict[str, Any]:
    variables, modules, functions = [], [], []
    for name, value in list(namespace.items()):
        cls = type(value)
        if type(name) is not str or name.startswith("_") or name in hidden or name in SHELL_NAMES:
            continue
        if issubclass(cls, types.ModuleType):
            module = _text(_MODULE_DICT(value).get("__name__"))
            modules.append(name if module == name else f"{name}={module}")
        elif issubclass(cls, type):
            functions.append(f"class {name}")
        elif cls is types.FunctionType or cls is types.BuiltinFunctionType:
            functions.append(_signature(name, value))
        else:
            variables.append((name, value))
    newest = {name: _entry(value, deadline) for name, value in variables[: -MOST_NAMES - 1 : -1]}
    return {
        "names": dict(reversed(list(newest.items()))),
        "left_out": len(variables) - len(newest),
        "modules": modules[-MOST_FILES:],
        "functions": functions[-MOST_FILES:],
    }


def _files(folder: str, deadline: float) -> dict[str, int]:
    """Return files of the folder and data files one folder below, data first; at most MOST_FILES."""
    found: list[tuple[bool, str, int]] = []
    below: list[str] = []
    for place in [folder, below]:
        for path in [place] if isinstance(place, str) else place[:20]:
            with os.scandir(path) as entries:
                for entry in islice(entries, 2000 if path == folder else 200):
                    if entry.name.startswith((".", "__")) or time.perf_counter() > deadline:
                        continue
                    data = entry.name.lower().endswith(tuple(DATA_FILES))
                    if entry.is_dir():
                        below += [entry.path] * (path == folder and not entry.is_symlink())
                    elif data or path == folder:
                        found.append((not data, os.path.relpath(entry.path, folder), entry.stat().st_size))
    found.sort(key=lambda item: (item[0], os.sep in item[1], item[1]))
    return {name: size for _, name, size in found[:MOST_FILES]}


# -- errors ---------------------------------------------------------------------------------------------------
def _message(error: BaseException) -> str:
    """Return `str(error)`, or its plain arguments where that would run code of the user."""
    owner = next(kind for kind in _MRO(type(error)) if "__str__" in type.__dict__["__dict__"].__get__(kind))
    args = _ARGS(error)
    plain = owner.__module__ != "__main__" and _genuine(owner) and all(a is None or _base(type(a)) for a in args)
    return str(error)[:2000] if plain else ", ".join(_plain(arg, 500) for arg in args)


def _place(filename: str, folder: str) -> tuple[str, bool]:
    """Return how to name a source file, and whether it is the user's."""
    if filename.startswith("<ipython-input") or re.search(r"ipykernel_\d+[/\\]\d+\.py$", filename):
        return "cell", True
    library = re.search(r"(?:site-packages|dist-packages|lib[/\\]python\d\.\d+)[/\\](.*)", filename)
    if library:
        return library.group(1), False
    mine = bool(folder) and filename.startswith(folder + os.sep)
    return (filename[len(folder) + 1 :] if mine else filename), mine


def _stack(error: BaseException, folder: str) -> list[tuple[str, bool, Any, int]]:
    """Return (where, is the user's, frame, line) of the traceback, from the cell on."""
    stack: list[tuple[str, bool, Any, int]] = []
    trace = _TRACEBACK(error)
    while trace is not None:
        code = trace.tb_frame.f_code
        where, mine = _place(code.co_filename, folder)
        where = where if code.co_name == "<module>" else f"{where}, in {code.co_name}"
        stack.append((where, mine, trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    cells = [place for place, entry in enumerate(stack) if entry[0].startswith("cell")]
    return stack[cells[0] :] if cells else [entry for entry in stack if entry[1]]


def _frames(error: BaseException, stack: list[tuple[str, bool, Any, int]]) -> list[list[Any]]:
    shown = [entry for entry in stack if entry[1]] + [entry for entry in stack[-1:] if not entry[1]]
    frames = [
        [where, line, linecache.getline(frame.f_code.co_filename, line).strip()[:200]] for where, _, frame, line in shown
    ]
    if issubclass(type(error), SyntaxError):
        fields = {name: SyntaxError.__dict__[name].__get__(error) for name in ("filename", "lineno", "offset", "text")}
        text = _text(fields["text"]).rstrip()[:400]
        start = len(text) - len(text.lstrip())
        caret = " " * max(0, (fields["offset"] or 1) - 1 - start) + "^"
        where, _ = _place(_text(fields["filename"]), os.getcwd())
        frames.append([where, fields["lineno"] or 0, f"{text.strip()}\n{caret}" if text else ""])
    return frames if len(frames) <= MOST_FRAMES else frames[:2] + frames[2 - MOST_FRAMES :]


def _near(wanted: str, names: Iterable[str], most: int = 3) -> list[str]:
    """Return names like the wanted one, the best first; case and outer spaces count for little."""
    known = list(dict.fromkeys(name for name in islice(names, 3000) if name != wanted))
    folded = {name.strip().lower().replace(" ", "_"): name for name in reversed(known)}
    close = difflib.get_close_matches(wanted.strip().lower().replace(" ", "_"), folded, most, 0.6)
    return [folded[name] for name in close]


def _public(value: Any) -> list[str]:
    """Return the public attributes of an object without touching one."""
    if issubclass(type(value), types.ModuleType):
        return [name for name in _MODULE_DICT(value) if type(name) is str and not name.startswith("_")]
    kinds = [type.__dict__["__dict__"].__get__(kind) for kind in _MRO(type(value))]
    names = [name for kind in kinds for name in kind if type(name) is str and not name.startswith("_")]
    if _is(value, "pandas.DataFrame"):
        names += [label for label in value.columns.tolist() if type(label) is str]
    elif not any(type(kind.get("__dict__", None)) is property for kind in kinds):
        own = next((kind["__dict__"].__get__(value) for kind in kinds if "__dict__" in kind), {})
        names += [name for name in own if type(name) is str and not name.startswith("_")]
    return names


def _keys(value: Any) -> tuple[str, list[Any]]:
    """Return what a container's keys are called, and the keys; nothing for what is no container."""
    if _is(value, "pandas.DataFrame"):
        return "columns", value.columns[:1000].tolist()
    if _is(value, "pandas.Series"):
        return "index", value.index[:1000].tolist()
    if _base(type(value)) is dict:
        return "keys", list(islice(dict.keys(value), 1000))
    return "", []


def _key_hints(wanted: Any, scope: dict[str, Any], stack: list[tuple[str, bool, Any, int]]) -> list[str]:
    """List the keys that the container on the failing line really has."""
    line = linecache.getline(stack[-1][2].f_code.co_filename, stack[-1][3]) if stack[-1][1] else ""
    inner = [frame.f_locals.get(name) for _, mine, frame, _ in stack if not mine for name in ("self", "right", "obj")]
    named = [scope[name] for name in re.findall(r"[^\W\d]\w*", line) if name in scope]
    every = list(scope.values())[-200:] if not any(_keys(value)[0] for value in inner + named) else []
    hints: list[str] = []
    for value in [*inner, *named, *every]:
        what, keys = _keys(value)
        if not keys or any(type(key) is type(wanted) and key == wanted for key in keys if _base(type(key)) is str):
            continue
        name = next((name for name, item in scope.items() if item is value), "the data")
        near = _near(_text(wanted), [_text(key) for key in keys if _text(key)], 1) if _text(wanted) else []
        hint = f"The {what} of {name} are: {', '.join(_plain(key, 40, 1) for key in keys[:25])}"
        hint += f", ... {len(keys) - 25} more" * (len(keys) > 25) + f"; did you mean {near[0]!r}?" * bool(near)
        hints += [hint] if hint not in hints else []
        if len(hints) == 2:
            break
    return hints


def _hints(error: BaseException, evalue: str, stack: list[tuple[str, bool, Any, int]], files: dict[str, int]) -> list[str]:
    """Return one sentence for each thing in the kernel that the failing code may have meant."""
    user = [frame for _, mine, frame, _ in stack if mine]
    scope = {**user[-1].f_globals, **user[-1].f_locals} if user else {}
    scope = {name: value for name, value in scope.items() if not name.startswith("_") and name not in SHELL_NAMES}
    cls, match = type(error), re.search(r"'(\w+)'", evalue)
    if issubclass(cls, NameError) and match:
        near = _near(match.group(1), [*scope, *dir(builtins)])
        return [f"Did you mean {' or '.join(near)}?"] if near else []
    if issubclass(cls, KeyError) and stack:
        return _key_hints(next(iter(_ARGS(error)), None), scope, stack)
    if issubclass(cls, AttributeError) and hasattr(AttributeError, "obj"):
        value, wanted = (AttributeError.__dict__[name].__get__(error) for name in ("obj", "name"))
        near = _near(_text(wanted), _public(value)) if value is not None else []
        return [f"{_label(type(value))} has {', '.join(near)}."] if near else []
    if issubclass(cls, FileNotFoundError):
        wanted = _text(OSError.__dict__["filename"].__get__(error))
        near = _near(os.path.basename(wanted), files) or list(files)[:8]
        return [f"Files that are there: {', '.join(near)}."] if near else ["The working folder holds no files."]
    call = re.match(r"([\w.<>]+)\(\) (?:missing|takes|got)", evalue)
    if issubclass(cls, TypeError) and call:
        name = call.group(1).rpartition(".")[2]
        return [f"Its signature is {_signature(name, scope[name])}."] if name in scope else []
    return []


# -- the report -----------------------------------------------------------------------------------------------
def _failure(error: BaseException, folder: str, files: dict[str, int]) -> dict[str, Any]:
    found: dict[str, Any] = {"ename": _label(type(error)), "evalue": "", "frames": [], "hints": []}
    try:
        found["evalue"] = _message(error)
        stack = _stack(error, folder)
        found["frames"] = _frames(error, stack)
        found["hints"] = [hint[:900] for hint in _hints(error, found["evalue"], stack, files)]
    except Exception as trouble:
        found["hints"] = found["hints"] or [f"The traceback could not be read ({type(trouble).__name__})."]
    return found


def report(
    namespace: dict[str, Any],
    *,
    hidden: Collection[str] = (),
    execution_count: int | None = None,
    error: BaseException | None = None,
    seconds: float = 0.25,
) -> dict[str, Any]:
    """Look at a namespace and return, as JSON-able data, what a model should know about it.

    `hidden` are names that are not the user's; `execution_count` picks the result in `namespace["Out"]`; `error`
    is the exception the cell ended with; `seconds` bounds the looking: what comes later is listed by type only.
    Returns names {name: [type, summary, stamp]} (at most 60, the latest; `left_out` counts the others), files
    {name: bytes}, cwd, modules, functions, result and error. Raises nothing for whatever objects it meets.
    """
    deadline = time.perf_counter() + seconds
    found: dict[str, Any] = {"files": {}, "cwd": "", "result": None, "error": None}
    try:
        found["cwd"] = os.getcwd()
        found["files"] = _files(found["cwd"], deadline)
    except OSError:
        pass
    out = namespace.get("Out")
    if type(out) is dict and execution_count in out:
        try:
            found["result"] = _result(out[execution_count], deadline)
        except Exception:
            found["result"] = None
    found["error"] = None if error is None else _failure(error, found["cwd"], found["files"])
    found.update(_names(namespace, hidden, deadline))
    return found

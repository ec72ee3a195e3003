"""Values as short text, without running code of the user: part of the probe (see probe.py).

Standard library only, Python >= 3.9. Nothing here calls a `__repr__`, `__len__`, property or `__getattr__` of a
class that is not a genuine class of the builtins, pandas, numpy or a few other known modules: builtin
subclasses are read through the methods of the builtin, everything else shows its class only.
"""

from __future__ import annotations

import math
import sys
import time
import types
from itertools import islice
from typing import Any

MOST_COLUMNS, WHOLE_ROWS, HEAD_ROWS = 12, 20, 10
COUNTED_ROWS = 20_000  # a column of Python objects is read value by value up to here (about 4 ms)
SCANNED_ROWS = 5_000_000  # missing values of a typed column are counted up to here (about 5 ms)
PLAIN_MODULES = ("datetime", "decimal", "fractions", "uuid", "pathlib", "zoneinfo", "ipaddress")
PLAIN_PANDAS = ("Timestamp", "Timedelta", "Period", "NaTType", "NAType")
KINDS = {id(kind): kind for kind in (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset)}
MRO: Any = type.__dict__["__mro__"].__get__
QUALNAME: Any = type.__dict__["__qualname__"].__get__
MODULE: Any = type.__dict__["__module__"].__get__
MODULE_DICT: Any = vars(types.ModuleType)["__dict__"].__get__


# -- types, without asking the object -------------------------------------------------------------------------
def exact_text(value: Any) -> str:
    """Return a text as an exact `str`; "" for what is no text."""
    return str.__str__(value) if issubclass(type(value), str) else ""


def base_of(cls: type) -> Any:
    """Return the builtin kind of value that a class derives from, or None."""
    return next((KINDS[id(kind)] for kind in MRO(cls) if id(kind) in KINDS), None)


def genuine(cls: type) -> str:
    """Return the top module that really holds the class; "" if the class only says so."""
    module = exact_text(MODULE(cls))
    home = sys.modules.get(module)
    if not issubclass(type(home), types.ModuleType):
        return ""
    return module.partition(".")[0] if MODULE_DICT(home).get(exact_text(QUALNAME(cls))) is cls else ""


def label_of(cls: type) -> str:
    """Return a class's name as a reader knows it: `int`, `pandas.DataFrame`, `Order`."""
    module, name = exact_text(MODULE(cls)), exact_text(QUALNAME(cls)).rpartition(".")[2]
    root = module.partition(".")[0]
    if root in ("builtins", "__main__", ""):
        return name
    known = MODULE_DICT(sys.modules[root]) if issubclass(type(sys.modules.get(root)), types.ModuleType) else {}
    return f"{root if known.get(name) is cls else module}.{name}"[:120]


def harmless(value: Any) -> bool:
    """Say whether `str(value)` runs no code of the user: scalars of numpy, pandas, datetime and the like."""
    cls = type(value)
    root, name = genuine(cls), exact_text(QUALNAME(cls))
    if root == "pandas" and name not in PLAIN_PANDAS:
        return name.endswith("Dtype")
    if root not in (*PLAIN_MODULES, "pandas"):
        kinds = {f"{genuine(kind)}.{exact_text(QUALNAME(kind))}" for kind in MRO(cls)}
        return bool({"numpy.generic", "numpy.dtype"} & kinds) and name not in ("void", "object_")
    zone = getattr(value, "tzinfo", None)
    return zone is None or genuine(type(zone)) in ("datetime", "zoneinfo", "pytz", "dateutil", "pandas")


def is_a(value: Any, label: str) -> bool:
    """Say whether a value is exactly a library's class, such as `pandas.DataFrame`."""
    cls = type(value)
    return label_of(cls) == label and genuine(cls) == label.partition(".")[0]


# -- values as short text -------------------------------------------------------------------------------------
def plain(value: Any, width: int = 60, depth: int = 2) -> str:
    """Return a short text of a value; objects of unknown classes show their class only."""
    cls = type(value)
    base = base_of(cls)
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
    if harmless(value):
        return str(value)[: 2 * width]
    return f"<{label_of(cls)}>"


def _items(value: Any, base: Any, width: int, depth: int) -> str:
    size = base.__len__(value)
    if depth <= 0 and size:
        return f"<{base.__name__} of {size:,}>"
    marks = {list: "[]", tuple: "()"}.get(base, "{}")
    most = max(3, width // 8)
    if base is dict:
        pairs = islice(dict.items(value), most)
        parts = [f"{plain(key, 30, 1)}: {plain(item, width, depth - 1)}" for key, item in pairs]
    else:
        parts = [plain(item, width, depth - 1) for item in islice(base.__iter__(value), most)]
    if base is tuple and size == 1:
        parts[0] += ","
    if size > most:
        parts.append(f"... {size - most:,} more")
    return marks[0] + ", ".join(parts) + marks[1]


def cell(value: Any) -> str:
    """Return a table cell: text without quotes, floats with at least the digits that pandas shows."""
    base = base_of(type(value))
    if base is float:
        exact = float.__repr__(value)
        if len(exact) <= 12 or abs(value) >= 1e15:
            return exact
        short = f"{value:.6f}".rstrip("0") if abs(value) >= 1 else f"{value:.8g}"
        return short + "0" if short.endswith(".") else short
    if base is str:
        text = str.__getitem__(value, slice(0, 60)).replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
        return text if str.__len__(value) <= 60 else text[:57] + "..."
    return plain(value, 30, 1)


# -- pandas and numpy -----------------------------------------------------------------------------------------
def _cells(values: list[Any]) -> list[str]:
    """Return a column's cells; times that are all midnight show the date only."""
    cells = [cell(value) for value in values]
    dates = all(text.endswith(" 00:00:00") for text in cells) and not any(type(v) is str for v in values)
    return [text[:-9] for text in cells] if dates else cells


def _aligned(columns: list[tuple[str, list[str]]]) -> str:
    """Return columns (heading, cells) as lines, right-aligned; no heading line when no column has a heading."""
    if any(heading for heading, _ in columns):
        columns = [("", [heading, *cells]) for heading, cells in columns]
    padded = []
    for _, cells in columns:
        width = max((len(text) for text in cells), default=0)
        padded.append([text.rjust(width) for text in cells])
    return "\n".join("  ".join(row).rstrip() for row in zip(*padded))  # noqa: B905 - Python 3.9


def table(frame: Any, most: int, whole: int) -> str:
    """Return the head of a DataFrame or Series as an aligned table, with its index; whole when it is short."""
    total = len(frame)
    shown = total if total <= whole else most
    index = frame.index[:shown]
    name = ", ".join(cell(part) for part in index.names if part is not None)
    columns = [(name, _cells(index.tolist()))]
    if len(frame.shape) == 1:
        label = "" if frame.name is None else cell(frame.name)
        columns.append((label, _cells(frame.iloc[:shown].tolist())))
    else:
        for place, label in enumerate(frame.columns[:MOST_COLUMNS].tolist()):
            columns.append((cell(label), _cells(frame.iloc[:shown, place].tolist())))
    text = _aligned(columns)
    if len(frame.shape) == 2 and frame.shape[1] > MOST_COLUMNS:
        text += f"\n... {frame.shape[1] - MOST_COLUMNS:,} more columns"
    return text if shown == total else f"{text}\n... {total - shown:,} more rows"


def vouched(frame: Any) -> bool:
    """Say whether every column is stored in an array class of pandas or numpy (others may run user code)."""
    kinds = [frame.dtype] if len(frame.shape) == 1 else frame.dtypes.tolist()
    return all(harmless(kind) for kind in kinds)


def describe_column(series: Any, deadline: float) -> str:
    """Return a column's dtype, the number of missing and, for text, of distinct values where that is cheap."""
    kind, rows = str(series.dtype), len(series)
    if time.perf_counter() > deadline or not rows:
        return kind
    texts: list[Any] = []
    missing = 0
    if kind == "object":
        if rows > COUNTED_ROWS:
            return kind
        values = [v for v in series.tolist() if not is_missing(v)]
        missing = rows - len(values)
        if all(type(v) is str for v in values):
            kind, texts = "str", list(dict.fromkeys(values))
    elif rows <= SCANNED_ROWS and getattr(series.dtype, "kind", "O") not in "iub":
        missing = int(series.isna().sum())
    if kind in ("string", "str") and not texts and rows <= 10 * COUNTED_ROWS:
        texts = series.dropna().unique().tolist()
    if kind == "category":
        texts = series.cat.categories[:1000].tolist()
    few = ": " + ", ".join(plain(v, 20, 0) for v in texts[:6]) + ", ..." * (len(texts) > 6) if texts else ""
    alike = ", some the same but for capitals or spaces" * spelt_in_many_ways(texts)
    notes = [f"{len(texts):,} distinct{alike}{few}"] * bool(texts) + [f"{missing:,} missing"] * bool(missing)
    return f"{kind} ({'; '.join(notes)})" if notes else kind


def spelt_in_many_ways(texts: list[Any]) -> bool:
    """Say whether some of a column's few distinct texts are one word in several spellings, as typed by hand."""
    if not 1 < len(texts) <= 200 or not all(type(text) is str for text in texts):
        return False
    return len({text[:200].strip().casefold() for text in texts}) < len({text[:200] for text in texts})


def is_missing(value: Any) -> bool:
    """Say whether a value counts as missing in a column of Python objects."""
    cls = type(value)
    if cls is str:
        return False
    return value is None or (cls is float and math.isnan(value)) or exact_text(QUALNAME(cls)) in PLAIN_PANDAS[3:]


def describe_frame(frame: Any, deadline: float) -> str:
    """Return a DataFrame's size and its columns on one line."""
    rows, width = frame.shape
    labels = frame.columns[:30].tolist()
    parts = [f"{cell(label)} {describe_column(frame.iloc[:, i], deadline)}" for i, label in enumerate(labels)]
    more = f", ... {width - 30:,} more" if width > 30 else ""
    return f"{rows:,} rows x {width:,} columns: {', '.join(parts)}{more}".rstrip(": ")


def _array(value: Any, most: int) -> str:
    head = ", ".join(cell(item) for item in value.flat[:most].tolist())
    more = ", ..." if value.size > most else ""
    return f"shape {value.shape}, {value.dtype}: [{head}{more}]"


def _sample(frame: Any) -> list[Any]:
    """Return some values from all over a frame, to notice most changes in place."""
    picked = frame.iloc[:: max(1, len(frame) // 8)].iloc[:9]
    if len(frame.shape) == 1:
        return [plain(v) for v in picked.tolist()]
    return [plain(v) for i in range(min(30, frame.shape[1])) for v in picked.iloc[:, i].tolist()]


def summarise(value: Any, deadline: float) -> tuple[str, Any]:
    """Return a variable's summary, and more of its content for the stamp."""
    base = base_of(type(value))
    if is_a(value, "pandas.DataFrame") and vouched(value):
        lines = table(value, 3, 3).split("\n") if len(value) and value.shape[1] else []
        head = [line for line in lines if not line.startswith("... ")]
        return "\n".join([describe_frame(value, deadline), *head]), _sample(value)
    if is_a(value, "pandas.Series") and vouched(value):
        values = ", ".join(cell(v) for v in value.iloc[:5].tolist())
        more = ", ..." if len(value) > 5 else ""
        return f"{len(value):,} rows, {describe_column(value, deadline)}: {values}{more}", _sample(value)
    if is_a(value, "numpy.ndarray") and value.dtype.kind != "V":
        return _array(value, 6), plain(value.flat[:: max(1, value.size // 16)].tolist(), 300)
    if base in (list, tuple, set, frozenset, dict):
        size = base.__len__(value)
        last = base.__getitem__(value, slice(-3, None)) if base in (list, tuple) else None
        return f"{size:,} item{'s' * (size != 1)}: {plain(value, 40, 2)}"[:300], plain(last, 100, 2)
    known = value is None or base is not None or harmless(value)
    return (plain(value, 80)[:300] if known else ""), None


def result_of(value: Any, deadline: float) -> str | None:
    """Return what a cell's last expression was, typed; None for objects whose own text says more."""
    base = base_of(type(value))
    if is_a(value, "pandas.DataFrame") and vouched(value):
        return f"DataFrame, {describe_frame(value, deadline)}\n{table(value, HEAD_ROWS, WHOLE_ROWS)}"
    if is_a(value, "pandas.Series") and vouched(value):
        kind = describe_column(value, deadline)
        return f"Series, {len(value):,} rows, {kind}\n{table(value, HEAD_ROWS, WHOLE_ROWS)}"
    if is_a(value, "numpy.ndarray") and value.dtype.kind != "V":
        whole = value.size <= 200 and value.ndim <= 3
        return f"ndarray, {_array(value, 200 if whole else 20)}"
    if base in (list, tuple, set, frozenset, dict):
        size = base.__len__(value)
        return f"{label_of(type(value))} of {size:,}: {plain(value, 400, 4)}"[:3000]
    if base is not None or harmless(value):
        return f"{plain(value, 2000)} ({label_of(type(value))})"
    return None


def signature_of(name: str, value: Any) -> str:
    """Return a function's name, parameters with plain defaults, and the first line of its docstring."""
    if type(value) is not types.FunctionType:
        return f"{name}(...)"
    code, defaults = value.__code__, value.__defaults__ or ()
    shown = list(code.co_varnames[: code.co_argcount])
    for place, default in enumerate(defaults, len(shown) - len(defaults)):
        shown[place] += f"={plain(default, 20, 0)}"
    rest = code.co_varnames[code.co_argcount :]
    only, extra = rest[: code.co_kwonlyargcount], list(rest[code.co_kwonlyargcount :])
    if code.co_flags & 4:
        shown.append("*" + extra.pop(0))
    elif only:
        shown.append("*")
    given = value.__kwdefaults__ or {}
    shown += [f"{key}={plain(given[key], 20, 0)}" if key in given else key for key in only]
    if code.co_flags & 8:
        shown.append("**" + extra.pop(0))
    line = exact_text(value.__doc__).strip().partition("\n")[0][:80]
    return f"{name}({', '.join(shown)})"[:160] + (f": {line}" if line else "")

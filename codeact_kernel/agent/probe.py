"""What lives in a kernel, as JSON: variables, files, the last result and the last error.

The probe files use the standard library only (Python >= 3.9); `source()` gives them as one text for a
kernel that has nothing of ours.
"""

from __future__ import annotations

import hashlib
import re
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.probe_errors import explain
from codeact_kernel.agent.probe_files import heads_of, list_files
from codeact_kernel.agent.probe_functions import taken
from codeact_kernel.agent.probe_left import left_behind
from codeact_kernel.agent.probe_values import MODULE_DICT, exact_text, label_of, result_of, signature_of, summarise
from codeact_kernel.secret_names import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

MOST_NAMES, MOST_FUNCTIONS = 60, 30
SHELL_NAMES = frozenset(("In", "Out", "get_ipython", "exit", "quit"))
FUNCTION_PARTS = ("../secret_names", "probe_values", "probe_functions")
PARTS = (
    *FUNCTION_PARTS,
    "probe_advice",
    "probe_errors",
    "probe_files",
    "probe_left",
    "probe",
)


def source(parts: Sequence[str] = PARTS) -> str:
    """Return the probe as one self-contained text: run it in an empty dict, then call its `report`.

    FUNCTION_PARTS are enough for `install`. It needs Python >= 3.9 and its standard library only. Raises OSError
    when our own files cannot be read.
    """
    ours = re.compile(r"^from (?:codeact_kernel|__future__)[^\n(]*(?:\([^)]*\))?\n", re.MULTILINE)
    texts = [(Path(__file__).parent / f"{part}.py").read_text("utf-8") for part in parts]
    return "from __future__ import annotations\n\n" + "\n\n".join(ours.sub("", text) for text in texts)


def _entry(name: str, value: Any, deadline: float) -> list[str]:
    """Return [type, summary, stamp] of a variable; a text that is named like a secret is not shown."""
    summary, more = "", ""
    if (type(value) is str or type(value) is bytes) and is_secret_name(name):
        return [label_of(type(value)), "(not shown: it is named like a secret)", str(id(value))]
    if time.perf_counter() < deadline:
        try:
            summary, more = summarise(value, deadline)
        except Exception:
            summary = ""
    stamp = hashlib.sha256(f"{id(value)} {summary} {more}".encode("utf-8", "replace")).hexdigest()[:12]
    return [label_of(type(value)), summary[:900], stamp]


def _names(namespace: dict[str, Any], hidden: Collection[str], deadline: float) -> dict[str, Any]:
    """Sort a namespace into variables (the latest, summarised), modules and functions."""
    variables, modules, functions = [], [], []
    for name, value in list(namespace.items()):
        cls = type(value)
        if type(name) is not str or name.startswith("_") or name in hidden or name in SHELL_NAMES:
            continue
        if issubclass(cls, types.ModuleType):
            module = exact_text(MODULE_DICT(value).get("__name__"))
            modules.append(name if module == name else f"{name}={module}")
        elif issubclass(cls, type):
            functions.append(f"class {name}")
        elif cls is types.FunctionType or cls is types.BuiltinFunctionType:
            functions.append(signature_of(name, value))
        else:
            variables.append((name, value))
    newest = {name: _entry(name, value, deadline) for name, value in variables[: -MOST_NAMES - 1 : -1]}
    return {
        "names": dict(reversed(list(newest.items()))),
        "left_out": len(variables) - len(newest),
        "modules": modules[-MOST_FUNCTIONS:],
        "functions": functions[-MOST_FUNCTIONS:],
    }


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
    {name: bytes}, cwd, modules, functions, left (see `left_behind`), result (None also for objects whose own
    text/plain says more), final (the text of what `final_answer` was called with since the last report, None
    without that) and error {ename, evalue, frames [[where, line, source]], hints}. Raises nothing, whatever
    objects it meets.
    """
    start = time.perf_counter()
    found: dict[str, Any] = {"files": {}, "heads": {}, "cwd": "", "result": None, "error": None}
    try:
        found["cwd"] = str(Path.cwd())
        found["files"] = list_files(found["cwd"], start + seconds / 4)
        found["heads"] = heads_of(found["cwd"], found["files"], start + seconds / 2)
    except OSError:
        found["files"] = {}  # the working folder is gone
    out = namespace.get("Out")
    if type(out) is dict and execution_count in out:
        try:
            found["result"] = result_of(out[execution_count], start + seconds)
        except Exception:
            found["result"] = None
    try:
        found["final"] = taken(start + seconds)
    except Exception:
        found["final"] = "<an object whose text cannot be had>"
    if error is not None:
        found["error"] = explain(error, found["cwd"], found["files"])
    found.update(_names(namespace, hidden, start + seconds))
    try:
        found["left"] = left_behind()
    except Exception:
        found["left"] = []
    return found

"""An exception as a model should read it: the user's frames and what was perhaps meant. Part of the probe."""

from __future__ import annotations

import builtins
import difflib
import linecache
import os
import re
import types
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from codeact_kernel.agent.probe_advice import advise
from codeact_kernel.agent.probe_values import (
    MODULE_DICT,
    MRO,
    QUALNAME,
    base_of,
    exact_text,
    genuine,
    is_a,
    label_of,
    plain,
    signature_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_FRAMES, MOST_KEYS = 6, 25
ARGS: Any = BaseException.__dict__["args"].__get__
TRACEBACK: Any = BaseException.__dict__["__traceback__"].__get__
DICT: Any = type.__dict__["__dict__"].__get__


class Place(NamedTuple):
    """One entry of a traceback: how to name it, whether it is the user's code, its frame and line."""

    where: str
    mine: bool
    frame: Any
    line: int


def _message(error: BaseException) -> str:
    """Return `str(error)`, or its plain arguments where that would run code of the user."""
    owner = next(kind for kind in MRO(type(error)) if "__str__" in DICT(kind))
    args = ARGS(error)
    if owner is SyntaxError:
        return exact_text(next(iter(args), ""))[:2000]  # its str() adds the name of the cell's temporary file
    bases = [base_of(type(arg)) for arg in args if arg is not None]
    safe = genuine(owner) not in ("", "__main__")
    if safe and all(base in (bool, int, float, str, bytes) for base in bases):
        try:
            return str(error)[:2000]
        except Exception:
            safe = False  # a library's own __str__ failed: the arguments say enough
    return ", ".join(exact_text(arg) or plain(arg, 500) for arg in args)[:2000]


def _source(filename: str, folder: str) -> tuple[str, bool]:
    """Return how to name a source file, and whether it is the user's."""
    if filename.startswith("<ipython-input") or re.search(r"ipykernel_\d+[/\\]\d+\.py$", filename):
        return "cell", True
    library = re.search(r".*(?:site-packages|dist-packages|lib[/\\]python\d\.\d+)[/\\](.*)", filename)
    if library:
        return library.group(1), False
    mine = bool(folder) and filename.startswith(folder + os.sep)
    return (filename[len(folder) + 1 :] if mine else filename), mine


def _stack(error: BaseException, folder: str) -> list[Place]:
    """Return the traceback from the cell on; without a cell, the user's own files only."""
    stack: list[Place] = []
    trace = TRACEBACK(error)
    while trace is not None:
        code = trace.tb_frame.f_code
        where, mine = _source(code.co_filename, folder)
        where = where if code.co_name == "<module>" else f"{where}, in {code.co_name}"
        if "__tracebackhide__" not in code.co_varnames:  # e.g. where an interrupt is raised
            stack.append(Place(where, mine, trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    first = next((at for at, place in enumerate(stack) if place.where.partition(",")[0] == "cell"), None)
    return [place for place in stack if place.mine] if first is None else stack[first:]


def _line(place: Place) -> str:
    return linecache.getline(place.frame.f_code.co_filename, place.line).strip()


def _frames(error: BaseException, stack: list[Place], folder: str) -> list[list[Any]]:
    """Return [where, line number, source] of the user's frames and of the last frame of a library."""
    shown = [place for place in stack if place.mine]
    shown += [place for place in stack[-1:] if not place.mine and not place.where.startswith("IPython")]
    if len(shown) > MOST_FRAMES:
        shown = shown[:2] + shown[2 - MOST_FRAMES :]
    frames: list[list[Any]] = [
        [place.where, place.line, _line(place)[:200] if place.mine else ""] for place in shown
    ]
    if issubclass(type(error), SyntaxError):
        names = ("filename", "lineno", "offset", "text")
        filename, line, offset, source = (SyntaxError.__dict__[name].__get__(error) for name in names)
        text = exact_text(source).rstrip()[:400]
        indent = len(text) - len(text.lstrip())
        caret = " " * max(0, (offset or 1) - 1 - indent) + "^"
        where, _ = _source(exact_text(filename), folder)
        frames.append([where, line or 0, f"{text.strip()}\n{caret[:400]}" if text else ""])
    return frames


def _near(wanted: str, names: Iterable[str], most: int = 2) -> list[str]:
    """Return names like the wanted one, the best first; case, spaces and underscores count for little."""

    def fold(name: str) -> str:
        return re.sub(r"[\s_-]", "", name[:80].lower())

    known = {fold(name): name for name in islice(names, 3000) if name != wanted}
    return [known[name] for name in difflib.get_close_matches(fold(wanted), known, most, 0.67)]


def _public(value: Any) -> list[str]:
    """Return the public attributes of an object without touching one."""
    if issubclass(type(value), types.ModuleType):
        return [name for name in MODULE_DICT(value) if type(name) is str and not name.startswith("_")]
    kinds = [DICT(kind) for kind in MRO(type(value))]
    names = [name for kind in kinds for name in kind]
    if is_a(value, "pandas.DataFrame"):
        names += value.columns.tolist()
    else:
        own = next((kind["__dict__"] for kind in kinds if "__dict__" in kind), None)
        if type(own) is types.GetSetDescriptorType:
            names += list(own.__get__(value))
    return [name for name in names if type(name) is str and not name.startswith("_")]


def _keys(value: Any) -> tuple[str, list[Any]]:
    """Return what a container's keys are called, and the keys; ("", []) for what is no container."""
    if is_a(value, "pandas.DataFrame"):
        return "columns", value.columns[:1000].tolist()
    if is_a(value, "pandas.Series"):
        return "index labels", value.index[:1000].tolist()
    if base_of(type(value)) is dict:
        return "keys", list(islice(dict.keys(value), 1000))
    return "", []


def _locals(frame: Any) -> dict[str, Any]:
    """Return a frame's variables, unless they are kept in a mapping of the user's own making."""
    found = frame.f_locals
    return dict(found) if type(found) is dict or type(found).__name__ == "FrameLocalsProxy" else {}


def _inside(line: str, scope: dict[str, Any]) -> list[Any]:
    """Return the innermost dict that chains such as `order["user"]["nam"]` reach, and plain names after them."""
    found: list[Any] = []
    for name, chain in re.findall(r"([^\W\d]\w*)((?:\[(?:'[^']*'|\"[^\"]*\"|\d+)\])*)", line):
        value: Any = scope.get(name)
        for key in re.findall(r"\[(.*?)\]", chain):
            base = base_of(type(value))
            if base is dict and key[0] in "'\"" and dict.__contains__(value, key[1:-1]):
                value = dict.__getitem__(value, key[1:-1])
            elif base is list and key.isdigit() and int(key) < list.__len__(value):
                value = list.__getitem__(value, int(key))
        found.append(value)
    return found


def _key_hints(wanted: Any, scope: dict[str, Any], stack: list[Place]) -> list[str]:
    """List the keys that the container on the failing line really has."""
    inner = [_locals(place.frame) for place in stack if not place.mine]
    found = [variables.get(name) for variables in inner for name in ("self", "right", "obj")]
    if not any(_keys(value)[0] for value in found):
        mine = [place for place in stack if place.mine]
        found = _inside(_line(mine[-1]), scope) if mine else []
    if not any(_keys(value)[0] for value in found):
        found = [value for value in list(scope.values())[-200:] if is_a(value, "pandas.DataFrame")]
    message = exact_text(wanted)  # the key itself, or words such as "Column not found: Amount"
    words = [word for word in [message, *re.findall(r"'([^']+)'", message), message.rpartition(": ")[2]] if word]
    hints: list[str] = []
    for value in found:
        what, keys = _keys(value)
        texts = [exact_text(key) for key in keys if exact_text(key)]
        if not keys or (message and message in texts):
            continue
        name = next((name for name, item in scope.items() if item is value), "the data")
        near = next((close for word in words if (close := _near(word, texts, 1))), [])
        hint = f"The {what} of {name} are: {', '.join(plain(key, 40, 1) for key in keys[:MOST_KEYS])}"
        hint += f", ... {len(keys) - MOST_KEYS} more" if len(keys) > MOST_KEYS else ""
        hint += f"; did you mean {near[0]!r}?" if near else "."
        hints += [] if hint in hints else [hint]
    return hints[:2]


def _attribute_hints(error: BaseException) -> list[str]:
    if not hasattr(AttributeError, "obj"):  # Python 3.9 does not keep the object
        return []
    value, wanted = (AttributeError.__dict__[name].__get__(error) for name in ("obj", "name"))
    near = _near(exact_text(wanted), _public(value)) if value is not None else []
    module = issubclass(type(value), types.ModuleType)
    owner = exact_text(MODULE_DICT(value).get("__name__")) if module else label_of(type(value))
    return [f"{owner} has: {', '.join(near)}."] if near else []


def _hints(error: BaseException, evalue: str, stack: list[Place], files: dict[str, int]) -> list[str]:
    """Return one sentence for each thing in the kernel that the failing code may have meant."""
    user = [place.frame for place in stack if place.mine]
    scope = {**user[-1].f_globals, **_locals(user[-1])} if user else {}
    scope = {name: value for name, value in scope.items() if type(name) is str and not name.startswith("_")}
    cls, quoted = type(error), re.search(r"'(\w+)'", evalue)
    if issubclass(cls, NameError) and quoted:
        near = _near(quoted.group(1), [*dir(builtins), *scope], 3)
        return [f"Did you mean {' or '.join(near)}?"] if near else []
    if issubclass(cls, KeyError) and stack:
        return _key_hints(next(iter(ARGS(error)), None), scope, stack)
    if issubclass(cls, AttributeError):
        return _attribute_hints(error)
    if issubclass(cls, FileNotFoundError):
        wanted = exact_text(OSError.__dict__["filename"].__get__(error))
        near = _near(re.split(r"[/\\]", wanted)[-1], files) or list(files)[:8]
        return [f"Files that are there: {', '.join(near)}."] if near else ["The working folder holds no files."]
    call = re.match(r"([\w.<>]+)\(\) (?:missing|takes|got)", evalue)
    if issubclass(cls, TypeError) and call:
        name = call.group(1).rpartition(".")[2]
        return [f"The signature is {signature_of(name, scope[name])}"] if name in scope else []
    return []


def explain(error: BaseException, folder: str, files: dict[str, int]) -> dict[str, Any]:
    """Return ename, evalue, frames and hints of an exception; raises nothing.

    `folder` is the working folder (its files count as the user's), `files` the files in it.
    """
    ename = exact_text(QUALNAME(type(error))).rpartition(".")[2]
    found: dict[str, Any] = {"ename": ename, "evalue": "", "frames": [], "hints": []}
    try:
        found["evalue"] = evalue = _message(error)
        stack = _stack(error, folder)
        found["frames"] = _frames(error, stack, folder)
        hints = advise(ename, evalue) or _hints(error, evalue, stack, files)
        found["hints"] = [hint[:900] for hint in hints]
    except Exception as trouble:
        found["hints"] = [f"The traceback could not be read ({label_of(type(trouble))})."]
    return found

"""Texts and values that any JSON reader, browser and `nbformat.write` can hold, and the way back.

Python strings may hold lone surrogates (a stream that cut an emoji in two), files as Jupyter writes them may
not: `nbformat.write` opens the good file, raises, and leaves 0 bytes. JSON's own escapes do not help: the
next program to save the notebook decodes them first, and two halves side by side become one character. So a
surrogate is stored as U+FFFD, and a list of marks beside the texts says where it was and which one: texts stay
readable, and nothing is lost.
"""

from __future__ import annotations

import math
import re
from typing import Any, TypeAlias

MARKS = "surrogates"
"""The key that holds the marks: `{JSON pointer of a text: [[offset in code points, surrogate in hex], ...]}`."""

Marks: TypeAlias = dict[str, list[list[Any]]]

_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


def plain_text(text: str) -> str:
    """Return the text with every lone surrogate replaced by U+FFFD."""
    return _SURROGATE.sub(_REPLACEMENT, text)


def plain(value: Any) -> Any:
    """Return a deep copy that is strict JSON: no NaN or infinity (null), no lone surrogates, text keys only.

    What JSON does not have at all becomes its `repr`.
    """
    return _plain(value, "", {})


def escape(value: dict[str, Any]) -> dict[str, Any]:
    """Return `plain(value)` with the marks that `unescape` needs under `MARKS`, if there are any."""
    marks: Marks = {}
    result: dict[str, Any] = _plain({key: item for key, item in value.items() if key != MARKS}, "", marks)
    if marks:
        result[MARKS] = marks
    return result


def unescape(value: dict[str, Any]) -> dict[str, Any]:
    """Return the dict that was given to `escape`: marks applied and gone; marks that do not fit are ignored."""
    marks = value.get(MARKS)
    rest = {key: item for key, item in value.items() if key != MARKS}
    if not isinstance(marks, dict):
        return rest
    result: dict[str, Any] = _restore(rest, "", marks)
    return result


def _pointer(key: str) -> str:
    """Return one part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _plain(value: Any, path: str, marks: Marks) -> Any:
    if isinstance(value, str):
        found = _SURROGATE.search(value)
        if found is None:
            return str(value)
        marks[path] = [[hit.start(), f"{ord(hit.group()):x}"] for hit in _SURROGATE.finditer(value)]
        return plain_text(value)
    if isinstance(value, dict):
        return {
            (name := plain_text(str(key))): _plain(item, f"{path}/{_pointer(name)}", marks)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{path}/{number}", marks) for number, item in enumerate(value)]
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return plain_text(repr(value))


def _restore(value: Any, path: str, marks: dict[str, Any]) -> Any:
    if isinstance(value, str):
        return _apply(value, marks[path]) if path in marks else value
    if isinstance(value, dict):
        return {key: _restore(item, f"{path}/{_pointer(key)}", marks) for key, item in value.items()}
    if isinstance(value, list):
        return [_restore(item, f"{path}/{number}", marks) for number, item in enumerate(value)]
    return value


def _apply(text: str, marks: Any) -> str:
    letters = list(text)
    for mark in marks if isinstance(marks, list) else ():
        try:
            offset, letter = int(mark[0]), chr(int(mark[1], 16))
        except (KeyError, TypeError, ValueError, IndexError, OverflowError):
            continue
        if 0 <= offset < len(letters) and letters[offset] == _REPLACEMENT and _SURROGATE.match(letter):
            letters[offset] = letter
    return "".join(letters)

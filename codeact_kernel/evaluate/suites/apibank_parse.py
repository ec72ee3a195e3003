"""API-Bank: one reply -> one call, by a parser that knows the syntax it asks for.

The authors of the comparison read replies by regular expressions: a value may not hold the quote or comma that
ends it, a list ends where the last bracket does. This one reads code as Python, JSON as JSON, and text by the
names of the parameters.
"""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

Call = tuple[str, dict[str, Any]]
TEXT = re.compile(r"Action:\s*(?P<name>\w+)\s*(?:,\s*(?P<rest>.*))?", re.DOTALL)


def read(reply: str, action: str, parameters: dict[str, Collection[str]]) -> Call | None:
    """Return the call that a reply makes, None where it makes none.

    Args:
        reply: the model's words, brackets and all.
        action: code, json or text.
        parameters: the names of the parameters of each API that the model was shown.
    """
    for body in _bodies(reply):
        call = _code(body) if action == "code" else _json(body) if action == "json" else _text(body, parameters)
        if call is not None:
            return call
    return None


def _bodies(reply: str) -> list[str]:
    """Return what may be the call: all of the reply, and what stands between its outer square brackets."""
    text = re.sub(r"^\s*```\w*\s*|\s*```\s*$", "", reply.strip()).strip()
    start, end = text.find("["), text.rfind("]")
    inside = text[start + 1 : end].strip() if 0 <= start < end else ""
    return [inside, text] if text.startswith("[") else [text, inside]


def _code(text: str) -> Call | None:
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.args:
        return None
    try:
        return node.func.id, {
            str(one.arg): _plain(ast.literal_eval(one.value)) for one in node.keywords if one.arg
        }
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


def _json(text: str) -> Call | None:
    at = text.find("{")
    try:
        found, _ = json.JSONDecoder().raw_decode(text, max(at, 0))
        name = found.pop("action")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    return (name, {key: _plain(value) for key, value in found.items()}) if isinstance(name, str) else None


def _text(text: str, parameters: dict[str, Collection[str]]) -> Call | None:
    found = TEXT.search(text)
    if found is None:
        return None
    known = "|".join(map(re.escape, parameters.get(found["name"]) or ()))
    rest = (found["rest"] or "").strip()
    marks = list(re.finditer(rf"(?:^|,)\s*({known}):\s*", rest)) if known else []
    if not marks or marks[0].start():  # it names other parameters than there are
        marks = list(re.finditer(r"(?:^|,)\s*(\w+):\s", rest))
    ends = [*(one.start() for one in marks[1:]), len(rest)][: len(marks)]
    return found["name"], {
        one.group(1): rest[one.end() : end].strip().strip("\"'") for one, end in zip(marks, ends, strict=True)
    }


def _plain(value: Any) -> Any:
    """Return a value as the APIs take it: they read numbers and truth values from texts."""
    return str(value) if isinstance(value, bool) else value

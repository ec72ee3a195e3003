"""The JSON action space: one call a step, as a JSON object.

`{"tool": "lookup", "args": ["Visby", 3]}`, the arguments a list or an object of named ones. The call becomes a
cell of one line, `lookup('Visby', 3)`, so approval, execution and the episode are the same as with code.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.formats.base import CALLS, CUT, CUT_REPLY, EMPTY, Format, call, can_be_called
from codeact_kernel.types import Action

if TYPE_CHECKING:
    from codeact_kernel.types import Finish

NAMES = ("tool", "name", "function", "tool_name")
ARGUMENTS = ("args", "arguments", "parameters", "kwargs")
FENCE = re.compile(r"^[ \t]*```[ \t]*\w*[ \t]*$", re.MULTILINE)
MARK = re.compile(r"(?:\bAction:|<tool_call>)\s*$|^\s*(?:End Action|</tool_call>)\s*", re.MULTILINE)
NOT_JSON = (
    "Your call is not valid JSON ({why}). Write one object and nothing after it: "
    '{{"tool": "name", "args": [1, "text"]}}.'
)
NO_TOOL = 'Your JSON names no tool. Write {"tool": "name", "args": [1, "text"]}, or answer in plain text.'
NO_NAME = "{tool!r} cannot be called: give the name of a function that is there."
BAD_ARGUMENTS = "The arguments of a call are a list, or an object with their names; write them so."
REPEATED = "took the first of several calls"


def parse(text: str, finish: Finish = "stop") -> Action:
    """Read one reply: the first JSON object that names a tool is the action, a reply without one the answer.

    Never raises; a reply that cannot be used has a `complaint`.
    """
    text = text.replace("\r\n", "\n")
    if not text.strip():
        return Action("", complaint=CUT_REPLY if finish in CUT else EMPTY)
    start, found, end = _first_object(text)
    if found is None:
        return _without(text, finish, start)
    thought = _prose(text[:start])
    tool = next((found[name] for name in NAMES if name in found), None)
    if not isinstance(tool, str):
        return Action(thought, complaint=NO_TOOL)
    if not can_be_called(tool.strip()):
        return Action(thought, complaint=NO_NAME.format(tool=tool[:80]))
    given: Any = next((found[name] for name in ARGUMENTS if name in found), [])
    if given is None:
        given = []
    if isinstance(given, dict) and not all(name.isidentifier() for name in given):
        return Action(thought, complaint=BAD_ARGUMENTS)
    repairs: tuple[str, ...] = (REPEATED,) if _first_object(text[end:])[1] is not None else ()
    if not isinstance(given, list | dict):
        given, repairs = [given], ("put a single argument into a list", *repairs)
    named = given if isinstance(given, dict) else {}
    return Action(thought, code=call(tool.strip(), [] if named else list(given), named), repairs=repairs)


def _first_object(text: str) -> tuple[int, dict[str, Any] | None, int]:
    """Return where the first JSON object stands, the object, and where it ends; None where none is whole.

    Only an object at the beginning of a line, or behind a mark of an action, is looked at: prose has braces too.
    """
    decoder, first = json.JSONDecoder(parse_constant=_refuse), -1
    for match in re.finditer(r"\{", text):
        before = text[: match.start()].rpartition("\n")[2]
        if before.strip(" \t`") and not MARK.search(before):
            continue
        first = match.start() if first < 0 else first
        try:
            found, end = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and _finite(found):
            return match.start(), found, end
    return first, None, len(text)


def _without(text: str, finish: Finish, start: int) -> Action:
    if finish in CUT:
        return Action(_prose(text), complaint=CUT_REPLY)
    if start < 0:
        return Action(_prose(text))
    try:
        json.loads(FENCE.sub("", text[start:]).strip(), parse_constant=_refuse)
    except ValueError as error:
        return Action(_prose(text[:start]), complaint=NOT_JSON.format(why=str(error)[:120]))
    except RecursionError:
        return Action(_prose(text[:start]), complaint=NOT_JSON.format(why="too deep"))
    return Action(_prose(text[:start]), complaint=NO_TOOL)


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _finite(value: Any) -> bool:
    """Say whether a value can be written as Python: 1e999 is read as infinity, whose repr is a name."""
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _prose(text: str) -> str:
    return MARK.sub("", FENCE.sub("", text)).strip()


FORMAT = Format("json", "system-json", parse, stop=("<|im_end|>", "</tool_call>", "End Action"), phrases=CALLS)

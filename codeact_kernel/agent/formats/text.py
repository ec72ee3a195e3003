"""The text action space: one call a step, as a line of words.

`Action: lookup, Visby, 3`: the tool's name and its arguments, with commas between. What reads as a number is one,
what stands in quotes is a text; the call becomes a cell of one line, as with JSON.
"""

from __future__ import annotations

import ast
import math
import re
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.formats.base import CALLS, CUT, CUT_REPLY, EMPTY, Format, call, can_be_called
from codeact_kernel.types import Action

if TYPE_CHECKING:
    from codeact_kernel.types import Finish

LINE = re.compile(r"^[ \t>*`]*Action:(?P<rest>.*)$", re.MULTILINE)
END = re.compile(r"(?:\*\*|`)*\s*End Action.*\Z", re.DOTALL)
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
NO_TOOL = "Your action names no tool. Write `Action: name, argument, argument`, or answer in plain text."
NO_NAME = "{tool!r} cannot be called: give the name of a function that is there, then a comma."


def parse(text: str, finish: Finish = "stop") -> Action:
    """Read one reply: the first line that begins with `Action:` is the action, a reply without one the answer.

    Never raises; a reply that cannot be used has a `complaint`.
    """
    text = text.replace("\r\n", "\n")
    if not text.strip():
        return Action("", complaint=CUT_REPLY if finish in CUT else EMPTY)
    found = LINE.search(text)
    if found is None:
        return Action(text.strip(), complaint=CUT_REPLY if finish in CUT else None)
    if finish in CUT and found.end() == len(text):
        return Action(text[: found.start()].strip(), complaint=CUT_REPLY)
    thought = text[: found.start()].strip(" \t\n*`>")
    line = found["rest"].strip() or _next_line(text[found.end() :])
    line = END.sub("", line).strip().strip("`")
    tool, _, rest = line.partition(",")
    spelled = _spelled(line)
    repairs: tuple[str, ...] = ("took the first of several calls",) if LINE.search(text, found.end()) else ()
    if spelled is not None:
        return Action(thought, code=spelled, repairs=("took a call written as code", *repairs))
    tool = tool.strip().strip("`'\"")
    if not can_be_called(tool):
        return Action(thought, complaint=NO_NAME.format(tool=tool[:80]) if tool else NO_TOOL)
    return Action(thought, code=call(tool, _arguments(rest)), repairs=repairs)


def _next_line(text: str) -> str:
    return next((line.strip() for line in text.split("\n") if line.strip()), "")


def _spelled(line: str) -> str | None:
    """Return a call of literals that was written as Python, `lookup("Visby", 3)`, as a cell; else None."""
    try:
        node = ast.parse(line, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(node, ast.Call) or not can_be_called(ast.unparse(node.func)):
        return None
    try:
        args = [ast.literal_eval(value) for value in node.args]
        named = {one.arg: ast.literal_eval(one.value) for one in node.keywords if one.arg is not None}
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
    if len(named) != len(node.keywords):
        return None
    return call(ast.unparse(node.func), args, named)


def _arguments(rest: str) -> list[Any]:
    """Split at the commas outside quotes and brackets, and read each piece."""
    pieces, depth, quote, start = [], 0, "", 0
    for at, char in enumerate(rest):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'" and not rest[start:at].strip():
            quote = char  # only at the beginning of a piece: an apostrophe stands inside words
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth = max(0, depth - 1)
        elif char == "," and not depth:
            pieces.append(rest[start:at])
            start = at + 1
    pieces.append(rest[start:])
    return [_value(piece.strip()) for piece in pieces] if rest.strip() else []


def _value(piece: str) -> Any:
    if NUMBER.fullmatch(piece):
        number = float(piece)
        whole = re.fullmatch(r"[-+]?\d+", piece)
        return int(piece) if whole else number if math.isfinite(number) else piece
    if piece[:1] and piece[0] in "[{('\"":
        try:
            return ast.literal_eval(piece)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return piece
    return piece


FORMAT = Format("text", "system-text", parse, stop=("<|im_end|>", "End Action"), phrases=CALLS)

"""Text as a terminal would leave it on the screen, cut to a size, and made harmless inside a prompt."""

from __future__ import annotations

import re

_ESCAPE = (
    r"\x1b\[[0-?]*+[ -/]*+[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b\n]*+(?:\x07|\x1b\\)?"  # OSC, DCS and their kin, up to their end or the line's
    r"|\x1b[ -/]*+[0-~]"  # two characters, such as a change of character set
    r"|\x1b"
)
_ERASE = re.compile(r"\x1b\[([02]?)K")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PIECE = re.compile(rf"(?P<escape>{_ESCAPE})|(?P<control>{_CONTROL.pattern})|[^\x00-\x08\x0b-\x1f\x7f-\x9f]+")

_CHAT_MARK = re.compile(
    r"(?i)<(?=[|\uff5c]\w)|<(?=/?(?:execute|s|bos|eos|think|tool_call|tool_response|start_of_turn|end_of_turn)>)"
    r"|<(?=</?SYS>>)|\[(?=/?INST\])"
)
_FENCE = re.compile(r"`{3,}")


def render(text: str) -> str:
    r"""Return what a terminal would show of a program's output.

    A carriage return goes back to the start of the line and what follows overwrites; a backspace goes back one
    place; "erase to the end of the line" does so, "erase the line" begins it afresh; other ANSI sequences and
    control characters are dropped, tabs are kept. Linear in the text; rendering twice changes nothing.
    """
    if not _CONTROL.search(text):
        return text
    return "\n".join(map(_line, text.split("\n")))


def _line(line: str) -> str:
    line = line.rstrip("\r")
    if not _CONTROL.search(line):
        return line
    shown: list[str] = []
    column = 0
    for match in _PIECE.finditer(line):
        piece = match.group()
        if piece == "\r":
            column = 0
        elif piece == "\b":
            column = max(0, column - 1)
        elif match.lastgroup is None:
            shown[column : column + len(piece)] = piece
            column += len(piece)
        elif erase := _ERASE.fullmatch(piece):
            column = 0 if erase.group(1) == "2" else column
            del shown[column:]
    return "".join(shown)


def clip(text: str, limit: int, *, head: float = 0.6) -> tuple[str, int]:
    """Return the start and the end of a text that is longer than `limit` characters, and how many were left out.

    `head` is the part of the limit that the start takes. A line `[... 12,345 characters left out ...]` stands
    between; cuts move to the end of a line where one is near. The result has at most `limit` characters besides
    that line and the line ends around it.
    """
    limit = max(0, limit)
    if len(text) <= limit:
        return text, 0
    start = int(limit * min(1.0, max(0.0, head)))
    end = len(text) - (limit - start)
    near = min(200, limit // 4)
    line_end = text.rfind("\n", max(0, start - near), start)
    if line_end >= 0:
        start = line_end
    line_end = text.find("\n", end, min(len(text), end + near))
    if line_end >= 0:
        end = line_end + 1
    left_out = end - start
    marker = f"[... {left_out:,} characters left out ...]"
    return "\n".join(part for part in (text[:start], marker, text[end:]) if part), left_out


def neutralise(text: str) -> str:
    """Return text that can stand inside a prompt as data: no chat template tokens, action tags or code fences.

    A space goes into what looks like a token or tag, backticks of a fence become apostrophes. Doing it twice
    changes nothing.
    """
    broken = _CHAT_MARK.sub(lambda match: match.group() + " ", text)
    return _FENCE.sub(lambda match: "'" * len(match.group()), broken)

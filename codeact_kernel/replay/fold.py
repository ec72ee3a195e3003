"""Texts as they end up on the screen, and sets in one order."""

from __future__ import annotations

import re

from codeact_kernel.terminal import render

_UP = re.compile(r"\x1b\[(\d{0,9})A")
_MARK = re.compile(r"[{}()\[\]'\",:\\\n]")
MOST_TEXT, MOST_SETS = 300_000, 5_000
"""Characters and braces of a text in which sets are looked for; it takes microseconds a bracket or comma."""
MOST_SET_CHARS = 200_000
"""A set whose repr is longer is left as it is."""
DEEPEST = 40
"""Brackets within brackets; deeper ones are given up, so that the work stays linear."""


def fold(text: str) -> str:
    """Return what a terminal shows; unlike `terminal.render` it also goes up lines, as nested bars do."""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    if "\x1b[" not in text or not _UP.search(text):
        return render(text)
    return "\n".join(render(line) for line in _rows(text))


def _rows(text: str) -> list[str]:
    """Return the rows of a screen, each with what was written on it, oldest first, after a carriage return."""
    rows: list[list[str]] = [[]]
    row = 0
    for place, piece in enumerate(_UP.split(text)):
        if place % 2:
            row = max(0, row - int(piece or 1))
            continue
        for number, line in enumerate(piece.split("\n")):
            row += bool(number)
            if row == len(rows):
                rows.append([])
            rows[row].append(line)
    return ["".join(pieces) for pieces in rows]


def without_trailing_space(text: str) -> str:
    """Return the text without blanks at the ends of its lines, and without empty lines at its end."""
    return "\n".join([line.rstrip(" \t") for line in text.split("\n")]).rstrip("\n")


def sort_sets(text: str) -> str:
    """Return the text with the elements of each `{a, b}` sorted; dicts and what is not balanced stay as they are.

    Elements that stand on lines of their own are joined with ", ". Linear but for the sorting; innermost first.
    """
    if "{" not in text or "," not in text or len(text) > MOST_TEXT or text.count("{") > MOST_SETS:
        return text
    return _Sets(text).sorted()


class _Sets:
    """One pass over the marks of a text; `frames` are the brackets that are open."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._frames: list[_Frame] = []
        self._out: list[str] = []

    def sorted(self) -> str:
        text, at, place = self._text, 0, 0
        while match := _MARK.search(text, place):
            mark, start = match.group(), match.start()
            place = match.end()
            if mark in "'\"":
                place = self._after_string(mark, start)
            elif mark in "{([":
                self._give(text[at:start])
                if len(self._frames) == DEEPEST:
                    self._abandon_all()
                self._frames.append(_Frame(mark))
                at = place
            elif mark in "})]":
                self._give(text[at:start])
                self._close(mark)
                at = place
            elif mark in ",:" and self._frames:
                self._give(text[at:start])
                at = place
                if mark == ",":
                    self._frames[-1].parts.append([])
                else:
                    self._frames[-1].colon = True
                    self._give(":")
        self._give(text[at:])
        self._abandon_all()
        return "".join(self._out)

    def _after_string(self, quote: str, start: int) -> int:
        """Return the place after a string literal; after the quote alone where it is none."""
        if not self._frames:
            return start + 1
        before = self._text[start - 1 : start]
        if before and before not in "{([, :\nbrf":
            return start + 1
        end = re.compile(rf"(?:[^{quote}\\\n]|\\.)*+{quote}").match(self._text, start + 1)
        return end.end() if end else start + 1

    def _give(self, piece: str) -> None:
        if self._frames:
            self._frames[-1].parts[-1].append(piece)
        elif piece:
            self._out.append(piece)

    def _close(self, mark: str) -> None:
        if not self._frames or _ENDS[self._frames[-1].mark] != mark:
            self._abandon_all()
            self._give(mark)
            return
        frame = self._frames.pop()
        parts = frame.texts()
        if frame.mark == "{" and not frame.colon and len(parts) > 1:
            stripped = [" ".join(part.split()) if "\n" in part else part.strip() for part in parts]
            if sum(map(len, stripped)) <= MOST_SET_CHARS:
                self._give("{" + ", ".join(sorted(stripped)) + "}")
                return
        self._give(frame.mark + ",".join(parts) + mark)

    def _abandon_all(self) -> None:
        for frame in self._frames:
            self._out += [frame.mark, ",".join(frame.texts())]
        self._frames.clear()


class _Frame:
    """An open bracket, its parts between commas so far, and whether a colon stood among them."""

    __slots__ = ("colon", "mark", "parts")

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.parts: list[list[str]] = [[]]
        self.colon = False

    def texts(self) -> list[str]:
        return ["".join(part) for part in self.parts]


_ENDS = {"{": "}", "(": ")", "[": "]"}

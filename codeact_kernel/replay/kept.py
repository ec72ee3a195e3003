"""Streams of which the middle was not kept: only what both sides have can be compared."""

from __future__ import annotations

import re
from dataclasses import dataclass

ALIKE = 0.9
"""Part of the longer stream's characters that the shorter one must have, with what was left out of either."""
_GAP = re.compile(r"\n\[\.\.\. ([\d,]{1,15}) characters of (?:stdout|stderr) left out \.\.\.\]\n")
"""What `execute.bounded` writes where it leaves something out."""


_PIECE = re.compile(r"(?<=[\r\n])")
"""Between lines, and between the states of a progress bar."""


@dataclass(frozen=True, slots=True)
class _Side:
    """What stands before and after the gap; both are all of it where there is none."""

    head: str
    tail: str
    left_out: int
    cut: bool

    @property
    def total(self) -> int:
        return len(self.head) + len(self.tail) + self.left_out if self.cut else len(self.head)


def kept_by_both(old: str, new: str) -> tuple[str, str, str]:
    """Return two streams, before they are folded, without what one of them lacks, and in words what that is.

    A capture keeps the beginning and the end of a long stream. Where neither has a gap, or one is much shorter
    than the other was, they come back as they are, with "".
    """
    if old == new or not (_GAP.search(old) or _GAP.search(new)):
        return old, new, ""
    one, other = _side(old), _side(new)
    if min(one.total, other.total) < ALIKE * max(one.total, other.total):
        return old, new, ""
    heads, tails = _heads(one, other), _tails(one, other)
    return (
        heads[0] + tails[0],
        heads[1] + tails[1],
        f"{one.left_out:,} characters -> {other.left_out:,} characters",
    )


def _side(text: str) -> _Side:
    gap = _GAP.search(text)
    if gap is None:
        return _Side(text, text, 0, cut=False)
    return _Side(text[: gap.start()], text[gap.end() :], int(gap[1].replace(",", "")), cut=True)


def _heads(*sides: _Side) -> tuple[str, str]:
    """Return as many whole lines of both heads as the shorter one has; characters where it has none."""
    one, other = (_PIECE.split(side.head)[: -1 if side.cut else None] for side in sides)
    if one and other:
        count = min(len(one), len(other))
        return "".join(one[:count]), "".join(other[:count])
    size = min(len(side.head) for side in sides)
    return sides[0].head[:size], sides[1].head[:size]


def _tails(*sides: _Side) -> tuple[str, str]:
    """Return as many whole lines of both tails as the shorter one has; characters where it has none."""
    one, other = (_PIECE.split(side.tail)[1 if side.cut else 0 :] for side in sides)
    if one and other:
        count = min(len(one), len(other))
        return "".join(one[-count:]), "".join(other[-count:])
    size = min(len(side.tail) for side in sides)
    return sides[0].tail[len(sides[0].tail) - size :], sides[1].tail[len(sides[1].tail) - size :]

"""Was the answer shown? Figures and names of an answer that no task, context or output ever held.

Small models invent: after five failed cells one answered with a number all the same; another read month 9 as
January. A figure is shown when some text held it, up to the rounding, percent sign or scale word with which the
answer writes it; a name when some text held the word.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NUMBER = re.compile(r"(?<![\w.])(?<!\w[-+])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?")
SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "bn": 1e9, "billion": 1e9}
RATE = re.compile(r"\s*(?:%|percent\b)|(?:th|st|nd|rd)\b", re.IGNORECASE)
LITERAL = re.compile(r"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
GROUPED = re.compile(r"(?<=\d)_(?=\d)")
AFTER = re.compile(r"\s*(%|percent\b|k\b|thousand\b|m\b|million\b|bn\b|billion\b)?", re.IGNORECASE)
NAME = re.compile(r"(?<=[a-z0-9,;()\"'] )(?:[A-Z][a-z]{2,})\b")
NO_NAMES = {"Yes", "None", "True", "False", "However", "Therefore"}
LIST_MARK = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)
TRIVIAL = 3
"""Integers up to this are words as much as figures ("the top 3", "one of the 2")."""
MOST_FIGURES = 20_000
MOST_CONDITIONS = 12
"""A task with more figures carries data: a traceback, a table."""
TELLING = 100
"""A figure from here on is no chance hit in an output; nor is one with decimals."""


def unshown(answer: str, evidence: Sequence[str]) -> list[str]:
    """Return the figures and the names of `answer`, as written, that no text of `evidence` shows.

    A name is a capitalised word within a sentence: at its beginning, every word is one.
    """
    claims = _claims(answer)
    seen = _figures(evidence) if claims else set()
    found = [written for written, value, decimals, scale in claims if not _shown(value, decimals, scale, seen)]
    names = dict.fromkeys(match.group(0) for match in NAME.finditer(answer))
    known = "\n".join(evidence).casefold() if names else ""
    return found + [name for name in names if name not in NO_NAMES and name.casefold() not in known]


def unused(task: str, codes: Iterable[str], outputs: Iterable[str] = ()) -> list[str]:
    """Return the figures of a task, as written, that no code holds: a condition that was left out, most likely.

    Looks at the first paragraph: what is attached to a task stands below it. A rate may stand in the code as a
    share of 1, or as what it makes of 1. Small integers are words. A telling figure may also have come out. Of the
    1,387 solutions that were written for tasks of this project, one is wrongly said to leave a figure out, by its
    code alone.
    """
    used = {float(literal) for code in codes for literal in LITERAL.findall(GROUPED.sub("", code))}
    came_out = {figure for figure in _figures(outputs) if figure >= TELLING or not figure.is_integer()}
    text, left = LIST_MARK.sub("", task.strip().partition("\n\n")[0]), list[str]()
    figures = list(NUMBER.finditer(text))
    for match in figures if len(figures) <= MOST_CONDITIONS else ():
        size = abs(float(match.group(0).replace(",", "")))
        if size <= TRIVIAL and size.is_integer():
            continue
        share = size / 100
        forms = (size, share, 1 - share, 1 + share) if RATE.match(text, match.end()) else (size,)
        if not any(math.isclose(form, literal, rel_tol=1e-9) for form in forms for literal in used | came_out):
            left.append(match.group(0))
    return list(dict.fromkeys(left))


def _claims(answer: str) -> list[tuple[str, float, int, float]]:
    """Return (as written, value, decimals written, scale) of each figure that is a claim."""
    text = LIST_MARK.sub("", answer)
    claims = []
    for match in NUMBER.finditer(text):
        written = match.group(0)
        value = float(written.replace(",", ""))
        following = AFTER.match(text, match.end())
        unit = (following.group(1) or "").lower() if following else ""
        if value.is_integer() and abs(value) <= TRIVIAL and not unit:
            continue
        decimals = len(written.partition(".")[2]) if "e" not in written.lower() else 6
        scale = 0.01 if unit in {"%", "percent"} else SCALES.get(unit, 1.0)
        claims.append((written, value, decimals, scale))
    return claims


def _figures(evidence: Iterable[str]) -> set[float]:
    seen: set[float] = set()
    for text in evidence:
        for match in NUMBER.finditer(text):
            seen.add(float(match.group(0).replace(",", "")))
            if len(seen) >= MOST_FIGURES:
                return seen
    return seen


def _shown(value: float, decimals: int, scale: float, seen: set[float]) -> bool:
    tolerance = 0.5 * 10**-decimals * (1 + 1e-9)
    candidates = {1.0, scale}
    return any(
        abs(abs(figure) / factor - abs(value)) <= max(tolerance, 1e-9 * abs(value))
        for figure in seen
        for factor in candidates
    )

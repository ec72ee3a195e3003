"""Read numbers, days and names out of the words of a final answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_MONTH = "|".join(f"{name}|{name[:3]}" for name in MONTHS)
_ISO_DAY = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?")
_DAY_FIRST = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({_MONTH})\.?,? (\d{{4}})\b", re.IGNORECASE)
_MONTH_FIRST = re.compile(rf"\b({_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})\b", re.IGNORECASE)
_ISO_MONTH = re.compile(r"\b\d{4}-\d{2}\b")
_CLOCK = re.compile(r"\b\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\b")
_BULLET = re.compile(r"(?m)^\s*\d+[.)]\s")
_NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>[-+\u2212]?)[$€£]?"
    r"(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?P<rest>(?:\.\d+)?(?:[eE][-+]?\d+)?)(?P<tail>[A-Za-z_]*)(?!\.?\d)"
)
_ORDINALS = {"st", "nd", "rd", "th"}
_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
# A name after one of these is compared with, not claimed: "North, ahead of South".
_DISMISSAL = re.compile(
    r"(?:\b(?:than|followed(?: closely)? by|ahead of|before|after|compared (?:with|to)|versus|vs\.?|not|nor|"
    r"unlike|rather than|instead of|beats?|beating|second(?: is| was| comes| came)?|runner-up(?: is| was)?)|"
    r"\S (?:while|whereas|although))\W+(?:(?:the|in|for|at|of|on|only|just|even|by)\W+){0,2}$",
    re.IGNORECASE,
)
_GLUE = re.compile(r"(?:[\s,;:()*`'\"/%$€-]|\d[\d,.]*|\band\b|\bor\b|\bthen\b|\bwith\b)*")
_REACH = 25
_ALSO_WORDS = {"may"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in a text: its value and where it stands."""

    value: float
    start: int


@dataclass(frozen=True, slots=True)
class Mention:
    """A candidate's name in a text: where it stands, and whether it is claimed or only compared with."""

    name: str
    start: int
    end: int
    claimed: bool


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())


def days(text: str) -> set[date]:
    """Return every calendar day written in the text as 2024-03-05, 5 March 2024 or March 5, 2024."""
    found: list[tuple[int, int, int]] = [(int(y), int(m), int(d)) for y, m, d in _ISO_DAY.findall(text)]
    found += [(int(y), _month(m), int(d)) for d, m, y in _DAY_FIRST.findall(text)]
    found += [(int(y), _month(m), int(d)) for m, d, y in _MONTH_FIRST.findall(text)]
    return {date(*parts) for parts in found if 1 <= parts[1] <= 12 and 1 <= parts[2] <= 28 + 3 * (parts[1] != 2)}


def _month(name: str) -> int:
    return next(i for i, month in enumerate(MONTHS, 1) if month.lower().startswith(name.lower()[:3]))


def figures(text: str) -> list[Figure]:
    """Return the numbers of a text in order; days, clock times, list bullets, ordinals and names are none.

    Thousands commas and currency signs are read; the number words two to twelve only in a text without digits.
    """
    for pattern in (_ISO_DAY, _DAY_FIRST, _MONTH_FIRST, _ISO_MONTH, _CLOCK, _BULLET):
        text = pattern.sub(_blank, text)
    found = []
    for match in _NUMBER.finditer(text):
        if match["tail"].lower() in _ORDINALS or match["tail"].startswith("_"):
            continue
        value = float(match["whole"].replace(",", "") + match["rest"])
        found.append(Figure(-value if match["sign"] in {"-", "\u2212"} else value, match.start()))
    if not re.search(r"\d", text):
        words = re.finditer(r"\b(" + "|".join(_WORDS) + r")\b", text, re.IGNORECASE)
        found += [Figure(float(_WORDS.index(match[1].lower()) + 2), match.start()) for match in words]
    return found


def mentions(text: str, candidates: Mapping[str, Iterable[str]]) -> list[Mention]:
    """Return where the candidates (name -> spellings) stand in a text as whole words, capitals aside.

    A longer spelling hides a shorter one inside it. A mention is not claimed when the words before it set it
    aside ("not X", "ahead of X"), or when it goes on a list that began so. A month is no helping verb: may.
    """
    spelled = {spelling.lower(): name for name, spellings in candidates.items() for spelling in spellings}
    ordered = sorted(spelled, key=len, reverse=True)
    pattern = re.compile(
        r"(?<!\w)(?:" + "|".join(re.escape(one).replace(r"\ ", r"[\s_-]+") for one in ordered) + r")(?!\w)",
        re.IGNORECASE,
    )
    found: list[Mention] = []
    for match in pattern.finditer(text):
        if match.group() in _ALSO_WORDS:
            continue
        name = spelled.get(re.sub(r"[\s_-]+", " ", match.group().lower()), spelled.get(match.group().lower(), ""))
        clause = re.split(r"[.!?;\n](?=\s|$)", text[: match.start()])[-1].rstrip("`'\"*( ") + " "
        claimed = not _DISMISSAL.search(clause)
        if claimed and found and not found[-1].claimed:
            claimed = not _GLUE.fullmatch(text[found[-1].end : match.start()])
        found.append(Mention(name, match.start(), match.end(), claimed))
    return found


def excused(figure: Figure, seen: Iterable[Mention]) -> bool:
    """Say whether a number belongs to a name that is only compared with: "ahead of South (30)"."""
    before = [mention for mention in seen if mention.end <= figure.start]
    if not before:
        return False
    last = max(before, key=lambda mention: mention.end)
    return not last.claimed and figure.start - last.end <= _REACH

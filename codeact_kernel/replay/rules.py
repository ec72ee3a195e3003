"""Text rules: what two honest runs may write differently, and what became of it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from codeact_kernel.replay import clock, tokens
from codeact_kernel.replay.fold import sort_sets, without_trailing_space

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeact_kernel.replay.user_rules import UserRules

_NUMBER_RULES = list(dict.fromkeys(tokens.NUMBER_KINDS.values()))
_RULES: list[tuple[str, tokens.Kind]] = [
    *((token.name, token.kind) for token in (*tokens.MARKED, tokens.KEYED)),
    *_NUMBER_RULES,
    ("element id", "alias"),
    ("float", "float"),
]
"""Name and kind of each rule; its place is the number of its hole."""
_HOLE = "\ufdd0"
_HOLES = [_HOLE + chr(0xF0000 + number) for number in range(len(_RULES))]
_BY_HOLE = {hole: number for number, hole in enumerate(_HOLES)}
_KEYED = len(tokens.MARKED)
_NUMBERS = {group: _KEYED + 1 + _NUMBER_RULES.index(rule) for group, rule in tokens.NUMBER_KINDS.items()}
_ELAPSED, _ELEMENT, _FLOAT = _NUMBERS["precise"], len(_RULES) - 2, len(_RULES) - 1
_FIND_HOLE = re.compile(f"{_HOLE}[\U000f0000-\U000fffff]")
_SPLIT_HOLE = re.compile(f"({_HOLE}[\U000f0000-\U000fffff])")
_ELEMENT_ID = re.compile(r"\b(?:id|for|aria-[a-z]{1,20})=[\"']([^\"'<>]{6,200})[\"']")
_RANDOM_PART = re.compile(r"[A-Za-z]{0,12}(?=[a-f]{0,12}\d)[0-9a-f]{6,64}[A-Za-z]{0,8}(?![0-9A-Za-z])")
_LOOKS_RANDOM = re.compile(r"[\d_]")
_WORD = re.compile(r"[0-9A-Za-z]{6,}")
_Clashes: TypeAlias = Literal["number", "identity", "moment", "memory"]
REUSED = frozenset({"address", "thread or object number", "process number", "port", "thread or task name"})
"""Aliases whose values a process uses again for other things: they are held against earlier cells only softly."""
TINY = 2e-14
"""Floats that are both smaller are rounding errors of numbers near one."""
MANY_DIGITS = 8
MOST_LISTED, MOST_CLASHES = 100, 100
"""Of each rule in one text; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What a rule took away: `text` is "before -> now" (or one side where both had it), `count` how often."""

    rule: str
    text: str
    count: int = 1


@dataclass(slots=True)
class Aliases:
    """Which value of the new run stands for which of the recorded one, from cell to cell of a notebook.

    The same value twice must be the same value twice on the other side. Addresses, process numbers, ports and
    thread names are used again for other things once free, so they have to agree within a cell only.
    """

    _there: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    _here: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    _cell: int = 0

    def next_cell(self) -> None:
        """Say that what follows belongs to another cell."""
        self._cell += 1

    def pair(self, name: str, old: str, new: str) -> bool:
        """Note that `old` and `new` stand at the same place; return whether that agrees with what was seen."""
        fits = True
        for table, key, other in ((self._there, old, new), (self._here, new, old)):
            known = table.get((name, key))
            if known is not None and known[0] != other and (name not in REUSED or known[1] == self._cell):
                fits = False
            else:
                table[name, key] = (other, self._cell)
        return fits


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a comparison: ours, and `user`, which come first (see `user_rules.load`)."""

    user: UserRules | None = None

    def of_user(self, text: str) -> str:
        """Return the text after the user's rules.

        Raises:
            ConfigError: a rule of the user takes too long.
        """
        return text if self.user is None else self.user.apply(text)


@dataclass(frozen=True, slots=True)
class Moment:
    """When the two runs were (seconds since the epoch); `recorded` None where it is not known."""

    new: float = field(default_factory=time.time)
    recorded: float | None = None


@dataclass(frozen=True, slots=True)
class Blanked:
    """A text with holes for what may change, and what was in them: place of the rule -> values in order."""

    text: str
    values: dict[int, list[str]]


@dataclass(frozen=True, slots=True)
class Clash:
    """Two values at the same place that no rule lets pass. `hole` and `number`: the n-th hole of that rule."""

    kind: _Clashes
    old: str
    new: str
    hole: int
    number: int


def blank(text: str, *, markup: bool = False) -> Blanked:
    """Return the text with holes; `markup`: HTML or SVG, whose element ids may be random."""
    values: dict[int, list[str]] = {}
    text = text.replace(_HOLE, "\ufffd")
    for number, token in enumerate(tokens.MARKED):
        if token.applies(text):
            text = _punched(text, ((number, *match.span("x")) for match in token.pattern.finditer(text)), values)
    small = text.lower()
    text = _punched(text, _keyed(text, small), values)
    text = _punched(text, _numbers(text, small), values)
    if markup:
        text = _elements(text, values)
    parts = tokens.FLOAT.split(text) if "." in text or tokens.EXPONENT.search(text) else ()
    if len(parts) > 1:
        values[_FLOAT] = parts[1::2]
        text = _HOLES[_FLOAT].join(parts[0::2])
    return Blanked(text, values)


def _punched(text: str, found: Iterator[tuple[int, int, int]], values: dict[int, list[str]]) -> str:
    """Return the text with holes; `found` gives rule, start and end of each, in order."""
    pieces: list[str] = []
    at = 0
    for rule, start, end in found:
        values.setdefault(rule, []).append(text[start:end])
        pieces += [text[at:start], _HOLES[rule]]
        at = end
    if not pieces:
        return text
    pieces.append(text[at:])
    return "".join(pieces)


def _keyed(text: str, small: str) -> Iterator[tuple[int, int, int]]:
    """Yield what a name before it makes a duration: the places of the words are found faster than a pattern is."""
    if len(small) != len(text):
        small = text
    spans = set()
    for word in tokens.KEYED.gate:
        at = small.find(word)
        while at >= 0:
            match = tokens.KEYED.pattern.match(text, at)
            if match:
                spans.add(match.span("x"))
            at = small.find(word, at + 1)
    return ((_KEYED, *span) for span in sorted(spans))


def _numbers(text: str, small: str) -> Iterator[tuple[int, int, int]]:
    """Yield what begins with a digit and is more than a number; `small` is the text in small letters."""
    words = {group for group, gate in tokens.WORDS.items() if any(word in small for word in gate)}
    for match in tokens.NUMBERS.finditer(text):
        group = match.lastgroup
        assert group is not None
        start, end = match.span()
        if group in tokens.BEFORE and not (
            group in words and tokens.BEFORE[group].search(text, max(0, start - tokens.CONTEXT), start)
        ):
            continue
        if group in ("precise", "clock", "minutes"):
            if text.endswith(tokens.DAYS, 0, start) and not text.endswith(tokens.NO_DAYS, 0, start):
                continue
            if "clock" in words and tokens.ELAPSED.search(text, max(0, start - 64), start):
                yield _ELAPSED, start, end
                continue
        if group == "size":
            end = start + len(match.group().rstrip(tokens.UNIT_LETTERS))
        yield _NUMBERS[group], start, end


def _elements(text: str, values: dict[int, list[str]]) -> str:
    """Punch holes for the random parts of element ids, wherever they stand in the text."""
    ids = {part.group() for match in _ELEMENT_ID.finditer(text) for part in _RANDOM_PART.finditer(match[1])}
    if not ids:
        return text
    found: list[str] = []

    def hole(match: re.Match[str]) -> str:
        if match.group() not in ids:
            return match.group()
        found.append(match.group())
        return _HOLES[_ELEMENT]

    text = _WORD.sub(hole, text)
    if found:
        values[_ELEMENT] = found
    return text


def tidy(text: str) -> str:
    """Return the text without blanks at line ends, empty last lines and what %timeit says only sometimes."""
    if "The slowest run took" in text:
        text = tokens.RARELY_PRINTED.sub("", text)
    return without_trailing_space(text)


def unspaced(blanked: Blanked) -> str:
    """Return the text with one blank around each hole: what is aligned moves with the width of its neighbours."""
    pieces = _SPLIT_HOLE.split(blanked.text)
    last = len(pieces) - 1
    for place in range(0, len(pieces), 2):
        piece = pieces[place]
        piece = piece.lstrip(" ") if place else piece
        pieces[place] = piece.rstrip(" ") if place < last else piece
    return " ".join(pieces)


def agree(
    old: Blanked, new: Blanked, *, aliases: Aliases, moment: Moment, rtol: float
) -> tuple[list[Removed], list[Clash]]:
    """Return what was let pass and what was not, for two texts whose holes stand at the same places."""
    removed: dict[tuple[str, str], int] = {}
    clashes: list[Clash] = []
    for hole, before in old.values.items():
        name, kind = _RULES[hole]
        for number, (one, other) in enumerate(zip(before, new.values[hole], strict=True)):
            clash: _Clashes | None
            if kind == "temporary" and one != other and not _LOOKS_RANDOM.search(f"{one} {other}"):
                clash = "identity"
            elif kind in ("alias", "temporary"):
                clash = None if aliases.pair(name, one, other) else "identity"
            else:
                clash = None if one == other else _clash(kind, one, other, moment, rtol)
            if clash is not None:
                clashes.append(Clash(clash, one, other, hole, number))
                if len(clashes) > MOST_CLASHES:
                    break
            elif one != other:
                key = (name, f"{one.strip()} -> {other.strip()}" if number < MOST_LISTED else "others")
                removed[key] = removed.get(key, 0) + 1
    return [Removed(rule, text, count) for (rule, text), count in removed.items()], clashes


def _clash(kind: tokens.Kind, old: str, new: str, moment: Moment, rtol: float) -> _Clashes | None:
    if kind == "constant":
        return None
    if kind == "float":
        return None if close(old, new, rtol) else "number"
    if kind == "memory":
        return None if _within_twice(old, new) else "memory"
    fits = clock.can_be_now(new, moment.new)
    fits = fits and (moment.recorded is None or clock.can_be_now(old, moment.recorded))
    return None if fits else "moment"


def close(old: str, new: str, rtol: float) -> bool:
    """Whether two printed floats are equal within `rtol`, and printed alike unless with many digits."""
    one, other = float(old), float(new)
    if max(abs(one), abs(other)) <= TINY and max(len(old), len(new)) > MANY_DIGITS:
        return True
    digits = max(_digits(old), _digits(new))
    if abs(one - other) > max(rtol * max(abs(one), abs(other)), TINY if digits > 12 else 0):
        return False
    return _decimals(old) == _decimals(new) or digits >= MANY_DIGITS


def _digits(text: str) -> int:
    return sum(map(str.isdigit, text.lower().partition("e")[0].lstrip("+-0.")))


def _decimals(text: str) -> tuple[int, bool]:
    mantissa, mark, _ = text.lower().partition("e")
    return len(mantissa.partition(".")[2]), bool(mark)


def _within_twice(old: str, new: str) -> bool:
    one, other = float(old.replace(",", "")), float(new.replace(",", ""))
    return max(one, other) <= 2 * min(one, other)


def hole_at(text: str, hole: int, number: int) -> int:
    """Return where the n-th hole of a rule is in a text."""
    at = -1
    for _ in range(number + 1):
        at = text.find(_HOLES[hole], at + 1)
    return at


def normalise(text: str, aliases: dict[str, dict[str, int]] | None = None, *, markup: bool = False) -> str:
    """Return the text as a person may read what is compared: `<address 1>`, `<duration>`; floats stay.

    `aliases` (rule -> value -> number) numbers by first appearance and may be passed from text to text. Doing it
    twice changes nothing, unless values touch each other.
    """
    numbers = {} if aliases is None else aliases
    blanked = blank(sort_sets(tidy(text)), markup=markup)
    values = {hole: iter(found) for hole, found in blanked.values.items()}

    def shown(match: re.Match[str]) -> str:
        hole = _BY_HOLE[match.group()]
        value = next(values[hole])
        name, kind = _RULES[hole]
        if kind == "float":
            return value
        if kind not in ("alias", "temporary"):
            return f"<{name}>"
        known = numbers.setdefault(name, {})
        return f"<{name} {known.setdefault(value, len(known) + 1)}>"

    return _FIND_HOLE.sub(shown, blanked.text)

"""Two texts at the same place of two runs."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field

from codeact_kernel.replay.fold import sort_sets
from codeact_kernel.replay.rules import (
    Aliases,
    Blanked,
    Clash,
    Moment,
    Removed,
    Rules,
    agree,
    blank,
    hole_at,
    tidy,
    unspaced,
)

LARGE = 60_000
"""Characters from which on only the lines that differ are looked at."""
_BROKEN = re.compile(r",\n {1,80}(?! )")
MOST_LINES = 2_000
FEW_LINES = 300
"""Up to so many lines are paired with all their equals; the work grows with the cube of the number of lines."""
MOST_SHOWN = 20
MOST_TEXT = 2_000


@dataclass(frozen=True, slots=True)
class Difference:
    """One place that differs.

    `kind` is text, number, identity, moment, memory, error, image, missing, extra or bytes; `old` and `new` are
    cut to MOST_TEXT characters. For an image `new` is a sentence on how it differs.
    """

    where: str
    old: str
    new: str
    kind: str


@dataclass(slots=True)
class Leaf:
    """What became of one pair of texts."""

    removed: list[Removed] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)


def compare_texts(
    where: str,
    old: str,
    new: str,
    *,
    rules: Rules,
    aliases: Aliases,
    moment: Moment,
    rtol: float,
    markup: bool = False,
) -> Leaf:
    """Compare two texts that are folded already; `markup`: they are HTML or SVG.

    Raises:
        ConfigError: a rule of the user takes too long.
    """
    leaf = Leaf()
    if old == new:
        if len(old) <= LARGE:  # the same address on both sides is an alias as well
            seen = blank(old, markup=markup)
            agree(seen, seen, aliases=aliases, moment=moment, rtol=rtol)
        return leaf
    one, other = rules.of_user(old), rules.of_user(new)
    if (one, other) != (old, new):
        leaf.removed.append(Removed("rules of the user", f"{where}"))
    shorter = tidy(one), tidy(other)
    if len(one) - len(shorter[0]) != len(other) - len(shorter[1]):
        leaf.removed.append(Removed("ends of lines", f"blanks, or what %timeit says sometimes, in {where}"))
    one, other = shorter
    if one == other:
        return leaf
    if len(one) + len(other) > LARGE:
        one, other = _only_differing(one, other)
    pair = blank(one, markup=markup), blank(other, markup=markup)
    aligned = _aligned(one, other, pair, markup=markup, leaf=leaf, where=where)
    if aligned is None:
        _tell(where, one, other, pair, leaf)
        return leaf
    pair = aligned
    removed, clashes = agree(*pair, aliases=aliases, moment=moment, rtol=rtol)
    leaf.removed += removed
    leaf.differences += [_difference(where, clash, pair) for clash in clashes[:MOST_SHOWN]]
    return leaf


def _only_differing(old: str, new: str) -> tuple[str, str]:
    """Leave out lines that are equal at the same place, where both have as many lines."""
    before, after = old.split("\n"), new.split("\n")
    if len(before) != len(after):
        return old, new
    pairs = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    return "\n".join(one for one, _ in pairs), "\n".join(other for _, other in pairs)


def _aligned(
    old: str, new: str, pair: tuple[Blanked, Blanked], *, markup: bool, leaf: Leaf, where: str
) -> tuple[Blanked, Blanked] | None:
    """Return both with holes where they are equal otherwise; None where they are not."""
    one, other = pair
    if one.text == other.text:
        return pair
    if one.values and _flowing(one) == _flowing(other):
        leaf.removed.append(Removed("blanks", f"beside what was taken away in {where}"))
        return one, other
    if markup or "{" not in old:
        return None
    sets = sort_sets(old), sort_sets(new)
    if sets == (old, new):
        return None
    one, other = blank(sets[0]), blank(sets[1])
    if one.text == other.text or _flowing(one) == _flowing(other):
        leaf.removed.append(Removed("order of a set", where))
        return one, other
    return None


def _flowing(blanked: Blanked) -> str:
    """Return the text as if its lines had no end: where a repr is broken depends on the width of its parts."""
    return _BROKEN.sub(", ", unspaced(blanked))


def _difference(where: str, clash: Clash, pair: tuple[Blanked, Blanked]) -> Difference:
    text = pair[0].text
    line = text.count("\n", 0, max(0, hole_at(text, clash.hole, clash.number))) + 1
    at = f"{where}, line {line}" if "\n" in text else where
    return Difference(at, clash.old, clash.new, clash.kind)


def _tell(where: str, old: str, new: str, pair: tuple[Blanked, Blanked], leaf: Leaf) -> None:
    """Add the lines that differ after the rules, as they were written."""
    before, after = old.split("\n"), new.split("\n")
    plain = [unspaced(side).split("\n") for side in pair]
    if [len(plain[0]), len(plain[1])] != [len(before), len(after)]:
        plain = [before, after]
    if max(len(before), len(after)) > MOST_LINES:
        alike = enumerate(zip(*plain, strict=False))
        first = next((place for place, (a, b) in alike if a != b), min(len(before), len(after)))
        blocks = [(first, first + 1, first, first + 1)]
    else:
        many = max(len(before), len(after)) > FEW_LINES
        matcher = difflib.SequenceMatcher(None, plain[0], plain[1], autojunk=many)
        blocks = [(a, b, c, d) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal"]
    for a, b, c, d in blocks[:MOST_SHOWN]:
        at = f"{where}, line {a + 1}" if len(before) > 1 else where
        kind = "missing" if c == d else "extra" if a == b else "text"
        leaf.differences.append(
            Difference(at, "\n".join(before[a:b])[:MOST_TEXT], "\n".join(after[c:d])[:MOST_TEXT], kind)
        )
    if not blocks:
        leaf.differences.append(Difference(where, old[:MOST_TEXT], new[:MOST_TEXT], "text"))


def in_order(
    where: str, old: str, new: str, *, rules: Rules, aliases: Aliases, moment: Moment, rtol: float
) -> Leaf:
    """Look for each recorded line among the new ones, in order; empty lines are left out."""
    leaf = Leaf()
    sides = [
        [(line, blank(line)) for line in tidy(rules.of_user(text)).split("\n") if line.strip()]
        for text in (old, new)
    ]
    rest = iter(sides[1])
    for line, wanted in sides[0]:
        for _, here in rest:
            if unspaced(wanted) != unspaced(here):
                continue
            removed, clashes = agree(wanted, here, aliases=aliases, moment=moment, rtol=rtol)
            if not clashes:
                leaf.removed += removed
                break
        else:
            leaf.differences.append(Difference(where, line[:MOST_TEXT], "", "missing"))
            break
    return leaf

"""Software packages, programming: a function that keeps some items of a list and changes them; hidden tests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from codeact_kernel.learn.tasks.task import Draft, Family, Move, Slip

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from codeact_kernel.learn.tasks.task import Split

NUMBERS: dict[tuple[str, str], Split] = {
    ("even", "double"): "train",
    ("odd", "square"): "train",
    ("above", "plus"): "train",
    ("below", "double"): "train",
    ("multiple", "negative"): "train",
    ("even", "plus"): "train",
    ("above", "square"): "train",
    ("multiple", "square"): "train",
    ("odd", "negative"): "train",
    ("below", "plus"): "validation",
    ("odd", "double"): "heldout",
    ("even", "square"): "heldout",
    ("above", "negative"): "heldout",
}
"""(what is kept of a list of numbers, what is done to it) -> split."""
WORDS: dict[tuple[str, str], Split] = {
    ("longer", "upper"): "train",
    ("starting", "reversed"): "train",
    ("containing", "length"): "train",
    ("containing", "upper"): "train",
    ("starting", "length"): "train",
    ("longer", "reversed"): "validation",
    ("starting", "upper"): "heldout",
    ("longer", "length"): "heldout",
}
"""(what is kept of a list of words, what is done to it) -> split."""
NAMES = ("pick", "choose", "convert", "change", "select", "treat", "collect", "prepare")
VOCABULARY = (
    *("stone", "river", "apple", "window", "garden", "paper", "silver", "orange", "train", "bottle", "candle"),
    *("mirror", "pencil", "rabbit", "sugar", "table", "violin", "winter", "yellow", "bread", "cloud", "forest"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a program: in words, as code on `item`, and as a function."""

    words: str
    code: str
    does: Callable[[Any], Any]


def families() -> list[Family]:
    """Return the families of this domain."""
    return [
        *(
            Family(f"programs/{k}-{c}", split, partial(_make, k, c, words=False))
            for (k, c), split in NUMBERS.items()
        ),
        *(Family(f"programs/{k}-{c}", split, partial(_make, k, c, words=True)) for (k, c), split in WORDS.items()),
    ]


def _kept(name: str, chance: Random) -> Part:
    level, by, size, letter = (
        chance.randint(20, 60),
        chance.randint(3, 6),
        chance.choice((4, 5)),
        chance.choice("aeirs"),
    )
    first = chance.choice("bcgprstw")
    return {
        "even": Part("the even numbers", "item % 2 == 0", lambda item: item % 2 == 0),
        "odd": Part("the odd numbers", "item % 2 == 1", lambda item: item % 2 == 1),
        "above": Part(f"the numbers above {level}", f"item > {level}", lambda item: item > level),
        "below": Part(f"the numbers below {level}", f"item < {level}", lambda item: item < level),
        "multiple": Part(f"the multiples of {by}", f"item % {by} == 0", lambda item: item % by == 0),
        "longer": Part(
            f"the words longer than {size} letters", f"len(item) > {size}", lambda item: len(item) > size
        ),
        "starting": Part(
            f'the words that start with "{first}"', f'item.startswith("{first}")', lambda item: item[0] == first
        ),
        "containing": Part(
            f'the words that contain "{letter}"', f'"{letter}" in item', lambda item: letter in item
        ),
    }[name]


def _changed(name: str, chance: Random) -> Part:
    more = chance.randint(3, 40)
    return {
        "double": Part("doubles them", "item * 2", lambda item: item * 2),
        "square": Part("squares them", "item**2", lambda item: item**2),
        "plus": Part(f"adds {more} to them", f"item + {more}", lambda item: item + more),
        "negative": Part("negates them", "-item", lambda item: -item),
        "upper": Part("makes them upper case", "item.upper()", str.upper),
        "reversed": Part("reverses them", "item[::-1]", lambda item: item[::-1]),
        "length": Part("takes their lengths", "len(item)", len),
    }[name]


def _make(kept: str, changed: str, chance: Random, *, words: bool) -> Draft:
    made: list[Any] = []
    while not 2 <= len(made) <= 4:
        keep, change = _kept(kept, chance), _changed(changed, chance)
        given: list[Any] = chance.sample(VOCABULARY, 6) if words else chance.sample(range(5, 99), 6)
        made = [change.does(item) for item in given if keep.does(item)]
    name = chance.choice(NAMES)
    hidden: list[list[Any]] = [
        list(VOCABULARY) if words else list(range(-3, 90, 4)),
        chance.sample(VOCABULARY, 9) if words else chance.sample(range(100), 9),
        [],
    ]
    wanted = [[change.does(item) for item in one if keep.does(item)] for one in hidden]
    function = f"def {name}(items):\n    return [{change.code} for item in items if {keep.code}]\n\n\n"
    return Draft(
        text=f"Write a function {name}(items) that keeps {keep.words} of a list and {change.words}. "
        f"What does it return for {_shown(given)}?",
        setup=(),
        moves=(
            Move("I write the function and try it on an empty list.", f"{function}print({name}([]))"),
            Move("Now the list of the task.", f"print({name}({_shown(given)}))"),
        ),
        answer=f"It returns {_shown(made)}.",
        expected=tuple(made),
        tests=tuple((f"{name}({one!r})", repr(result)) for one, result in zip(hidden, wanted, strict=True)),
        slip=Slip(0, f"{function}print({name}())", "The function needs a list."),
    )


def _shown(items: list[Any]) -> str:
    return repr(items).replace("'", '"')

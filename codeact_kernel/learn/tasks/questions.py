"""Questions about a table: a condition and an operation, in words and worked out in plain Python.

A family of the pandas and SQLite domains is a pair of both. Operations and conditions of the held-out pairs occur
in training, their pairs do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codeact_kernel.learn.tasks.themes import GROUPS, THEMES, Theme, rows_of

if TYPE_CHECKING:
    from random import Random

    from codeact_kernel.learn.tasks.task import Split, Value

ROWS = 24
FEWEST, MOST = 4, 20
"""Rows that a condition leaves: neither next to none nor next to all."""
PAIRS: dict[tuple[str, str], Split] = {
    ("mean", "is"): "train",
    ("sum", "is"): "train",
    ("min", "is"): "train",
    ("top", "is"): "train",
    ("sum", "above"): "train",
    ("max", "above"): "train",
    ("mean", "below"): "train",
    ("max", "below"): "train",
    ("least", "below"): "train",
    ("sum", "zone"): "train",
    ("min", "zone"): "train",
    ("mean", "both"): "train",
    ("max", "both"): "train",
    ("max", "is"): "validation",
    ("min", "below"): "validation",
    ("mean", "above"): "heldout",
    ("sum", "below"): "heldout",
    ("min", "above"): "heldout",
    ("top", "below"): "heldout",
    ("max", "zone"): "heldout",
    ("sum", "both"): "heldout",
}
"""(operation, condition) -> split."""
WORDS = {
    "mean": ("What is the mean {number} of the {rows}? Give two decimals.", "The mean {number} is {value}."),
    "sum": ("What is the total {number} of the {rows}?", "The total {number} is {value}."),
    "min": ("What is the lowest {number} of the {rows}?", "The lowest {number} is {value}."),
    "max": ("What is the highest {number} of the {rows}?", "The highest {number} is {value}."),
    "top": ("Which of the {rows} has the highest {number}? Give its name.", "{value} has the highest {number}."),
    "least": ("Which of the {rows} has the lowest {number}? Give its name.", "{value} has the lowest {number}."),
}
"""Operation -> question, answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a table.

    `level` is what the condition compares `theme.second` with, `value` what the category or zone must be; `zones`
    is the second table, empty where none is needed; `number` is always `theme.first`.
    """

    operation: str
    condition: str
    theme: Theme
    rows: list[tuple[str, str, int, int]]
    zones: dict[str, str]
    value: str
    level: int
    text: str
    answer: str
    expected: Value


def question(operation: str, condition: str, chance: Random) -> Question:
    """Return a question of a pair, with a table for which it has one answer."""
    while True:
        theme = chance.choice(THEMES)
        rows = rows_of(theme, chance, ROWS)
        zones = {value: chance.choice(GROUPS[1]) for value in theme.values} if condition == "zone" else {}
        value = chance.choice(sorted(set(zones.values()))) if zones else chance.choice(theme.values)
        level = chance.choice([row[3] for row in rows])
        kept = [row for row in rows if _meets(row, condition, zones, value, level)]
        numbers = [row[2] for row in kept]
        if not FEWEST <= len(kept) <= MOST or len(set(numbers)) < len(numbers):
            continue
        expected = _result(operation, kept)
        asked, told = WORDS[operation]
        return Question(
            operation,
            condition,
            theme,
            rows,
            zones,
            value,
            level,
            asked.format(number=theme.first, rows=_rows_in_words(theme, condition, value, level)),
            told.format(number=theme.first, value=expected),
            expected,
        )


def _meets(row: tuple[str, str, int, int], condition: str, zones: dict[str, str], value: str, level: int) -> bool:
    _, category, _, second = row
    return {
        "is": category == value,
        "above": second > level,
        "below": second < level,
        "zone": zones.get(category) == value,
        "both": category == value and second > level,
    }[condition]


def _result(operation: str, rows: list[tuple[str, str, int, int]]) -> Value:
    numbers = [row[2] for row in rows]
    if operation == "mean":
        return round(sum(numbers) / len(numbers), 2)
    if operation in {"top", "least"}:
        best = max(numbers) if operation == "top" else min(numbers)
        return next(row[0] for row in rows if row[2] == best)
    return sum(numbers) if operation == "sum" else min(numbers) if operation == "min" else max(numbers)


def _rows_in_words(theme: Theme, condition: str, value: str, level: int) -> str:
    return {
        "is": f"{theme.table} with {theme.category} {value}",
        "above": f"{theme.table} with {theme.second} above {level}",
        "below": f"{theme.table} with {theme.second} below {level}",
        "zone": f"{theme.table} in {GROUPS[0]} {value}",
        "both": f"{theme.table} with {theme.category} {value} and {theme.second} above {level}",
    }[condition]

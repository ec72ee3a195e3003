"""Is a task solved? Exact values, stated alone, and shown by a cell: a guess is not enough."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeact_kernel.learn.tasks.task import Task, Value

NUMBER = re.compile(r"(?<![\w.])(?<!\w[-+])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?(?!\w)")
DECIMALS = 2
"""A number that is not whole must be stated with at least so many decimals, where it has them."""


def problems(task: Task, answer: str, shown: Sequence[str], holds: Sequence[bool]) -> list[str]:
    """Return what is wrong with an outcome, one sentence each; none when the task is solved.

    Every expected value must be stated in the answer and shown in an output; the answer may state no other
    numbers, but those of the task's text, and no other names of `task.others`.

    Args:
        task: the task.
        answer: the final answer.
        shown: the outputs of the cells that the agent ran.
        holds: which of `task.tests` hold, in their order.
    """
    found = []
    seen = "\n".join(shown)
    for value in task.expected:
        if not _stated(value, answer):
            found.append(f"The answer does not state {value!r}.")
        elif not _stated(value, seen):
            found.append(f"No output shows {value!r}.")
    found += [f"The answer states {other}, too." for other in _strangers(task, answer)]
    failed = [expression for (expression, _), held in zip(task.tests, holds, strict=True) if not held]
    return found + [f"{expression[:80]} is not what it should be." for expression in failed]


def _stated(value: Value, text: str) -> bool:
    if isinstance(value, str):
        return _names(value, text)
    return any(_same(value, number) for number in NUMBER.findall(text))


def _names(name: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def _same(value: float, written: str) -> bool:
    """Say whether a number as it was written is `value`: whole ones exactly, others up to their rounding."""
    number = float(written.replace(",", ""))
    if float(value).is_integer():
        return number == value
    decimals = len(written.partition(".")[2])
    needed = min(DECIMALS, len(repr(float(value)).partition(".")[2]))
    return decimals >= needed and abs(number - value) <= 0.5 * 10**-decimals * (1 + 1e-9)


def _strangers(task: Task, answer: str) -> list[str]:
    """Return the numbers and names of an answer that are neither expected nor in the task's words."""
    if not task.expected:
        return []
    asked = NUMBER.findall(task.text)
    numbers = [
        written
        for written in NUMBER.findall(answer)
        if not any(_same(value, written) for value in task.expected if not isinstance(value, str))
        and not any(_same(float(one.replace(",", "")), written) for one in asked)
    ]
    names = [
        name
        for name in task.others
        if name not in task.expected and _names(name, answer) and not _names(name, task.text)
    ]
    return numbers + names

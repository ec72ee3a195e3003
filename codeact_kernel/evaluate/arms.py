"""What a report compares: arms (a suite, protocol, model and action space), and the tables of their figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from statistics import mean, median
from typing import TYPE_CHECKING

from codeact_kernel.evaluate.statistics import mcnemar, paired, wilson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from codeact_kernel.evaluate.ledger import Row

KEYS = ("suite", "protocol", "model", "action")
Table = list[list[str]]
"""Rows of cells, the heading first."""


@dataclass
class Arm:
    """One arm: its rows that count, those that were set aside, and the folder of each row."""

    suite: str
    protocol: str
    model: str
    action: str
    scores: tuple[str, ...] = ()
    rows: list[Row] = field(default_factory=list)
    aside: list[Row] = field(default_factory=list)
    folders: dict[str, Path] = field(default_factory=dict)
    name: str = ""

    @property
    def count(self) -> int:
        """How many were judged: tasks, or the questions of those that have several."""
        return sum(map(questions, self.rows))

    def won(self, score: str) -> float:
        """Return the sum of a score over what was judged."""
        return total(self.rows, score)

    def solved(self) -> dict[str, bool]:
        """Return what was solved by the headline score, by task, epoch and question."""
        return {
            f"{row['case']}#{row['epoch']}.{number}": mark >= 1
            for row in self.rows
            for number, mark in enumerate(row.get("marks") or [row["scores"].get(self.scores[0], 0.0)])
        }


def questions(row: Row) -> int:
    """Return how many things a row judges: one, or its task's questions."""
    return len(row.get("marks") or ()) or 1


def total(rows: Iterable[Row], score: str) -> float:
    """Return the sum of a score over all questions of rows."""
    return round(float(sum(row["scores"].get(score, 0.0) * questions(row) for row in rows)), 6)


def arms_of(evaluations: Iterable[tuple[Path, Row, Sequence[Row]]]) -> list[Arm]:
    """Gather the rows of evaluations into arms, in their order; a job that is in two folders counts once.

    Each arm's `name` holds what tells it from the others.
    """
    arms: dict[tuple[str, ...], Arm] = {}
    for folder, about, rows in evaluations:
        model = next((row["model"] for row in rows if row.get("model")), about["model"])
        for row in rows:
            key = (row["suite"], row["protocol"], row.get("model") or model, row["action"])
            arm = arms.setdefault(key, Arm(*key))
            arm.scores = tuple(about["scores"])
            if row["job"] in arm.folders:
                continue
            arm.folders[row["job"]] = folder
            (arm.aside if row["set_aside"] else arm.rows).append(row)
    found = list(arms.values())
    differing = [name for name in KEYS if len({getattr(arm, name) for arm in found}) > 1] or ["action"]
    for arm in found:
        arm.name = " ".join(str(getattr(arm, name)) for name in differing)
    return found


def scores_table(arms: Sequence[Arm]) -> Table:
    """Return each arm's scores: solved, of how many, the share and its 95 % Wilson interval."""
    names = list(dict.fromkeys(name for arm in arms for name in arm.scores))
    table = [["", "tasks", *names]]
    for arm in arms:
        cells = [share(arm.won(name), arm.count) if name in arm.scores else "" for name in names]
        more = f" ({arm.count} questions)" if arm.count > len(arm.rows) else ""
        table.append([arm.name, f"{len(arm.rows)}{more}", *cells])
    return table


def share(won: float, count: int) -> str:
    """Return `3 (14 %, 5 to 35)`: a count, its percentage and the Wilson interval in percent."""
    if not count:
        return "-"
    low, high = wilson(won, count)
    return f"{won:g} ({won / count:.0%}, {low * 100:.0f} to {high * 100:.0f})".replace("%", " %")


def costs_table(arms: Sequence[Arm], *, times: bool = True) -> Table:
    """Return what a task of each arm took, means but for the median of the seconds."""
    heading = ["", "turns", "model calls", "tokens in", "of these evaluated", "tokens out", "repeated actions"]
    table = [[*heading, *(["seconds (median)"] if times else [])]]
    for arm in arms:
        rows = arm.rows
        if not rows:
            continue
        cells = [
            f"{mean(row['turns'] for row in rows):.2f}",
            f"{mean(row['calls'] for row in rows):.2f}",
            f"{mean(row['input_tokens'] for row in rows):,.0f}",
            f"{mean(row['input_tokens'] - row['cached_tokens'] for row in rows):,.0f}",
            f"{mean(row['output_tokens'] for row in rows):,.0f}",
            f"{mean(row['repeated'] for row in rows):.2f}",
        ]
        table.append([arm.name, *cells, *([f"{median(row['seconds'] for row in rows):.0f}"] if times else [])])
    return table


def pairs_table(arms: Sequence[Arm]) -> Table:
    """Return for each two arms of a suite that differ in one thing how they did on the tasks that both tried."""
    table = [["", "tasks", "both", "only the first", "only the second", "neither", "p (exact McNemar)"]]
    for first, second in _neighbours(arms):
        both, one, two, none = paired(first.solved(), second.solved())
        count = both + one + two + none
        if count:
            name = f"{first.name} / {second.name}"
            table.append([name, *map(str, (count, both, one, two, none)), f"{mcnemar(one, two):.3f}"])
    return table


def _neighbours(arms: Sequence[Arm]) -> Iterator[tuple[Arm, Arm]]:
    for first, second in combinations(arms, 2):
        same = sum(getattr(first, name) == getattr(second, name) for name in KEYS)
        if first.suite == second.suite and same == len(KEYS) - 1 and first.scores:
            yield first, second


def groups_table(arms: Sequence[Arm]) -> Table:
    """Return how much of each group of tasks each arm solved, by the headline score."""
    groups = list(dict.fromkeys(row["group"] for arm in arms for row in arm.rows))
    table = [["", *(arm.name for arm in arms)]]
    for group in groups:
        cells = []
        for arm in arms:
            rows = [row for row in arm.rows if row["group"] == group]
            cells.append(f"{total(rows, arm.scores[0]):g} of {sum(map(questions, rows))}" if rows else "")
        table.append([group, *cells])
    return table


def counts_table(arms: Sequence[Arm], what: str) -> Table:
    """Return how often each class of failure (`what` "failure") or exception ("raised") came, by arm."""
    counted = [_counted(arm, what) for arm in arms]
    total = sum(counted, Counter[str]())
    names = sorted(total, key=lambda name: (-total[name], name))
    return [["", *(arm.name for arm in arms)], *([name, *(str(c[name]) for c in counted)] for name in names)]


def _counted(arm: Arm, what: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in arm.rows:
        if what == "raised":
            counts.update(row["raised"])
        elif row["failure"]:
            counts[row["failure"]] += 1
    return counts

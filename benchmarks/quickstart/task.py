"""A task: the user's words, their files and variables, and what must hold when the agent is done."""

from __future__ import annotations

import ast
import csv
import io
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.quickstart.answers import figures
from benchmarks.quickstart.expect import Evidence, Expectation, Name, Number, Probe, Unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Row: TypeAlias = dict[str, Any]
"""One line of a table."""

_PROBE = Path(__file__).with_name("probe.py")


@dataclass(frozen=True, slots=True)
class Play:
    """What an agent did: the code it ran (one cell, may be empty) and what it said in the end."""

    code: str
    answer: str


@dataclass(frozen=True, slots=True)
class Task:
    """One question.

    `slot` names the pair: the same slot in the other half asks for the same skill on other data. `files` are
    written into a fresh working folder; `setup` are cells the user ran before. `right` is the reference
    solution, `mistake` a plausible wrong one; the tests play both.
    """

    slot: str
    half: str
    text: str
    files: Mapping[str, bytes]
    setup: tuple[str, ...]
    expect: tuple[Expectation, ...]
    right: Play
    mistake: Play

    @property
    def id(self) -> str:
        """The task's name, e.g. `dev/filter-1`."""
        return f"{self.half}/{self.slot}"

    @property
    def family(self) -> str:
        """The skill asked for: the slot without its number."""
        return self.slot.rstrip("-0123456789")

    @property
    def probes(self) -> tuple[str, ...]:
        """The expressions to evaluate in the kernel after the episode."""
        return tuple(one.expression for one in self.expect if isinstance(one, Probe))

    def write(self, folder: Path) -> None:
        """Write the user's files into a folder."""
        for name, data in self.files.items():
            (folder / name).write_bytes(data)

    def probe(self) -> list[str]:
        """Return the check expressions for the kernel: none, or one whose value is a JSON text."""
        if not self.probes:
            return []
        source = _PROBE.read_text(encoding="utf-8")
        report = f"probe['report'](names, {list(self.probes)!r})"
        call = "({'__name__': 'probe'}, globals())"
        return [f"(lambda probe, names: (exec({source!r}, probe), {report})[1]){call}"]

    def judge(self, folder: Path, answer: str, checks: Sequence[str]) -> list[str]:
        """Return what is wrong with the outcome, one sentence each; an empty list is a success.

        `checks` are the text/plain forms of `probe()`'s values: the repr of a JSON text, or anything else when
        the kernel could not say.
        """
        evidence = Evidence(
            answer,
            frozenset(figure.value for figure in figures(self.text)),
            folder,
            self._read_probes(checks),
        )
        wanted = (*self.expect, Unchanged(self.files))
        return [problem for one in wanted for problem in one.problems(evidence, self.expect)]

    def _read_probes(self, checks: Sequence[str]) -> dict[str, dict[str, Any]]:
        try:
            results = json.loads(ast.literal_eval(checks[0]))
            return dict(zip(self.probes, results, strict=True))
        except (IndexError, ValueError, SyntaxError, TypeError):
            return {name: {"error": "the kernel did not say"} for name in self.probes}

    def candidates(self) -> tuple[list[str], list[str]]:
        """Return the right values and the wrong candidates of the answer, as texts."""
        right, wrong = [], []
        for one in self.expect:
            if isinstance(one, Number):
                right.append(f"{one.value:.10g}")
                wrong += [f"{value:.10g}" for value in one.wrong]
            elif isinstance(one, Name):
                right.append(one.right)
                wrong += [name for name in one.candidates if name != one.right]
        return right, wrong


def rng(half: str, slot: str) -> Random:
    """Return the task's own source of chance; the same in every process and on every machine."""
    return Random(f"quickstart/1/{half}/{slot}")


def table(rows: Sequence[Row]) -> bytes:
    """Return rows as CSV with a header; None is an empty cell."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def database(script: str, tables: dict[str, list[tuple[object, ...]]]) -> bytes:
    """Return an SQLite file with the tables of a script, filled with rows."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(script)
        for name, rows in tables.items():
            connection.executemany(f"INSERT INTO {name} VALUES ({','.join('?' * len(rows[0]))})", rows)
        connection.commit()
        return connection.serialize()


def totals(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Sum values by key."""
    sums: dict[str, float] = {}
    for key, value in pairs:
        sums[key] = sums.get(key, 0) + value
    return sums


def top(sums: Mapping[str, float], *, lead: float = 1.02) -> str:
    """Return the key with the largest value.

    Raises:
        ValueError: the runner-up comes too close for a clear answer; the data must be drawn differently.
    """
    first, second = sorted(sums, key=lambda key: sums[key], reverse=True)[:2]
    if sums[first] < lead * sums[second]:
        raise ValueError(f"{first} and {second} are too close: {sums[first]} and {sums[second]}.")
    return first


def others(sums: Mapping[str, float], best: str, digits: int = 0) -> tuple[float, ...]:
    """Return the values of the keys that are not the answer, rounded as the answer is."""
    return tuple(round(value, digits) for key, value in sums.items() if key != best)


def names(*groups: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return candidates without further spellings."""
    return {name: () for group in groups for name in group}


def load(builders: Iterable[Callable[[], Task]]) -> tuple[Task, ...]:
    """Build the tasks; each draws from its own source of chance."""
    return tuple(build() for build in builders)

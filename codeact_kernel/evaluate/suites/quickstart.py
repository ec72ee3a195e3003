"""Quickstart: our own 48 small data tasks, in two halves, with checkers of answers, files and variables.

`--data` is a checkout of this repository; the tasks are in `benchmarks/quickstart`.
Protocol `dev` is the half to work with; `heldout` and `both` are for reports, and nobody reads their transcripts.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate.bench import failure_of, raised, repeated
from codeact_kernel.evaluate.case import Case, Played

if TYPE_CHECKING:
    from codeact_kernel.evaluate.bench import Bench

HALVES = {"dev": ("dev",), "heldout": ("heldout",), "both": ("dev", "heldout")}


class Quickstart:
    """The suite; see the module."""

    name: str = "quickstart"
    protocols: tuple[str, ...] = tuple(HALVES)
    scores: tuple[str, ...] = ("solved",)
    turns: int = 0

    def cases(self, data: Path | None, protocol: str = "") -> list[Case]:
        """Return the tasks of a half, or of both; see `suite.Suite`."""
        halves = HALVES[protocol or self.protocols[0]]
        return [Case(task.id, task.family, task.text) for task in tasks_of(data) if task.half in halves]

    async def play(self, bench: Bench) -> Played:
        """Carry out one task; see `suite.Suite`."""
        task = next(task for task in tasks_of(bench.data) if task.id == bench.job.case.id)
        task.write(bench.folder)
        for cell in task.setup:
            await bench.setup(cell)
        outcome = await bench.ask(task.text)
        checks = [await bench.value(expression) for expression in task.probe()]
        problems = task.judge(bench.folder, outcome.answer, checks)
        solved = outcome.status == "done" and not problems
        return Played(
            scores={"solved": float(solved)},
            turns=outcome.steps,
            usage=bench.usage,
            failure="" if solved else failure_of(outcome) or "wrong answer",
            answers=(outcome.answer,) if outcome.status == "done" else (),
            raised=raised(bench.steps),
            repeated=repeated(bench.steps),
            notes=tuple(problems) if outcome.status == "done" and task.half == "dev" else (),
        )


def tasks_of(data: Path | None) -> list[Any]:
    """Return all tasks of a checkout of this repository.

    Raises:
        ConfigError: it is none.
    """
    root = (data or Path.cwd()).resolve()
    if not (root / "benchmarks" / "quickstart" / "tasks_dev.py").is_file():
        raise ConfigError(f"{root} has no benchmarks/quickstart; give a checkout of codeact-kernel with --data.")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    dev = importlib.import_module("benchmarks.quickstart.tasks_dev").DEV
    heldout = importlib.import_module("benchmarks.quickstart.tasks_heldout").HELDOUT
    return [*dev, *heldout]

"""Learn: the tasks of `learn/tasks`, whose families are disjoint in training, validation and held-out ones.

The protocols are the splits. `--data` may be a JSONL file with tasks of your own (docs/learning.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeact_kernel.agent.observation import whole
from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate.bench import failure_of, raised, repeated
from codeact_kernel.evaluate.case import Case, Played
from codeact_kernel.learn import reference
from codeact_kernel.learn.tasks import known
from codeact_kernel.learn.tasks.check import problems
from codeact_kernel.learn.tasks.task import SPLITS, from_json

if TYPE_CHECKING:
    from pathlib import Path

    from codeact_kernel.evaluate.bench import Bench


TURNS, REPLY_TOKENS = 6, 200
"""The demonstrations take 5 turns at most, and 100 tokens a reply; the rest is for models that err."""


class Learn:
    """The suite; see the module."""

    name: str = "learn"
    protocols: tuple[str, ...] = SPLITS
    scores: tuple[str, ...] = ("solved",)
    turns: int = TURNS

    def cases(self, data: Path | None, protocol: str = "") -> list[Case]:
        """Return the tasks of a split, a family being a group; see `suite.Suite`."""
        split = next(name for name in SPLITS if name == (protocol or SPLITS[0]))
        tasks = known.tasks(split) if data is None else known.read(data, split)
        return [Case(task.id, task.family, task.text, task.as_json()) for task in tasks]

    async def play(self, bench: Bench) -> Played:
        """Carry out one task; see `suite.Suite`."""
        case = bench.job.case
        task = from_json(case.data, case.id)
        if bench.config.model == reference.MODEL:
            if not task.replies:
                raise ConfigError(f"The task {task.id} has no demonstration; give another --model.")
            bench.model = reference.Reference(task)
        for cell in task.setup:
            await bench.setup(cell)
        config = bench.config
        outcome = await bench.ask(
            task.text, max_steps=min(config.max_steps, TURNS), max_tokens=min(config.max_tokens, REPLY_TOKENS)
        )
        holds = [await bench.value(f"({expression}) == ({wanted})") == "True" for expression, wanted in task.tests]
        shown = [whole(step.execution) for step in bench.steps if step.execution is not None]
        wrong = problems(task, outcome.answer, shown, holds)
        solved = outcome.status == "done" and not wrong
        return Played(
            scores={"solved": float(solved)},
            turns=outcome.steps if solved else TURNS,
            usage=bench.usage,
            failure="" if solved else failure_of(outcome) or "wrong answer",
            answers=(outcome.answer,) if outcome.status == "done" else (),
            raised=raised(bench.steps),
            repeated=repeated(bench.steps),
            notes=tuple(wrong) if outcome.status == "done" and task.split == "train" else (),
        )

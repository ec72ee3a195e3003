"""The bench: what one episode of an evaluation is given, and the usual things to do with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codeact_kernel.errors import ConfigError, ExecutionError, StoppedError
from codeact_kernel.session import HumanCell, Prelude, Session
from codeact_kernel.terminal_view import QuietView
from codeact_kernel.types import Outcome, Step, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from codeact_kernel.agent.stop import Stop
    from codeact_kernel.config import CodeAct
    from codeact_kernel.evaluate.case import Job
    from codeact_kernel.execute.fresh import FreshExecutor
    from codeact_kernel.models.base import Model
    from codeact_kernel.types import Execution

FAILED = "failed"


class AttemptError(ExecutionError):
    """An episode that ended for reasons of ours, the machine's or the endpoint's: it does not count."""


@dataclass
class Bench:
    """One episode: its job, a model, a kernel that was just started in `folder`, and where it is written.

    `data` is what the suite reads. `told` is what the model is told with its next task.
    """

    job: Job
    model: Model
    config: CodeAct
    executor: FreshExecutor
    folder: Path
    data: Path | None
    out: Path
    stop: Stop
    prelude: list[str] = field(default_factory=list)
    session: Session | None = None
    outcomes: list[Outcome] = field(default_factory=list)

    async def setup(self, cell: str, *, shown: bool = True) -> Execution:
        """Run a cell before the next task; `shown` keeps it in the episode, so that the notebook can be run again.

        Raises:
            ConfigError: the cell failed: the suite's data is not what it should be.
        """
        ran = await self.executor.run(cell)
        if ran.status != "ok":
            what = f"{ran.error.ename}: {ran.error.evalue}" if ran.error else ran.status
            raise ConfigError(f"The case {self.job.case.id} could not be set up ({what}); check --data.")
        if shown:
            self.prelude.append(cell)
        return ran

    async def ask(self, task: str, *, told: str = "", **settings: object) -> Outcome:
        """Give our own agent a task; a second one goes on with the conversation.

        Raises:
            AttemptError: it ended because the model or the kernel could not be had.
            StoppedError: the evaluation is stopped.
        """
        if self.session is None:
            self.session = Session(self.out.parent, given=self.model)
        if told:
            self.session.tell(told)
        cells, self.prelude = [HumanCell(cell) for cell in self.prelude], []
        outcome = await self.session.ask(
            task,
            self.config.updated(approval="auto", action=self.job.action, **settings),
            executor=self.executor,
            view=QuietView(),
            stop=self.stop,
            out=self.out if not self.outcomes else None,
            prelude=Prelude(cells, cwd=str(self.folder)),
            humans=cells,
        )
        if outcome.status == "interrupted":
            raise StoppedError("Stopped.")
        if outcome.status == FAILED and failure_of(outcome) == "error":
            raise AttemptError(outcome.cause)
        self.outcomes.append(outcome)
        return outcome

    async def value(self, expression: str) -> str:
        """Return the repr of an expression in the kernel, or the exception it raised."""
        ran = await self.executor.run(expression)
        for output in reversed(ran.outputs):
            if output["output_type"] == "execute_result":
                return str(output["data"].get("text/plain", ""))
        return f"{ran.error.ename}: {ran.error.evalue}" if ran.error else ""

    async def close(self) -> None:
        """Close the episode."""
        if self.session is not None and self.session.writer is not None:
            self.session.writer.close()

    @property
    def steps(self) -> list[Step]:
        """The steps of our own agent so far."""
        talk = self.session.conversation if self.session is not None else None
        return [turn for turn in talk.turns if isinstance(turn, Step)] if talk is not None else []

    @property
    def usage(self) -> Usage:
        """The tokens of our own agent so far."""
        return sum((outcome.usage for outcome in self.outcomes), Usage())


def failure_of(outcome: Outcome) -> str:
    """Return why an episode has no answer, as a class: "" for one that has, "error" for what is nobody's fault.

    The causes are told apart by the words that the loop ends a task with.
    """
    words = outcome.cause.lower()
    if outcome.status == "done":
        return ""
    if outcome.status == "limit":
        return "turn limit"
    if "same code" in words or "same failing code" in words:
        return "repeated action"
    if "could not be used" in words:
        return "unusable replies"
    return "kernel died" if "kernel died" in words else "error"


def raised(steps: Sequence[Step]) -> dict[str, int]:
    """Count the exceptions of steps by name; code that does not parse is a SyntaxError."""
    names: Counter[str] = Counter()
    for step in steps:
        if step.execution is not None and step.execution.error is not None:
            names[step.execution.error.ename] += 1
        elif step.kind == "action" and step.execution is None:
            names["SyntaxError"] += 1
    return dict(sorted(names.items()))


def repeated(steps: Sequence[Step]) -> int:
    """Count the actions that were made before, to the letter."""
    codes = [step.code.strip() for step in steps if step.code]
    return len(codes) - len(set(codes))

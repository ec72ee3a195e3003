"""Who hears of a task while it is carried out: one keeps it, others show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeact_kernel.agent.risk import Risk
    from codeact_kernel.models.base import Chunk
    from codeact_kernel.types import Outcome, Step, TaskTurn


class Recorder(Protocol):
    """Keeps the episode. Every call returns when the thing is safe; `completion` comes before the code runs."""

    def task(self, turn: TaskTurn) -> None:
        """Keep a task."""

    def completion(self, step: Step) -> None:
        """Keep a reply, before its code is looked at or run."""

    def step(self, step: Step) -> None:
        """Keep a finished step."""

    def end(self, outcome: Outcome) -> None:
        """Keep how the task ended."""


class View(Protocol):
    """Shows the episode while it happens; called on the agent's loop, must return at once."""

    def asking(self, step: int) -> None:
        """The model is about to be asked."""

    def chunk(self, chunk: Chunk) -> None:
        """A piece of the reply, or a notice, came."""

    def proposed(self, step: Step, risks: Sequence[Risk]) -> None:
        """The step has code that parses; nobody was asked about it yet."""

    def running(self, step: Step) -> None:
        """The step's code is about to run."""

    def finished(self, step: Step) -> None:
        """The step is over."""

    def warn(self, sentence: str) -> None:
        """Something happened that the user must know, whatever else is shown."""

    def close(self) -> None:
        """Nothing more will come."""


class NoView:
    """A view that shows nothing."""

    def asking(self, step: int) -> None:
        """Do nothing."""

    def chunk(self, chunk: Chunk) -> None:
        """Do nothing."""

    def proposed(self, step: Step, risks: Sequence[Risk]) -> None:
        """Do nothing."""

    def running(self, step: Step) -> None:
        """Do nothing."""

    def finished(self, step: Step) -> None:
        """Do nothing."""

    def warn(self, sentence: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

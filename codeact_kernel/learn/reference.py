"""The model `reference`: it says what a task's demonstration says, so that true episodes come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ModelError
from codeact_kernel.models.scripted import ScriptedModel

if TYPE_CHECKING:
    from codeact_kernel.learn.tasks.task import Task

NAME = "reference"
MODEL = "callable:codeact_kernel.learn.reference:unknown"
"""What stands for it in the settings, until a suite that has demonstrations puts one in its place."""


class Reference(ScriptedModel):
    """Plays a task's demonstration. Its episodes have the prompt that models are tuned with."""

    words = "system-tuned"

    def __init__(self, task: Task) -> None:
        super().__init__(list(task.replies))

    @property
    def id(self) -> str:
        """Always "reference"."""
        return NAME

    def describe(self) -> dict[str, Any]:
        """Return id, backend and the digest of the replies as revision."""
        return {**super().describe(), "id": self.id}


def unknown(messages: list[dict[str, str]]) -> str:
    """Refuse: this model is only for tasks that hold a demonstration.

    Raises:
        ModelError: always.
    """
    del messages
    raise ModelError("The model `reference` is for tasks that have demonstrations, those of the suite `learn`.")

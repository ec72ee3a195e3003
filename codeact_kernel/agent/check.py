"""The user's own condition on an answer: an expression that must hold in the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codeact_kernel.errors import ConfigError, ExecutionError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FINAL = "final_answer.value"
"""What the expression of a final value is in the kernel."""


@dataclass(frozen=True, slots=True)
class Check:
    """Holds an answer against `expression`, in which `answer` is the answer: a value, or the text of a reply.

    `evaluate` gives the text of an expression's value in the kernel, see `execute.base.Executor`.

    Raises:
        ConfigError: it is no Python expression.
    """

    expression: str
    evaluate: Callable[[str], Awaitable[str]]

    def __post_init__(self) -> None:
        """Read the expression once, before any model is asked."""
        try:
            compile(self.expression, "<check>", "eval")
        except (SyntaxError, ValueError) as error:
            raise ConfigError(
                f"The check {self.expression!r} is no Python expression ({error}); "
                'write a condition, e.g. "answer > 0".'
            ) from None

    async def __call__(self, answer: str) -> str:
        """Return why the check does not hold, "" where it does; `answer` is an expression for the answer."""
        try:
            held = await self.evaluate(f"(lambda answer: bool({self.expression}\n))({answer})")
        except ExecutionError as error:
            return f"`{self.expression}` fails with {error}"
        return "" if held == "True" else f"`{self.expression}` is false"

"""Several views of one episode, and several ways to ask one person."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from codeact_kernel.agent.approval import Asker
    from codeact_kernel.agent.listeners import View
    from codeact_kernel.agent.risk import Risk
    from codeact_kernel.models.base import Chunk
    from codeact_kernel.progress import Progress
    from codeact_kernel.run_progress import RunProgress
    from codeact_kernel.types import Approval, Step

T = TypeVar("T")
POLL_SECONDS = 0.1

logger = logging.getLogger(__name__)


class Views:
    """Tells several views the same; one that fails does not keep the others from being told, nor end the task."""

    def __init__(self, *views: View) -> None:
        self.views = views
        self._failed: set[View] = set()

    def _tell(self, tell: Callable[[View], None]) -> None:
        for view in self.views:
            try:
                tell(view)
            except Exception:
                if view not in self._failed:  # it will fail again and again
                    self._failed.add(view)
                    logger.warning("The run cannot be shown in one place; it goes on.", exc_info=True)

    def asking(self, step: int) -> None:
        """The model is about to be asked."""
        self._tell(lambda view: view.asking(step))

    def chunk(self, chunk: Chunk) -> None:
        """A piece of the reply, or a notice, came."""
        self._tell(lambda view: view.chunk(chunk))

    def proposed(self, step: Step, risks: Sequence[Risk]) -> None:
        """There is code that may run."""
        self._tell(lambda view: view.proposed(step, risks))

    def running(self, step: Step) -> None:
        """The step's code is about to run."""
        self._tell(lambda view: view.running(step))

    def finished(self, step: Step) -> None:
        """The step is over."""
        self._tell(lambda view: view.finished(step))

    def warn(self, sentence: str) -> None:
        """Something happened that the user must know."""
        self._tell(lambda view: view.warn(sentence))

    def close(self) -> None:
        """Nothing more will come."""
        self._tell(lambda view: view.close())


class FrontAsker:
    """Asks in the panel and the widget; where nobody is there, through stdin; where that is not there, nobody.

    `patience` is how long, in seconds, a front end may take to come (a page that loads, or loads again), before
    the question goes to `fallback` or is given up. None waits for as long as it takes.
    """

    def __init__(
        self, progress: Progress, run: RunProgress, fallback: Asker | None, patience: float | None
    ) -> None:
        self._progress = progress
        self._run = run
        self._fallback = fallback
        self._patience = patience

    async def ask(self, code: str, risks: tuple[Risk, ...], reason: str) -> tuple[Approval, str]:
        """Ask whoever is there; see `agent.approval.Asker`.

        Raises:
            EOFError: nobody is there, and there is no other way to ask.
        """
        answered = await self._first(self._run.ask(code, risks, reason))
        if answered is not None:
            return answered
        if self._fallback is None:
            raise EOFError("nobody is there")
        return await self._fallback.ask(code, risks, reason)

    async def reply(self, question: str, choices: tuple[str, ...] = ()) -> str:
        """Put a question of the model's, or of ours with choices, to whoever is there; see `agent.approval.Asker`.

        Raises:
            EOFError: nobody is there, and there is no other way to ask.
        """
        answered = await self._first(self._run.put(question, choices))
        if answered is not None:
            return answered
        if self._fallback is None:
            raise EOFError("nobody is there")
        return await self._fallback.reply(question, choices)

    async def _first(self, asked: Coroutine[Any, Any, T]) -> T | None:
        """Return what a front end answers, None where none came, or all stayed away for too long."""
        question = asyncio.ensure_future(asked)
        away = 0.0
        try:
            while not question.done():
                await asyncio.wait({question}, timeout=POLL_SECONDS)
                away = 0.0 if self._progress.attended else away + POLL_SECONDS
                if self._patience is not None and away > self._patience:
                    break
            if question.done():
                return question.result()
        finally:
            question.cancel()
        return None

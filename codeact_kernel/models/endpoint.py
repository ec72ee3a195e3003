"""What models behind an endpoint have in common, whichever wire format they speak."""

from __future__ import annotations

import contextlib
import re
from abc import ABC, abstractmethod
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ClassVar

from codeact_kernel.errors import IncompleteReplyError
from codeact_kernel.models import calls, wire
from codeact_kernel.models.base import Chunk
from codeact_kernel.models.thinking import ThinkFilter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from codeact_kernel.agent.stop import Stop
    from codeact_kernel.config import CodeAct
    from codeact_kernel.types import Finish, Message, Sampling

SEEING = re.compile(
    r"gpt-4o|gpt-4\.1|gpt-5|^o[134]|claude|gemini|vision|pixtral|llava|[-_.]vl\b|vl[-:]", re.IGNORECASE
)
"""Families of models that take pictures, by name; a server that refuses one is asked again without it."""


class EndpointModel(ABC):
    """A model behind an endpoint: one request a try, tried again where that makes sense.

    A wire format is a subclass: its `backend`, the name of its `stop_field`, how it opens and reads a reply, and
    what its servers were found not to take (`adaptation.dropped`).
    """

    backend: ClassVar[str]
    stop_field: ClassVar[str]

    def __init__(
        self, endpoint: wire.Endpoint, config: CodeAct, adaptation: Any, *, sees_images: bool | None
    ) -> None:
        self._endpoint, self._config, self._adaptation = endpoint, config, adaptation
        self._sees = bool(SEEING.search(endpoint.model)) if sees_images is None else sees_images

    @property
    def id(self) -> str:
        """The model's name at the endpoint."""
        return self._endpoint.model

    @property
    def sees_images(self) -> bool:
        """Whether pictures are sent; false once the server refused one."""
        return self._sees and "images" not in self._adaptation.dropped

    def describe(self) -> dict[str, Any]:
        """Return id, backend and the endpoint's URL (without credentials)."""
        return {"id": self.id, "backend": self.backend, "endpoint": self._endpoint.shown}

    async def close(self) -> None:  # noqa: B027 - nothing to do is right for both
        """Do nothing: each call closes its own connection."""

    async def stream(self, messages: Sequence[Message], sampling: Sampling, stop: Stop) -> AsyncGenerator[Chunk]:
        """Stream a reply; see `models.base.Model.stream`. Waits between tries are shown as notices."""
        async with aclosing(
            calls.retried(lambda: self._attempt(messages, sampling), stop, self._config, self._endpoint)
        ) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _attempt(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Chunk]:
        """Make one request and stream its reply to its proper end, thoughts apart and stop strings heeded."""
        guard = wire.StopFilter(sampling.stop if self.stop_field in self._adaptation.dropped else ())
        thinking, clock = ThinkFilter(), calls.Clock(self._config, self.id)
        finish: Finish | None = None
        async with contextlib.AsyncExitStack() as stack:
            response = await self._open(messages, sampling, clock, stack)
            chunks = await stack.enter_async_context(aclosing(self._chunks(response, clock)))
            async for chunk in chunks:
                finish = chunk.finish or finish
                text, reasoning = thinking.feed(chunk.text)
                if chunk.finish:
                    text, reasoning = (a + b for a, b in zip((text, reasoning), thinking.flush(), strict=True))
                text = guard.feed(text) + (guard.flush() if chunk.finish else "")
                ended: Finish | None = "stop_sequence" if chunk.finish and guard.matched else chunk.finish
                yield Chunk(text, chunk.reasoning + reasoning, ended, chunk.usage)
        if finish is None:
            raise IncompleteReplyError(
                f"{self._endpoint.host} ended its reply without a finish reason; nothing of it was run. Ask again."
            )

    @abstractmethod
    async def _open(
        self, messages: Sequence[Message], sampling: Sampling, clock: calls.Clock, stack: contextlib.AsyncExitStack
    ) -> Any:
        """Send a request and return the response, whose head says 200; what it opens closes with `stack`."""

    @abstractmethod
    def _chunks(self, response: Any, clock: calls.Clock) -> AsyncGenerator[Chunk]:
        """Read a response's body; end normally only where the server ended the reply."""

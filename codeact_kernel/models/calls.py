"""What every call to a server has in common: tries that make sense, deadlines, a body that may break.

The backends bring the words of their protocol; nothing here knows one.
"""

from __future__ import annotations

import asyncio
import math
import random
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from codeact_kernel.errors import IncompleteReplyError, ModelError
from codeact_kernel.models.base import Chunk
from codeact_kernel.models.wire import TroubleError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from codeact_kernel.agent.stop import Stop
    from codeact_kernel.config import CodeAct
    from codeact_kernel.models.wire import Endpoint

T = TypeVar("T")
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
MAX_WHOLE_BYTES = 1 << 24


class AskAgain(Exception):  # noqa: N818 - not an error: the next request will be another one
    """The server did not take a parameter; it is left out from now on."""


async def retried(
    attempt: Callable[[], AsyncGenerator[Chunk]], stop: Stop, config: CodeAct, endpoint: Endpoint
) -> AsyncGenerator[Chunk]:
    """Stream what `attempt` streams; make it again, after a wait that is shown, when that may help.

    Raises:
        ModelError: from the last attempt, saying how often the request was made.
    """
    failures = 0
    while True:
        stop.check()
        try:
            async with aclosing(attempt()) as chunks:
                async for chunk in chunks:
                    yield chunk
        except AskAgain:
            continue
        except ModelError as error:
            failures += 1
            if not error.retryable or failures > config.retries:
                raise _final(error, failures) from None
            brief, wait = getattr(error, "brief", "the reply broke off"), _wait(error, failures, config, endpoint)
        else:
            return
        async for notice in _countdown(brief, wait):
            yield notice
        yield Chunk(restart=True)


def _wait(error: ModelError, failures: int, config: CodeAct, endpoint: Endpoint) -> float:
    """Return the seconds to wait before the next try.

    Raises:
        ModelError: the server asks for a longer wait than a whole reply may take.
    """
    if error.retry_after is None:
        backoff: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (failures - 1))
        return backoff * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, not a secret
    if error.retry_after > config.reply_seconds:
        raise ModelError(
            f"{endpoint.host} asks to wait {error.retry_after:.0f} s; ask again after that.",
            retry_after=error.retry_after,
        )
    return error.retry_after


def _final(error: ModelError, tries: int) -> ModelError:
    """Return the last error, saying how often the request was made."""
    if tries == 1:
        return error
    said = f"{str(error).rstrip('.')} (asked {tries} times)."
    if isinstance(error, IncompleteReplyError):
        return IncompleteReplyError(said)
    return ModelError(said, retryable=error.retryable, retry_after=error.retry_after)


async def _countdown(brief: str, seconds: float) -> AsyncGenerator[Chunk]:
    """Wait, and say once a second for how long still."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while (left := until - loop.time()) > 0:
        yield Chunk(notice=f"{brief}; again in {math.ceil(left)} s")
        await asyncio.sleep(left - math.ceil(left) + 1)


class Clock:
    """The deadlines of one reply, from the first thing awaited of the server; loading an SDK is not its doing.

    Only tokens count as life, not comments that keep a connection open.
    """

    def __init__(self, config: CodeAct, model: str) -> None:
        self._config, self._model = config, model
        self._begun: float | None = None
        self._last: float | None = None

    def token(self) -> None:
        """Note that a token came."""
        self._last = asyncio.get_running_loop().time()

    async def limit(self, awaitable: Awaitable[T]) -> T:
        """Await something until the nearest deadline.

        Raises:
            ModelError: the deadline passed; the sentence names the setting.
        """
        config = self._config
        if self._begun is None:
            self._begun = asyncio.get_running_loop().time()
        whole = self._begun + config.reply_seconds
        if self._last is None:
            name, seconds, said = "first_token", config.first_token_seconds, "sent no token"
        else:
            name, seconds, said = "between_tokens", config.between_tokens_seconds, "fell silent"
        nearest = (self._begun if self._last is None else self._last) + seconds
        try:
            async with asyncio.timeout_at(min(whole, nearest)) as scope:
                return await awaitable
        except TimeoutError:
            if not scope.expired():
                raise
        if whole <= nearest:
            raise ModelError(
                f"The reply of {self._model} took longer than {config.reply_seconds:g} s; ask for "
                "less, or raise CodeAct.reply_seconds."
            )
        raise TroubleError(
            f"{self._model} {said} for {seconds:g} s; ask again, or raise CodeAct.{name}_seconds.",
            f"{self._model} fell silent",
            retryable=True,
        )


async def blocks_of(body: AsyncGenerator[bytes], clock: Clock, endpoint: Endpoint) -> AsyncGenerator[bytes]:
    """Yield a body as it comes, within the deadlines; a connection that breaks is an incomplete reply."""
    async with aclosing(body) as blocks:
        while True:
            try:
                block = await clock.limit(anext(blocks, None))
            except ModelError:
                raise
            except Exception as error:
                why = endpoint.clean(str(error)) or type(error).__name__
                raise broken(endpoint, f"broke the connection ({why})") from None
            if block is None:
                return
            yield block


async def whole_json(body: AsyncGenerator[bytes], clock: Clock, endpoint: Endpoint, kind: str) -> str:
    """Return the text of a server that answered with one JSON object instead of a stream.

    Raises:
        ModelError: it answered with something else, a page for instance (`kind` is its content type).
    """
    if "json" not in kind:
        shown = kind.partition(";")[0] or "something"
        raise ModelError(
            f"{endpoint.shown} answered with {shown} and not with a reply of a model; check that it is "
            "the base URL of a chat endpoint (it often ends in /v1)."
        )
    text = b""
    async with aclosing(blocks_of(body, clock, endpoint)) as blocks:
        async for block in blocks:
            text += block
            if len(text) > MAX_WHOLE_BYTES:
                break
    return text.decode("utf-8", "replace")


def broken(endpoint: Endpoint, what: str) -> IncompleteReplyError:
    """Return the error for a reply that did not come to its end."""
    return IncompleteReplyError(f"{endpoint.host} {what}; nothing of the reply was run. Ask again.")


def unreachable(endpoint: Endpoint, error: Exception) -> TroubleError:
    """Return the error for a server that takes no connection."""
    why = endpoint.clean(str(error)) or "no reason given"
    return TroubleError(
        f"{endpoint.host} cannot be reached ({why}); check the URL and that the server is running.",
        f"{endpoint.host} cannot be reached",
        retryable=True,
    )


def not_accepted(endpoint: Endpoint, seconds: float) -> TroubleError:
    """Return the error for a server that did not accept a connection within `seconds`."""
    return TroubleError(
        f"{endpoint.host} did not accept a connection within {seconds:g} s; check the URL and the network.",
        f"{endpoint.host} did not answer",
        retryable=True,
    )


def marked_length(headers: Any) -> bool:
    """Say whether the transport would have noticed a cut: a length or chunks, not "until it closes"."""
    return "content-length" in headers or "chunked" in headers.get("transfer-encoding", "").lower()

"""Any endpoint that speaks OpenAI's chat completions: api.openai.com, vLLM, Ollama, llama.cpp, gateways.

The SDK builds and signs the request; the stream is read here, because the SDK reports success on a stream that
was cut and takes keep-alive comments for life. Every call has a client of its own, so nothing is left open.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import math
import random
import re
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from codeact_kernel.config import CodeAct
from codeact_kernel.errors import IncompleteReplyError, ModelError
from codeact_kernel.models import wire
from codeact_kernel.models.base import Chunk
from codeact_kernel.models.sse import LAST, Decoder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence

    from codeact_kernel.agent.stop import Stop
    from codeact_kernel.types import Finish, Message, Sampling

T = TypeVar("T")
DEFAULT_URL = "https://api.openai.com/v1"
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
SEEING = re.compile(
    r"gpt-4o|gpt-4\.1|gpt-5|^o[134]|claude|gemini|vision|pixtral|llava|[-_.]vl\b|vl[-:]", re.IGNORECASE
)
"""Families of models that take pictures, by name; a server that refuses one is asked again without it."""


class OpenAIModel:
    """A model behind an OpenAI-compatible endpoint.

    `api_key` comes from the environment variable `key_name` and appears in no message. `extra` are additional
    fields of the request (under those of `config.extra_body`).
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str = "",
        api_key: str = "",
        config: CodeAct | None = None,
        key_name: str = "OPENAI_API_KEY",
        sees_images: bool | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self._endpoint = wire.Endpoint((base_url or DEFAULT_URL).rstrip("/"), model, api_key, key_name)
        self._config = config or CodeAct()
        self._sees = bool(SEEING.search(model)) if sees_images is None else sees_images
        self._extra = {**(extra or {}), **self._config.extra_body}
        self._adaptation = wire.Adaptation()

    @property
    def id(self) -> str:
        """The model's name at the endpoint."""
        return self._endpoint.model

    @property
    def backend(self) -> str:
        """Always "openai"."""
        return "openai"

    @property
    def sees_images(self) -> bool:
        """Whether pictures are sent; false once the server refused one."""
        return self._sees and "images" not in self._adaptation.dropped

    @property
    def window(self) -> int | None:
        """Not known: the protocol has no question for it."""
        return None

    def describe(self) -> dict[str, Any]:
        """Return id, backend and the endpoint's URL (without credentials)."""
        return {"id": self.id, "backend": self.backend, "endpoint": self._endpoint.shown}

    async def close(self) -> None:
        """Do nothing: each call closes its own connection."""

    async def stream(self, messages: Sequence[Message], sampling: Sampling, stop: Stop) -> AsyncGenerator[Chunk]:
        """Stream a reply; see `models.base.Model.stream`. Waits between tries are shown as notices."""
        failures = 0
        while True:
            stop.check()
            try:
                async with aclosing(self._attempt(messages, sampling)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except _AskAgain:
                continue
            except ModelError as error:
                failures += 1
                if not error.retryable or failures > self._config.retries:
                    raise _final(error, failures) from None
                brief, wait = getattr(error, "brief", "the reply broke off"), self._wait(error, failures)
            else:
                return
            async for notice in _countdown(brief, wait):
                yield notice
            yield Chunk(restart=True)

    def _wait(self, error: ModelError, failures: int) -> float:
        """Return the seconds to wait before the next try.

        Raises:
            ModelError: the server asks for a longer wait than a whole reply may take.
        """
        if error.retry_after is None:
            backoff: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (failures - 1))
            return backoff * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, not a secret
        if error.retry_after > self._config.reply_seconds:
            raise ModelError(
                f"{self._endpoint.host} asks to wait {error.retry_after:.0f} s; ask again after that.",
                retry_after=error.retry_after,
            )
        return error.retry_after

    async def _attempt(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Chunk]:
        """Make one request and stream its reply to its proper end."""
        sdk = await _load_sdk()
        body = wire.request_body(self.id, messages, sampling, self._adaptation, images=self._sees)
        guard = wire.StopFilter(sampling.stop if "stop" in self._adaptation.dropped else ())
        clock = _Clock(self._config, self.id)
        finish: Finish | None = None
        async with contextlib.AsyncExitStack() as stack:
            response = await self._open(sdk, stack, body, clock)
            async with aclosing(self._chunks(response, clock)) as chunks:
                async for chunk in chunks:
                    finish = chunk.finish or finish
                    text = guard.feed(chunk.text) + (guard.flush() if chunk.finish else "")
                    yield Chunk(
                        text,
                        chunk.reasoning,
                        "stop_sequence" if chunk.finish and guard.matched else chunk.finish,
                        chunk.usage,
                    )
        if finish is None:
            raise IncompleteReplyError(
                f"{self._endpoint.host} ended its reply without a finish reason; nothing of it was run. Ask again."
            )

    async def _open(self, sdk: Any, stack: contextlib.AsyncExitStack, body: dict[str, Any], clock: _Clock) -> Any:
        """Send the request and return the response, whose head says 200; both close with `stack`."""
        to = self._endpoint
        # No redirects: the key goes where it was meant to go. Without TLS there are no certificates to load.
        http = sdk.DefaultAsyncHttpxClient(
            trust_env=not to.is_loopback, follow_redirects=False, verify=to.url.startswith("https:")
        )
        client = sdk.AsyncOpenAI(
            # A server without keys is sent a word in place of one: the SDK insists on something.
            api_key=to.key or "none",
            base_url=to.url,
            max_retries=0,
            timeout=sdk.Timeout(None, connect=self._config.connect_seconds),
            http_client=http,
        )
        await stack.enter_async_context(client)
        ask = client.chat.completions.with_streaming_response.create
        known = {"model": body["model"], "messages": body["messages"], "stream": True}
        rest = {name: value for name, value in body.items() if name not in known}
        try:
            return await clock.limit(stack.enter_async_context(ask(**known, extra_body={**rest, **self._extra})))
        except sdk.APIStatusError as error:
            raise self._refused(error, body) from None
        except sdk.APITimeoutError:
            raise wire.TroubleError(
                f"{to.host} did not accept a connection within {self._config.connect_seconds:g} s; check the URL "
                "and the network.",
                f"{to.host} did not answer",
                retryable=True,
            ) from None
        except sdk.APIConnectionError as error:
            why = to.clean(str(error.__cause__ or error)) or "no reason given"
            raise wire.TroubleError(
                f"{to.host} cannot be reached ({why}); check the URL and that the server is running.",
                f"{to.host} cannot be reached",
                retryable=True,
            ) from None

    def _refused(self, error: Any, body: dict[str, Any]) -> Exception:
        """Return what to raise for an HTTP status; a parameter that the server does not take is left out."""
        details = error.body if isinstance(error.body, dict) else {}
        said = str(details.get("message") or error.message)
        status, param, code = error.status_code, details.get("param"), details.get("code")
        if status in {400, 422} and not wire.TOO_LONG.search(said) and self._adaptation.learn(body, said, param):
            return _AskAgain()
        headers = {name.lower(): value for name, value in error.response.headers.items()}
        return wire.refusal(status, said, code, headers, self._endpoint)

    async def _chunks(self, response: Any, clock: _Clock) -> AsyncGenerator[Chunk]:
        """Read a response's body; end normally only if the server ended the reply.

        That is `data: [DONE]`, or the end of a body whose length the server marked, after a finish reason.
        """
        kind = response.headers.get("content-type", "").lower()
        if "text/event-stream" not in kind and "text/plain" not in kind:
            yield await self._whole(response, clock, kind)
            return
        decoder, finished, spoke = Decoder(), False, False
        async with aclosing(self._blocks(response, clock)) as blocks:
            async for block in blocks:
                try:
                    events = decoder.feed(block)
                except ValueError:
                    raise self._broken("sent bytes that are no event") from None
                for event in events:
                    if event.data == LAST:
                        if not spoke:
                            raise self._broken("sent a reply without any choices")
                        return
                    chunk = wire.read_reply(event.data, self._endpoint)
                    if chunk.text or chunk.reasoning or chunk.finish:
                        spoke = True
                        clock.token()
                    finished = finished or chunk.finish is not None
                    yield chunk
        if not (finished and _marked_length(response) and not decoder.pending):
            raise self._broken("closed the connection before the end of the reply")

    async def _blocks(self, response: Any, clock: _Clock) -> AsyncGenerator[bytes]:
        """Yield the body as it comes, within the deadlines; a connection that breaks is an incomplete reply."""
        async with aclosing(response.iter_bytes()) as blocks:
            while True:
                try:
                    block = await clock.limit(anext(blocks, None))
                except ModelError:
                    raise
                except Exception as error:
                    why = self._endpoint.clean(str(error)) or type(error).__name__
                    raise self._broken(f"broke the connection ({why})") from None
                if block is None:
                    return
                yield block

    async def _whole(self, response: Any, clock: _Clock, kind: str) -> Chunk:
        """Read the reply of a server that answered with a page or with one JSON object instead of a stream."""
        body = b""
        async with aclosing(self._blocks(response, clock)) as blocks:
            async for block in blocks:
                body += block
                if "json" not in kind or len(body) > 1 << 24:
                    break
        if "json" not in kind:
            shown = kind.partition(";")[0] or "something"
            raise ModelError(
                f"{self._endpoint.shown} answered with {shown} and not with a reply of a model; check that it is "
                "the base URL of a chat endpoint (it often ends in /v1)."
            )
        return wire.read_reply(body.decode("utf-8", "replace"), self._endpoint)

    def _broken(self, what: str) -> IncompleteReplyError:
        return IncompleteReplyError(f"{self._endpoint.host} {what}; nothing of the reply was run. Ask again.")


class _AskAgain(Exception):  # noqa: N818 - not an error: the next request will be another one
    """The server did not take a parameter; it is left out from now on."""


class _Clock:
    """The deadlines of one reply. Only tokens count as life, not comments that keep a connection open."""

    def __init__(self, config: CodeAct, model: str) -> None:
        self._config, self._model = config, model
        self._begun = asyncio.get_running_loop().time()
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
        raise wire.TroubleError(
            f"{self._model} {said} for {seconds:g} s; ask again, or raise CodeAct.{name}_seconds.",
            f"{self._model} fell silent",
            retryable=True,
        )


async def _load_sdk() -> Any:
    """Import the SDK in a thread the first time: it takes a second, and Stop must be heard meanwhile."""

    def load() -> Any:
        importlib.import_module("openai.resources.chat")
        return importlib.import_module("openai")

    return load() if "openai.resources.chat" in sys.modules else await asyncio.to_thread(load)


def _marked_length(response: Any) -> bool:
    """Say whether the transport would have noticed a cut: a length or chunks, not "until it closes"."""
    headers = response.headers
    return "content-length" in headers or "chunked" in headers.get("transfer-encoding", "").lower()


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

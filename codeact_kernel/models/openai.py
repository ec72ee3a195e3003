"""Any endpoint that speaks OpenAI's chat completions: api.openai.com, vLLM, Ollama, llama.cpp, gateways.

The SDK builds and signs the request; the stream is read here, because the SDK reports success on a stream that
was cut and takes keep-alive comments for life. Every call has a client of its own, so nothing is left open.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from codeact_kernel.config import CodeAct
from codeact_kernel.models import calls, wire
from codeact_kernel.models.endpoint import EndpointModel
from codeact_kernel.models.sse import LAST, Decoder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from codeact_kernel.models.base import Chunk
    from codeact_kernel.types import Message, Sampling

DEFAULT_URL = "https://api.openai.com/v1"


class OpenAIModel(EndpointModel):
    """A model behind an OpenAI-compatible endpoint.

    `api_key` comes from the environment variable `key_name` and appears in no message. `extra` are additional
    fields of the request (under those of `config.extra_body`).
    """

    backend, stop_field = "openai", "stop"
    window = None
    """Not known: the protocol has no question for it."""

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
        to = wire.Endpoint((base_url or DEFAULT_URL).rstrip("/"), model, api_key, key_name)
        super().__init__(to, config or CodeAct(), wire.Adaptation(), sees_images=sees_images)
        self._extra = {**(extra or {}), **self._config.extra_body}

    async def _open(
        self, messages: Sequence[Message], sampling: Sampling, clock: calls.Clock, stack: contextlib.AsyncExitStack
    ) -> Any:
        sdk = await _load_sdk()
        body = wire.request_body(self.id, messages, sampling, self._adaptation, images=self._sees)
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
            raise calls.not_accepted(to, self._config.connect_seconds) from None
        except sdk.APIConnectionError as error:
            cause = error.__cause__
            raise calls.unreachable(to, cause if isinstance(cause, Exception) else error) from None

    def _refused(self, error: Any, body: dict[str, Any]) -> Exception:
        """Return what to raise for an HTTP status; a parameter that the server does not take is left out."""
        details = error.body if isinstance(error.body, dict) else {}
        said = str(details.get("message") or error.message)
        status, param, code = error.status_code, details.get("param"), details.get("code")
        # llama.cpp says 500 for a picture that it cannot take.
        learns = status in {400, 422} or (status == 500 and "image" in said)
        if learns and not wire.TOO_LONG.search(said) and self._adaptation.learn(body, said, param):
            return calls.AskAgain()
        headers = {name.lower(): value for name, value in error.response.headers.items()}
        return wire.refusal(status, said, code, headers, self._endpoint)

    async def _chunks(self, response: Any, clock: calls.Clock) -> AsyncGenerator[Chunk]:
        """Read a response's body; end normally only if the server ended the reply.

        That is `data: [DONE]`, or the end of a body whose length the server marked, after a finish reason.
        """
        kind = response.headers.get("content-type", "").lower()
        if "text/event-stream" not in kind and "text/plain" not in kind:
            text = await calls.whole_json(response.iter_bytes(), clock, self._endpoint, kind)
            yield wire.read_reply(text, self._endpoint)
            return
        decoder, finished, spoke = Decoder(), False, False
        async with aclosing(calls.blocks_of(response.iter_bytes(), clock, self._endpoint)) as blocks:
            async for block in blocks:
                try:
                    events = decoder.feed(block)
                except ValueError:
                    raise calls.broken(self._endpoint, "sent bytes that are no event") from None
                for event in events:
                    if event.data == LAST:
                        if not spoke:
                            raise calls.broken(self._endpoint, "sent a reply without any choices")
                        return
                    chunk = wire.read_reply(event.data, self._endpoint)
                    if chunk.text or chunk.reasoning or chunk.finish:
                        spoke = True
                        clock.token()
                    finished = finished or chunk.finish is not None
                    yield chunk
        if not (finished and calls.marked_length(response.headers) and not decoder.pending):
            raise calls.broken(self._endpoint, "closed the connection before the end of the reply")


async def _load_sdk() -> Any:
    """Import the SDK in a thread the first time: it takes a second, and Stop must be heard meanwhile."""

    def load() -> Any:
        importlib.import_module("openai.resources.chat")
        return importlib.import_module("openai")

    return load() if "openai.resources.chat" in sys.modules else await asyncio.to_thread(load)

"""Anthropic's Messages API, and servers that speak it (llama.cpp does).

Spoken over `httpx2`, which the OpenAI SDK brings anyway: the official SDK takes 1.9 s of CPU and 3,300 modules to
import, and what it adds, reading the stream and trying again, is done here by rules of our own.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from codeact_kernel.config import CodeAct
from codeact_kernel.errors import IncompleteReplyError
from codeact_kernel.models import anthropic_wire, calls, wire
from codeact_kernel.models.endpoint import EndpointModel
from codeact_kernel.models.sse import Decoder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from codeact_kernel.models.base import Chunk
    from codeact_kernel.types import Message, Sampling

DEFAULT_URL = "https://api.anthropic.com"
WINDOW = 200_000
"""Tokens that every Claude model takes."""
MAX_ERROR_BYTES = 1 << 16


class AnthropicModel(EndpointModel):
    """A model behind Anthropic's API.

    `base_url` may end in /v1 or not. `api_key` comes from the environment variable `key_name` and appears in no
    message. `config.extra_body` are additional fields of the request; `{"thinking": {"type": "enabled",
    "budget_tokens": 4000}}` lets the model think, and its thoughts are kept in the record.
    """

    backend, stop_field = "anthropic", "stop_sequences"

    def __init__(
        self,
        model: str,
        *,
        base_url: str = "",
        api_key: str = "",
        config: CodeAct | None = None,
        key_name: str = "ANTHROPIC_API_KEY",
        sees_images: bool | None = None,
    ) -> None:
        url = (base_url or DEFAULT_URL).rstrip("/").removesuffix("/v1")
        to = wire.Endpoint(url, model, api_key, key_name)
        super().__init__(to, config or CodeAct(), anthropic_wire.Adaptation(), sees_images=sees_images)

    @property
    def window(self) -> int | None:
        """Tokens of a Claude model; not known for another one."""
        return WINDOW if self.id.startswith("claude") else None

    async def _open(
        self, messages: Sequence[Message], sampling: Sampling, clock: calls.Clock, stack: contextlib.AsyncExitStack
    ) -> Any:
        http = await _load_client()
        extra = dict(self._config.extra_body)
        body = anthropic_wire.request_body(
            self.id, messages, sampling, self._adaptation, images=self._sees, extra=extra
        )
        to = self._endpoint
        headers = {"anthropic-version": anthropic_wire.VERSION, "accept": "text/event-stream"}
        if to.key:
            headers["x-api-key"] = to.key
        # No redirects: the key goes where it was meant to go. Without TLS there are no certificates to load.
        client = http.AsyncClient(
            trust_env=not to.is_loopback,
            follow_redirects=False,
            verify=to.url.startswith("https:"),
            timeout=http.Timeout(None, connect=self._config.connect_seconds),
        )
        await stack.enter_async_context(client)
        ask = client.stream("POST", f"{to.url}/v1/messages", json=body, headers=headers)
        try:
            response = await clock.limit(stack.enter_async_context(ask))
        except http.TimeoutException:
            raise calls.not_accepted(to, self._config.connect_seconds) from None
        except (http.TransportError, http.InvalidURL) as error:
            raise calls.unreachable(to, error) from None
        if response.status_code != 200:
            raise await self._refused(response, body, clock)
        return response

    async def _refused(self, response: Any, body: Mapping[str, Any], clock: calls.Clock) -> Exception:
        """Return what to raise for an HTTP status; a parameter that the server does not take is left out."""
        text = b""
        with contextlib.suppress(IncompleteReplyError):
            async with aclosing(calls.blocks_of(response.aiter_bytes(), clock, self._endpoint)) as blocks:
                async for block in blocks:
                    text += block
                    if len(text) > MAX_ERROR_BYTES:
                        break
        words, status = text.decode("utf-8", "replace"), response.status_code
        said, _ = anthropic_wire.said_of(words)
        # llama.cpp says 500 for a picture that it cannot take.
        learns = status in {400, 422} or (status == 500 and "image" in said)
        if learns and not wire.TOO_LONG.search(said) and self._adaptation.learn(body, said):
            return calls.AskAgain()
        return anthropic_wire.refusal(status, words, response.headers, self._endpoint)

    async def _chunks(self, response: Any, clock: calls.Clock) -> AsyncGenerator[Chunk]:
        """Read a response's body; end normally only after `message_stop`."""
        kind = response.headers.get("content-type", "").lower()
        reader, decoder = anthropic_wire.Reader(self._endpoint), Decoder()
        if "text/event-stream" not in kind and "text/plain" not in kind:
            text = await calls.whole_json(response.aiter_bytes(), clock, self._endpoint, kind)
            yield reader.whole(text)
            return
        async with aclosing(calls.blocks_of(response.aiter_bytes(), clock, self._endpoint)) as blocks:
            async for block in blocks:
                try:
                    events = decoder.feed(block)
                except ValueError:
                    raise calls.broken(self._endpoint, "sent bytes that are no event") from None
                for event in events:
                    chunk = reader.read(event.data)
                    if chunk is not None:
                        clock.token()
                        yield chunk
                    if reader.ended:
                        return
        raise calls.broken(self._endpoint, "closed the connection before the end of the reply")


async def _load_client() -> Any:
    """Import the HTTP client in a thread the first time: Stop must be heard meanwhile."""
    name = "httpx2"
    return sys.modules[name] if name in sys.modules else await asyncio.to_thread(importlib.import_module, name)

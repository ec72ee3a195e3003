"""The words of Anthropic's Messages API: messages -> request body, events -> chunks, refusals -> sentences.

Pure text; no connection is opened here. What the protocols share (refusals by status, secrets) is in `wire`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import IncompleteReplyError, ModelError
from codeact_kernel.models import wire
from codeact_kernel.models.base import Chunk
from codeact_kernel.types import Finish, Message, Sampling, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSION = "2023-06-01"
FINISHES: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool",
}
OPTIONAL = ("temperature", "top_p", "stop_sequences", "cache_control")
"""What a server may refuse and a request can do without; the newest models take no temperature."""
BLANK = "(empty)"
"""Stands for a message without a visible character: the API refuses such a text."""
MARK = {"type": "ephemeral"}
MARKED_MESSAGES = 2
"""The newest message writes the cache; the one before it is where the last request wrote it."""
SECONDS_LATER = {"rate_limit_error", "overloaded_error", "api_error", "timeout_error"}


@dataclass
class Adaptation:
    """What a server was found not to take; kept for the life of the model object."""

    dropped: set[str] = field(default_factory=set)

    def learn(self, body: Mapping[str, Any], message: str) -> bool:
        """Read a 400's words; return whether something was learnt, so that asking again makes sense."""
        named = set(re.findall(r"[a-z_]+", message))
        found = {name for name in OPTIONAL if name in named - self.dropped and _has(body, name)}
        if not found and "image" in message.lower() and "images" not in self.dropped and has_images(body):
            found = {"images"}
        self.dropped |= found
        return bool(found)


def _has(body: Mapping[str, Any], name: str) -> bool:
    return name in body or (name == "cache_control" and '"cache_control"' in json.dumps(body))


def request_body(
    model: str,
    messages: Sequence[Message],
    sampling: Sampling,
    adaptation: Adaptation,
    *,
    images: bool,
    extra: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the JSON body of a streamed message.

    The system prompt and the two newest messages of the user are marked for the prompt cache: a turn then pays for
    what is new. `extra` goes before what stands here; with `thinking` in it, the reply keeps `max_tokens` of its
    own beside the thoughts' budget, and no temperature is sent, for that is refused.
    """
    marked = "cache_control" not in adaptation.dropped
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    talk = [message for message in messages if message.role != "system"]
    with_images = images and "images" not in adaptation.dropped
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": sampling.max_tokens,
        "messages": [message_body(message, images=with_images) for message in talk],
        "stream": True,
        "temperature": min(1.0, sampling.temperature),
    }
    if system.strip():
        body["system"] = [{"type": "text", "text": system}]
    if marked:
        mark(body)
    if sampling.top_p != 1.0:
        body["top_p"] = sampling.top_p
    stops = [stop for stop in sampling.stop if stop.strip()]
    if stops:
        body["stop_sequences"] = stops
    thinking = extra.get("thinking")
    if isinstance(thinking, dict) and thinking.get("type") != "disabled":
        body["max_tokens"] += int(thinking.get("budget_tokens") or 0)
        body.pop("temperature")
        body.pop("top_p", None)
    body = {name: value for name, value in body.items() if name not in adaptation.dropped}
    return {**body, **extra}


def mark(body: dict[str, Any]) -> None:
    """Mark the stable prefix of a request for the prompt cache."""
    last_blocks = [body["system"][-1]] if "system" in body else []
    asked = [message for message in body["messages"] if message["role"] == "user"]
    last_blocks += [message["content"][-1] for message in asked[-MARKED_MESSAGES:]]
    for block in last_blocks:
        block["cache_control"] = MARK


def message_body(message: Message, *, images: bool) -> dict[str, Any]:
    """Return one message as JSON, pictures after the text if the model can see."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.content if message.content.strip() else BLANK}]
    if images:
        parts += [
            {"type": "image", "source": {"type": "base64", "media_type": image.mime, "data": image.data}}
            for image in message.images
        ]
    return {"role": message.role, "content": parts}


def has_images(body: Mapping[str, Any]) -> bool:
    """Say whether a request body holds a picture."""
    return any(part["type"] == "image" for message in body["messages"] for part in message["content"])


class Reader:
    """Reads the events of one reply. `ended` says that `message_stop` came: nothing else is the end."""

    def __init__(self, endpoint: wire.Endpoint) -> None:
        self._endpoint = endpoint
        self._counts: dict[str, int] = {}
        self.began = self.ended = False

    def read(self, data: str) -> Chunk | None:
        """Return what an event adds to the reply, None for one that is no sign of life (a ping).

        Raises:
            IncompleteReplyError: it is not JSON, or the reply was given up.
            ModelError: it is an error, or the reply was withheld.
        """
        value = self._parse(data)
        kind = value.get("type")
        if kind == "error" or ("error" in value and kind is None):
            raise error_event(value, self._endpoint)
        if kind == "message_start":
            self.began = True
            self._count(_dict(value.get("message")).get("usage"))
            return None
        if kind == "content_block_start":
            return _piece(_dict(value.get("content_block")))
        if kind == "content_block_delta":
            return _piece(_dict(value.get("delta"))) or Chunk()
        if kind == "message_delta":
            self._count(value.get("usage"))
            return Chunk(finish=read_finish(_dict(value.get("delta")), self._endpoint), usage=self.usage)
        self.ended = self.ended or kind == "message_stop"
        return None

    def whole(self, data: str) -> Chunk:
        """Read the reply of a server that does not stream, one JSON object.

        Raises:
            ModelError: see `read`.
        """
        value = self._parse(data)
        if value.get("type") == "error" or "error" in value:
            raise error_event(value, self._endpoint)
        self._count(value.get("usage"))
        parts = value.get("content")
        pieces = [piece for part in parts if (piece := _piece(_dict(part)))] if isinstance(parts, list) else []
        return Chunk(
            "".join(piece.text for piece in pieces),
            "".join(piece.reasoning for piece in pieces),
            read_finish(value, self._endpoint),
            self.usage,
        )

    @property
    def usage(self) -> Usage:
        """The counts so far; `input` is the whole prompt, whether it was read from the cache or not."""
        count = self._counts.get
        cached = count("cache_read_input_tokens", 0)
        prompt = count("input_tokens", 0) + cached + count("cache_creation_input_tokens", 0)
        return Usage(input=prompt, output=count("output_tokens", 0), cached=cached)

    def _count(self, usage: Any) -> None:
        self._counts |= {name: value for name, value in _dict(usage).items() if type(value) is int}

    def _parse(self, data: str) -> dict[str, Any]:
        try:
            value = json.loads(data)
        except ValueError:
            raise IncompleteReplyError(
                f"{self._endpoint.host} sent something that is not JSON in the middle of a reply; nothing of it "
                "was run. Ask again."
            ) from None
        if not isinstance(value, dict):
            raise IncompleteReplyError(f"{self._endpoint.host} sent an event that is not an object; ask again.")
        return value


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _piece(part: Mapping[str, Any]) -> Chunk | None:
    """Return the text or the thoughts of a block or a delta, None when it has neither."""
    text, thinking = part.get("text"), part.get("thinking")
    if isinstance(text, str) and text:
        return Chunk(text)
    return Chunk(reasoning=thinking) if isinstance(thinking, str) and thinking else None


def read_finish(delta: Mapping[str, Any], endpoint: wire.Endpoint) -> Finish | None:
    """Map a stop reason; llama.cpp names the stop sequence beside "end_turn".

    Raises:
        IncompleteReplyError: the reply was put off or given up ("pause_turn" ...).
        ModelError: the model refused.
    """
    value = delta.get("stop_reason")
    if not value:
        return None
    if value == "end_turn" and delta.get("stop_sequence"):
        return "stop_sequence"
    if value == "refusal":
        raise ModelError(f"{endpoint.model} refused to answer (safety); put the task differently.")
    if value not in FINISHES:
        raise IncompleteReplyError(
            f"{endpoint.host} gave up the reply ({endpoint.clean(str(value))}); nothing of it was run. Ask again."
        )
    return FINISHES[value]


def error_event(value: Mapping[str, Any], endpoint: wire.Endpoint) -> ModelError:
    """Return the error for an error event inside a stream that had begun with 200."""
    error = value.get("error") or value
    said = str(error.get("message") if isinstance(error, dict) else error)
    kind = str(error.get("type")) if isinstance(error, dict) else ""
    if wire.TOO_LONG.search(said):
        return wire.too_long(endpoint)
    return wire.TroubleError(
        f"{endpoint.host} reported an error instead of a reply: {endpoint.clean(said)}.",
        f"{endpoint.host} is overloaded" if kind == "overloaded_error" else f"{endpoint.host} reported an error",
        retryable=kind in SECONDS_LATER or not kind.endswith("_error"),
    )


def refusal(status: int, text: str, headers: Mapping[str, str], endpoint: wire.Endpoint) -> ModelError:
    """Return the error for an HTTP status that is not 200; `text` is the body."""
    said, kind = said_of(text)
    if kind == "billing_error" or "credit balance" in said:
        return ModelError(
            f"The account behind {endpoint.key_name} has no credit left at {endpoint.host} ({status}); top it up."
        )
    if status == 413:
        return wire.too_long(endpoint)
    return wire.refusal(status, said, None, headers, endpoint)


def said_of(text: str) -> tuple[str, str]:
    """Return the message and the type of an error's body; a page's text stands for itself."""
    try:
        error = _dict(json.loads(text)).get("error")
    except ValueError:
        error = None
    if isinstance(error, dict):
        return str(error.get("message") or text), str(error.get("type") or "")
    return (str(error), "") if error else (text or "no reason given", "")

"""The words of the OpenAI chat protocol: messages -> request body, events -> chunks, refusals -> sentences.

Pure text; no connection is opened here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from codeact_kernel.errors import IncompleteReplyError, ModelError
from codeact_kernel.models.base import Chunk
from codeact_kernel.types import Finish, Message, Sampling, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool",
    "function_call": "tool",
}
OPTIONAL = ("stream_options", "stop", "temperature", "top_p", "seed")
TOO_LONG = re.compile(r"context (length|size|window)|prompt is too long|too many tokens", re.IGNORECASE)
MAX_QUOTE = 300


class TroubleError(ModelError):
    """A failed request; `brief` is half a sentence for the countdown to the next try."""

    def __init__(
        self, message: str, brief: str, *, retryable: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message, retryable=retryable, retry_after=retry_after)
        self.brief = brief


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go. `key` is secret: it is in no message; `key_name` says which variable it came from."""

    url: str
    model: str
    key: str = field(default="", repr=False)
    key_name: str = "OPENAI_API_KEY"

    @property
    def shown(self) -> str:
        """The URL without user name, password and query."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.url).netloc.rpartition("@")[2] or self.url

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine (then no proxy is asked)."""
        return (urlsplit(self.url).hostname or "") in {"localhost", "127.0.0.1", "::1"}

    def clean(self, text: str) -> str:
        """Return a server's words on one bounded line, without the key."""
        line = " ".join(text.split())
        if self.key:
            line = line.replace(self.key, "[key]")
        return line[:MAX_QUOTE].rstrip(". ")


@dataclass
class Adaptation:
    """What a server was found not to take; kept for the life of the model object."""

    dropped: set[str] = field(default_factory=set)
    new_limit_name: bool = False

    def learn(self, body: Mapping[str, Any], message: str, param: str | None) -> bool:
        """Read a 400's words; return whether something was learnt, so that asking again makes sense."""
        named = {param} if param else set(re.findall(r"[a-z_]+", message))
        if "max_tokens" in named and "max_tokens" in body:
            self.new_limit_name = True
            return True
        found = {name for name in OPTIONAL if name in named and name in body}
        if not found and not param and "image" in message.lower() and "images" not in self.dropped:
            found = {"images"} if has_images(body) else set()
        self.dropped |= found
        return bool(found)


def request_body(
    model: str, messages: Sequence[Message], sampling: Sampling, adaptation: Adaptation, *, images: bool
) -> dict[str, Any]:
    """Return the JSON body of a streamed chat completion."""
    with_images = images and "images" not in adaptation.dropped
    body: dict[str, Any] = {
        "model": model,
        "messages": [message_body(message, images=with_images) for message in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens" if adaptation.new_limit_name else "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
    }
    if sampling.top_p != 1.0:
        body["top_p"] = sampling.top_p
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    return {name: value for name, value in body.items() if name not in adaptation.dropped}


def message_body(message: Message, *, images: bool) -> dict[str, Any]:
    """Return one message as JSON; pictures as data URLs after the text, if the model can see."""
    if not (images and message.images):
        return {"role": message.role, "content": message.content}
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.content}]
    parts += [
        {"type": "image_url", "image_url": {"url": f"data:{image.mime};base64,{image.data}"}}
        for image in message.images
    ]
    return {"role": message.role, "content": parts}


def has_images(body: Mapping[str, Any]) -> bool:
    """Say whether a request body holds a picture."""
    return any(isinstance(message["content"], list) for message in body["messages"])


def read_reply(data: str, endpoint: Endpoint) -> Chunk:
    """Read one event's data, or a whole reply of a server that does not stream.

    Raises:
        IncompleteReplyError: it is not JSON, or the reply was given up.
        ModelError: it is an error, or the reply was withheld.
    """
    try:
        value = json.loads(data)
    except ValueError:
        raise IncompleteReplyError(
            f"{endpoint.host} sent something that is not JSON in the middle of a reply; nothing of it was run. "
            "Ask again."
        ) from None
    if not isinstance(value, dict):
        raise IncompleteReplyError(f"{endpoint.host} sent an event that is not an object; ask again.")
    if value.get("error") or value.get("object") == "error":
        raise error_event(value, endpoint)
    usage = read_usage(value)
    choices = value.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, dict):
        return Chunk(usage=usage)
    delta = first.get("delta") or first.get("message") or {}
    text, thoughts = _parts(delta.get("content"))
    text += _text(delta.get("refusal"))
    reasoning = _text(delta.get("reasoning_content")) or _text(delta.get("reasoning")) or thoughts
    return Chunk(text, reasoning, finish=read_finish(first.get("finish_reason"), endpoint), usage=usage)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _parts(content: Any) -> tuple[str, str]:
    """Return (text, reasoning) of a content: a text, or typed parts, as Mistral's thinking models send them."""
    if not isinstance(content, list):
        return _text(content), ""
    text, thoughts = "", ""
    for part in content:
        if isinstance(part, dict):
            text += _text(part.get("text"))
            inner = part.get("thinking")
            thoughts += _parts(inner)[0] if isinstance(inner, list) else _text(inner)
    return text, thoughts


def read_finish(value: Any, endpoint: Endpoint) -> Finish | None:
    """Map a finish reason.

    Raises:
        IncompleteReplyError: the server gave the reply up ("abort", "error" ...).
        ModelError: the reply was withheld by a content filter.
    """
    if not value:
        return None
    if value == "content_filter":
        raise ModelError(
            f"{endpoint.host} withheld the reply of {endpoint.model} (content filter); put the task differently."
        )
    if value not in FINISHES:
        raise IncompleteReplyError(
            f"{endpoint.host} gave up the reply ({endpoint.clean(str(value))}); nothing of it was run. Ask again."
        )
    return FINISHES[value]


def read_usage(value: Mapping[str, Any]) -> Usage | None:
    """Return the token counts of an event that has them; cached ones under any of the names in use."""
    counts = value.get("usage")
    if not isinstance(counts, dict):
        return None
    details = counts.get("prompt_tokens_details") or {}
    timings = value.get("timings") or {}
    cached = details.get("cached_tokens") or counts.get("prompt_cache_hit_tokens") or timings.get("cache_n")
    return Usage(
        input=int(counts.get("prompt_tokens") or 0),
        output=int(counts.get("completion_tokens") or 0),
        cached=int(cached or 0),
    )


def error_event(value: Mapping[str, Any], endpoint: Endpoint) -> ModelError:
    """Return the error for an error event inside a stream that had begun with 200."""
    error = value.get("error") or value
    said = error.get("message") if isinstance(error, dict) else error
    code = error.get("code") if isinstance(error, dict) else None
    refused = isinstance(code, int) and 400 <= code < 500 and code != 429
    if refused and TOO_LONG.search(str(said)):
        return too_long(endpoint)
    return TroubleError(
        f"{endpoint.host} reported an error instead of a reply: {endpoint.clean(str(said))}.",
        f"{endpoint.host} reported an error",
        retryable=not refused,
    )


def too_long(endpoint: Endpoint) -> ModelError:
    """Return the error for a conversation that does not fit."""
    return ModelError(
        f"The conversation is longer than {endpoint.model} can take; start anew, or set CodeAct.context_tokens "
        "below the model's window."
    )


def refusal(status: int, said: str, code: str | None, headers: Mapping[str, str], to: Endpoint) -> ModelError:
    """Return the error for an HTTP status that is not 200."""
    quote = to.clean(said)
    if status in {401, 403}:
        sentence = f"The key in {to.key_name} was refused by {to.shown} ({status}); set a valid one."
        return ModelError(sentence if to.key else f"{to.shown} asks for a key ({status}); set {to.key_name}.")
    if 300 <= status < 400:
        return ModelError(
            f"{to.shown} has moved to {to.clean(headers.get('location', 'another place'))} ({status}); use that."
        )
    if status == 404:
        return ModelError(
            f"{to.shown} knows no model {to.model!r}, or is not the base URL of a chat endpoint (404); check both."
        )
    if status == 429 and code == "insufficient_quota":
        return ModelError(f"The account behind {to.key_name} has no quota left at {to.host} (429); top it up.")
    if status in {408, 409, 425, 429} or status >= 500:
        what = "rate limited by" if status == 429 else f"{status} from"
        return TroubleError(
            f"{to.host} would not answer ({status}: {quote}); try again later.",
            f"{what} {to.host}",
            retryable=True,
            retry_after=retry_after(headers),
        )
    refused = ModelError(f"{to.host} refused the request ({status}): {quote}.")
    return too_long(to) if TOO_LONG.search(said) else refused


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asked to wait, from `retry-after-ms` or `retry-after`; None if neither."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        return max(0.0, float(headers["retry-after"]))
    except KeyError:
        return None
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(headers["retry-after"])
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None


class StopFilter:
    """Ends the text at a stop string for servers that do not take any; the server's own end is still awaited."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.matched = False

    def feed(self, text: str) -> str:
        """Return what of the text so far is certainly before any stop string."""
        if self.matched:
            return ""
        self._held += text
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.matched = True
            return self._held[: min(found)]
        keep = max((self._overlap(stop) for stop in self._stops), default=0)
        ready, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return ready

    def _overlap(self, stop: str) -> int:
        """Return how many characters at the end of the held text may be the beginning of `stop`."""
        longest = min(len(stop) - 1, len(self._held))
        return next((size for size in range(longest, 0, -1) if self._held.endswith(stop[:size])), 0)

    def flush(self) -> str:
        """Return what was held back, once the reply has ended."""
        rest, self._held = ("" if self.matched else self._held), ""
        return rest

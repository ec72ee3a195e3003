"""The model protocol, and the one rule for when a reply counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from codeact_kernel.errors import IncompleteReplyError
from codeact_kernel.types import Completion, Finish, Message, Sampling, Usage, now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from codeact_kernel.agent.stop import Stop


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a reply.

    `text` and `reasoning` are appended to what came before. `finish` is the reason the reply ended, on the
    last piece that has one. `usage` is the final count. `notice` is a line for the person who waits
    ("rate limited, again in 4 s"), never part of the reply. `restart` says that the reply begins anew (a
    retry): what came before does not count.
    """

    text: str = ""
    reasoning: str = ""
    finish: Finish | None = None
    usage: Usage | None = None
    notice: str = ""
    restart: bool = False


class Model(Protocol):
    """A source of replies. One call at a time; any backend may be shared by many episodes."""

    @property
    def id(self) -> str:
        """The model's name as the backend knows it."""

    @property
    def backend(self) -> str:
        """The backend's name: scripted, openai, llamacpp ..."""

    @property
    def sees_images(self) -> bool:
        """Whether images may be sent."""

    @property
    def window(self) -> int | None:
        """The context window in tokens, None when it is not known."""

    def describe(self) -> dict[str, Any]:
        """Return the header entry of an episode: id, backend, revision, weights; no secrets."""

    def stream(self, messages: Sequence[Message], sampling: Sampling, stop: Stop) -> AsyncIterator[Chunk]:
        """Stream a reply; the iterator ends normally only when the server ended the reply normally.

        Raises:
            ModelError: with one sentence for the user; retries that make sense were made already.
        """

    async def close(self) -> None:
        """Release connections; the model may be used again afterwards."""


def words_of(model: Model) -> str:
    """Name the system prompt for a model (`agent.prompt.words`): its own where it was trained on others."""
    return str(getattr(model, "words", "system"))


ROUND_CHARS, LONGEST_ROUND = 600, 120
"""A reply goes round when so many characters are one piece of at most that length, again and again."""
BEGUN_CHARS = 80
"""A longer piece goes round when it came twice and as much of it has come again."""
LOOK_BACK = 1500
"""Chunks that are looked at; a chunk has at least a character."""


def goes_round(text: str) -> bool:
    """Say whether a text ends in the same piece again and again: a small model that does not find out any more."""
    tail = text[-ROUND_CHARS:]
    if len(tail) < ROUND_CHARS:
        return False
    if any(tail[-1] == tail[-1 - size] and tail[size:] == tail[:-size] for size in range(1, LONGEST_ROUND + 1)):
        return True
    # A longer piece, such as all that the last output showed: twice, and begun once more.
    size = len(text) - BEGUN_CHARS - text.rfind(text[-BEGUN_CHARS:], 0, -1)
    both = text[-2 * size - BEGUN_CHARS :]
    return size > LONGEST_ROUND and len(both) == 2 * size + BEGUN_CHARS and both[size:] == both[:-size]


async def complete(
    model: Model,
    messages: Sequence[Message],
    sampling: Sampling,
    stop: Stop,
    on_chunk: Callable[[Chunk], None],
) -> Completion:
    """Ask for one reply and return it whole.

    The stream rule: a reply counts only with a finish reason *and* the end of its stream. One that has begun to
    repeat the same piece over and over is cut off, with the finish reason "cancelled".

    Raises:
        IncompleteReplyError: the stream ended without a finish reason.
        ModelError: from the backend.
        StoppedError: `stop` was given; the stream is closed.
    """
    text: list[str] = []
    reasoning: list[str] = []
    finish: Finish | None = None
    usage = Usage()
    asked, first = now(), ""
    stream = model.stream(messages, sampling, stop)
    try:
        while True:
            chunk = await stop.guard(anext(stream, None))
            if chunk is None:
                break
            if chunk.restart:
                text, reasoning, finish, usage = [], [], None, Usage()
            if (chunk.text or chunk.reasoning) and not first:
                first = now()
            text.append(chunk.text)
            reasoning.append(chunk.reasoning)
            finish = chunk.finish or finish
            usage = chunk.usage or usage
            on_chunk(chunk)
            if chunk.text and finish is None and goes_round("".join(text[-LOOK_BACK:])):
                finish = "cancelled"
                break
    finally:
        closing = getattr(stream, "aclose", None)
        if closing is not None:
            await closing()
    if finish is None:
        raise IncompleteReplyError(
            f"The reply of {model.id} broke off before its end; nothing of it was run. Ask again."
        )
    return Completion(
        text="".join(text),
        finish=finish,
        usage=usage + Usage(calls=1),
        reasoning="".join(reasoning) or None,
        asked=asked,
        first_token=first,
        answered=now(),
    )

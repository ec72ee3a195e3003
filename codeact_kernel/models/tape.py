"""A model that says what was recorded, and only to the messages that it was said to."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.prompt import digest_of
from codeact_kernel.errors import ModelError
from codeact_kernel.models.base import Chunk
from codeact_kernel.types import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from codeact_kernel.agent.stop import Stop
    from codeact_kernel.types import Completion, Message, Sampling

MOST_DIFF_LINES = 12
WIDTH = 160
"""Characters of a line that a difference shows."""


@dataclass(frozen=True, slots=True)
class Take:
    """One recorded reply: `digest` is of the messages it was given to, `name` what people call it ("step 3").

    `messages` returns those messages, for showing how others differ; None where they are not known.
    """

    completion: Completion
    digest: str
    name: str = ""
    messages: Callable[[], Sequence[Message] | None] = lambda: None


class TapeError(ModelError):
    """The messages are not those that were recorded; `difference` shows the first one that is another."""

    def __init__(self, message: str, difference: str, name: str) -> None:
        super().__init__(message)
        self.difference = difference
        self.name = name


class TapeEndError(ModelError):
    """Every recorded reply was given."""


class TapeModel:
    """Gives recorded replies in their order; each only to messages with the recorded digest. It never invents.

    `error` is the first refusal, for those who run a loop that catches it.
    """

    def __init__(self, takes: Iterable[Take], *, sees_images: bool = False) -> None:
        self._takes = iter(takes)
        self._given = 0
        self.error: TapeError | None = None
        self.sees_images = sees_images

    @property
    def id(self) -> str:
        """Always "tape"."""
        return "tape"

    @property
    def backend(self) -> str:
        """Always "tape"."""
        return "tape"

    @property
    def window(self) -> int | None:
        """There is no limit."""
        return None

    def describe(self) -> dict[str, Any]:
        """Return id and backend."""
        return {"id": self.id, "backend": self.backend}

    async def close(self) -> None:
        """Do nothing."""

    async def stream(self, messages: Sequence[Message], sampling: Sampling, stop: Stop) -> AsyncIterator[Chunk]:
        """Give the next recorded reply; `sampling` is not looked at.

        Raises:
            TapeError: these messages are not those of the recording.
            TapeEndError: no reply is left.
        """
        del sampling
        stop.check()
        take = next(self._takes, None)
        if take is None:
            raise TapeEndError(f"The tape has no reply left after {self._given}.")
        if digest_of(messages) != take.digest:
            difference = differing(take.messages(), messages)
            where = take.name or f"reply {self._given + 1}"
            self.error = TapeError(
                f"The messages for {where} are not those that were recorded.", difference, where
            )
            raise self.error
        self._given += 1
        reply = take.completion
        yield Chunk(text=reply.text, reasoning=reply.reasoning or "")
        yield Chunk(finish=reply.finish, usage=replace(reply.usage, calls=0) if reply.usage else Usage())


def differing(recorded: Sequence[Message] | None, rebuilt: Sequence[Message]) -> str:
    """Return the first message that differs as a few lines: which one, whose, and a short diff."""
    if recorded is None:
        return "The recorded messages cannot be made again from the record, so none can be shown."
    for number, (old, new) in enumerate(zip(recorded, rebuilt, strict=False), 1):
        if old.role != new.role:
            return f"Message {number} is the {new.role}'s; the recorded one is the {old.role}'s."
        if old.content != new.content:
            return f"Message {number} ({new.role}) differs:\n{short_diff(old.content, new.content)}"
        if [image.sha256 for image in old.images] != [image.sha256 for image in new.images]:
            pictures = f"{len(old.images)} recorded, {len(new.images)} now"
            return f"Message {number} ({new.role}) has other pictures: {pictures}."
    if len(recorded) != len(rebuilt):
        return f"{len(recorded)} messages were recorded; there are {len(rebuilt)} now."
    return "The messages are the same, and the digest is another: the record was changed."


def short_diff(old: str, new: str) -> str:
    """Return a diff of two texts in a few lines; long lines are cut around the place where they part."""
    lines = list(difflib.unified_diff(old.split("\n"), new.split("\n"), "recorded", "now", n=1, lineterm=""))[2:]
    lines = [line for line in lines if not line.startswith("@@")]
    at = _parting(old, new)
    shown = [_cut(line, at) for line in lines[:MOST_DIFF_LINES]]
    if len(lines) > MOST_DIFF_LINES:
        shown.append(f"... {len(lines) - MOST_DIFF_LINES} more lines")
    return "\n".join(shown)


def _parting(old: str, new: str) -> int:
    """Return the column at which the first differing lines part."""
    for one, other in zip(old.split("\n"), new.split("\n"), strict=False):
        if one != other:
            pairs = enumerate(zip(one, other, strict=False))
            return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
    return 0


def _cut(line: str, at: int) -> str:
    if len(line) <= WIDTH:
        return line
    sign, text = line[:1], line[1:]
    start = max(0, min(at - WIDTH // 2, len(text) - WIDTH))
    end = start + WIDTH
    return sign + ("..." if start else "") + text[start:end] + ("..." if end < len(text) else "")

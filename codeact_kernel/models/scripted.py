"""A model that says what a file says: for tests, demonstrations and bug reports."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from codeact_kernel.canonical import digest
from codeact_kernel.errors import ConfigError, ModelError
from codeact_kernel.models.base import Chunk
from codeact_kernel.types import Finish, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from codeact_kernel.agent.stop import Stop
    from codeact_kernel.types import Message, Sampling

PIECE = 16
"""Characters per chunk: small enough that a reader sees the text grow."""
CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted reply; without a `finish` its stream ends as a cut one does."""

    text: str
    finish: Finish | None = "stop"
    delay_s: float = 0.0


class ScriptedModel:
    """Replies one after another, from a JSONL file or a list of texts and `{"text", "finish", "delay_s"}`.

    Raises:
        ConfigError: the file cannot be read, or an entry is not a reply (the message names the line).
    """

    def __init__(self, script: str | Path | Sequence[str | dict[str, Any]]) -> None:
        if isinstance(script, str | Path):
            path = Path(script).expanduser()
            self._name, self._replies = path.name, _read(path)
        else:
            self._name = "list"
            self._replies = [_reply(entry, f"Entry {number}") for number, entry in enumerate(script, 1)]
        self._next = 0

    @property
    def id(self) -> str:
        """The file's name, or "list"."""
        return self._name

    @property
    def backend(self) -> str:
        """Always "scripted"."""
        return "scripted"

    @property
    def sees_images(self) -> bool:
        """Pictures may be sent; nobody looks at them."""
        return True

    @property
    def window(self) -> int | None:
        """There is no limit."""
        return None

    def describe(self) -> dict[str, Any]:
        """Return id, backend and the digest of the script as revision."""
        replies = [[reply.text, reply.finish, reply.delay_s] for reply in self._replies]
        return {"id": self.id, "backend": self.backend, "revision": f"sha256:{digest(replies)}"}

    async def close(self) -> None:
        """Do nothing."""

    async def stream(self, messages: Sequence[Message], sampling: Sampling, stop: Stop) -> AsyncIterator[Chunk]:
        """Stream the next reply in small pieces; `sampling` is not looked at.

        Raises:
            ModelError: the script has no more replies.
        """
        del sampling
        stop.check()
        if self._next >= len(self._replies):
            raise ModelError(f"The script {self.id} has no reply left after {len(self._replies)}; add one.")
        reply = self._replies[self._next]
        self._next += 1
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        for start in range(0, len(reply.text), PIECE):
            yield Chunk(reply.text[start : start + PIECE])
            await asyncio.sleep(0)
        if reply.finish is not None:
            asked = sum(len(message.content) for message in messages)
            usage = Usage(input=asked // CHARS_PER_TOKEN, output=len(reply.text) // CHARS_PER_TOKEN)
            yield Chunk(finish=reply.finish, usage=usage)


def _read(path: Path) -> list[Reply]:
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"The script {path} cannot be read ({why}); check the path.") from None
    replies = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"Line {number} of {path.name}"
        try:
            entry = json.loads(line)
        except ValueError:
            raise ConfigError(f"{place} is not JSON; write one JSON string or object a line.") from None
        replies.append(_reply(entry, place))
    return replies


def _reply(entry: Any, place: str) -> Reply:
    if isinstance(entry, str):
        return Reply(entry)
    if not isinstance(entry, dict) or not isinstance(entry.get("text"), str) or entry.keys() - Reply.__slots__:
        raise ConfigError(f'{place} is not a reply; write a string or {{"text", "finish", "delay_s"}}.')
    reply = Reply(**entry)
    if reply.finish is not None and reply.finish not in get_args(Finish):
        raise ConfigError(f"{place} has the finish {reply.finish!r}; write {', '.join(get_args(Finish))} or null.")
    if isinstance(reply.delay_s, bool) or not isinstance(reply.delay_s, int | float) or reply.delay_s < 0:
        raise ConfigError(f"{place} has the delay_s {reply.delay_s!r}; write seconds, 0 or more.")
    return reply

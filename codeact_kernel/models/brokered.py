"""The client's half of `broker`: a model asked through a socket file, for a kernel without network or key."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import CodeActError, ConfigError, IncompleteReplyError, ModelError, WeightsError
from codeact_kernel.models.base import Chunk
from codeact_kernel.models.select import BROKER
from codeact_kernel.types import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from codeact_kernel.agent.stop import Stop
    from codeact_kernel.config import CodeAct
    from codeact_kernel.types import Message, Sampling

LINE_BYTES = 1 << 24
ASK_SECONDS = 30.0
GONE = "The process that asks the model for this isolated kernel is gone; restart the kernel."


class BrokeredModel:
    """A model outside of this isolated kernel.

    Raises:
        ConfigError: there is no such model, or the broker does not answer.
        WeightsError: the model is embedded, and its weights are not there.
    """

    def __init__(self, spec: str, config: CodeAct | None = None, *, path: str = "") -> None:
        del config  # endpoints, deadlines and keys are the broker's
        self._spec, self._path = spec, path or os.environ.get(BROKER, "")
        self._known = self._describe()

    @property
    def id(self) -> str:
        """The model's name as its backend knows it."""
        return str(self._known["id"])

    @property
    def backend(self) -> str:
        """The backend outside."""
        return str(self._known["backend"])

    @property
    def sees_images(self) -> bool:
        """Whether pictures are sent."""
        return bool(self._known["sees_images"])

    @property
    def window(self) -> int | None:
        """The context window in tokens, None when it is not known."""
        window = self._known["window"]
        return None if window is None else int(window)

    @property
    def words(self) -> str:
        """The name of its system prompt, see `models.base.words_of`."""
        return str(self._known["words"])

    def describe(self) -> dict[str, Any]:
        """Return what the model outside says of itself."""
        return dict(self._known["describe"])

    async def close(self) -> None:
        """Do nothing: each call closes its own connection."""

    async def stream(self, messages: Sequence[Message], sampling: Sampling, stop: Stop) -> AsyncGenerator[Chunk]:
        """Stream a reply; see `models.base.Model.stream`. To close the stream ends the call outside, too."""
        stop.check()
        question: dict[str, Any] = {"ask": "stream", "model": self._spec, "sampling": asdict(sampling)}
        question["messages"] = [asdict(message) for message in messages]
        try:
            reader, writer = await asyncio.open_unix_connection(self._path, limit=LINE_BYTES)
        except OSError:
            raise ModelError(GONE) from None
        try:
            writer.write(json.dumps(question).encode() + b"\n")
            await writer.drain()
            while True:
                answer = json.loads(await reader.readline() or b"{}")
                if "error" in answer:
                    raise _raised(answer["error"])
                if answer.get("end"):
                    return
                if "chunk" not in answer:
                    raise IncompleteReplyError(GONE)
                yield _chunk(answer["chunk"])
        except OSError:
            raise IncompleteReplyError(GONE) from None
        finally:
            writer.close()

    def _describe(self) -> dict[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX) as to, to.makefile("rb") as answers:
                to.settimeout(ASK_SECONDS)
                to.connect(self._path)
                to.sendall(json.dumps({"ask": "describe", "model": self._spec}).encode() + b"\n")
                found: dict[str, Any] = json.loads(answers.readline() or b"{}")
        except (OSError, ValueError):
            raise ConfigError(GONE) from None
        if "error" in found:
            raise _raised(found["error"])
        if "id" not in found:
            raise ConfigError(GONE)
        return found


def _chunk(found: dict[str, Any]) -> Chunk:
    usage = found["usage"]
    return Chunk(**{**found, "usage": None if usage is None else Usage(**usage)})


def _raised(error: dict[str, Any]) -> CodeActError:
    kind, message = error["kind"], str(error["message"])
    if kind == "IncompleteReplyError":
        return IncompleteReplyError(message)
    if kind == "ModelError":
        return ModelError(message, retryable=bool(error["retryable"]), retry_after=error["retry_after"])
    return WeightsError(message) if kind == "WeightsError" else ConfigError(message)

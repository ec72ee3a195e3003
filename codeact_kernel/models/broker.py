"""The model outside of an isolated kernel: keys and network stay here, the kernel has a socket file.

One question a connection, in lines of JSON: `{"ask": "describe", "model": NAME}` is answered in one line, `{"ask":
"stream", "model": NAME, "messages": [...], "sampling": {...}}` in a line for each chunk, `{"chunk": {...}}`, and a
last one, `{"end": true}`. What went wrong is `{"error": {...}}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.stop import Stop
from codeact_kernel.errors import CodeActError, ConfigError, IncompleteReplyError, ModelError
from codeact_kernel.models import weights
from codeact_kernel.models.select import choose, resolve
from codeact_kernel.types import Image, Message, Sampling

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from codeact_kernel.config import CodeAct
    from codeact_kernel.models.base import Model

LINE_BYTES = 1 << 26
"""The longest question: a conversation with its pictures."""
OTHERS = frozenset({"openai", "anthropic", "llamacpp"})
"""Of these, a kernel may name models that are not configured; the others read files or call functions out here."""


class Broker:
    """Asks models on behalf of a kernel. Settings, endpoints and keys are those of this process."""

    def __init__(self, config: CodeAct) -> None:
        self._config = config
        self._models: dict[str, Model] = {}
        self._server: asyncio.AbstractServer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, path: Path) -> None:
        """Begin to listen on a socket file."""
        self._server = await asyncio.start_unix_server(self._connected, str(path), limit=LINE_BYTES)

    async def close(self) -> None:
        """Stop listening and end what is under way."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for model in self._models.values():
            await model.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        gone = asyncio.create_task(_gone(reader, task, asked := asyncio.Event()))
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                async with aclosing(self._answers(await _question(reader), asked)) as answers:
                    async for answer in answers:
                        writer.write(json.dumps(answer).encode() + b"\n")
                        await writer.drain()
        finally:
            gone.cancel()
            self._tasks.discard(task)
            writer.close()

    async def _answers(self, question: dict[str, Any], asked: asyncio.Event) -> AsyncGenerator[dict[str, Any]]:
        asked.set()
        try:
            model = await asyncio.to_thread(self._model, str(question.get("model", "")))
            if question.get("ask") == "describe":
                yield _described(model)
                return
            messages, sampling = _messages(question), _sampling(question)
            async with aclosing(model.stream(messages, sampling, Stop())) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    yield {"chunk": asdict(chunk)}
            yield {"end": True}
        except (CodeActError, KeyError, TypeError, ValueError) as error:
            yield {"error": _error(error)}

    def _model(self, spec: str) -> Model:
        """Return the model that a kernel named, "" or "auto" for the configured one.

        Raises:
            ConfigError: it cannot be had, or a kernel may not name it.
        """
        spec = spec.strip()
        if spec in {"", "auto", self._config.model}:
            spec = self._config.model
        else:
            choice = choose(self._config.updated(model=spec))
            a_file = choice.backend == "llamacpp" and choice.name not in weights.catalog()
            if choice.backend not in OTHERS or a_file:
                raise ConfigError(
                    f"An isolated kernel may not name the model {spec!r}; set CODEACT_MODEL where Jupyter starts."
                )
        if spec not in self._models:
            self._models[spec] = resolve(self._config.updated(model=spec))
        return self._models[spec]


async def _question(reader: asyncio.StreamReader) -> dict[str, Any]:
    try:
        found = json.loads(await reader.readline())
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


async def _gone(reader: asyncio.StreamReader, task: asyncio.Task[None], asked: asyncio.Event) -> None:
    """Cancel the answer when the one who asked has closed the connection."""
    await asked.wait()
    with contextlib.suppress(OSError):
        await reader.read()
    task.cancel()


def _described(model: Model) -> dict[str, Any]:
    known = {"id": model.id, "backend": model.backend, "sees_images": model.sees_images, "window": model.window}
    return {**known, "describe": model.describe(), "words": getattr(model, "words", "system")}


def _messages(question: dict[str, Any]) -> list[Message]:
    return [
        Message(
            one["role"],
            str(one["content"]),
            tuple(Image(str(p["mime"]), str(p["data"]), str(p["sha256"])) for p in one["images"]),
        )
        for one in question["messages"]
    ]


def _sampling(question: dict[str, Any]) -> Sampling:
    given = question["sampling"]
    return Sampling(
        float(given["temperature"]),
        float(given["top_p"]),
        int(given["max_tokens"]),
        tuple(map(str, given["stop"])),
        None if given["seed"] is None else int(given["seed"]),
    )


def _error(error: Exception) -> dict[str, Any]:
    if not isinstance(error, CodeActError):
        return {"kind": "ConfigError", "message": "The kernel asked for a model in a way that is not understood."}
    known: dict[str, Any] = {"kind": type(error).__name__, "message": str(error)}
    if isinstance(error, IncompleteReplyError):
        return {**known, "kind": "IncompleteReplyError"}
    if isinstance(error, ModelError):
        known |= {"kind": "ModelError", "retryable": error.retryable, "retry_after": error.retry_after}
    return known

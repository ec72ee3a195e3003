"""What runs in Ray's processes: the gate, which alone holds the keys of an endpoint, and players without any.

Plain classes here; `engine_ray` makes actors of them. Everything that travels is JSON.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import CodeActError, ModelError
from codeact_kernel.evaluate.case import Case, Job
from codeact_kernel.evaluate.kernels import Kernels
from codeact_kernel.evaluate.play import Player
from codeact_kernel.evaluate.suites.known import SUITES
from codeact_kernel.models.base import Chunk, complete
from codeact_kernel.models.select import resolve
from codeact_kernel.types import Message, Sampling, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from codeact_kernel.evaluate.ledger import Row


def packed(config: CodeAct) -> dict[str, Any]:
    """Return settings as JSON."""
    return {name: getattr(config, name) for name in config.trait_names(config=True)}


class Gate:
    """The one way to an endpoint: at most `most` requests at once, the others wait their turn.

    `keys` are environment variables for this process only.
    """

    def __init__(self, settings: dict[str, Any], keys: dict[str, str], most: int) -> None:
        os.environ.update(keys)
        self._model = resolve(CodeAct().updated(**settings))
        self._free = asyncio.Semaphore(most)

    async def about(self) -> dict[str, Any]:
        """Return what a model says of itself."""
        model = self._model
        return {
            "id": model.id,
            "backend": model.backend,
            "sees_images": model.sees_images,
            "window": model.window,
            "describe": model.describe(),
        }

    async def ask(self, messages: list[list[str]], sampling: dict[str, Any]) -> dict[str, Any]:
        """Ask for one reply; an error of the endpoint is part of the answer."""
        asked = [Message(role, content) for role, content in messages]  # type: ignore[arg-type]
        drawn = Sampling(**{**sampling, "stop": tuple(sampling["stop"])})
        async with self._free:
            try:
                said = await complete(self._model, asked, drawn, Stop(), lambda _: None)
            except ModelError as error:
                return {"error": str(error), "retryable": error.retryable}
        return {
            "text": said.text,
            "reasoning": said.reasoning or "",
            "finish": said.finish,
            "usage": asdict(said.usage),
        }


class RemoteModel:
    """A model behind a gate. Pictures are not sent; a reply comes in one piece."""

    def __init__(self, gate: Any, about: dict[str, Any]) -> None:
        self._gate = gate
        self._about = about

    @property
    def id(self) -> str:
        """The model's name."""
        return str(self._about["id"])

    @property
    def backend(self) -> str:
        """The backend behind the gate."""
        return str(self._about["backend"])

    @property
    def sees_images(self) -> bool:
        """Messages are texts."""
        return False

    @property
    def window(self) -> int | None:
        """The model's window."""
        window: int | None = self._about["window"]
        return window

    def describe(self) -> dict[str, Any]:
        """Return what the model behind the gate says."""
        return dict(self._about["describe"])

    async def close(self) -> None:
        """Do nothing: the gate is everybody's."""

    async def stream(self, messages: Sequence[Message], sampling: Sampling, stop: Stop) -> AsyncGenerator[Chunk]:
        """Ask through the gate.

        Raises:
            ModelError: as the endpoint's client said.
        """
        stop.check()
        said = await self._gate.ask.remote([[one.role, one.content] for one in messages], asdict(sampling))
        if "error" in said:
            raise ModelError(said["error"], retryable=said["retryable"])
        yield Chunk(said["text"], said["reasoning"])
        yield Chunk(finish=said["finish"], usage=Usage(**{**said["usage"], "calls": 0}))


class RemotePlayer:
    """Plays jobs of a suite in kernels of its own, in a folder of its own; the episode travels with the row."""

    def __init__(self, suite: str, settings: dict[str, Any], data: str | None, gate: Any) -> None:
        self._suite, self._data, self._gate = SUITES[suite], Path(data) if data else None, gate
        self._config = CodeAct().updated(**settings)
        self._kernels = Kernels()

    async def ready(self) -> None:
        """Return when the player has started."""

    async def play(self, job: dict[str, Any], attempt: int) -> tuple[Row | None, str, str]:
        """Play a job; return its row and its episode's text, or None and why the attempt does not count."""
        model: Any = None
        if self._gate is not None:
            model = RemoteModel(self._gate, await self._gate.about.remote())
        out = Path(tempfile.mkdtemp(prefix="codeact-out-"))
        player = Player(self._suite, model, self._config, self._kernels, self._data, out, Stop())
        try:
            row = await player.play(Job(**{**job, "case": Case(**job["case"])}), attempt)
            episode = (out / row["episode"]).read_text("utf-8") if row["episode"] else ""
        except CodeActError as error:
            return None, "", str(error)
        except Exception as error:
            return None, "", f"{type(error).__name__}: {error}"
        finally:
            shutil.rmtree(out, ignore_errors=True)
        return row, episode, ""

    async def close(self) -> None:
        """End the kernels that were started ahead."""
        await self._kernels.close()

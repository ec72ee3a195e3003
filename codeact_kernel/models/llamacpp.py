"""The embedded model: a GGUF file in llama.cpp, in the user's model process (`models.server`)."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ConfigError
from codeact_kernel.models import gguf_header, hf_chat, server
from codeact_kernel.models.served import Program, ServedModel

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from codeact_kernel.agent.stop import Stop
    from codeact_kernel.models.base import Chunk
    from codeact_kernel.models.weights import Weights
    from codeact_kernel.types import Message, Sampling


class LlamaCppModel(ServedModel):
    """A GGUF model in the user's own model process, shared by all kernels with the same settings.

    Raises:
        ConfigError: the runtime (`xllamacpp`) is not installed.
    """

    def __init__(self, weights: Weights, config: CodeAct | None = None) -> None:
        if importlib.util.find_spec("xllamacpp") is None:
            raise ConfigError("The embedded model needs its runtime: pip install 'codeact-kernel[local]'.")
        self._weights = weights
        self._tuned = gguf_header.speech_of(weights.path)
        self._codeact = hf_chat.is_codeact(str(weights.path), self._tuned)
        self._revision = importlib.metadata.version("xllamacpp")
        config = config or CodeAct()
        program = Program(
            module=server.__name__,
            arguments=("--model", str(weights.path), "--slots", str(config.slots)),
            settings=(weights.sha256, server.CONTEXT_TOKENS, config.slots, self._revision),
            threads=config.threads or server.default_threads(),
            source=str(weights.path),
        )
        super().__init__(weights.name, program, config)

    @property
    def backend(self) -> str:
        """Always "llamacpp"."""
        return "llamacpp"

    @property
    def window(self) -> int | None:
        """Tokens of one conversation."""
        return server.CONTEXT_TOKENS

    @property
    def words(self) -> str:
        """Name the system prompt that the weights were tuned on, "system" for ours."""
        return hf_chat.trained_words(self._tuned, codeact=self._codeact)

    async def stream(self, messages: Sequence[Message], sampling: Sampling, stop: Stop) -> AsyncGenerator[Chunk]:
        """Stream a reply; see `models.base.Model.stream`. Weights tuned on `<execute>` are asked as they were."""
        said = messages
        if self._codeact:
            headed = hf_chat.as_trained([{"role": one.role, "content": one.content} for one in messages])
            said = [replace(one, content=new["content"]) for one, new in zip(messages, headed, strict=True)]
        async with aclosing(super().stream(said, sampling, stop)) as chunks:
            async for chunk in chunks:
                yield chunk

    def describe(self) -> dict[str, Any]:
        """Return id, backend, the weights' hash and the runtime's version."""
        return {
            "id": self.id,
            "backend": self.backend,
            "weights": f"sha256:{self._weights.sha256}",
            "revision": f"xllamacpp {self._revision}",
        }

    def _failure(self) -> str:
        """Return the log's most telling line, "" when there is none."""
        lines = self._log_lines()
        errors = [line.partition(" E ")[2] for line in lines if " E " in line]
        told = [line for line in errors if "error loading model" in line or "alloc" in line] or errors
        told = told or [line for line in lines if "Error" in line or line.startswith("cannot load")][-1:]
        return " ".join(told[0].split())[:200].rstrip(".") if told else ""

"""The embedded model: a GGUF file in llama.cpp, in the user's model process (`models.server`)."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from typing import TYPE_CHECKING, Any

from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ConfigError
from codeact_kernel.models import server
from codeact_kernel.models.served import Program, ServedModel

if TYPE_CHECKING:
    from codeact_kernel.models.weights import Weights


class LlamaCppModel(ServedModel):
    """A GGUF model in the user's own model process, shared by all kernels with the same settings.

    Raises:
        ConfigError: the runtime (`xllamacpp`) is not installed.
    """

    def __init__(self, weights: Weights, config: CodeAct | None = None) -> None:
        if importlib.util.find_spec("xllamacpp") is None:
            raise ConfigError("The embedded model needs its runtime: pip install 'codeact-kernel[local]'.")
        self._weights = weights
        self._revision = importlib.metadata.version("xllamacpp")
        config = config or CodeAct()
        program = Program(
            module=server.__name__,
            arguments=("--model", str(weights.path)),
            settings=(weights.sha256, server.CONTEXT_TOKENS, server.SLOTS, self._revision),
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

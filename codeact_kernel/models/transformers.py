"""Models in transformers, in the user's model process (`models.hf_server`): hub ids, folders, GGUF, adapters.

Nothing heavy is imported here: torch lives in the model's process.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeact_kernel.canonical import digest
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ConfigError
from codeact_kernel.models import gguf_header, hf_chat, server, weights
from codeact_kernel.models.served import Program, ServedModel

MODULE = "codeact_kernel.models.hf_server"
NEEDED = ("torch", "transformers")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(?:/[\w./-]+\.gguf)?|[\w.-]+", re.ASCII)
LOAD_SECONDS = 3600.0
"""A first start may download, or convert a GGUF file."""
WEIGHT_FILES = ("*.safetensors", "*.bin", "*.json", "*.jinja")
"""What a checkpoint is made of: its settings, tokenizer and template change its replies as its weights do."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What `hf:NAME` means: what the process loads, a short name, the digest of local weights, its settings."""

    target: str
    name: str
    sha256: str | None
    settings: dict[str, Any]


class TransformersModel(ServedModel):
    """A checkpoint that transformers loads, in the user's own model process, shared by kernels.

    Raises:
        ConfigError: torch or transformers is not installed, or the name cannot be a checkpoint.
        WeightsError: a GGUF file of the catalog was not pulled or cannot be read.
    """

    def __init__(self, name: str, config: CodeAct | None = None) -> None:
        if any(importlib.util.find_spec(module) is None for module in NEEDED):
            raise ConfigError(
                "hf: models need transformers and torch: pip install 'codeact-kernel[transformers]'."
            )
        config = config or CodeAct()
        self._checkpoint = checkpoint = find(name)
        self._revision = importlib.metadata.version("transformers")
        self._codeact = hf_chat.is_codeact(checkpoint.target, checkpoint.settings)
        draft = find(_draft_name(config.draft_model)) if config.draft_model else None
        marks = [one.sha256 or one.target for one in (checkpoint, draft) if one]
        own: tuple[str, ...] = ("--codeact",) if self._codeact else ()
        own += ("--draft", draft.target) if draft else ()
        program = Program(
            module=MODULE,
            arguments=("--model", checkpoint.target, "--device", config.device, *own),
            settings=("transformers", *marks, *own, checkpoint.target, config.device, self._revision),
            threads=config.threads or server.default_threads(),
            source=checkpoint.target,
            load_seconds=LOAD_SECONDS,
            keeps=frozenset({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}),
        )
        guesses = {"prompt_lookup": config.prompt_lookup, "draft_tokens": config.draft_tokens}
        super().__init__(checkpoint.name, program, config, guesses)

    @property
    def backend(self) -> str:
        """Always "transformers"."""
        return "transformers"

    @property
    def window(self) -> int | None:
        """Tokens of one conversation, from a folder's config.json or the process; None while it is not known."""
        known = self._checkpoint.settings.get("max_position_embeddings")
        if isinstance(known, int):
            return known
        state = self._read_state()
        return state.window if state else None

    @property
    def words(self) -> str:
        """Name the system prompt that the checkpoint was trained on, "system" for ours."""
        return hf_chat.trained_words(self._checkpoint.settings, codeact=self._codeact)

    def describe(self) -> dict[str, Any]:
        """Return id, backend, the hash of local weights and the library's version."""
        found = {"id": self.id, "backend": self.backend, "revision": f"transformers {self._revision}"}
        if self._checkpoint.sha256:
            found["weights"] = f"sha256:{self._checkpoint.sha256}"
        return found


def find(name: str) -> Checkpoint:
    """Return what a name means: a name of the catalog, a folder, a .gguf file, or else a hub id.

    Raises:
        ConfigError: a path that holds no model, or a name that no hub has.
        WeightsError: see `weights.resolve`.
    """
    if name in weights.catalog():
        found = weights.resolve(name)
        return Checkpoint(str(found.path), found.name, found.sha256, {})
    path = Path(name).expanduser()
    if path.is_absolute() or name.startswith((".", "~")) or path.exists():
        return _local(path.absolute())
    if not HUB_ID.fullmatch(name):
        raise ConfigError(f"{name!r} is no model of a hub and no folder here; write hf:ORG/NAME or hf:/folder.")
    return Checkpoint(name, name, None, {})


def _draft_name(spec: str) -> str:
    """Return what stands behind `hf:` in the setting of the draft model; the prefix may be missing."""
    backend, colon, name = spec.partition(":")
    if colon and backend not in {"hf", "transformers", "gguf"}:
        raise ConfigError(f"The draft model {spec!r} cannot run beside an hf: model; write hf:ORG/NAME.")
    return name if colon else spec


def _local(path: Path) -> Checkpoint:
    if path.is_dir() and not any((path / name).is_file() for name in ("config.json", "adapter_config.json")):
        files = sorted(path.glob("*.gguf"))
        if len(files) != 1:
            held = (
                f"{len(files)} GGUF files; name one of them" if files else "no config.json, adapter or GGUF file"
            )
            raise ConfigError(f"The folder {path} holds {held}.")
        path = files[0]
    if path.suffix == ".gguf" and path.exists():
        found = weights.resolve(f"gguf:{path}")
        return Checkpoint(str(path), found.name, found.sha256, gguf_header.speech_of(path))
    if not path.is_dir():
        raise ConfigError(f"There is no model at {path}; give a folder with a config.json, or a .gguf file.")
    files = sorted({file for pattern in WEIGHT_FILES for file in path.glob(pattern)})
    mark = digest([[file.name, weights.digest_of(file)] for file in files])
    return Checkpoint(str(path), path.name, mark, _settings(path))


def _settings(folder: Path) -> dict[str, Any]:
    """Return what a folder's settings say, an adapter's together with its base's name."""
    settings: dict[str, Any] = {}
    for name in ("config.json", "adapter_config.json"):
        with contextlib.suppress(OSError, ValueError):
            found = json.loads((folder / name).read_text("utf-8"))
            settings |= found if isinstance(found, dict) else {}
    return settings

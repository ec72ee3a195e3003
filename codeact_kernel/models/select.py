"""Which model: a setting -> a `Model`. Nothing is downloaded or started here."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from codeact_kernel.errors import ConfigError
from codeact_kernel.models import plugins, weights

if TYPE_CHECKING:
    from codeact_kernel.config import CodeAct
    from codeact_kernel.models.base import Model

DEFAULT_OPENAI_MODEL = "gpt-5-mini"
"""For a key of api.openai.com and no name: writes code well, sees pictures, and a task costs about a cent."""
DEFAULT_ANTHROPIC_MODEL = "claude-sonnet-5-5"
"""For a key of api.anthropic.com and no name: the newest of the middle size that their SDK 2.12 lists."""
KEY, URL, NAME = "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"
ANTHROPIC_KEY, ANTHROPIC_URL, ANTHROPIC_NAME = "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROPIC_MODEL"
ENVIRONMENT = (KEY, URL, NAME, ANTHROPIC_KEY, ANTHROPIC_URL, ANTHROPIC_NAME)
"""The variables that models are made of, besides the settings."""
NOTHING = (
    "No model is configured: run `codeact models pull qwen2.5-coder-1.5b`, or set OPENAI_API_KEY or "
    "ANTHROPIC_API_KEY, or pass -m."
)
BROKER = "CODEACT_BROKER"
"""In an isolated kernel, the path of the socket where models are asked; see `broker`."""
BACKENDS = frozenset(
    {"openai", "anthropic", "llamacpp", "gguf", "hf", "transformers", "scripted", "callable", "brokered"}
)
"""What stands before the colon; other packages cannot take these names."""
BUILDERS = "codeact_kernel.models.backends"
"""Where they are, by name as other packages' are: an eighth of what loading the extension costs is saved."""
ANEW = ("scripted:", "callable:")
"""Specifications whose model is made anew for each task: a script begins again, a function may be another."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a setting means: the model `name` of `backend`, and `why`, half a sentence for a person."""

    backend: str
    name: str
    why: str


def resolve(config: CodeAct) -> Model:
    """Return the model that `config.model` names.

    One of `BACKENDS` or of another package's with a colon and a name (`openai:NAME`, `gguf:PATH`,
    `hf:ORG/NAME`, `callable:FUNCTION`), a path to an adapter, a checkpoint or a GGUF file, a name of the catalog,
    or the name of a model at the configured endpoint.
    `auto` takes the endpoint whose key (or URL) is in the environment, else the best embedded model that is here.

    Raises:
        ConfigError: the name is unknown, or nothing is configured, or a runtime is missing.
        WeightsError: the weights were not pulled or cannot be read.
    """
    choice = choose(config)
    if choice.backend not in BACKENDS:
        return plugins.build(choice.backend, choice.name, config)
    model: Model = importlib.import_module(BUILDERS).BUILD[choice.backend](choice.name, config)
    return model


def choose(config: CodeAct) -> Choice:
    """Return what `config.model` means, without looking whether it is there.

    Raises:
        ConfigError: see `resolve`.
    """
    spec = config.model.strip()
    if os.environ.get(BROKER) and not spec.startswith(ANEW):
        return Choice("brokered", spec or "auto", "this kernel is isolated: a process outside asks the models")
    if spec in {"", "auto"}:
        return _auto(config)
    backend, colon, name = spec.partition(":")
    if colon and not name.strip():
        raise ConfigError(f"The model {spec!r} has no name after the colon; write {backend}:NAME.")
    if colon and (backend in BACKENDS or backend in plugins.found()):
        return Choice(backend, name, f"the setting model is {spec!r}")
    if local := _local(spec):
        return local
    if spec in weights.catalog():
        return Choice("llamacpp", spec, f"{spec!r} is a model of the catalog")
    if _has_endpoint(config):
        return Choice(
            "openai", spec, f"an OpenAI-compatible endpoint is configured and {spec!r} is no other model"
        )
    raise ConfigError(f"There is no model {spec!r}{_near(spec)}; `codeact models list` shows the embedded ones.")


def _local(spec: str) -> Choice | None:
    """Return the choice that a path to a checkpoint, an adapter or a GGUF file means, None for anything else."""
    path = Path(spec).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return Choice("gguf", spec, f"{spec!r} is a GGUF file")
    held = next((name for name in ("adapter_config.json", "config.json") if (path / name).is_file()), None)
    return Choice("hf", str(path.absolute()), f"the folder {spec!r} holds a {held}") if held else None


def _auto(config: CodeAct) -> Choice:
    if _has_endpoint(config):
        name = os.environ.get(NAME, "")
        if not name and endpoint_of(config):
            raise ConfigError(f"An endpoint is configured but no model of it; pass -m openai:NAME, or set {NAME}.")
        what = KEY if os.environ.get(KEY) else "base_url" if config.base_url else URL
        return Choice("openai", name or DEFAULT_OPENAI_MODEL, f"auto takes the endpoint, for {what} is set")
    if os.environ.get(ANTHROPIC_KEY):
        name = os.environ.get(ANTHROPIC_NAME, "") or DEFAULT_ANTHROPIC_MODEL
        return Choice("anthropic", name, f"auto takes Anthropic, for {ANTHROPIC_KEY} is set and {KEY} is not")
    for name in weights.catalog():
        if weights.where(name) is not None:
            return Choice("llamacpp", name, "auto takes the best embedded model here, for no key is set")
    raise ConfigError(NOTHING)


def endpoint_of(config: CodeAct) -> str:
    """Return the address of the OpenAI-compatible endpoint that is set, "" for their own server."""
    return config.base_url or os.environ.get(URL, "")


def _has_endpoint(config: CodeAct) -> bool:
    return bool(os.environ.get(KEY) or endpoint_of(config))


def _near(spec: str) -> str:
    known = [*weights.catalog(), *(f"llamacpp:{name}" for name in weights.catalog())]
    known += ["auto", "openai:NAME", "anthropic:NAME", "gguf:PATH", "hf:ORG/NAME", "scripted:FILE.jsonl"]
    known += [f"{name}:NAME" for name in plugins.found()]
    near = get_close_matches(spec, known, n=2, cutoff=0.5)
    return f" (did you mean {' or '.join(near)}?)" if near else ""

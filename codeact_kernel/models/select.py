"""Which model: a setting -> a `Model`. Nothing is downloaded or started here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from codeact_kernel.errors import ConfigError
from codeact_kernel.models import function, plugins, weights
from codeact_kernel.models.anthropic import AnthropicModel
from codeact_kernel.models.function import CallableModel
from codeact_kernel.models.llamacpp import LlamaCppModel
from codeact_kernel.models.openai import OpenAIModel
from codeact_kernel.models.scripted import ScriptedModel
from codeact_kernel.models.transformers import TransformersModel

if TYPE_CHECKING:
    from collections.abc import Callable

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
    `hf:ORG/NAME`, `callable:FUNCTION`), a name of the catalog, or the name of a model at the configured endpoint.
    `auto` takes the endpoint whose key (or URL) is in the environment, else the best embedded model that is here.

    Raises:
        ConfigError: the name is unknown, or nothing is configured, or a runtime is missing.
        WeightsError: the weights were not pulled or cannot be read.
    """
    choice = choose(config)
    build = BACKENDS.get(choice.backend)
    return build(choice.name, config) if build else plugins.build(choice.backend, choice.name, config)


def choose(config: CodeAct) -> Choice:
    """Return what `config.model` means, without looking whether it is there.

    Raises:
        ConfigError: see `resolve`.
    """
    spec = config.model.strip()
    if spec in {"", "auto"}:
        return _auto(config)
    backend, colon, name = spec.partition(":")
    if colon and not name.strip():
        raise ConfigError(f"The model {spec!r} has no name after the colon; write {backend}:NAME.")
    if colon and (backend in BACKENDS or backend in plugins.found()):
        return Choice(backend, name, f"the setting model is {spec!r}")
    if spec in weights.catalog():
        return Choice("llamacpp", spec, f"{spec!r} is a model of the catalog")
    if _has_endpoint(config):
        return Choice(
            "openai", spec, f"an OpenAI-compatible endpoint is configured and {spec!r} is no other model"
        )
    raise ConfigError(f"There is no model {spec!r}{_near(spec)}; `codeact models list` shows the embedded ones.")


def _auto(config: CodeAct) -> Choice:
    if _has_endpoint(config):
        name = os.environ.get(NAME, "")
        if not name and _url(config):
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


def _url(config: CodeAct) -> str:
    return config.base_url or os.environ.get(URL, "")


def _has_endpoint(config: CodeAct) -> bool:
    return bool(os.environ.get(KEY) or _url(config))


def _openai(name: str, config: CodeAct) -> Model:
    key = os.environ.get(KEY, "")
    if not key and not _url(config):
        raise ConfigError(f"openai:{name} needs a key; set {KEY}, or {URL} for a server without keys.")
    return OpenAIModel(name, base_url=_url(config), api_key=key, config=config)


def _anthropic(name: str, config: CodeAct) -> Model:
    # Not `config.base_url`: Anthropic's key must not go to an endpoint that was set for another one's.
    key, url = os.environ.get(ANTHROPIC_KEY, ""), os.environ.get(ANTHROPIC_URL, "")
    if not key and not url:
        raise ConfigError(
            f"anthropic:{name} needs a key; set {ANTHROPIC_KEY}, or {ANTHROPIC_URL} for another server."
        )
    return AnthropicModel(name, base_url=url, api_key=key, config=config)


def _llamacpp(name: str, config: CodeAct) -> Model:
    return LlamaCppModel(weights.resolve(f"gguf:{name}" if name.endswith(".gguf") else name), config)


def _gguf(name: str, config: CodeAct) -> Model:
    return LlamaCppModel(weights.resolve(f"gguf:{name}"), config)


BACKENDS: dict[str, Callable[[str, CodeAct], Model]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "llamacpp": _llamacpp,
    "gguf": _gguf,
    "hf": TransformersModel,
    "transformers": TransformersModel,
    "scripted": lambda name, _: ScriptedModel(name),
    "callable": lambda name, config: CallableModel(function.find(name), config),
}
"""What stands before the colon -> what makes a model of the rest; other packages cannot take these names."""


def _near(spec: str) -> str:
    known = [*weights.catalog(), *(f"llamacpp:{name}" for name in weights.catalog())]
    known += ["auto", "openai:NAME", "anthropic:NAME", "gguf:PATH", "hf:ORG/NAME", "scripted:FILE.jsonl"]
    known += [f"{name}:NAME" for name in plugins.found()]
    near = get_close_matches(spec, known, n=2, cutoff=0.5)
    return f" (did you mean {' or '.join(near)}?)" if near else ""

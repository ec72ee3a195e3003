"""Which model: a setting -> a `Model`. Nothing is downloaded or started here."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import TYPE_CHECKING

from codeact_kernel.errors import ConfigError
from codeact_kernel.models import weights
from codeact_kernel.models.llamacpp import LlamaCppModel
from codeact_kernel.models.openai import OpenAIModel
from codeact_kernel.models.scripted import ScriptedModel

if TYPE_CHECKING:
    from codeact_kernel.config import CodeAct
    from codeact_kernel.models.base import Model

DEFAULT_OPENAI_MODEL = "gpt-5-mini"
"""For a key of api.openai.com and no name: writes code well, sees pictures, and a task costs about a cent."""
KEY, URL, NAME = "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"
NOTHING = (
    "No model is configured: run `codeact models pull qwen2.5-coder-1.5b`, or set OPENAI_API_KEY, or pass -m."
)


def resolve(config: CodeAct) -> Model:
    """Return the model that `config.model` names.

    `openai:NAME`, `llamacpp:NAME`, `gguf:PATH`, `scripted:FILE.jsonl`, a name of the catalog, or the name of a
    model at the configured endpoint. `auto` takes the endpoint whose key (or URL) is in the environment, else
    the best embedded model whose weights are on this machine.

    Raises:
        ConfigError: the name is unknown, or nothing is configured, or a runtime is missing.
        WeightsError: the weights were not pulled or cannot be read.
    """
    spec = config.model.strip()
    if spec in {"", "auto"}:
        return _auto(config)
    backend, colon, name = spec.partition(":")
    if colon and not name.strip():
        raise ConfigError(f"The model {spec!r} has no name after the colon; write {backend}:NAME.")
    if backend == "openai" and colon:
        return _openai(config, name)
    if backend == "scripted" and colon:
        return ScriptedModel(name)
    if backend in {"gguf", "llamacpp"} and colon:
        is_path = backend == "gguf" or name.endswith(".gguf")
        return LlamaCppModel(weights.resolve(f"gguf:{name}" if is_path else name), config)
    if spec in weights.catalog():
        return LlamaCppModel(weights.resolve(spec), config)
    if _has_endpoint(config):
        return _openai(config, spec)
    raise ConfigError(f"There is no model {spec!r}{_near(spec)}; `codeact models list` shows the embedded ones.")


def _auto(config: CodeAct) -> Model:
    if _has_endpoint(config):
        name = os.environ.get(NAME, "")
        if not name and _url(config):
            raise ConfigError(f"An endpoint is configured but no model of it; pass -m openai:NAME, or set {NAME}.")
        return _openai(config, name or DEFAULT_OPENAI_MODEL)
    for name in weights.catalog():
        if weights.where(name) is not None:
            return LlamaCppModel(weights.resolve(name), config)
    raise ConfigError(NOTHING)


def _url(config: CodeAct) -> str:
    return config.base_url or os.environ.get(URL, "")


def _has_endpoint(config: CodeAct) -> bool:
    return bool(os.environ.get(KEY) or _url(config))


def _openai(config: CodeAct, name: str) -> Model:
    key = os.environ.get(KEY, "")
    if not key and not _url(config):
        raise ConfigError(f"openai:{name} needs a key; set {KEY}, or {URL} for a server without keys.")
    return OpenAIModel(name, base_url=_url(config), api_key=key, config=config)


def _near(spec: str) -> str:
    known = [*weights.catalog(), *(f"llamacpp:{name}" for name in weights.catalog())]
    known += ["auto", "openai:NAME", "gguf:PATH", "scripted:FILE.jsonl"]
    near = get_close_matches(spec, known, n=2, cutoff=0.5)
    return f" (did you mean {' or '.join(near)}?)" if near else ""

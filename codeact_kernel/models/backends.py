"""What makes a model of what stands behind the colon, for each backend of ours; loaded with the first model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from codeact_kernel.errors import ConfigError
from codeact_kernel.models import function, weights
from codeact_kernel.models.anthropic import AnthropicModel
from codeact_kernel.models.brokered import BrokeredModel
from codeact_kernel.models.function import CallableModel
from codeact_kernel.models.llamacpp import LlamaCppModel
from codeact_kernel.models.openai import OpenAIModel
from codeact_kernel.models.scripted import ScriptedModel
from codeact_kernel.models.select import ANTHROPIC_KEY, ANTHROPIC_URL, KEY, URL, endpoint_of
from codeact_kernel.models.transformers import TransformersModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeact_kernel.config import CodeAct
    from codeact_kernel.models.base import Model


def _openai(name: str, config: CodeAct) -> Model:
    key = os.environ.get(KEY, "")
    if not key and not endpoint_of(config):
        raise ConfigError(f"openai:{name} needs a key; set {KEY}, or {URL} for a server without keys.")
    return OpenAIModel(name, base_url=endpoint_of(config), api_key=key, config=config)


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


BUILD: dict[str, Callable[[str, CodeAct], Model]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "llamacpp": _llamacpp,
    "gguf": _gguf,
    "hf": TransformersModel,
    "transformers": TransformersModel,
    "scripted": lambda name, _: ScriptedModel(name),
    "brokered": BrokeredModel,
    "callable": lambda name, config: CallableModel(function.find(name), config),
}
"""What stands before the colon -> what makes a model of the rest."""

"""What the settings mean for one task with one model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent import formats
from codeact_kernel.agent.conversation import Limits
from codeact_kernel.models.base import words_of
from codeact_kernel.models.select import ENVIRONMENT

if TYPE_CHECKING:
    from codeact_kernel.config import CodeAct
    from codeact_kernel.models.base import Model
    from codeact_kernel.types import Sampling

UNKNOWN_WINDOW = 32_768
"""Tokens we trust an endpoint with that does not say how many it takes; a setting raises it."""
EMBEDDED = {"llamacpp", "transformers"}
"""Backends whose models run in a process of ours; they go on after a code block, and are stopped at its end."""
OF_MODEL = (
    "model",
    "base_url",
    "threads",
    "device",
    "prompt_lookup",
    "draft_model",
    "draft_tokens",
    "idle_minutes",
    "connect_seconds",
    "first_token_seconds",
    "between_tokens_seconds",
    "reply_seconds",
    "retries",
    "extra_body",
)
"""The settings that models read."""


def key_of(config: CodeAct) -> tuple[Any, ...]:
    """Return everything that a model is made of, so that a corrected setting or key makes a new one."""
    return (
        *(repr(getattr(config, name)) for name in OF_MODEL),
        *(os.environ.get(name, "") for name in ENVIRONMENT),
    )


def limits_of(config: CodeAct, model: Model) -> Limits:
    """Return the limits of a task; the messages may take the model's window less one reply."""
    window = config.context_tokens or max(1024, (model.window or UNKNOWN_WINDOW) - config.max_tokens - 64)
    return Limits(
        steps=config.max_steps,
        seconds=config.max_seconds,
        tokens=config.max_total_tokens,
        cell_seconds=config.cell_timeout,
        ask_seconds=config.ask_after_seconds,
        output_bytes=config.max_output_bytes,
        growth_bytes=config.max_memory_growth,
        context_tokens=window,
        observation_chars=config.observation_chars,
        summaries=config.summarize,
    )


def sampling_of(config: CodeAct, model: Model, action: str = "code") -> Sampling:
    """Return how this model's replies are drawn; the embedded ones stop at the end of an action."""
    return config.sampling(formats.named(action).stop if model.backend in EMBEDDED else ())


def words_for(action: str, model: Model) -> str:
    """Return the name of the system prompt: the model's own where it has one for code, else the action space's."""
    own = words_of(model)
    return own if action == "code" and own != "system" else formats.named(action).system

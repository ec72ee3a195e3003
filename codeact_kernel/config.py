"""One set of settings; the magic, the command line, Python and the environment all fill the same one."""

from __future__ import annotations

import os
from typing import Any

from traitlets import Bool, Dict, Enum, Float, Int, TraitError, Unicode
from traitlets.config import Configurable

from codeact_kernel.errors import ConfigError
from codeact_kernel.types import Sampling

APPROVAL_MODES = ("plan", "ask", "ask-if-risky", "auto")
ACTIONS = ("code", "json", "text")
ENVIRONMENT_PREFIX = "CODEACT_"


class CodeAct(Configurable):
    """Settings of the agent. In a notebook: `%config CodeAct.model = "llamacpp:qwen2.5-coder-0.5b"`.

    Every setting can also come from the environment, as `CODEACT_` and its name in capitals
    (`CODEACT_MAX_STEPS=10`).
    """

    model = Unicode(
        "auto",
        help="Which model: auto, BACKEND:NAME (openai:gpt-5, anthropic:claude-sonnet-5-5, "
        "llamacpp:qwen2.5-coder-1.5b), gguf:PATH, hf:ORG/NAME or hf:/folder (transformers), callable:FUNCTION "
        "or scripted:FILE.jsonl.",
    ).tag(config=True)
    base_url = Unicode("", help="Base URL of an OpenAI-compatible endpoint.").tag(config=True)
    approval = Enum(
        APPROVAL_MODES,
        default_value="ask-if-risky",
        help="plan: show, never run. ask: ask before each cell. ask-if-risky: ask when a cell deletes, "
        "overwrites, starts processes, uses the network, installs or reads keys. auto: never ask.",
    ).tag(config=True)
    action = Enum(
        ACTIONS,
        default_value="code",
        help="What the model writes to act: code, or one call a step as json or text. A conversation keeps the "
        "one that it began with.",
    ).tag(config=True)
    max_steps = Int(12, min=1, help="Steps a task may take.").tag(config=True)
    max_seconds = Float(0.0, min=0, help="Wall time of a task in seconds; 0 is no limit.").tag(config=True)
    max_total_tokens = Int(0, min=0, help="Tokens a task may use, in and out; 0 is no limit.").tag(config=True)
    cell_timeout = Float(0.0, min=0, help="Seconds one cell may run; 0 is no limit.").tag(config=True)
    ask_after_seconds = Float(
        60.0,
        min=0,
        help="When a cell has run for so long you are asked whether to wait or to interrupt it, and again after "
        "twice the time; 0 never asks.",
    ).tag(config=True)
    max_output_bytes = Int(
        200_000_000, min=0, help="Bytes that the steps of a task may put out; 0 is no limit."
    ).tag(config=True)
    max_memory_growth = Int(
        0,
        min=0,
        help="Bytes by which a task may make the kernel's memory grow: the cell is interrupted, and a kernel of "
        "codeact's own is ended at half as much again; 0 is no limit.",
    ).tag(config=True)
    temperature = Float(0.0, min=0, help="0 is greedy.").tag(config=True)
    top_p = Float(1.0, min=0, max=1, help="Nucleus sampling.").tag(config=True)
    seed = Int(None, allow_none=True, help="Sampling seed, where the backend has one.").tag(config=True)
    max_tokens = Int(1024, min=16, help="Tokens one reply may have.").tag(config=True)
    context_tokens = Int(
        0,
        min=0,
        help="Tokens the messages may take; 0 takes the model's window (32,768 if unknown) less one reply.",
    ).tag(config=True)
    summarize = Bool(
        default_value=False,
        help="Ask the model for notes on early steps before they are left out of a conversation that has grown "
        "too long.",
    ).tag(config=True)
    observation_chars = Int(4000, min=200, help="Characters of output the model sees per step.").tag(config=True)
    episodes_dir = Unicode("episodes", help="Where episodes are kept, beside the notebook.").tag(config=True)
    when_closed = Enum(
        ("go-on", "wait"),
        default_value="go-on",
        help="What the side panel's runs do when the page is closed: go-on runs the cells without it (what needs "
        "an answer is refused after half a minute), wait goes on when a page is there again.",
    ).tag(config=True)
    real_cells = Bool(
        default_value=True,
        help="In front ends with the CodeAct extension, the steps of a %codeact cell become cells below it.",
    ).tag(config=True)
    widget = Bool(
        default_value=True, help="Show a live widget under a %codeact cell, where the front end has widgets."
    ).tag(config=True)
    undo_bytes = Int(
        256_000_000, min=0, help="Bytes that are kept per step so that it can be undone; 0 keeps nothing."
    ).tag(config=True)
    reuse_answers = Bool(
        default_value=True,
        help="Re-running an unchanged cell whose episode is done shows its saved answer (Run All is free).",
    ).tag(config=True)
    threads = Int(0, min=0, help="Threads of the embedded model; 0 takes all cores but one.").tag(config=True)
    slots = Int(
        1,
        min=1,
        max=32,
        help="Conversations that the embedded model writes at once, each with a context of its own in memory; the "
        "others wait. With more than one, a greedy reply may depend on what else is written.",
    ).tag(config=True)
    device = Unicode("auto", help="Where hf: models run: auto, cpu, cuda, cuda:1.").tag(config=True)
    prompt_lookup = Int(
        -1,
        min=-1,
        max=64,
        help="hf: models guess up to so many tokens at a time from the conversation; the reply stays the same. "
        "-1 takes 6 in float32 and none in the shorter types, whose rounding may turn a tie; 0 never guesses.",
    ).tag(config=True)
    draft_model = Unicode(
        "",
        help="A smaller model of the same family (hf:ORG/NAME or a folder) that guesses ahead for an hf: model; "
        "the reply stays the same.",
    ).tag(config=True)
    draft_tokens = Int(4, min=1, max=64, help="Tokens that the draft model guesses at a time.").tag(config=True)
    idle_minutes = Float(
        15.0, min=0.05, help="The embedded model's process ends after this long without a request."
    ).tag(config=True)
    connect_seconds = Float(10.0, min=0.1, help="Deadline for a connection to the model.").tag(config=True)
    first_token_seconds = Float(300.0, min=0.1, help="Deadline for the first token.").tag(config=True)
    between_tokens_seconds = Float(60.0, min=0.1, help="Deadline between two tokens.").tag(config=True)
    reply_seconds = Float(900.0, min=0.1, help="Deadline for a whole reply.").tag(config=True)
    retries = Int(4, min=0, help="How often a request that may succeed later is made again.").tag(config=True)
    share_preferences = Bool(
        default_value=False,
        help="Whether the cells that you change or refuse may be made into training pairs (`codeact dataset "
        "--preferences`). Noted in the episode with each task; nothing is sent anywhere.",
    ).tag(config=True)
    extra_body = Dict(help="Extra fields for the request to an endpoint.").tag(config=True)

    def sampling(self, stop: tuple[str, ...] = ()) -> Sampling:
        """Return the sampling settings with the given stop strings."""
        return Sampling(self.temperature, self.top_p, self.max_tokens, stop, self.seed)

    def updated(self, **changes: Any) -> CodeAct:
        """Return a copy with the changes that are not None.

        Raises:
            ConfigError: for a value that a setting cannot take, or a name that is no setting.
        """
        copy = CodeAct(parent=self.parent)
        for name in self.trait_names(config=True):
            setattr(copy, name, getattr(self, name))
        for name, value in changes.items():
            if value is not None:
                copy.assign(name, value)
        return copy

    def assign(self, name: str, value: Any) -> None:
        """Set one setting; texts are read as the setting's type.

        Raises:
            ConfigError: see `updated`.
        """
        trait = self.traits(config=True).get(name)
        if trait is None:
            raise ConfigError(f"There is no setting {name!r}; `%config CodeAct` lists them.")
        try:
            parsed = trait.from_string(value) if isinstance(value, str) else value
            setattr(self, name, parsed)
        except (TraitError, ValueError) as error:
            raise ConfigError(f"{value!r} is not a value for the setting {name}: {error}") from None


def from_environment(config: CodeAct | None = None) -> CodeAct:
    """Fill settings from `CODEACT_*` variables (in place when `config` is given) and return them.

    Raises:
        ConfigError: a variable holds a value that its setting cannot take.
    """
    settings = config if config is not None else CodeAct()
    for name in settings.trait_names(config=True):
        value = os.environ.get(ENVIRONMENT_PREFIX + name.upper())
        if value:
            settings.assign(name, value)
    return settings

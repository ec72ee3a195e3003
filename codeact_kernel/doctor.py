"""What `codeact doctor` looks at: settings and where they come from, the model, whether it answers, the weights.

Each finding is a `Check`: one sentence on what is so, and, where something is wrong, one on what to do. No finding
holds a key.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import time
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from IPython.paths import locate_profile
from traitlets.config.loader import JSONFileConfigLoader, PyFileConfigLoader

from codeact_kernel.agent import prompt
from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import ENVIRONMENT_PREFIX, CodeAct
from codeact_kernel.errors import CodeActError, ConfigError
from codeact_kernel.models import plugins, weights
from codeact_kernel.models.base import Chunk, complete, words_of
from codeact_kernel.models.select import ENVIRONMENT, choose, resolve
from codeact_kernel.models.wire import Endpoint
from codeact_kernel.secret_names import is_secret_variable
from codeact_kernel.task_settings import EMBEDDED
from codeact_kernel.types import Message

if TYPE_CHECKING:
    from traitlets.config import Config

    from codeact_kernel.models.base import Model
    from codeact_kernel.models.select import Choice
    from codeact_kernel.types import Completion

Status = Literal["ok", "wrong", "note"]
OTHER_VARIABLES = ("CODEACT_CACHE", "CODEACT_BUILD_PANEL")
PROFILE_FILES = ("ipython_config", "ipython_kernel_config")
TOKENS, AGAIN_TOKENS = 48, 16
"""Of the reply that is asked for: enough to see a pace; and of the second turn, the fewest."""
NUMBERS = 24
"""In the question, drawn anew each time, so that the speed of reading is measured and not the cache's."""
FEWEST_FRESH = 16
"""Tokens that must be read before a speed is worth saying."""
MEGA = 1e6
HELP = "Name another model with -m, or see docs/models.md."


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: what it is about, how it stands, and, if "wrong", what to do. `facts` are for programs."""

    topic: str
    status: Status
    said: str
    fix: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def wrong(topic: str, error: Exception, **facts: Any) -> Check:
    """Return the finding for one of our errors, whose sentence ends in what to do."""
    said, mark, fix = (
        re.split(r"(; |: (?=run ))", f"{error}".strip(), maxsplit=1) if _has_fix(error) else ("", "", "")
    )
    if not mark:
        return Check(topic, "wrong", str(error), HELP, facts)
    return Check(topic, "wrong", f"{said.rstrip('.')}.", f"{fix[0].upper()}{fix[1:]}", facts)


def _has_fix(error: Exception) -> bool:
    return re.search(r"; |: run ", str(error).strip()) is not None


def examine_settings() -> tuple[CodeAct, list[Check]]:
    """Return the settings that a notebook starts with, and what is to say of them.

    The command line sees those of the environment only; that is said where it makes a difference.
    """
    config = CodeAct()
    checks: list[Check] = []
    sources: dict[str, str] = {}
    for path in _profile_files():
        try:
            section = _section(path)
        except Exception as error:
            said = f"The IPython profile's {path.name} cannot be read ({type(error).__name__}: {error})."
            checks.append(Check("settings", "wrong", said, f"Correct {path}."))
            continue
        for name, value in section.items():
            faults = _assign(config, name, value, str(path))
            checks += faults
            sources |= {} if faults else {name: f"{path}, notebooks only"}
    for name in config.trait_names(config=True):
        variable = ENVIRONMENT_PREFIX + name.upper()
        if os.environ.get(variable):
            faults = _assign(config, name, os.environ[variable], variable)
            checks += faults
            sources |= {} if faults else {name: variable}
    checks += _strangers()
    facts = {"set": {name: {"value": _shown(config, name), "from": where} for name, where in sources.items()}}
    told = ", ".join(f"{name} = {_shown(config, name)!r} ({where})" for name, where in sources.items())
    said = f"{told}; the others are as they come." if told else "No setting was changed."
    checks.insert(0, Check("settings", "ok", said, facts=facts))
    checks.insert(1, _variables())
    return config, checks


def _assign(config: CodeAct, name: str, value: Any, where: str) -> list[Check]:
    """Set one setting; return what is wrong with it."""
    try:
        config.assign(name, value)
    except ConfigError as error:
        fix = f"Correct or unset {where}." if where.startswith(ENVIRONMENT_PREFIX) else f"Correct it in {where}."
        return [Check("settings", "wrong", f"{str(error).rstrip('.')} (from {where}).", fix)]
    return []


def _shown(config: CodeAct, name: str) -> Any:
    """Return a setting's value without what may be secret in it."""
    value = getattr(config, name)
    if name == "base_url":
        return Endpoint(value, "").shown if value else ""
    return sorted(value) if isinstance(value, dict) else value


def _profile_files() -> list[Path]:
    """Return the files of the default IPython profile that a kernel reads and that are there."""
    with contextlib.suppress(OSError, ValueError):
        folder = Path(locate_profile("default"))
        names = [f"{stem}{suffix}" for stem in PROFILE_FILES for suffix in (".py", ".json")]
        return [folder / name for name in names if (folder / name).is_file()]
    return []


def _section(path: Path) -> dict[str, Any]:
    """Return what a configuration file sets of ours."""
    loader = PyFileConfigLoader if path.suffix == ".py" else JSONFileConfigLoader
    read: Config = loader(path.name, str(path.parent)).load_config()
    return dict(read.get("CodeAct", {}))


def _strangers() -> list[Check]:
    """Return the variables that look like settings of ours and are none."""
    known = [ENVIRONMENT_PREFIX + name.upper() for name in CodeAct().trait_names(config=True)]
    found = []
    for variable in sorted(os.environ):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in (*known, *OTHER_VARIABLES):
            continue
        near = get_close_matches(variable, known, n=1)
        if near:
            said = f"{variable} is set, but there is no such setting."
            found.append(Check("settings", "wrong", said, f"Rename it to {near[0]}, or unset it."))
    return found


def _variables() -> Check:
    """Return which of the models' variables are set; of keys no more than that."""
    facts = {}
    for name in ENVIRONMENT:
        value = os.environ.get(name, "")
        if not value or is_secret_variable(name):
            facts[name] = "set" if value else "not set"
        else:
            facts[name] = Endpoint(value, "").shown if name.endswith("URL") else value
    told = [name if what == "set" else f"{name} = {what}" for name, what in facts.items() if what != "not set"]
    said = (
        f"Set in the environment: {', '.join(told)}." if told else "No key and no endpoint is in the environment."
    )
    return Check("settings", "ok", said, facts=facts)


def examine_model(config: CodeAct) -> tuple[Model | None, list[Check]]:
    """Return the model that the settings choose, and what is to say of the choice."""
    choice: Choice | None = None
    facts: dict[str, Any] = {"setting": config.model}
    try:
        choice = choose(config)
        model = resolve(config)
    except CodeActError as error:
        facts |= {"backend": choice.backend if choice else None}
        return None, [wrong("model", error, **facts), *_others()]
    facts |= {"why": choice.why, "window": model.window, **model.describe()}
    sees = "sees pictures" if model.sees_images else "does not see pictures"
    said = f"{model.backend}:{model.id}: {choice.why}; it {sees}."
    return model, [Check("model", "ok", said, facts=facts), *_others()]


def _others() -> list[Check]:
    """Return the backends that other packages bring."""
    checks = []
    for name, entries in sorted(plugins.found().items()):
        packages = [plugins.package_of(entry) for entry in entries]
        facts = {"backend": name, "packages": packages}
        if len(entries) > 1:
            said = f"The backend {name!r} is claimed by {' and '.join(packages)}."
            checks.append(Check("model", "wrong", said, "Uninstall one of them.", facts))
        else:
            checks.append(Check("model", "ok", f"{packages[0]} brings the backend {name!r}.", facts=facts))
    return checks


async def examine_answer(model: Model, config: CodeAct, stop: Stop) -> list[Check]:
    """Ask the model for a short reply and say how fast it reads and writes.

    A model of this machine is asked for a second turn too, which must read its new tokens and no others.
    """
    numbers = " ".join(str(random.randint(100, 999)) for _ in range(NUMBERS))  # noqa: S311 - not a secret
    question = f"Some numbers: {numbers}. Leave them alone, and count from 1 to 30, with commas."
    messages = [Message("system", prompt.words(words_of(model))), Message("user", question)]
    try:
        done, times = await _timed(model, messages, config.updated(max_tokens=TOKENS), stop)
        checks = [_pace(done, times)]
        if checks[0].status == "ok" and model.backend in EMBEDDED:
            messages += [Message("assistant", done.text), Message("user", "Go on.")]
            checks.append(_again(*await _timed(model, messages, config.updated(max_tokens=AGAIN_TOKENS), stop)))
    except CodeActError as error:
        return [wrong("answer", error)]
    return checks


async def _timed(
    model: Model, messages: list[Message], config: CodeAct, stop: Stop
) -> tuple[Completion, dict[str, float]]:
    """Return a reply, the moments when it was asked for, began and ended, and the seconds of waiting before."""
    times = {"asked": time.monotonic()}
    began = times["asked"]

    def note(chunk: Chunk) -> None:
        if chunk.restart or chunk.notice:
            # A model that loads, or is waited for, does not read yet.
            times["asked"] = time.monotonic()
            times.pop("first", None)
        if chunk.text or chunk.reasoning:
            times.setdefault("first", time.monotonic())
            times["last"] = time.monotonic()

    done = await complete(model, messages, config.updated(temperature=0.0).sampling(), stop, note)
    return done, {**times, "waited": times["asked"] - began}


def _pace(done: Completion, times: dict[str, float]) -> Check:
    """Return the finding for a reply and the moments of its first and last piece."""
    if "first" not in times:
        return Check("answer", "wrong", "It ended its reply without a word.", HELP, {"finish": done.finish})
    usage, reading, waited = done.usage, times["first"] - times["asked"], times["waited"]
    writing, fresh = times["last"] - times["first"], done.usage.input - done.usage.cached
    prefill = fresh / reading if fresh >= FEWEST_FRESH and reading > 0 else None
    decode = (usage.output - 1) / writing if usage.output > 1 and writing > 0 else None
    facts = {
        "waited_seconds": round(waited, 3),
        "first_token_seconds": round(reading, 3),
        "prompt_tokens": usage.input,
        "cached_tokens": usage.cached,
        "reply_tokens": usage.output,
        "prefill_tokens_per_second": round(prefill, 1) if prefill else None,
        "decode_tokens_per_second": round(decode, 1) if decode else None,
        "finish": done.finish,
    }
    said = f"It answers: the first word after {reading:.1f} s"
    said += f" (and {waited:.1f} s of waiting before that)" if waited >= 0.1 else ""
    if usage.input:
        cached = f"{usage.cached} of them cached" if usage.cached else "none of them cached"
        said += f"; {usage.input} tokens read, {cached}" + (f", at {prefill:,.0f}/s" if prefill else "")
    if usage.output:
        said += f"; {usage.output} written" + (f" at {decode:,.0f}/s" if decode else "")
    return Check("answer", "ok", f"{said}.", facts=facts)


def _again(done: Completion, times: dict[str, float]) -> Check:
    """Return the finding for the second turn of a conversation: what of it the model had kept."""
    usage, seconds = done.usage, times.get("first", time.monotonic()) - times["asked"]
    facts = {
        "first_token_seconds": round(seconds, 3),
        "prompt_tokens": usage.input,
        "cached_tokens": usage.cached,
    }
    if not usage.cached:
        return Check("cache", "note", f"A second turn read all of its {usage.input} tokens anew.", facts=facts)
    said = f"A second turn had {usage.cached} of its {usage.input} tokens cached"
    said += f"; its first word came after {seconds:.1f} s."
    return Check("cache", "ok", said, facts=facts)


def examine_weights() -> list[Check]:
    """Return which embedded models are on this machine, and which are broken or half there."""
    checks, here, facts = [], [], {}
    for entry in weights.catalog().values():
        path = weights.path_of(entry)
        partial = path.with_suffix(".partial")
        size = path.stat().st_size if path.is_file() else 0
        facts[entry.name] = {"bytes": entry.bytes, "here": size == entry.bytes}
        if size == entry.bytes:
            here.append(f"{entry.name} ({entry.bytes / MEGA:,.0f} MB)")
        elif size:
            said = f"The weights of {entry.name} have {size:,} bytes instead of {entry.bytes:,}."
            checks.append(
                Check("weights", "wrong", said, f"Run `codeact models pull {entry.name}` to get them anew.")
            )
        elif partial.is_dir():
            said = f"A download of {entry.name} was cut off; `codeact models pull {entry.name}` goes on with it."
            checks.append(Check("weights", "note", said))
    folder = str(weights.cache_dir())
    said = (
        f"{', '.join(here)} in {folder}."
        if here
        else f"None in {folder}; `codeact models list` shows what there is."
    )
    return [Check("weights", "ok", said, facts={"folder": folder, "models": facts}), *checks]


def answer_now(model: Model, config: CodeAct) -> list[Check]:
    """Do what `examine_answer` does, on a loop of its own, and close the model."""

    async def ask() -> list[Check]:
        try:
            return await examine_answer(model, config, Stop())
        finally:
            await model.close()

    return asyncio.run(ask())

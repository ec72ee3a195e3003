"""General ability: what tuning costs elsewhere, by the likelihood of texts and of answers to easy questions.

100 short texts and 48 questions with four choices, written for this project.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from random import Random
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ConfigError
from codeact_kernel.models import hf_loading
from codeact_kernel.models import transformers as hf

if TYPE_CHECKING:
    from collections.abc import Sequence

DRAWS = 2000
"""Of the bootstrap."""
PREFIXES = ("hf:", "transformers:", "gguf:")


@dataclass(frozen=True, slots=True)
class Choice:
    """A question and its choices; `right` is the place of the right one."""

    question: str
    choices: tuple[str, ...]
    right: int


@dataclass(frozen=True, slots=True)
class Ability:
    """What was measured of a model: each text's nats and tokens, and which questions it answered right."""

    model: str
    nats: tuple[float, ...]
    tokens: tuple[int, ...]
    right: tuple[bool, ...]

    @property
    def perplexity(self) -> float:
        """The perplexity of a token, over all texts."""
        return math.exp(sum(self.nats) / sum(self.tokens))

    @property
    def accuracy(self) -> float:
        """The share of questions that were answered right."""
        return sum(self.right) / len(self.right)

    def as_json(self) -> dict[str, Any]:
        """Return all that was measured, and the two figures."""
        return {**asdict(self), "perplexity": self.perplexity, "accuracy": self.accuracy}


@cache
def texts() -> tuple[str, ...]:
    """Return the texts."""
    return tuple(_file("texts.txt").splitlines())


@cache
def questions() -> tuple[Choice, ...]:
    """Return the questions."""
    entries = [json.loads(line) for line in _file("choices.jsonl").splitlines()]
    return tuple(Choice(entry["question"], tuple(entry["choices"]), entry["right"]) for entry in entries)


def _file(name: str) -> str:
    return (resources.files("codeact_kernel.learn") / "ability_data" / name).read_text("utf-8")


def measure(name: str, device: str = "auto") -> Ability:
    """Measure a model that transformers can load, an adapter included.

    A text's nats are those of its tokens but the first. Of a question that choice counts as chosen whose tokens
    after "Question: ... Answer:" have the highest mean log-likelihood per character.

    Raises:
        ConfigError: torch or transformers is not installed, or the name is no checkpoint.
        WeightsError: weights of the catalog were not pulled.
    """
    if any(importlib.util.find_spec(module) is None for module in hf.NEEDED):
        raise ConfigError("Measuring needs transformers and torch: pip install 'codeact-kernel[transformers]'.")
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    checkpoint = hf.find(name)
    loaded = hf_loading.load(checkpoint.target, device)
    scored = [_likelihoods(loaded, "", text) for text in texts()]
    return Ability(
        checkpoint.name,
        tuple(-sum(found) for found in scored),
        tuple(len(found) for found in scored),
        tuple(_chosen(loaded, asked) == asked.right for asked in questions()),
    )


def _chosen(loaded: hf_loading.Loaded, asked: Choice) -> int:
    before = f"Question: {asked.question}\nAnswer:"
    means = [sum(_likelihoods(loaded, before, f" {choice}")) / len(choice) for choice in asked.choices]
    return max(range(len(means)), key=means.__getitem__)


def _likelihoods(loaded: hf_loading.Loaded, before: str, text: str) -> list[float]:
    """Return the log-likelihood of each token of `text` after `before`; without one, of all but its first."""
    torch = importlib.import_module("torch")
    known = loaded.tokenizer(before, add_special_tokens=False)["input_ids"] if before else []
    asked = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
    start = max(1, len(known))
    ids = torch.tensor([[*known, *asked]], device=loaded.model.device)
    with torch.inference_mode():
        logits = loaded.model(ids).logits[0].float()
    logs = torch.log_softmax(logits[start - 1 : -1], dim=-1)
    found: list[float] = logs.gather(1, ids[0, start:, None])[:, 0].tolist()
    return found


def interval(ability: Ability, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the perplexity, texts being drawn."""
    chance = Random(seed)  # noqa: S311 - a bootstrap
    count = len(ability.nats)
    drawn = []
    for _ in range(DRAWS):
        places = chance.choices(range(count), k=count)
        drawn.append(math.exp(_over(ability.nats, places) / _over(ability.tokens, places)))
    return _middle(drawn)


def change(base: Ability, tuned: Ability, seed: int = 0) -> tuple[float, float, float]:
    """Return by which factor the perplexity of a text changed, and its 95 % bootstrap interval: pairs are drawn.

    Raises:
        ConfigError: the two read the texts in different tokens, so that their perplexities do not compare.
    """
    if base.tokens != tuned.tokens:
        raise ConfigError(
            f"{base.model} and {tuned.model} have different tokenizers; their perplexity is no pair."
        )
    chance = Random(seed)  # noqa: S311 - a bootstrap
    count = len(base.nats)
    drawn = []
    for _ in range(DRAWS):
        places = chance.choices(range(count), k=count)
        more = _over(tuned.nats, places) - _over(base.nats, places)
        drawn.append(math.exp(more / _over(base.tokens, places)))
    return tuned.perplexity / base.perplexity, *_middle(drawn)


def _over(values: Sequence[float], places: Sequence[int]) -> float:
    return sum(values[place] for place in places)


def _middle(drawn: list[float]) -> tuple[float, float]:
    ordered = sorted(drawn)
    return ordered[int(0.025 * len(ordered))], ordered[int(0.975 * len(ordered))]

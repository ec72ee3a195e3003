"""Token numbers in, token numbers out: greedy or sampled, with the keys and values of earlier turns kept.

A turn evaluates its new tokens and no others: the prompt is compared with the tokens that a cache was made from,
and what comes after the first difference is cropped away. At temperature 0 the tokens are those of a fresh
`generate` of transformers (tests/test_models_transformers.py holds us to it).
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codeact_kernel.models.hf_cache import Slot, common, new_slot
from codeact_kernel.models.hf_guess import Pace, guess

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

PREFILL_TOKENS = 512
"""Tokens evaluated at once: between two such pieces a Stop is heard; larger ones are hardly faster on a CPU."""
CACHE_BYTES = 1 << 30
"""Keys and values kept of conversations that are not being asked."""
MOST_SLOTS = 8
AUTO_LOOKUP = 6
"""Tokens that are guessed at a time in float32 where the caller leaves it open; in shorter types none."""


class TooLongError(ValueError):
    """The prompt does not fit the model's window."""


@dataclass(frozen=True, slots=True)
class How:
    """How a reply is drawn. `lookup` tokens are guessed from the conversation at a time: 0 none, -1 AUTO_LOOKUP.

    `draft` is the number that the engine's draft model writes, if there is one and the prompt has none to guess.
    `fresh` evaluates the whole prompt and keeps nothing; `endless` goes on where the model would end.
    """

    max_tokens: int = 1024
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    lookup: int = 0
    draft: int = 0
    fresh: bool = False
    endless: bool = False


@dataclass(slots=True)
class Counts:
    """Tokens of a call: of the prompt, of it taken from a cache, written; and how many forward passes it took."""

    prompt: int = 0
    cached: int = 0
    written: int = 0
    passes: int = 0
    ended: bool = False


class Engine:
    """A loaded model that answers one call at a time.

    `draft` is a smaller model with the same vocabulary: what it writes is checked several tokens in one pass.
    """

    def __init__(
        self,
        model: Any,
        ends: Sequence[int],
        window: int | None,
        cache_bytes: int = CACHE_BYTES,
        draft: Engine | None = None,
    ) -> None:
        self.torch: Any = importlib.import_module("torch")
        self.model, self.ends, self.window = model, frozenset(ends), window
        self._cache_bytes, self._drafter = cache_bytes, draft
        self._slots: list[Slot] = []
        # Without it a pass over a long prompt makes logits for every token: 300 MB for 500 tokens of Qwen.
        self._last_only = "logits_to_keep" in inspect.signature(model.forward).parameters

    def reply(
        self, prompt: Sequence[int], how: How, counts: Counts, check: Callable[[], None] = lambda: None
    ) -> Generator[int]:
        """Yield the tokens of a reply, without the one that ends it; `counts` is filled in on the way.

        `check` is called before each pass; what it raises ends the reply and leaves the caches sound.

        Raises:
            TooLongError: the prompt leaves no room for a reply.
        """
        counts.prompt = len(prompt)
        room = self.window - len(prompt) if self.window else how.max_tokens
        if room < 1 or not prompt:
            raise TooLongError(f"{len(prompt)} tokens, and the context size is {self.window}")
        slot = self._slot(prompt, fresh=how.fresh)
        counts.cached = len(slot.tokens)
        pick, pace = _Picker(self, how), Pace(self._most_guessed(how))
        tokens = list(prompt)
        most = min(how.max_tokens, room)
        self._prefill(slot, tokens, counts, check)
        while counts.written < most and not counts.ended:
            check()
            looked = self._repeated(slot, tokens, min(pace.size(), most - counts.written - 1))
            draft = looked or self._draft(slot, tokens, how, most - counts.written - 1, check)
            rows = self._forward(slot, [*tokens[len(slot.tokens) :], *draft], len(draft) + 1, counts)
            right = len(slot.tokens) - len(draft)
            try:
                for at, row in enumerate(rows):
                    token = pick(row, tokens)
                    if token in self.ends:
                        counts.ended = True
                        break
                    tokens.append(token)
                    counts.written += 1
                    yield token
                    if at == len(draft) or token != draft[at]:
                        break
                    right += 1
            finally:
                pace.learn(len(looked), right - len(slot.tokens) + len(draft))
                slot.crop(right)

    def _most_guessed(self, how: How) -> int:
        if how.lookup >= 0:
            return how.lookup
        return AUTO_LOOKUP if self.model.dtype is self.torch.float32 else 0

    @staticmethod
    def _repeated(slot: Slot, tokens: list[int], most: int) -> list[int]:
        """Return up to `most` tokens that may come next, from what stands in the conversation."""
        return guess(tokens, most) if most > 0 and _can_guess(slot, tokens, most) else []

    def _draft(self, slot: Slot, tokens: list[int], how: How, room: int, check: Callable[[], None]) -> list[int]:
        """Return up to `room` tokens that the draft model writes next."""
        most = min(how.draft, room)
        if self._drafter is None or most < 1 or not _can_guess(slot, tokens, most):
            return []
        with contextlib.suppress(TooLongError):  # its window may be smaller
            return list(self._drafter.reply(tokens, How(most, endless=how.endless), Counts(), check))
        return []

    def _prefill(self, slot: Slot, tokens: list[int], counts: Counts, check: Callable[[], None]) -> None:
        """Evaluate all tokens but the last few, whose pass gives the first token of the reply as well."""
        while len(tokens) - (start := len(slot.tokens)) > PREFILL_TOKENS:
            check()
            self._forward(slot, tokens[start : start + PREFILL_TOKENS], 1, counts)

    def _forward(self, slot: Slot, ids: list[int], rows: int, counts: Counts) -> Any:
        """Evaluate tokens into a slot; return the logits of the last `rows` of them, shape (rows, vocabulary)."""
        more = {"logits_to_keep": rows} if self._last_only else {}
        try:
            with self.torch.inference_mode():
                tensor = self.torch.tensor([ids], device=self.model.device)
                out = self.model(tensor, past_key_values=slot.cache, use_cache=True, **more)
                logits = out.logits[0, -rows:].to(dtype=self.torch.float32, copy=True)
        except BaseException:
            # Some layers may have the new tokens and others not.
            self._slots = [one for one in self._slots if one is not slot]
            raise
        slot.tokens += ids
        counts.passes += 1
        return logits

    def _slot(self, prompt: Sequence[int], *, fresh: bool) -> Slot:
        """Return a slot whose tokens begin the prompt, as many as can be had; one is always left to evaluate.

        A conversation that shares less than half of its tokens with the prompt is another one, and stays.
        """
        if fresh:
            return self._new()
        best, shared = None, 0
        for slot in self._slots:
            length = min(common(slot.tokens, prompt), len(prompt) - 1)
            if length > shared:
                best, shared = slot, length
        if best is None:
            best = self._new()
        elif 2 * shared < len(best.tokens) and best.croppable():
            best = Slot(copy.deepcopy(best.cache), list(best.tokens))
        if not best.crop(shared):
            best = self._new()
        self._slots = [slot for slot in self._slots if slot is not best]
        self._slots.append(best)
        self._evict()
        return best

    def _new(self) -> Slot:
        return new_slot(self.model.config.get_text_config())

    def _evict(self) -> None:
        """Forget the conversations that were not asked for longest; never the newest."""
        while len(self._slots) > 1 and (
            len(self._slots) > MOST_SLOTS or sum(slot.size() for slot in self._slots) > self._cache_bytes
        ):
            self._slots.pop(0)


def _can_guess(slot: Slot, tokens: list[int], most: int) -> bool:
    """Say whether so many wrong guesses could be taken out of the cache again."""
    return slot.croppable(most + len(tokens) - len(slot.tokens))


class _Picker:
    """Draws one token from logits as `generate` would: the checkpoint's processors, then greedy or sampled."""

    def __init__(self, engine: Engine, how: How) -> None:
        self._torch, self._engine, self._how = engine.torch, engine, how
        self._device = engine.model.device
        generation, hf = engine.model.generation_config, importlib.import_module("transformers")
        self._processors: list[Any] = []
        if (penalty := getattr(generation, "repetition_penalty", None)) not in {None, 1.0}:
            self._processors.append(hf.RepetitionPenaltyLogitsProcessor(penalty=penalty))
        if size := getattr(generation, "no_repeat_ngram_size", None):
            self._processors.append(hf.NoRepeatNGramLogitsProcessor(size))
        if banned := getattr(generation, "suppress_tokens", None):
            self._processors.append(hf.SuppressTokensLogitsProcessor(banned, device=self._device))
        if how.temperature > 0:
            self._processors.append(hf.TemperatureLogitsWarper(how.temperature))
            if how.top_p < 1:
                self._processors.append(hf.TopPLogitsWarper(how.top_p))
        self._generator = self._torch.Generator(device=self._device)
        if how.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(how.seed)

    def __call__(self, logits: Any, tokens: list[int]) -> int:
        """Return the token after `tokens`; `logits` has the shape (vocabulary,)."""
        with self._torch.inference_mode():
            return self._draw(logits, tokens)

    def _draw(self, logits: Any, tokens: list[int]) -> int:
        scores = logits[None]
        if self._how.endless:
            scores[:, sorted(self._engine.ends)] = -self._torch.inf
        if self._processors:
            ids = self._torch.tensor([tokens], device=self._device)
            for processor in self._processors:
                scores = processor(ids, scores)
        if self._how.temperature > 0:
            weights = self._torch.softmax(scores, dim=-1)
            return int(self._torch.multinomial(weights, 1, generator=self._generator))
        return int(scores.argmax(dim=-1))

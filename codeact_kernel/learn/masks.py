"""Messages -> tokens and labels: which tokens a model is taught, exact to the token.

The text is the one that the agent will send (`models.hf_chat`), read as the model's process reads it. A token is
taught when all of its characters are: what the model wrote and is to write again, and the mark that ends its turn.
What is taught never holds the system prompt, tasks, observations, or anything that a person wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ConfigError
from codeact_kernel.models import hf_chat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

IGNORED = -100
"""The label of a token that is not taught, as torch's cross entropy has it."""
Spans = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A conversation in tokens: `labels` are `ids`, or `IGNORED` where nothing is taught; the same length."""

    ids: list[int]
    labels: list[int]

    @property
    def taught(self) -> int:
        """How many tokens are taught."""
        return sum(label != IGNORED for label in self.labels)


def layout(tokenizer: Any, messages: Sequence[Mapping[str, Any]], *, codeact: bool = False) -> tuple[str, Spans]:
    """Return the text of a conversation, and the [start, end) of the characters in it that are taught.

    Args:
        tokenizer: of the model.
        messages: each `{"role", "content", "trained"}`, see `trajectory.messages_of`.
        codeact: whether the model speaks CodeActAgent's format.

    Raises:
        ConfigError: the chat template does not show a conversation's beginning as it showed it before the reply,
            so that no token of it can be told to be a reply's.
    """
    plain = [{"role": message["role"], "content": message["content"]} for message in messages]
    spans: Spans = []
    text = ""
    for number, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = hf_chat.render(tokenizer, plain[:number], codeact=codeact)
        whole = hf_chat.render(tokenizer, plain[: number + 1], codeact=codeact, reply=False)
        said = message["content"]
        shown = said if whole.startswith(said, len(before)) else said.strip()  # some templates strip
        if not (before.startswith(text) and whole.startswith(before) and whole.startswith(shown, len(before))):
            raise ConfigError(
                "This model's chat template changes what was said before, so replies cannot be told from the "
                "rest; train another base."
            )
        text, end = whole, len(before) + len(shown)
        moved = len(before) - said.find(shown)
        for first, last in message["trained"]:
            stop = _end_mark(tokenizer, text, end) if last >= len(said) else min(end, moved + last)
            spans.append((max(len(before), moved + first), stop))
    return text, spans


def _end_mark(tokenizer: Any, text: str, end: int) -> int:
    """Return where the mark ends that stands right after a reply, `end` where there is none."""
    rest = text[end:]
    for mark in (tokenizer.eos_token, hf_chat.CHATML_END):
        if mark and rest.lstrip().startswith(mark):
            return end + len(rest) - len(rest.lstrip()) + len(mark)
    return end


def tokens_of(tokenizer: Any, messages: Sequence[Mapping[str, Any]], *, codeact: bool = False) -> Tokens:
    """Return a conversation in tokens, up to the end of its last reply; see `layout`.

    Raises:
        ConfigError: see `layout`; or the tokenizer does not say which characters a token stands for.
    """
    text, spans = layout(tokenizer, messages, codeact=codeact)
    if not getattr(tokenizer, "is_fast", False):
        raise ConfigError(
            "This model's tokenizer does not say where its tokens lie in the text; train another base."
        )
    read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = list(read["input_ids"])
    labels = [
        token if _inside(first, last, spans) else IGNORED
        for token, (first, last) in zip(ids, read["offset_mapping"], strict=True)
    ]
    return Tokens(ids, labels)


def _inside(first: int, last: int, spans: Spans) -> bool:
    return first < last and any(begin <= first and last <= end for begin, end in spans)


def cut(tokens: Tokens, most: int) -> Tokens:
    """Return at most the first `most` tokens."""
    return tokens if len(tokens.ids) <= most else Tokens(tokens.ids[:most], tokens.labels[:most])


def encoded(
    tokenizer: Any, rows: Iterable[Mapping[str, Any]], most: int, *, codeact: bool = False
) -> Iterator[Tokens]:
    """Yield rows of train.jsonl as tokens, at most `most` each; those without a taught token are left out."""
    for row in rows:
        tokens = cut(tokens_of(tokenizer, row["messages"], codeact=codeact), most)
        if tokens.taught:
            yield tokens

"""Task, context and steps -> messages: a pure function of the system prompt, the turns and a view.

The prefix is stable: a turn, once sent, is sent again byte for byte, so a model with a KV cache evaluates only
what is new. The one exception is the view: when the messages outgrow their budget, old observations are
shortened, many at once, so that the prefix breaks rarely.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

from codeact_kernel.agent.observation import shorten
from codeact_kernel.canonical import digest
from codeact_kernel.types import Image, Message, Step, TaskTurn, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CHARS_PER_TOKEN = 3.0
"""A cautious guess for code and tables until the model has told us better."""

SHORT = (600, 160)
"""Characters an old observation keeps, gently first."""

REFILL = 0.6
"""Trimming goes on until the messages take this part of the budget, so that the next trim is far away."""

FENCE_LINE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)


def words(name: str) -> str:
    """Return the text of `prompts/NAME.md`, without its final newline."""
    return (resources.files("codeact_kernel.agent") / "prompts" / f"{name}.md").read_text("utf-8").rstrip("\n")


def build(
    system: str, turns: Sequence[Turn], view: Mapping[str, int] | None = None, *, images: bool = False
) -> list[Message]:
    """Return the messages for the next reply.

    Args:
        system: the system prompt, verbatim; empty for none.
        turns: tasks and steps in order.
        view: index of a turn -> characters its observation is shortened to.
        images: whether the pictures of observations are sent.

    Neighbours of one role are joined, since many chat templates insist on alternation.
    """
    messages = [Message("system", system)] if system else []
    for index, turn in enumerate(turns):
        for message in _messages_of(turn, (view or {}).get(str(index)), images=images):
            if messages and messages[-1].role == message.role:
                last = messages.pop()
                joined = last.content + "\n\n" + message.content
                messages.append(Message(message.role, joined, last.images + message.images))
            else:
                messages.append(message)
    return messages


def digest_of(messages: Iterable[Message]) -> str:
    """Return the SHA-256 of the canonical messages; an image counts by its own SHA-256."""
    return digest([[m.role, m.content, [image.sha256 for image in m.images]] for m in messages])


def task_content(task: str, context: str) -> str:
    """Return the message of a task: what is in the kernel, then the user's words, last and so best heeded."""
    return f"{context}\n\nTask: {task}" if context else f"Task: {task}"


def fit(
    system: str,
    turns: Sequence[Turn],
    view: Mapping[str, int],
    budget: int,
    *,
    chars_per_token: float = CHARS_PER_TOKEN,
    images: bool = False,
) -> dict[str, int]:
    """Return a view with which the messages take at most `budget` tokens, as far as trimming can do it.

    Old observations go first and the newest is kept whole as long as possible. A view only grows: what was
    shortened stays so. 0 as a budget is no limit.
    """
    grown = dict(view)

    def size() -> float:
        return sum(len(m.content) for m in build(system, turns, grown, images=images)) / chars_per_token

    if not budget or size() <= budget:
        return grown
    observed = [index for index, turn in enumerate(turns) if isinstance(turn, Step) and turn.observation]
    for keep, indices in ((SHORT[0], observed[:-1]), (SHORT[1], observed[:-1]), (SHORT[0], observed[-1:])):
        for index in indices:
            turn = turns[index]
            if isinstance(turn, Step) and turn.observation and len(turn.observation.text) > keep:
                grown[str(index)] = min(keep, grown.get(str(index), keep))
                if size() <= budget * REFILL:
                    return grown
        if size() <= budget:
            return grown
    return grown


def _messages_of(turn: Turn, keep: int | None, *, images: bool) -> list[Message]:
    if isinstance(turn, TaskTurn):
        return [Message("user", turn.content)]
    messages = [Message("assistant", _closed(turn.completion.text) or "(empty reply)")]
    observation = turn.observation
    if observation is not None:
        text = observation.text if keep is None else shorten(observation.text, keep)
        pictures: tuple[Image, ...] = tuple(image for _, image in observation.images) if images else ()
        messages.append(Message("user", text, pictures))
    return messages


def _closed(text: str) -> str:
    """Close a fence whose end a stop string took away: the model should see its own code well formed."""
    fence = ""
    for match in FENCE_LINE.finditer(text):
        mark = match.group(1)
        if not fence:
            fence = mark
        elif mark[0] == fence[0] and len(mark) >= len(fence):
            fence = ""
    if fence:
        return text.rstrip("\n") + "\n" + fence
    if text.rfind("<execute>") > text.rfind("</execute>"):
        return text.rstrip("\n") + "\n</execute>"
    return text

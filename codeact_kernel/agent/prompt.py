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
from codeact_kernel.types import Image, Message, Step, Summary, TaskTurn, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

CHARS_PER_TOKEN = 3.0
"""A cautious guess for code and tables until the model has told us better."""

SHORT = (600, 160)
"""Characters an old observation keeps, gently first."""

HANDLE, LEFT_OUT = 0, -1
"""Further: a note on how to get the output back, and no more of the turn than that it is missing."""

HANDLE_WORDS = "[{size:,} characters of output are left out here; out({step}) returns all that step {step} gave.]"

LATEST = 6
"""Turns at the end that are never left out."""

REFILL, ENOUGH = 0.6, 0.8
"""Trimming goes on until the messages take the first part of the budget, so that the next trim is far away; at
the end of a stage the second is enough."""

FENCE_LINE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)


def words(name: str) -> str:
    """Return the text of `prompts/NAME.md`, without its final newline."""
    return (resources.files("codeact_kernel.agent") / "prompts" / f"{name}.md").read_text("utf-8").rstrip("\n")


def build(
    system: str,
    turns: Sequence[Turn],
    view: Mapping[str, int] | None = None,
    *,
    images: bool = False,
    summary: Summary | None = None,
) -> list[Message]:
    """Return the messages for the next reply.

    Args:
        system: the system prompt, verbatim; empty for none.
        turns: tasks and steps in order.
        view: index of a turn -> characters its observation is shortened to; HANDLE: only a note on how to get it
            back stands for it; LEFT_OUT: the turn is not sent.
        images: whether the pictures of observations are sent.
        summary: what stands for the turns that are not sent; None: the latest of the steps' own.

    Neighbours of one role are joined, since many chat templates insist on alternation.
    """
    messages = [Message("system", system)] if system else []
    missing: list[Turn] = []
    noted = (summary or latest_summary(turns)) if last_left_out(view or {}) >= 0 else None
    for index, turn in enumerate(turns):
        keep = (view or {}).get(str(index))
        if keep == LEFT_OUT:
            missing.append(turn)
            continue
        if missing:
            notes = noted if index > last_left_out(view or {}) else None
            _add(messages, Message("user", _left_out(missing, notes)))
            missing = []
        for message in _messages_of(turn, keep, images=images):
            _add(messages, message)
    return messages


def sent(system: str, turns: Sequence[Turn], index: int, *, images: bool = False) -> list[Message]:
    """Return the messages that were sent for the step at `index` of the turns, from its record of the request."""
    step = turns[index]
    assert isinstance(step, Step)
    return build(system, turns[:index], step.request.view, images=images, summary=step.request.summary)


def latest_summary(turns: Sequence[Turn]) -> Summary | None:
    """Return what was last noted of turns that are left out."""
    made = (turn.request.summary for turn in reversed(turns) if isinstance(turn, Step))
    return next((summary for summary in made if summary is not None), None)


def last_left_out(view: Mapping[str, int]) -> int:
    """Return the index of the last turn that is not sent, -1 where all are."""
    return max((int(index) for index, keep in view.items() if keep == LEFT_OUT), default=-1)


def _add(messages: list[Message], message: Message) -> None:
    if messages and messages[-1].role == message.role:
        last = messages.pop()
        joined = last.content + "\n\n" + message.content
        message = Message(message.role, joined, last.images + message.images)
    messages.append(message)


def _left_out(turns: Sequence[Turn], noted: Summary | None) -> str:
    """Return what stands for turns that are not sent: a line, and what the model noted of them."""
    notes = f"\n[Your notes on what is left out: {noted.text}]" if noted is not None else ""
    steps = [turn.index for turn in turns if isinstance(turn, Step)]
    if not steps:
        return f"[An earlier task is left out here.]{notes}"
    which = f"Step {steps[0]} is" if len(steps) == 1 else f"Steps {steps[0]} to {steps[-1]} are"
    return (
        f"[{which} left out here. The variables are still there, and out({steps[0]}), for example, returns all "
        f"that step {steps[0]} gave.]{notes}"
    )


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

    sizes = [_size(turn, grown.get(str(index)), images=images) for index, turn in enumerate(turns)]
    noted = latest_summary(turns)
    total, most = len(system) + sum(sizes) + len(noted.text if noted else ""), budget * chars_per_token
    if not budget or total <= most:
        return grown
    for keep, indices in _stages(turns):
        for index in indices:
            size = _size(turns[index], keep, images=images)
            if size < sizes[index] and keep < grown.get(str(index), keep + 1):
                grown[str(index)] = keep
                total, sizes[index] = total - sizes[index] + size, size
            if total <= most * REFILL:
                return grown
        if total <= most * ENOUGH:
            return grown
    newest = next((str(index) for index, turn in reversed(list(enumerate(turns))) if _is_long(turn)), None)
    if total > most and newest is not None:
        grown[newest] = min(SHORT[0], grown.get(newest, SHORT[0]))
    return grown


def _is_long(turn: Turn) -> bool:
    return isinstance(turn, Step) and turn.observation is not None and len(turn.observation.text) > SHORT[0]


def _stages(turns: Sequence[Turn]) -> Iterator[tuple[int, list[int]]]:
    """Yield what may be trimmed, gently first: how far, and which turns, the oldest first.

    The first task says what was in the kernel, the last one what is wanted now: they stay, as the latest turns do.
    """
    observed = [index for index, turn in enumerate(turns) if isinstance(turn, Step) and turn.observation]
    tasks = [index for index, turn in enumerate(turns) if isinstance(turn, TaskTurn)]
    for keep in (*SHORT, HANDLE):
        yield keep, observed[:-1]
    yield LEFT_OUT, [index for index in range(len(turns) - LATEST) if index not in {*tasks[:1], *tasks[-1:]}]


def _size(turn: Turn, keep: int | None, *, images: bool) -> int:
    """Return the characters that a turn adds, what joins it to its neighbours included."""
    if keep == LEFT_OUT:
        return 0
    return sum(len(message.content) + 2 for message in _messages_of(turn, keep, images=images))


def _messages_of(turn: Turn, keep: int | None, *, images: bool) -> list[Message]:
    if isinstance(turn, TaskTurn):
        return [Message("user", turn.content)]
    messages = [Message("assistant", _closed(turn.completion.text) or "(empty reply)")]
    observation = turn.observation
    if observation is not None:
        text = observation.text if keep is None else shorten(observation.text, keep)
        if keep == HANDLE:
            text = HANDLE_WORDS.format(size=len(observation.text), step=turn.index)
        seen = images and keep != HANDLE
        pictures: tuple[Image, ...] = tuple(image for _, image in observation.images) if seen else ()
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

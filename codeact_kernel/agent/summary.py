"""Notes on what is about to be left out, in the model's own words; optional (`CodeAct.summarize`).

They are asked for with a prefix of the messages that were sent before, so that a model that keeps its prefix reads
only the question.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from codeact_kernel.agent import prompt
from codeact_kernel.types import Summary, TaskTurn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codeact_kernel.agent.conversation import Conversation
    from codeact_kernel.types import Completion, Message, Sampling

TOKENS, CHARS = 300, 1500


def due(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    """Say whether more turns are left out by a new view than by the one before."""
    return any(keep == prompt.LEFT_OUT != before.get(index) for index, keep in after.items())


def question(talk: Conversation, before: Mapping[str, int], *, images: bool) -> list[Message]:
    """Return what is asked: all up to the last turn that `talk.view` leaves out, as it was sent so far."""
    upto = prompt.last_left_out(talk.view)
    turns = [*talk.turns[: upto + 1], TaskTurn("", prompt.words("summarize"))]
    return prompt.build(talk.system, turns, before, images=images, summary=prompt.latest_summary(talk.turns))


def bounded(sampling: Sampling) -> Sampling:
    """Return how notes are drawn: greedily where the task is, briefly, without the stop strings of code."""
    return replace(sampling, max_tokens=min(TOKENS, sampling.max_tokens), stop=())


def read(reply: Completion, talk: Conversation) -> Summary | None:
    """Return the notes of a reply, None where it has none or went round and round."""
    text = reply.text.strip()
    if not text or reply.finish == "cancelled":
        return None
    return Summary(text[:CHARS], prompt.last_left_out(talk.view), reply.usage)

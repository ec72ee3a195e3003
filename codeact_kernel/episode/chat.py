"""The conversation that an episode holds: what every message was made of, and the proof that it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.prompt import digest_of, sent
from codeact_kernel.episode.cells import turn_of
from codeact_kernel.episode.notebook import from_notebook
from codeact_kernel.episode.plain import unescape
from codeact_kernel.episode.schema import check_version
from codeact_kernel.errors import EpisodeError
from codeact_kernel.types import Step, Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeact_kernel.types import Message


def action_of(notebook: dict[str, Any]) -> str:
    """Return the action space that an episode's replies are written in; "code" where its header does not say."""
    agent = notebook["metadata"]["codeact"].get("agent")
    return str(agent.get("format", "code")) if isinstance(agent, dict) else "code"


def conversation(notebook: dict[str, Any]) -> tuple[str, list[Turn]]:
    """Return the system prompt and the turns of an episode, exact in all that messages need.

    Made from metadata only: outputs may be cleared (then pictures have no data, only their digest), cells moved,
    ids renumbered. Steps that were interrupted are no turns.

    Raises:
        EpisodeError: the notebook is no episode, was damaged, or is of a newer major version.
    """
    episode = from_notebook(notebook)
    check_version(episode.header)
    header = unescape(episode.header)
    prompt = header.get("prompt")
    if not isinstance(prompt, dict) or not isinstance(prompt.get("system"), str):
        raise EpisodeError("The header of the episode lacks the system prompt; the episode was damaged.")
    turns = [turn for entry in episode.entries if (turn := turn_of(entry)) is not None]
    return prompt["system"], turns


def messages_before(system: str, turns: Sequence[Turn], index: int) -> list[Message]:
    """Return the messages that were sent for the step at `index` of the turns.

    Whether pictures were sent is not recorded by itself: it is what agrees with the step's request digest.

    Raises:
        EpisodeError: neither agrees; what the model saw cannot be rebuilt.
    """
    step = turns[index]
    if not isinstance(step, Step):
        raise EpisodeError(f"Turn {index} of the conversation is a task; nothing was asked for it.")
    for images in (False, True):
        messages = sent(system, turns, index, images=images)
        if digest_of(messages) == step.request.digest:
            return messages
    raise EpisodeError(
        f"The messages of step {step.index} cannot be rebuilt: the episode, or the words that this version "
        "of codeact-kernel makes of it, changed since it was recorded."
    )


def check_messages(notebook: dict[str, Any]) -> list[str]:
    """Return one sentence for each step whose messages, rebuilt from the notebook alone, are not those sent.

    Raises:
        EpisodeError: see `conversation`.
    """
    system, turns = conversation(notebook)
    problems = []
    for index, turn in enumerate(turns):
        if isinstance(turn, Step):
            try:
                messages_before(system, turns, index)
            except EpisodeError as error:
                problems.append(str(error))
    return problems

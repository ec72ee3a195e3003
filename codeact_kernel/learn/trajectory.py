"""A trajectory: one conversation as training sees it, from an episode of ours or a row of CodeActInstruct."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.prompt import build
from codeact_kernel.canonical import digest
from codeact_kernel.episode.chat import conversation
from codeact_kernel.episode.foreign import read
from codeact_kernel.episode.integrity import integrity
from codeact_kernel.types import Step, TaskTurn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeact_kernel.types import Turn

Row = dict[str, Any]
INSTRUCT = "codeact-instruct"
HUMAN = ("modify", "reject", "stop")
"""Decisions of a person after which the model's proposal is no example to follow."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a checker said of an episode: `solved` is None where none did; `split` and `family` of its task."""

    solved: bool | None = None
    split: str = "train"
    family: str = ""


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One conversation and what is known of it: how it ended, in which ways it is not as it was recorded."""

    id: str
    source: str
    system: str
    turns: tuple[Turn, ...]
    verdict: Verdict
    status: str = "done"
    faults: tuple[str, ...] = ()

    @property
    def steps(self) -> list[Step]:
        """The rounds in order."""
        return [turn for turn in self.turns if isinstance(turn, Step)]

    @property
    def tasks(self) -> list[TaskTurn]:
        """The tasks in order."""
        return [turn for turn in self.turns if isinstance(turn, TaskTurn)]

    @property
    def answer(self) -> str:
        """The last answer, "" without one."""
        return next((said for step in reversed(self.steps) if (said := step.answer) is not None), "")

    @property
    def key(self) -> bytes:
        """The same for two trajectories that do the same for the same task: 16 bytes."""
        tasks = [turn.content.split() for turn in self.tasks]
        done = [(step.code or step.completion.text).split() for step in self.steps]
        return bytes.fromhex(digest([tasks, done]))[:16]


def of_episode(notebook: dict[str, Any], verdict: Verdict | None) -> Trajectory:
    """Return the trajectory of an episode's notebook; without a verdict it counts as unchecked.

    Raises:
        EpisodeError: the notebook is no episode, was damaged, or is of a newer major version.
    """
    system, turns = conversation(notebook)
    header = notebook["metadata"]["codeact"]
    return Trajectory(
        id=str(header.get("episode") or ""),
        source="episode",
        system=system,
        turns=tuple(turns),
        verdict=verdict or Verdict(),
        status=str(header.get("status")),
        faults=tuple(integrity(notebook)),
    )


def of_instruct(row: Row) -> Trajectory:
    """Return the trajectory of a row of CodeActInstruct, `{"id", "conversations": [{"role", "content"}]}`.

    Its authors kept solved ones only.

    Raises:
        EpisodeError: the row is no conversation.
    """
    found = read(row, INSTRUCT)
    verdict = Verdict(solved=True)
    return Trajectory(str(row.get("id") or ""), INSTRUCT, found.system, tuple(found.turns), verdict)


def erred(step: Step) -> bool:
    """Say whether a step's code failed: it raised, did not parse, was stopped or refused."""
    return step.code is not None and (step.observation is None or step.observation.status != "ok")


def guessed(step: Step) -> bool:
    """Say whether a step is a reply without code, or an answer, that was sent back."""
    return step.kind == "note" or step.told is not None


def is_sound(step: Step) -> bool:
    """Say whether a reply is one to learn from: code that ran as the model wrote it, or an accepted answer."""
    decided = step.approval.decision if step.approval is not None else "auto"
    if guessed(step) or decided in HUMAN or step.completion.finish in {"length", "cancelled"}:
        return False
    if step.kind == "answer":
        return True
    return step.kind == "action" and step.observation is not None and step.observation.status == "ok"


def is_own(step: Step) -> bool:
    """Say whether a reply is the model's own and no person objected to it, whatever came of it."""
    return step.approval is None or step.approval.decision not in HUMAN


def messages_of(system: str, turns: Sequence[Turn], *, errors: bool = False) -> list[Row]:
    """Return the messages of a conversation as the agent sends them, each `{"role", "content", "trained"}`.

    `trained` lists the [start, end) of the characters that the model is taught to write: its own sound replies
    (with `errors`, also those that failed), never a proposal that a person changed or refused. What a person made
    of it stands in the observation, where nothing is trained. Neighbours of one role are joined, as in `build`.
    """
    messages: list[Row] = [_message("system", system)] if system else []
    for turn in turns:
        learnt = isinstance(turn, Step) and (is_own(turn) if errors else is_sound(turn))
        for message in build("", [turn]):
            new = _message(message.role, message.content, whole=learnt and message.role == "assistant")
            if messages and messages[-1]["role"] == message.role:
                messages[-1] = _joined(messages[-1], new)
            else:
                messages.append(new)
    return messages


def _message(role: str, content: str, *, whole: bool = False) -> Row:
    return {"role": role, "content": content, "trained": [[0, len(content)]] if whole and content else []}


def _joined(first: Row, second: Row) -> Row:
    head = first["content"] + "\n\n"
    moved = [[start + len(head), end + len(head)] for start, end in second["trained"]]
    return {
        "role": first["role"],
        "content": head + second["content"],
        "trained": [*first["trained"], *moved],
    }

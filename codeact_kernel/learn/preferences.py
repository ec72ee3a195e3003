"""A user's edits and refusals as preference pairs: only of tasks whose header says that the user agreed to it.

A pair is `{"id", "step", "why", "reason", "prompt", "chosen", "rejected"}`, the last three as lists of
`{"role", "content"}`: the shape that TRL's preference trainers read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.prompt import build
from codeact_kernel.types import Step, TaskTurn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from codeact_kernel.learn.trajectory import Trajectory
    from codeact_kernel.types import Turn

CONSENT = "preferences"
"""A key of a task's entry in the header; true where `CodeAct.share_preferences` was on when it was given."""
Row = dict[str, Any]


def pairs_of(trajectory: Trajectory, notebook: dict[str, Any]) -> Iterator[Row]:
    """Yield the pairs of an episode: the edited cell over the proposed, the next accepted cell over the refused.

    Tasks without consent give none, whatever happened in them, nor do episodes that are not as they were recorded,
    nor a refusal after which no cell of the same task was accepted.
    """
    if trajectory.faults:
        return
    agreed = _consents(notebook, len(trajectory.tasks))
    turns, task = trajectory.turns, -1
    for number, turn in enumerate(turns):
        if isinstance(turn, TaskTurn):
            task += 1
        elif 0 <= task < len(agreed) and agreed[task]:
            chosen = _chosen(turn, turns[number + 1 :])
            if chosen is None or turn.approval is None:
                continue
            yield {
                "id": f"{trajectory.id}-{turn.index}",
                "step": turn.index,
                "why": "edit" if turn.approval.decision == "modify" else "refusal",
                "reason": turn.approval.reason,
                "prompt": [_plain(m.role, m.content) for m in build(trajectory.system, turns[:number])],
                "chosen": [_plain("assistant", chosen)],
                "rejected": [_plain("assistant", _reply(turn))],
            }


def _consents(notebook: dict[str, Any], tasks: int) -> list[bool]:
    """Say of each task whether its user agreed; of none where entries and tasks do not match."""
    entries = notebook["metadata"]["codeact"].get("tasks")
    if not isinstance(entries, list) or len(entries) != tasks:
        return [False] * tasks
    return [isinstance(entry, dict) and entry.get(CONSENT) is True for entry in entries]


def _chosen(step: Step, later: Sequence[Turn]) -> str | None:
    """Return the reply that the user would rather have had, None where it is not known."""
    decision = step.approval.decision if step.approval is not None and step.approval.by == "user" else ""
    if decision == "modify" and step.code is not None:
        return _fenced(step.thought, step.code)
    if decision != "reject":
        return None
    for turn in later:
        if isinstance(turn, TaskTurn):
            return None
        if turn.kind == "action" and turn.execution is not None:
            edited = turn.approval is not None and turn.approval.decision == "modify"
            return _fenced(turn.thought, turn.code or "") if edited else _reply(turn)
    return None


def _reply(step: Step) -> str:
    return build("", [step])[0].content


def _fenced(thought: str, code: str) -> str:
    block = f"```python\n{code}\n```"
    return f"{thought.strip()}\n{block}" if thought.strip() else block


def _plain(role: str, content: str) -> Row:
    return {"role": role, "content": content}

"""The funnel: which trajectories are worth learning from (Wang et al., 2024, section 3), one small rule each.

The paper keeps what was solved in more than two turns, drops what was easy and runs whose every earlier turn was
an error or a guess, and never keeps failures. The other rules are ours.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codeact_kernel.agent.grounding import unshown
from codeact_kernel.learn.trajectory import erred, guessed
from codeact_kernel.types import TaskTurn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from codeact_kernel.learn.trajectory import Trajectory

MIN_TURNS = 3
"""The paper drops what was solved in two turns or less as easy."""
HELD_OUT = "held-out"
SHORT_ANSWER = (3, 60)
"""Characters of an answer that is looked for as it is: shorter ones stand in any code, longer ones in none."""


def whole(trajectory: Trajectory) -> bool:
    """Is as it was recorded, ran to its end, and has a task and a reply."""
    return not trajectory.faults and trajectory.status == "done" and bool(trajectory.tasks and trajectory.steps)


def not_held_out(trajectory: Trajectory) -> bool:
    """Belongs to no task that is kept for measuring."""
    return trajectory.verdict.split != HELD_OUT


def solved(trajectory: Trajectory) -> bool:
    """Was solved, as the checker of its task says; an episode without a checker was not."""
    return trajectory.verdict.solved is True


def solved_or_unchecked(trajectory: Trajectory) -> bool:
    """Was solved, or nobody checked: an answer that its user left standing."""
    return trajectory.verdict.solved is not False and bool(trajectory.answer)


def more_than(turns: int) -> Callable[[Trajectory], bool]:
    """Return the rule that a trajectory took more turns (replies of the model) than this."""

    def took_more_turns(trajectory: Trajectory) -> bool:
        return len(trajectory.steps) > turns

    return took_more_turns


def not_all_errors(trajectory: Trajectory) -> bool:
    """Has an earlier turn that was neither an error nor a guess, so that its end was no lucky one."""
    earlier = trajectory.steps[:-1]
    return not earlier or any(not erred(step) and not guessed(step) for step in earlier)


def recovered(trajectory: Trajectory) -> bool:
    """After its last error some code ran without one; a trajectory without errors passes."""
    codes = [erred(step) for step in trajectory.steps if step.code is not None]
    return not codes or not codes[-1]


def had_an_error(trajectory: Trajectory) -> bool:
    """Has a turn whose code failed (asked for by `--only-recovered`)."""
    return any(erred(step) for step in trajectory.steps)


def no_leak(trajectory: Trajectory) -> bool:
    """Never wrote its answer before anything showed it.

    Looked for in every reply (in the last one, only in its code): the figures and names of the answer, and a short
    answer as it is, that neither task nor output held so far. A figure that stands in code by chance (`head(12)`
    and the answer 12) counts as well: a row lost costs less than a row that teaches to make things up.
    """
    answer = trajectory.answer
    evidence: list[str] = []
    last = trajectory.steps[-1] if trajectory.steps else None
    for turn in trajectory.turns:
        if isinstance(turn, TaskTurn):
            evidence.append(turn.content)
            continue
        # The last reply may say the answer; its code may not, unless something showed it before.
        if _told(answer, evidence, (turn.code or "") if turn is last else turn.completion.text):
            return False
        if turn.observation is not None:
            evidence.append(turn.observation.text)
    return True


def _told(answer: str, evidence: Sequence[str], reply: str) -> bool:
    """Say whether a reply holds a part of the answer that no evidence shows."""
    hidden = unshown(answer, evidence)
    if hidden and len(unshown(answer, [*evidence, reply])) < len(hidden):
        return True
    short = answer.strip().strip("'\"")
    if not SHORT_ANSWER[0] <= len(short) <= SHORT_ANSWER[1] or any(short in text for text in evidence):
        return False
    return re.search(rf"(?<!\w){re.escape(short)}(?!\w)", reply) is not None


class Unseen:
    """Lets each trajectory pass once: the same code for the same task is one row. Keeps 16 bytes of each."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def __call__(self, trajectory: Trajectory) -> bool:
        """Say whether nothing like it came before."""
        before = len(self._seen)
        self._seen.add(trajectory.key)
        return len(self._seen) > before


@dataclass
class Funnel:
    """Named rules in order, and how many trajectories each dropped; what cannot be read is dropped first."""

    rules: list[tuple[str, Callable[[Trajectory], bool]]]
    seen: int = 0
    kept: int = 0
    redacted: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def passes(self, trajectory: Trajectory) -> bool:
        """Say whether a trajectory is kept; the first rule that it breaks is counted."""
        self.seen += 1
        for name, rule in self.rules:
            if not rule(trajectory):
                self.dropped[name] += 1
                return False
        self.kept += 1
        return True

    def unreadable(self) -> None:
        """Count a file or row that is no trajectory."""
        self.seen += 1
        self.dropped[UNREADABLE] += 1

    def table(self) -> list[tuple[str, int, int]]:
        """Return (rule, dropped by it, left after it) in order, the first line being what came in."""
        left, rows = self.seen, [("read", 0, self.seen)]
        for name in (UNREADABLE, *(name for name, _ in self.rules)):
            left -= self.dropped[name]
            rows.append((name, self.dropped[name], left))
        return rows


UNREADABLE = "readable"


def funnel(*, min_turns: int = MIN_TURNS, unchecked: bool = False, only_recovered: bool = False) -> Funnel:
    """Return the funnel in its order: cheap rules first, what needs memory last."""
    rules: list[tuple[str, Callable[[Trajectory], bool]]] = [
        ("whole", whole),
        ("not held out", not_held_out),
        ("solved or unchecked", solved_or_unchecked) if unchecked else ("solved", solved),
        (f"more than {min_turns - 1} turns", more_than(min_turns - 1)),
        ("not every earlier turn an error", not_all_errors),
        ("recovered from its errors", recovered),
    ]
    if only_recovered:
        rules.append(("had an error", had_an_error))
    return Funnel([*rules, ("no leakage of the answer", no_leak), ("not seen before", Unseen())])

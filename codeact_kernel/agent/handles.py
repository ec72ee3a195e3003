"""`out(7)` in a cell: the outputs of earlier steps, which the kernel gives back in full.

What the model sees of an old output is shortened, and in the end left out; the record and the kernel have it all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codeact_kernel.agent import observation
from codeact_kernel.types import Step

if TYPE_CHECKING:
    from codeact_kernel.agent.conversation import Conversation

CALL = re.compile(r"\bout\s*\(\s*(?P<step>\d+\s*\))?")


def outputs_for(code: str, talk: Conversation) -> dict[int, tuple[str, int | None]]:
    """Return what a cell may ask for with `out(step)`: the text of a step's output and its execution count.

    The count is None where the step ran in another kernel, whose values are gone. Empty for a cell that asks for
    nothing; a cell that computes the step's number may ask for any.
    """
    calls = [found["step"] for found in CALL.finditer(code)]
    if not calls:
        return {}
    wanted = None if None in calls else {int(call.rstrip(" )\n\t")) for call in calls if call}
    known: dict[int, tuple[str, int | None]] = {}
    for turn in talk.turns:
        if isinstance(turn, Step) and turn.execution is not None and (wanted is None or turn.index in wanted):
            count = turn.execution.execution_count if turn.index > talk.before else None
            known[turn.index] = observation.whole(turn.execution), count
    return known

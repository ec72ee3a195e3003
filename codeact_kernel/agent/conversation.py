"""What has been said in a kernel, and the bounds of one task of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codeact_kernel.agent import prompt

if TYPE_CHECKING:
    from codeact_kernel.types import Snapshot, Summary, Turn


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one task; 0 is no limit. Times in seconds, sizes in tokens and characters.

    After `ask_seconds` of one cell the person is asked whether to wait. `output_bytes` are those of all steps;
    `growth_bytes` is what the kernel's memory may grow by.
    `summaries`: the model is asked for notes on whole turns before they are left out.
    """

    steps: int = 12
    seconds: float = 0.0
    tokens: int = 0
    cell_seconds: float = 0.0
    ask_seconds: float = 0.0
    output_bytes: int = 0
    growth_bytes: int = 0
    context_tokens: int = 0
    observation_chars: int = 4000
    summaries: bool = False


@dataclass
class Conversation:
    """What has been said: the system prompt, the turns, and which observations are shortened by now.

    `summary` was made for the next request, whose record will hold it.
    `before` is the last step that ran in an earlier kernel than the one that is here. `note` is a sentence
    that goes before what the next task is told of the kernel; `made` are the variables that the agent's own
    steps made; `action` is the action space that the system prompt explains.
    """

    system: str
    turns: list[Turn] = field(default_factory=list)
    view: dict[str, int] = field(default_factory=dict)
    summary: Summary | None = None
    snapshot: Snapshot | None = None
    note: str = ""
    steps: int = 0
    action: str = "code"
    before: int = 0
    made: set[str] = field(default_factory=set)
    chars_per_token: float = prompt.CHARS_PER_TOKEN

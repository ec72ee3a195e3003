"""What engines have in common: what they are given, and what they give back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.stop import Stop

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TypeAlias

    from codeact_kernel.config import CodeAct
    from codeact_kernel.evaluate.case import Job
    from codeact_kernel.evaluate.ledger import Row
    from codeact_kernel.evaluate.suite import Suite

    Done: TypeAlias = tuple[Job, int, Row | None, str]
    """A job, its attempt, its row; or None and why the attempt does not count."""


@dataclass
class Setup:
    """What an engine is given; `jobs` is how many episodes run at once."""

    suite: Suite
    config: CodeAct
    data: Path | None
    out: Path
    jobs: int = 1
    settings: dict[str, Any] = field(default_factory=dict)
    stop: Stop = field(default_factory=Stop)

"""The nouns of an evaluation: a case, a job, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codeact_kernel.types import Usage


@dataclass(frozen=True, slots=True)
class Case:
    """One task of a suite.

    `id` is unique in the suite and `group` is what a stratified sample is stratified by. `data` is the suite's own
    and must be JSON: it travels to other processes.
    """

    id: str
    group: str
    task: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """One case in one action space, once. `epoch` counts from 1."""

    suite: str
    protocol: str
    case: Case
    action: str
    epoch: int = 1

    @property
    def id(self) -> str:
        """The job's name in an evaluation: unique, and the same in every run of the same command."""
        return f"{self.case.id}@{self.action}#{self.epoch}"


@dataclass(frozen=True, slots=True)
class Played:
    """What came of one episode, as its suite judged it.

    `scores` are by name, 0 to 1, the suite's headline first; `turns` are replies of the model that count;
    `failure` is "" or a class of failure; `raised` counts the exceptions of the steps by name; `repeated` counts
    actions that were made before; `calls` counts model calls, drafts included. A case of several questions has the
    headline score of each in `marks`; its scores are then their means.
    """

    scores: dict[str, float]
    turns: int
    usage: Usage
    failure: str = ""
    answers: tuple[str, ...] = ()
    raised: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    notes: tuple[str, ...] = ()
    marks: tuple[float, ...] = ()

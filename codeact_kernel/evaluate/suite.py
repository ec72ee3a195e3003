"""What a suite is: tasks, how one is played, how it is scored. One file in `suites` each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from codeact_kernel.evaluate.bench import Bench
    from codeact_kernel.evaluate.case import Case, Played


class Suite(Protocol):
    """Tasks, how one is played, and how it is scored.

    `protocols` are the ways to play it, the default first; `scores` the names of its scores, the headline first;
    `turns` how many replies of the model count at most, 0 where there is no limit of the suite's own.
    """

    name: str
    protocols: tuple[str, ...]
    scores: tuple[str, ...]
    turns: int

    def cases(self, data: Path | None, protocol: str = "") -> list[Case]:
        """Return all tasks of a protocol, the default one for "".

        Raises:
            ConfigError: `data` is not what the suite reads; the sentence says what is.
        """

    async def play(self, bench: Bench) -> Played:
        """Carry out one case and judge it.

        Raises:
            CodeActError: what is to blame is neither the model's reply nor the suite: the attempt does not count.
        """

"""A replay in a kernel that is somebody's: looked at first, then run cell by cell or to its end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from codeact_kernel.agent.risk import labels
from codeact_kernel.agent.stop import Stop
from codeact_kernel.errors import ConfigError, EpisodeError
from codeact_kernel.replay import environment, loading
from codeact_kernel.replay.plan import plan
from codeact_kernel.replay.rules import Aliases
from codeact_kernel.replay.runner import CellResult, Options, Replay, replay_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from codeact_kernel.agent.risk import Risk
    from codeact_kernel.replay.environment import EnvironmentDifference, Installed
    from codeact_kernel.replay.plan import Plan, PlannedCell
    from codeact_kernel.replay.runner import Runs

State: TypeAlias = Literal["ready", "running", "done", "stopped"]

LEFT = "The replay was ended before it."


@dataclass(slots=True)
class LiveReplay:
    """A notebook that is about to run, or runs, in a kernel that lives on afterwards.

    `folder` is where its cells ran, and run again; `risks` holds what each cell of the plan may do, in words for a
    person, the names it would replace among them. Nothing runs before `run` is called.
    """

    path: Path
    notebook: dict[str, Any]
    planned: Plan
    options: Options
    folder: Path
    environment: list[EnvironmentDifference]
    risks: tuple[tuple[Risk, ...], ...]
    results: list[CellResult] = field(default_factory=list)
    stop: Stop = field(default_factory=Stop)
    running: bool = False
    seconds: float = 0.0
    _aliases: Aliases = field(default_factory=Aliases)

    @property
    def left(self) -> tuple[PlannedCell, ...]:
        """The cells that did not run yet."""
        return self.planned.cells[len(self.results) :]

    @property
    def state(self) -> State:
        """Where it stands."""
        if self.running:
            return "running"
        if self.stop.is_set():
            return "stopped"
        return "ready" if self.left else "done"

    @property
    def step(self) -> int | None:
        """The last step of the episode that ran again, by its index; None before the first."""
        steps = [cell.planned.step for cell in self.results if cell.planned.step is not None]
        return max(steps, default=None)

    async def run(
        self, executor: Runs, count: int | None = None, *, told: Callable[[], object] = lambda: None
    ) -> None:
        """Run the next `count` cells, all that are left with None. Stop ends it for good.

        `told` is called when it begins and after each cell.

        Raises:
            ConfigError: it runs already, or has ended.
        """
        if self.state != "ready":
            raise ConfigError(f"The replay of {self.path.name} is {self.state}; open it anew to run it again.")
        self.running, began = True, time.monotonic()
        try:
            told()
            cells = self.left[:count]
            async for result in replay_cells(cells, executor, self.options, stop=self.stop, aliases=self._aliases):
                self.results.append(result)
                told()
        finally:
            self.running = False
            self.seconds += time.monotonic() - began

    def found(self) -> Replay:
        """Return what was found so far, as a report wants it: cells that did not run say so."""
        rest = [CellResult(cell, "not-run", LEFT) for cell in self.left]
        return Replay(
            self.path,
            self.planned,
            environment=list(self.environment),
            cells=[*self.results, *rest],
            problems=self.planned.problems,
            stopped=self.stop.is_set(),
            seconds=self.seconds,
            notebook=self.notebook,
        )


def open_live(
    path: Path,
    options: Options | None = None,
    *,
    names: Collection[str] = (),
    through: int | None = None,
    installed: Callable[[list[str]], Installed] = environment.installed_here,
) -> LiveReplay:
    """Read a notebook for a replay in a live kernel; nothing runs.

    Args:
        path: the notebook; it is only read.
        options: how the replay is made; its `kernel` does not count.
        names: the variables that are in the kernel: replacing one is told as a risk.
        through: the last step (by its index) that is run; None runs all.
        installed: says which of these packages the kernel has; by default it is this process.

    Raises:
        EpisodeError: it cannot be replayed: no notebook, changed since, something it needs is gone.
    """
    options = options or Options()
    notebook = loading.load(path, trust=options.trust)
    planned = plan(
        notebook,
        path,
        without_prelude=options.without_prelude,
        anyway=options.anyway,
        through=through,
        enter=False,
    )
    beside = path.resolve().parent
    here = installed(list(environment.packages_of(planned)))
    differences = environment.compare(planned, beside, here=here)
    fatal = next((one for one in differences if one.fatal), None)
    if fatal is not None and not options.anyway:
        raise EpisodeError(f"{path} cannot be replayed here: {fatal.sentence}")
    there = environment.working_folder(planned, beside)
    folder = there if there.is_dir() else beside
    return LiveReplay(
        path, notebook, planned, replace(options, kernel=""), folder, differences, _risks(planned, folder, names)
    )


def _risks(planned: Plan, folder: Path, names: Collection[str]) -> tuple[tuple[Risk, ...], ...]:
    """Return what each cell may do; () for one that is skipped."""
    earlier: list[str] = []
    found: list[tuple[Risk, ...]] = []
    for cell in planned.cells:
        if cell.skip:
            found.append(())
            continue
        found.append(labels(cell.source, cwd=str(folder), names=names, earlier=tuple(earlier)))
        earlier.append(cell.source)
    return tuple(found)

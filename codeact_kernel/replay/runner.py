"""Replay: run the cells of a notebook again, one after another, and say of each whether it gives the same."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from codeact_kernel.agent.stop import Stop
from codeact_kernel.episode import provenance
from codeact_kernel.errors import ConfigError, ExecutionError, StoppedError
from codeact_kernel.execute.fresh import FreshExecutor
from codeact_kernel.execute.isolated import Isolation, why_not
from codeact_kernel.replay import environment, loading
from codeact_kernel.replay.compare import Comparison, compare_outputs
from codeact_kernel.replay.plan import Plan, PlannedCell, plan
from codeact_kernel.replay.rules import Aliases, Moment, Rules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from codeact_kernel.replay.environment import EnvironmentDifference
    from codeact_kernel.types import Execution, NbOutput

Verdict: TypeAlias = Literal["same", "drift", "differs", "status", "skipped", "not-run"]

LEAST_SECONDS, TIMES_RECORDED = 10.0, 5.0
MOST_SECONDS = 600.0
"""How long a cell may take at most, unless a setting says otherwise; also where its time was not recorded."""
BAD = ("differs", "status", "not-run")
POLICIES = ("strict", "normal", "contains")
_UNCOMPARED = "only whether it fails was compared"


class Runs(Protocol):
    """What replays cells: a fresh kernel, or the one that the user sits at."""

    async def run(self, code: str, *, timeout: float | None = None) -> Execution:
        """Run one cell to its end."""

    async def interrupt(self) -> None:
        """Interrupt the running cell."""

    def answer_with(self, answer: Callable[[str], str] | None) -> None:
        """Say who answers `input()` from the next cell on; None for nobody."""

    async def take_literally(self, on: bool) -> None:  # noqa: FBT001 - the one argument says it
        """Say whether the next cells mean what is written, or `ls` may mean `%ls`."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a replay is made.

    `rtol` is the relative tolerance of floats, `policy` one of POLICIES, `most_seconds` the time one cell may
    take. `anyway` goes on with an episode that was changed since, or whose packages or files are missing;
    `trust` with outputs that hold scripts. `kernel` names another kernelspec; "" takes the recorded one.
    `isolation` is "no", "yes", or "auto": isolated where it is an episode of others and this machine can.
    """

    rules: Rules | None = None
    rtol: float = 1e-6
    policy: str = "normal"
    without_prelude: bool = False
    anyway: bool = False
    trust: bool = False
    kernel: str = ""
    most_seconds: float = MOST_SECONDS
    isolation: Literal["no", "auto", "yes"] = "no"

    def __post_init__(self) -> None:
        """Refuse what cannot be used."""
        if self.policy not in POLICIES:
            raise ConfigError(f"There is no policy {self.policy!r}; use {', '.join(POLICIES)}.")
        if not 0 <= self.rtol < 1:
            raise ConfigError(f"The tolerance {self.rtol:g} is none; give a number from 0 to 1, e.g. 1e-6.")
        if not self.most_seconds > 0:
            raise ConfigError(f"A cell cannot take {self.most_seconds:g} s; give a time above 0.")


@dataclass(frozen=True, slots=True)
class CellResult:
    """What came of one cell. `reason` is one sentence where the verdict needs one, else "".

    `comparison` is None where outputs were not compared. `seconds` is the time it took now.
    """

    planned: PlannedCell
    verdict: Verdict
    reason: str = ""
    outputs: tuple[NbOutput, ...] = ()
    seconds: float = 0.0
    status: str = ""
    count: int | None = None
    comparison: Comparison | None = None


@dataclass(slots=True)
class Replay:
    """A notebook that was replayed, or could not be (`cannot` says why). `seconds` is wall time."""

    path: Path
    plan: Plan | None = None
    environment: list[EnvironmentDifference] = field(default_factory=list)
    cells: list[CellResult] = field(default_factory=list)
    problems: tuple[str, ...] = ()
    cannot: str = ""
    stopped: bool = False
    seconds: float = 0.0
    notebook: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """The worst verdict of its cells; "cannot run" or "stopped" where that is so."""
        if self.cannot:
            return "cannot run"
        if self.stopped:
            return "stopped"
        found = {cell.verdict for cell in self.cells}
        return next((name for name in ("status", "differs", "not-run", "drift") if name in found), "same")

    @property
    def exit_code(self) -> int:
        """0 for same and drift, 1 for differs and status, 2 where it cannot run, 130 where it was stopped."""
        if self.cannot:
            return 2
        if self.stopped:
            return 130
        return int(any(cell.verdict in BAD for cell in self.cells))


class Watcher(Protocol):
    """Is told how a replay goes on."""

    def begins(self, path: Path, cells: int) -> None:
        """A notebook of so many cells is about to run."""

    def cell(self, result: CellResult) -> None:
        """A cell is done."""


class _Nobody:
    def begins(self, path: Path, cells: int) -> None:
        """Do nothing."""

    def cell(self, result: CellResult) -> None:
        """Do nothing."""


async def replay_file(
    path: Path, options: Options | None = None, *, stop: Stop | None = None, watcher: Watcher | None = None
) -> Replay:
    """Replay a notebook in a fresh kernel, from its own folder; the file is only read.

    Raises:
        EpisodeError: it cannot be replayed: no notebook, changed since it was recorded, incomplete.
        ExecutionError: its kernel does not start.
    """
    began, options, stop = time.monotonic(), options or Options(), stop or Stop()
    watcher = watcher or _Nobody()
    notebook = loading.load(path, trust=options.trust)
    planned = plan(notebook, path, without_prelude=options.without_prelude, anyway=options.anyway)
    planned = replace(planned, kernel=options.kernel or planned.kernel)
    folder = await asyncio.to_thread(lambda: path.resolve().parent)
    result = Replay(path, planned, problems=planned.problems, notebook=notebook)
    result.environment = await asyncio.to_thread(environment.compare, planned, folder)
    fatal = next((one for one in result.environment if one.fatal), None)
    if fatal is not None and (fatal.kind == "kernel" or not options.anyway):
        result.cannot = fatal.sentence
        return result
    isolated, sentence = await asyncio.to_thread(how_isolated, planned, folder, options)
    result.problems = (*result.problems, *filter(None, [sentence]))
    executor = fresh_executor(planned, folder, isolated=isolated)
    watcher.begins(path, len(planned.cells))
    try:
        try:
            await stop.guard(executor.start())
        except StoppedError:
            result.stopped = True
        async for cell in replay_cells(planned.cells, executor, options, stop=stop):
            result.cells.append(cell)
            watcher.cell(cell)
    finally:
        await executor.close()
    result.stopped = result.stopped or stop.is_set()
    result.seconds = time.monotonic() - began
    return result


def how_isolated(planned: Plan, folder: Path, options: Options) -> tuple[Isolation | None, str]:
    """Return how a replay's kernel is isolated (None: not), and what to tell the user about it.

    An isolated replay works on copies of the files that the episode names, and what it writes is gone afterwards.

    Raises:
        ExecutionError: isolation was asked for, and this machine or this kernel does not allow it.
    """
    wanted = options.isolation == "yes"
    strangers = planned.is_episode and not provenance.made_here(planned.header)
    if not wanted and (options.isolation == "no" or not strangers):
        return None, ""
    reason = why_not()
    if not reason and planned.kernel not in {"python3", "python"}:
        reason = f"The kernel {planned.kernel!r} cannot be isolated, only Python can; name another with --kernel."
    if reason and wanted:
        raise ExecutionError(reason)
    if reason:
        return None, f"This episode was not made here, and its replay is not isolated. {reason}"
    here, files = environment.start_folder(planned, folder), tuple(planned.header.get("files") or ())
    start = str(here) if planned.enters else ""
    sentence = (
        "" if wanted else "This episode was not made here: its replay is isolated (--no-isolation trusts it)."
    )
    return Isolation(files=files, start=start), sentence


def fresh_executor(
    planned: Plan, folder: Path, *, look: bool = False, isolated: Isolation | None = None
) -> FreshExecutor:
    """Return a kernel for a plan, not started yet; `folder` is the notebook's, the others as in the class."""
    start = environment.start_folder(planned, folder)
    if isolated is not None:
        work = environment.working_folder(planned, folder)
        return FreshExecutor(cwd=work if work.is_dir() else folder, look=look, literal=False, isolation=isolated)
    return FreshExecutor(kernel_name=planned.kernel, cwd=start, look=look, literal=False)


async def replay_cells(
    cells: Sequence[PlannedCell],
    executor: Runs,
    options: Options | None = None,
    *,
    stop: Stop | None = None,
    aliases: Aliases | None = None,
) -> AsyncIterator[CellResult]:
    """Run cells one after another and yield what came of each; with a caller that waits, step by step.

    A cell that fails does not keep later ones from running; after a kernel died, or Stop, they are not run.
    `aliases` go from one call to the next where a notebook is run in several.
    """
    options, stop = options or Options(), stop or Stop()
    because, aliases = "", aliases or Aliases()
    for planned in cells:
        if planned.skip:
            yield CellResult(planned, "skipped", f"Not run: {planned.skip}.")
            continue
        if because or stop.is_set():
            yield CellResult(planned, "not-run", because or "The replay was stopped.")
            continue
        try:
            execution, seconds = await _run(planned, executor, options, stop)
        except ExecutionError as error:
            because = str(error)
            yield CellResult(planned, "not-run", because)
            continue
        if execution.status == "dead":
            because = f"The kernel died in cell {planned.number}."
        if stop.is_set() and execution.status == "interrupted":
            yield CellResult(planned, "not-run", "The replay was stopped.", execution.outputs, seconds)
            continue
        yield judge(planned, execution, options, seconds=seconds, aliases=aliases)


def judge(
    planned: PlannedCell,
    execution: Execution,
    options: Options | None = None,
    *,
    seconds: float = 0.0,
    aliases: Aliases | None = None,
) -> CellResult:
    """Return the verdict on a cell that just ran again; `aliases` pass from cell to cell of one notebook."""
    options = options or Options()
    reason, comparison = _status_verdict(planned, execution), None
    outcome: Verdict
    if reason:
        outcome = "status"
    elif planned.ignore_output or not planned.recorded:
        reason, outcome = f"Its outputs were {_why_uncompared(planned)}: {_UNCOMPARED}.", "same"
    else:
        comparison = compare_outputs(
            planned.outputs,
            execution.outputs,
            rules=options.rules,
            rtol=options.rtol,
            policy=options.policy,
            aliases=aliases,
            moment=Moment(recorded=planned.began),
        )
        outcome = comparison.verdict
    return CellResult(
        planned,
        outcome,
        reason,
        execution.outputs,
        seconds,
        execution.status,
        execution.execution_count,
        comparison,
    )


def seconds_for(planned: PlannedCell, most: float) -> float:
    """Return how long a cell may run: 10 s or five times the recorded time, at most `most`."""
    if planned.seconds is None:
        return most
    return min(most, max(LEAST_SECONDS, TIMES_RECORDED * planned.seconds))


def _why_uncompared(planned: PlannedCell) -> str:
    if planned.ignore_output:
        return "not looked at, as its tag says"
    return "cleared" if planned.kind == "action" else "not recorded"


def _status_verdict(planned: PlannedCell, execution: Execution) -> str:
    """Return why a cell's status is another one than it was; "" where it is the same."""
    if execution.status == "timeout":
        return "It ran longer than it may and was interrupted."
    if execution.status in ("dead", "interrupted", "refused"):
        return execution.error.evalue if execution.error else f"It ended as {execution.status!r}."
    failed = execution.status != "ok"
    what = _error_words(execution.outputs) or (execution.error.ename if execution.error else "an error")
    if failed and not (planned.failed or (planned.failed is None and planned.may_fail)):
        return f"It failed: {what}."
    if planned.failed and not failed:
        return f"It runs now; it failed then ({_error_words(planned.outputs) or 'an error'})."
    return ""


def _error_words(outputs: Sequence[NbOutput]) -> str:
    for output in outputs:
        if output.get("output_type") == "error":
            first = str(output.get("evalue") or "").strip().split("\n")[0][:200]
            return f"{output.get('ename')}: {first}".rstrip(": .")
    return ""


async def _run(planned: PlannedCell, executor: Runs, options: Options, stop: Stop) -> tuple[Execution, float]:
    """Run one cell with its recorded answers to `input()`; Stop interrupts it."""
    executor.answer_with(_answers(planned) if planned.stdin else None)
    await executor.take_literally(planned.kind == "action")
    loop = asyncio.get_running_loop()
    waiting: set[asyncio.Task[None]] = set()

    def interrupt() -> None:
        loop.call_soon_threadsafe(lambda: waiting.add(loop.create_task(executor.interrupt())))

    forget, began = stop.on_set(interrupt), time.monotonic()
    try:
        execution = await executor.run(planned.source, timeout=seconds_for(planned, options.most_seconds))
        return execution, time.monotonic() - began
    finally:
        forget()
        for task in waiting:
            with contextlib.suppress(Exception):
                await asyncio.wait({task}, timeout=1.0)


def _answers(planned: PlannedCell) -> Callable[[str], str]:
    """Return who gives the recorded answers, in order; then the input is at its end."""
    left = [answer.get("answer", "") for answer in planned.stdin]

    def answer(_: str) -> str:
        if not left:
            raise EOFError("no answer was recorded")
        return left.pop(0)

    return answer

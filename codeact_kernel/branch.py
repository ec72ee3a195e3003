"""Fork and resume: rebuild the state of an episode in a fresh kernel and go on from there as a new episode."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from codeact_kernel.agent import prompt
from codeact_kernel.agent.conversation import Conversation
from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct, from_environment
from codeact_kernel.episode import chat
from codeact_kernel.episode.cells import moved
from codeact_kernel.episode.files import save_atomically
from codeact_kernel.episode.notebook import dumps, to_notebook
from codeact_kernel.episode.places import check_new, free, named, way_to
from codeact_kernel.episode.store import EpisodeWriter
from codeact_kernel.errors import ConfigError, EpisodeError, ExecutionError, StoppedError
from codeact_kernel.oneshot import Result
from codeact_kernel.replay import environment, loading
from codeact_kernel.replay.fork import Branch, branch, model_of
from codeact_kernel.replay.plan import Plan, plan
from codeact_kernel.replay.runner import BAD, CellResult, Options, fresh_executor, replay_cells
from codeact_kernel.session import Session
from codeact_kernel.terminal_view import QuietView, TerminalView
from codeact_kernel.types import Step
from codeact_kernel.worker import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeact_kernel.agent.approval import Asker
    from codeact_kernel.agent.listeners import View
    from codeact_kernel.execute.fresh import FreshExecutor


def fork(
    path: Path,
    *,
    step: int | None = None,
    task: str | None = None,
    model: str | None = None,
    out: Path | None = None,
    approve: str | None = None,
    max_steps: str | int | None = None,
    options: Options | None = None,
    config: CodeAct | None = None,
    display: bool = False,
    asker: Asker | None = None,
) -> Result:
    """Go on from a step of an episode, as a new episode whose `parent` it is, and return how that ended.

    Its cells up to that step are replayed in a fresh kernel; what differs is told, to the model too.

    Args:
        path: the episode; it is only read.
        step: the index of the last step that is kept; None takes the last complete one.
        task: what to do; None goes on with the task of that step.
        model: who goes on; None takes the model of the episode.
        out: the new episode's file; None takes a free name beside the old one.
        approve: plan, ask, ask-if-risky or auto.
        max_steps: steps the task may take.
        options: how the replay is made.
        config: settings; the other arguments go before them.
        display: show what happens on stderr.
        asker: who is asked for approval; None refuses what would have to be asked.

    Raises:
        ConfigError: an argument cannot be used: no such step, no model, no task left.
        EpisodeError: the episode cannot be replayed.
        CodeActError: the model or the kernel cannot be had.
    """
    options = options or Options()
    kept, planned = _kept(path, step, options)
    wanted = task_of(kept, task)
    chosen = model or model_of(planned.header) or None
    if chosen is not None and model is None and chosen.startswith("scripted:"):
        raise ConfigError("The model of the episode was a script; name one that goes on with --model.")
    settings = (config or from_environment()).updated(model=chosen, approval=approve, max_steps=max_steps)
    view: View = TerminalView() if display else QuietView()
    job = _Job(path, planned, kept, wanted, settings, out, options)
    stop = Stop()
    return wait_for(job.carry_out(view, stop, asker), stop)


def _kept(path: Path, step: int | None, options: Options) -> tuple[Branch, Plan]:
    """Return what of the episode is kept, and the cells that rebuild its state."""
    notebook = loading.load(path, trust=options.trust)
    how = {"without_prelude": options.without_prelude, "anyway": options.anyway}
    if not plan(notebook, path, **how).is_episode:
        raise EpisodeError(f"{path} is no episode: only an episode can be gone on with.")
    kept = branch(notebook, step)
    planned = plan(notebook, path, **how, through=kept.step)
    return kept, replace(planned, kernel=options.kernel or planned.kernel)


def task_of(kept: Branch, task: str | None) -> str:
    """Return what to do next: this task, else the one that the last step kept belongs to.

    Raises:
        ConfigError: that one is done.
    """
    if task is not None and task.strip():
        return task
    if kept.answered:
        raise ConfigError(
            f"Step {kept.step} is the answer; say with --task what to do next, or name an earlier step."
        )
    return kept.task


@dataclass(frozen=True, slots=True)
class _Job:
    path: Path
    planned: Plan
    kept: Branch
    task: str
    config: CodeAct
    out: Path | None
    options: Options

    async def carry_out(self, view: View, stop: Stop, asker: Asker | None) -> Result:
        """Replay, make the new episode, go on."""
        began = time.monotonic()
        folder = self.path.resolve().parent
        session = Session(Path.cwd())
        if self.out is not None:
            check_new(self.out)
        self._check_environment(view, folder)
        executor = fresh_executor(self.planned, folder, look=True)
        try:
            await session.check(self.task, self.config, stop)
            await stop.guard(executor.start())
            note = await self._rebuild(executor, view, stop)
            await self._take_up(session, executor, folder, note)
            outcome = await session.ask(
                self.task, self.config, executor=executor, view=view, stop=stop, asker=asker
            )
        finally:
            view.close()
            await session.close()
            await executor.close()
        return Result.of(outcome, time.monotonic() - began)

    def _check_environment(self, view: View, folder: Path) -> None:
        """Say what is not as it was; stop where a replay cannot run so."""
        for one in environment.compare(self.planned, folder):
            if one.fatal and (one.kind == "kernel" or not self.options.anyway):
                raise EpisodeError(one.sentence)
            view.warn(one.sentence)

    async def _rebuild(self, executor: FreshExecutor, view: View, stop: Stop) -> str:
        """Run the cells again; return what the model is told of those that gave something else."""
        other: list[CellResult] = []
        async for cell in replay_cells(self.planned.cells, executor, self.options, stop=stop):
            if cell.status == "dead":
                raise ExecutionError(f"The state cannot be rebuilt: {cell.reason}")
            if cell.verdict in BAD:
                other.append(cell)
                where = (
                    f"step {cell.planned.step}" if cell.planned.step is not None else f"cell {cell.planned.number}"
                )
                view.warn(f"The replay of {where} gave something else ({cell.verdict}). {cell.reason}".rstrip())
        if stop.is_set():
            raise StoppedError("Stopped.")
        await executor.take_literally(on=True)
        return told_of(other)

    async def _take_up(self, session: Session, executor: FreshExecutor, folder: Path, note: str) -> None:
        """Write the new episode and let the session go on with it."""
        place = named(self.out) if self.out is not None else next(free(folder, f"{self.path.stem}-fork"))
        save_branch(self.kept, environment.working_folder(self.planned, folder), place)
        system, turns = chat.conversation(to_notebook(self.kept.episode))
        steps = [turn for turn in turns if isinstance(turn, Step)]
        session.writer = EpisodeWriter.resume(place)
        session.conversation = Conversation(
            system,
            turns,
            dict(steps[-1].request.view or {}),
            snapshot=await executor.inspect(),
            note=note,
            steps=self.kept.step,
            before=self.kept.step,
            action=chat.action_of(to_notebook(self.kept.episode)),
        )


def told_of(bad: Sequence[CellResult]) -> str:
    """Return what the model is told of the cells that gave something else when they ran again; "" without any."""
    if not bad:
        return ""
    steps = ", ".join(str(cell.planned.step) for cell in bad if cell.planned.step is not None) or "before"
    return prompt.words("forked").replace("{count}", str(len(bad))).replace("{steps}", steps)


def save_branch(kept: Branch, working: Path, place: Path) -> None:
    """Save the beginning of an episode as a new one, its way to the folder in which its cells run put right.

    Raises:
        ConfigError: it cannot be written there.
    """
    episode = kept.episode
    if isinstance(episode.header.get("cwd"), str):
        episode.header = {**episode.header, "cwd": way_to(working, place)}
        episode.entries[:1] = [moved(entry, episode.header["cwd"]) for entry in episode.entries[:1]]
    try:
        save_atomically(place, dumps(episode))
    except OSError as error:
        raise ConfigError(f"The new episode cannot be written to {place}: {error.strerror}.") from None

"""A session: one conversation in one kernel, with its model and its episode; every surface goes through it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent import formats, prompt
from codeact_kernel.agent.check import Check
from codeact_kernel.agent.conversation import Conversation
from codeact_kernel.agent.loop import Agent
from codeact_kernel.agent.stop import Stop
from codeact_kernel.canonical import sha256
from codeact_kernel.episode import chat
from codeact_kernel.episode.files import read_notebook
from codeact_kernel.episode.header import make_header
from codeact_kernel.episode.places import check_new
from codeact_kernel.episode.store import EpisodeWriter
from codeact_kernel.errors import BusyError, CodeActError, ConfigError, EpisodeError
from codeact_kernel.models.base import complete
from codeact_kernel.models.select import ANEW, resolve
from codeact_kernel.redactor import Redactor
from codeact_kernel.task_settings import key_of, limits_of, sampling_of, words_for
from codeact_kernel.types import Message, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from codeact_kernel.agent.approval import Asker
    from codeact_kernel.agent.listeners import View
    from codeact_kernel.config import CodeAct
    from codeact_kernel.execute.base import Executor
    from codeact_kernel.models.base import Model
    from codeact_kernel.types import Outcome, Snapshot


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a task was typed: the notebook's path and the cell's id, as far as they are known."""

    notebook: str | None = None
    cell_id: str | None = None


@dataclass(frozen=True, slots=True)
class HumanCell:
    """A cell that the user ran since the last task."""

    source: str
    execution_count: int | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Prelude:
    """The kernel's input history before an episode, and whether it rebuilds the kernel's state.

    `cwd` is the working folder in which it began; None for the present one.
    """

    cells: Sequence[HumanCell] = ()
    complete: bool = True
    cwd: str | None = None


@dataclass
class Session:
    """Carries tasks out, one after another, as one conversation and one episode until `reset`.

    `rescue` says, where there is a way, how an episode that cannot be saved is saved elsewhere; `given` is a model
    to use whatever the settings name, closed by its owner.
    """

    folder: Path
    rescue: str = ""
    given: Model | None = None
    conversation: Conversation | None = None
    writer: EpisodeWriter | None = None
    running: bool = False
    _view: View | None = None
    _model: Model | None = None
    _model_key: tuple[Any, ...] = ()
    _allowed: set[str] = field(default_factory=set)
    _adopted: tuple[Path, str] | None = None
    _note: str = ""

    async def check(self, task: str, config: CodeAct, stop: Stop, *, out: Path | None = None) -> Model:
        """Return the task's model; what cannot be used is found here, before anything was started.

        Raises:
            ConfigError: an empty task, a file that cannot be written, a model that cannot be had.
            CodeActError: see `models.select.resolve`.
        """
        if not task.strip():
            raise ConfigError('The task is empty: say what you want to know, e.g. "which region grew?".')
        if out is not None and self.writer is None:
            check_new(out)
        return await self._resolve(config, stop)

    async def ask(
        self,
        task: str,
        config: CodeAct,
        *,
        executor: Executor,
        view: View,
        stop: Stop,
        asker: Asker | None = None,
        origin: Origin | None = None,
        out: Path | None = None,
        prelude: Prelude | None = None,
        humans: Sequence[HumanCell] = (),
        kept: Callable[[], None] | None = None,
        between: Callable[[], Sequence[HumanCell]] | None = None,
        check: str = "",
    ) -> Outcome:
        """Carry out one task; a task after the first continues the conversation.

        `prelude` is used by the first task of an episode; `humans` are the cells that the user ran since the last
        task; `kept` is called when the episode holds either. `between` gives the cells that the user ran since it
        was last called, while the task is under way. `check` is an expression that the answer must fulfil, see
        `agent.check.Check`.

        Raises:
            ConfigError: an empty task, an unusable setting, a file that cannot be written.
            BusyError: an episode is running here.
            CodeActError: the model or the kernel cannot be had.
        """
        if self.running:
            raise BusyError("An episode is running in this kernel; wait for it or stop it first.")
        self.running, self._view, task = True, view, Redactor().text(task)
        try:
            holds = Check(check, executor.evaluate) if check.strip() else None
            model = await self.check(task, config, stop, out=out)
            if self._adopted is not None:
                await stop.guard(asyncio.to_thread(self._take_up))
            agent = self._agent(config, model, executor, view, stop)
            agent.asker, agent.check = asker, holds
            snapshot = await stop.guard(executor.inspect())
            header = await stop.guard(
                asyncio.to_thread(self._header, task, config, agent, origin or Origin(), snapshot)
            )
            following = self.writer is not None
            writer = self._open(task, config, header, out=out, prelude=prelude or Prelude(), cwd=snapshot.cwd)
            agent.recorder = writer if between is None else _WithHumans(writer, between)
            for cell in humans if following else ():
                writer.human(cell.source, (), cell.execution_count, failed=cell.failed)
            if kept is not None:
                kept()
            outcome = await agent.run(task, snapshot)
            if writer.trouble:
                view.warn(f"{writer.trouble} {self.rescue}".rstrip())
            return replace(outcome, model=f"{model.backend}:{model.id}", episode=str(writer.path))
        finally:
            self.running, self._view = False, None

    def _warn(self, sentence: str) -> None:
        if self._view is not None:
            self._view.warn(sentence)

    def episodes_folder(self, config: CodeAct) -> Path:
        """Return where this session's episodes are kept."""
        return self.folder / config.episodes_dir

    def reset(self) -> None:
        """Forget the conversation; the next task begins a new episode."""
        if self.running:
            raise BusyError("An episode is running in this kernel; stop it first.")
        self.conversation = self._adopted = None
        self._allowed = set()
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def adopt(self, episode: Path, note: str | None = None) -> None:
        """Let the next task go on with a saved episode, unless a conversation is open.

        `note` tells the model in which state the kernel is; None says that it was restarted.
        """
        if self.conversation is None and not self.running:
            self._adopted = episode, prompt.words("restarted") if note is None else note

    def tell(self, note: str) -> None:
        """Tell the model something with the next task."""
        self._note = f"{self._note}\n{note}".strip()

    def save_as(self, path: Path) -> None:
        """Go on with the episode at another place.

        Raises:
            ConfigError: there is no episode, or that place cannot be written.
            BusyError: a task is running.
        """
        if self.running:
            raise BusyError("An episode is running in this kernel; wait for it or stop it first.")
        if self.writer is None:
            raise ConfigError("There is no episode to save yet; give a task first.")
        self.writer.save_as(path)

    async def probe(self, config: CodeAct) -> float:
        """Ask the model for one word; return the seconds to the first piece of its reply.

        Raises:
            CodeActError: the model cannot be had, or does not answer.
        """
        stop, began = Stop(), time.monotonic()
        first: list[float] = []
        model = await self._resolve(config, stop)
        await complete(
            model,
            [Message("user", "Say OK.")],
            replace(config.sampling(), max_tokens=16),
            stop,
            lambda chunk: first.append(time.monotonic()) if chunk.text and not first else None,
        )
        return (first[0] if first else time.monotonic()) - began

    async def close(self) -> None:
        """Close the episode's file and the model's connections."""
        if self.writer is not None:
            self.writer.close()
        if self._model is not None:
            await self._model.close()

    async def _resolve(self, config: CodeAct, stop: Stop) -> Model:
        """Return the model of these settings; looking at weights may take long, so it is done in a thread."""
        if self.given is not None:
            return self.given
        key = key_of(config)
        if self._model is None or key != self._model_key or config.model.startswith(ANEW):
            model = await stop.guard(asyncio.to_thread(resolve, config))
            if self._model is not None:
                await self._model.close()
            self._model, self._model_key = model, key
        return self._model

    def _take_up(self) -> None:
        """Go on with the adopted episode; where that cannot be, say so, and the task begins a new one."""
        adopted, self._adopted = self._adopted, None
        if adopted is None:
            return
        path, note = adopted
        try:
            notebook = read_notebook(path)
            system, turns = chat.conversation(notebook)
            writer = EpisodeWriter.resume(path, on_trouble=self._warn)
        except EpisodeError as error:
            self._warn(f"This task begins a new conversation, for the saved one cannot be gone on with: {error}")
            return
        steps = [turn for turn in turns if isinstance(turn, Step)]
        view = dict(steps[-1].request.view or {}) if steps else {}
        last = max((step.index for step in steps), default=0)
        self.conversation = Conversation(
            system, turns, view, note=note, steps=last, before=last, action=chat.action_of(notebook)
        )
        self.writer = writer

    def _agent(self, config: CodeAct, model: Model, executor: Executor, view: View, stop: Stop) -> Agent:
        if self.conversation is None:
            system = prompt.words(words_for(config.action, model))
            self.conversation = Conversation(system, action=config.action)
        note, self._note = f"{self.conversation.note}\n{self._note}".strip(), ""
        self.conversation.note = note
        return Agent(
            conversation=self.conversation,
            model=model,
            executor=executor,
            recorder=_Unopened(),
            view=view,
            limits=limits_of(config, model),
            sampling=sampling_of(config, model, self.conversation.action),
            stop=stop,
            approval=config.approval,
            allowed=self._allowed,
        )

    def _open(
        self,
        task: str,
        config: CodeAct,
        header: dict[str, Any],
        *,
        out: Path | None,
        prelude: Prelude,
        cwd: str,
    ) -> EpisodeWriter:
        """Open the episode, or go on with the one that is open."""
        if self.writer is not None:
            self.writer.update(**{name: header[name] for name in ("model", "sampling", "policy", "origin")})
            return self.writer
        header["prelude_complete"] = prelude.complete
        folder = prelude.cwd or cwd
        self.writer = EpisodeWriter.create(
            self.episodes_folder(config),
            header=header,
            title=task,
            path=out,
            prelude=[cell.source for cell in prelude.cells],
            failed={number for number, cell in enumerate(prelude.cells) if cell.failed},
            cwd=Path(folder) if folder else None,
            on_trouble=self._warn,
        )
        return self.writer

    def _header(
        self, task: str, config: CodeAct, agent: Agent, origin: Origin, snapshot: Snapshot
    ) -> dict[str, Any]:
        system, action = agent.conversation.system, agent.conversation.action
        words = words_for(action, agent.model)
        template = "default" if words == formats.named(action).system else words
        return make_header(
            model=agent.model.describe(),
            sampling=agent.sampling,
            system=system,
            action=action,
            template=f"{template}@sha256:{sha256(prompt.words(words))}",
            policy={
                "approval": config.approval,
                "max_steps": config.max_steps,
                "observation_chars": config.observation_chars,
                "budget_tokens": config.max_total_tokens or None,
                **({"preferences": True} if config.share_preferences else {}),
            },
            kernel=agent.executor.describe(),
            origin={"notebook": origin.notebook, "cell_id": origin.cell_id, "task": task},
            snapshot=snapshot,
            folder=Path(snapshot.cwd) if snapshot.cwd else None,
        )


class _WithHumans:
    """Keeps an episode, and before each reply the cells that the user ran meanwhile: the state depends on them."""

    def __init__(self, writer: EpisodeWriter, between: Callable[[], Sequence[HumanCell]]) -> None:
        self._writer = writer
        self._between = between
        self.task, self.step = writer.task, writer.step

    def completion(self, step: Step) -> None:
        """Keep a reply."""
        self._keep()
        self._writer.completion(step)

    def end(self, outcome: Outcome) -> None:
        """Keep how the task ended."""
        self._keep()
        self._writer.end(outcome)

    def _keep(self) -> None:
        for cell in self._between():
            self._writer.human(cell.source, (), cell.execution_count, failed=cell.failed)


class _Unopened:
    """Stands where the episode will, until it is open; nothing may be recorded before."""

    def _refuse(self, *_: object) -> None:
        raise CodeActError("The episode was not opened before its first record.")

    task = completion = step = end = _refuse

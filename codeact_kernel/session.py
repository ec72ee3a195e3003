"""A session: one conversation in one kernel, with its model and its episode; every surface goes through it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent import prompt
from codeact_kernel.agent.formats import code as code_format
from codeact_kernel.agent.loop import Agent, Conversation, Limits
from codeact_kernel.episode.header import make_header
from codeact_kernel.episode.store import EpisodeWriter
from codeact_kernel.errors import BusyError, CodeActError, ConfigError
from codeact_kernel.models.select import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeact_kernel.agent.approval import Asker
    from codeact_kernel.agent.loop import View
    from codeact_kernel.agent.stop import Stop
    from codeact_kernel.config import CodeAct
    from codeact_kernel.execute.base import Executor
    from codeact_kernel.models.base import Model
    from codeact_kernel.types import Outcome, Sampling, Snapshot

EMBEDDED = {"llamacpp"}
"""Backends whose models go on after their block; they are stopped at its closing fence."""


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


@dataclass
class Session:
    """Carries tasks out, one after another, as one conversation and one episode until `reset`."""

    folder: Path
    conversation: Conversation | None = None
    writer: EpisodeWriter | None = None
    running: bool = False
    _view: View | None = None
    _model: Model | None = None
    _model_key: tuple[Any, ...] = ()
    _allowed: set[str] = field(default_factory=set)

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
        prelude: Sequence[str] = (),
        prelude_complete: bool = True,
        humans: Sequence[HumanCell] = (),
    ) -> Outcome:
        """Carry out one task; a task after the first continues the conversation.

        `prelude` is the kernel's input history before the episode (used by its first task) and
        `prelude_complete` whether that is all of it; `humans` are the cells that the user ran since the last task.

        Raises:
            ConfigError: an empty task, an unusable setting, a file that cannot be written.
            BusyError: an episode is running here.
            CodeActError: the model or the kernel cannot be had.
        """
        if not task.strip():
            raise ConfigError('The task is empty: say what you want to know, e.g. "which region grew?".')
        if self.running:
            raise BusyError("An episode is running in this kernel; wait for it or stop it first.")
        self.running, self._view = True, view
        try:
            model = await self._resolve(config)
            agent = self._agent(config, model, executor, view, stop)
            agent.asker = asker
            snapshot = await stop.guard(executor.inspect())
            header = self._header(task, config, agent, origin or Origin(), snapshot)
            header["prelude_complete"] = prelude_complete
            following = self.writer is not None
            writer = self._open(task, config, header, out=out, prelude=prelude)
            agent.recorder = writer
            for cell in humans if following else ():
                writer.human(cell.source, (), cell.execution_count)
            outcome = await agent.run(task, snapshot)
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
        self.conversation = None
        self._allowed = set()
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    async def close(self) -> None:
        """Close the episode's file and the model's connections."""
        if self.writer is not None:
            self.writer.close()
        if self._model is not None:
            await self._model.close()

    async def _resolve(self, config: CodeAct) -> Model:
        key = tuple(getattr(config, name) for name in ("model", "base_url", "threads", "idle_minutes", "retries"))
        if self._model is None or key != self._model_key or config.model.startswith("scripted:"):
            if self._model is not None:
                await self._model.close()
            self._model, self._model_key = resolve(config), key
        return self._model

    def _agent(self, config: CodeAct, model: Model, executor: Executor, view: View, stop: Stop) -> Agent:
        if self.conversation is None:
            self.conversation = Conversation(prompt.words("system"))
        return Agent(
            conversation=self.conversation,
            model=model,
            executor=executor,
            recorder=_Unopened(),
            view=view,
            limits=limits_of(config, model),
            sampling=sampling_of(config, model),
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
        prelude: Sequence[str],
    ) -> EpisodeWriter:
        """Open the episode, or go on with the one that is open."""
        if self.writer is not None:
            self.writer.update(model=header["model"], sampling=header["sampling"], origin=header["origin"])
            return self.writer
        self.writer = EpisodeWriter.create(
            self.episodes_folder(config),
            header=header,
            title=task,
            path=out,
            prelude=prelude,
            on_trouble=self._warn,
        )
        return self.writer

    def _header(
        self, task: str, config: CodeAct, agent: Agent, origin: Origin, snapshot: Snapshot
    ) -> dict[str, Any]:
        system = agent.conversation.system
        return make_header(
            model=agent.model.describe(),
            sampling=agent.sampling,
            system=system,
            policy={
                "approval": config.approval,
                "max_steps": config.max_steps,
                "budget_tokens": config.max_total_tokens or None,
            },
            kernel=agent.executor.describe(),
            origin={"notebook": origin.notebook, "cell_id": origin.cell_id, "task": task},
            snapshot=snapshot,
            folder=Path(snapshot.cwd) if snapshot.cwd else None,
        )


class _Unopened:
    """Stands where the episode will, until it is open; nothing may be recorded before."""

    def _refuse(self, *_: object) -> None:
        raise CodeActError("The episode was not opened before its first record.")

    task = completion = step = end = _refuse


def limits_of(config: CodeAct, model: Model) -> Limits:
    """Return the limits of a task; the messages may take the model's window less one reply."""
    window = config.context_tokens or max(0, (model.window or 0) - config.max_tokens - 64)
    return Limits(
        steps=config.max_steps,
        seconds=config.max_seconds,
        tokens=config.max_total_tokens,
        cell_seconds=config.cell_timeout,
        context_tokens=window,
        observation_chars=config.observation_chars,
    )


def sampling_of(config: CodeAct, model: Model) -> Sampling:
    """Return how this model's replies are drawn; the embedded ones stop at the end of a code block."""
    return config.sampling(code_format.STOP if model.backend in EMBEDDED else ())

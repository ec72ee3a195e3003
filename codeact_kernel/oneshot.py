"""One task in a kernel of its own: what `codeact run` and `codeact_kernel.run` do."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent import prompt
from codeact_kernel.agent.approval import reader_of
from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct, from_environment
from codeact_kernel.errors import ConfigError
from codeact_kernel.execute.fresh import FreshExecutor
from codeact_kernel.mcp_tools import NAME, code_of
from codeact_kernel.models.function import CallableModel
from codeact_kernel.session import HumanCell, Prelude, Session
from codeact_kernel.terminal_view import QuietView, TerminalView
from codeact_kernel.worker import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeact_kernel.agent.approval import Asker
    from codeact_kernel.agent.listeners import View
    from codeact_kernel.execute.isolated import Isolation
    from codeact_kernel.models.base import Model
    from codeact_kernel.models.function import Function
    from codeact_kernel.types import EpisodeStatus, Execution, Outcome, Usage


@dataclass(frozen=True, slots=True)
class Result:
    """How a task ended. `episode` is the notebook's path; `seconds` is wall time, kernel start included.

    `checks` holds the text of each `check` expression, evaluated in the kernel after the episode.
    """

    status: EpisodeStatus
    answer: str
    cause: str
    steps: int
    usage: Usage
    episode: Path
    seconds: float
    checks: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, outcome: Outcome, seconds: float, checks: Sequence[str] = ()) -> Result:
        """Return the result of a task that ended so after `seconds`."""
        return cls(
            status=outcome.status,
            answer=outcome.answer,
            cause=outcome.cause,
            steps=outcome.steps,
            usage=outcome.usage,
            episode=Path(outcome.episode or ""),
            seconds=round(seconds, 3),
            checks=list(checks),
        )


def run(
    task: str,
    *,
    model: str | Function | Model | None = None,
    cwd: Path | str | None = None,
    out: Path | str | None = None,
    max_steps: int | None = None,
    approve: str | None = None,
    action: str | None = None,
    setup: Sequence[str] = (),
    mcp: str | Path | None = None,
    check: Sequence[str] = (),
    require: str = "",
    config: CodeAct | None = None,
    display: bool = False,
    asker: Asker | None = None,
    isolation: Isolation | None = None,
) -> Result:
    """Carry out one task in a fresh kernel and return how it ended.

    Args:
        task: what to do, in the user's words.
        model: e.g. "llamacpp:qwen2.5-coder-1.5b"; or a function that takes the messages, a list of
            `{"role", "content"}`, and returns or yields the reply; or a model object. None takes the configured
            one.
        cwd: the kernel's working folder; None takes the present one.
        out: the episode's file; None makes one in `episodes/` of the present folder.
        max_steps: steps the task may take.
        approve: plan, ask, ask-if-risky or auto.
        action: what the model writes to act: code, json or text.
        setup: cells run before the task, as the user's own.
        mcp: a configuration of MCP servers, whose tools the model may call; see `mcp_tools.connect`.
        check: expressions evaluated in the kernel after the episode.
        require: an expression that the answer must fulfil, or the model is told and goes on; see `agent.check`.
        config: settings; the other arguments go before them.
        display: show thought, code and output on stderr while it runs.
        asker: who is asked for approval; None refuses what would have to be asked.
        isolation: what the kernel may reach inside bubblewrap; None for a kernel with the user's rights.

    Raises:
        ConfigError: a setting or an argument cannot be used.
        CodeActError: the model or the kernel cannot be had.
    """
    named = model if isinstance(model, str) else None
    settings = (config or from_environment()).updated(
        model=named, max_steps=max_steps, approval=approve, action=action
    )
    given = None if model is None or isinstance(model, str) else _given(model, settings)
    folder = Path(cwd) if cwd is not None else Path.cwd()
    if not folder.is_dir():
        raise ConfigError(f"The working folder {folder} does not exist; give --cwd a folder that does.")
    view: View = TerminalView() if display else QuietView()
    if mcp is not None:
        setup = [*setup, code_of(str(Path(mcp).expanduser().resolve()))]
    if isolation is not None and mcp is not None:
        raise ConfigError("MCP servers are programs of yours that an isolated kernel cannot reach; leave one out.")
    place = Path(out) if out else None
    job = _Job(task, settings, folder, place, setup, check, mcp is not None, given, require, isolation)
    stop = Stop()
    return wait_for(job.carry_out(view, stop, asker), stop)


@dataclass(frozen=True, slots=True)
class _Job:
    task: str
    config: CodeAct
    folder: Path
    out: Path | None
    setup: Sequence[str]
    check: Sequence[str]
    mcp: bool
    model: Model | None
    require: str = ""
    isolation: Isolation | None = None

    async def carry_out(self, view: View, stop: Stop, asker: Asker | None) -> Result:
        began = time.monotonic()
        session = Session(Path.cwd(), given=self.model)
        executor = FreshExecutor(cwd=self.folder, answer_stdin=reader_of(asker), isolation=self.isolation)
        try:
            await session.check(self.task, self.config, stop, out=self.out)
            await stop.guard(executor.start())
            for cell in self.setup:
                _must_work(cell, await executor.run(cell))
            if self.mcp:
                session.tell(_printed(await executor.run(f"print({NAME}.describe())")))
            if self.require.strip():
                session.tell(prompt.words("final-answer"))
            outcome: Outcome = await session.ask(
                self.task,
                self.config,
                executor=executor,
                view=view,
                stop=stop,
                asker=asker,
                out=self.out,
                check=self.require,
                prelude=Prelude([HumanCell(cell) for cell in self.setup], cwd=str(self.folder)),
            )
            checks = [_text(await executor.run(expression)) for expression in self.check]
        finally:
            view.close()
            await session.close()
            if self.model is not None:
                await self.model.close()
            await executor.close()
        return Result.of(outcome, time.monotonic() - began, checks)


def _given(model: Any, config: CodeAct) -> Model:
    """Return a model object as it is, and a function as a model."""
    if hasattr(model, "stream") and hasattr(model, "describe"):
        found: Model = model
        return found
    if callable(model):
        return CallableModel(model, config)
    raise ConfigError(f"A {type(model).__name__} is no model; give a name, a function or a model object.")


def _must_work(cell: str, execution: Execution) -> None:
    if execution.status != "ok":
        what = f"{execution.error.ename}: {execution.error.evalue}" if execution.error else execution.status
        raise ConfigError(f"The setup cell {cell.splitlines()[0]!r} failed ({what}); correct it.")


def _printed(execution: Execution) -> str:
    return "".join(output["text"] for output in execution.outputs if output["output_type"] == "stream").strip()


def _text(execution: Execution) -> str:
    for output in reversed(execution.outputs):
        if output["output_type"] == "execute_result":
            return str(output["data"].get("text/plain", ""))
    return f"{execution.error.ename}: {execution.error.evalue}" if execution.error else ""

"""The agent that lives in this kernel: what it is set to, what was said, what it does, and how to take it back.

Every surface of a live kernel (the magic, the widget, the side panel) goes through the one resident.
"""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent import prompt
from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct, from_environment
from codeact_kernel.errors import BusyError, CodeActError, ConfigError
from codeact_kernel.execute.agent_cells import AgentCells
from codeact_kernel.history import History
from codeact_kernel.names import Names
from codeact_kernel.offers import Offers
from codeact_kernel.progress import Progress
from codeact_kernel.redactor import Redactor
from codeact_kernel.session import Origin, Session
from codeact_kernel.types import Outcome, Step
from codeact_kernel.views import FrontAsker, Views
from codeact_kernel.worker import worker

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Iterator, Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from codeact_kernel.agent.approval import Asker
    from codeact_kernel.agent.listeners import View
    from codeact_kernel.execute.base import Executor
    from codeact_kernel.run_progress import RunProgress
    from codeact_kernel.session import HumanCell, Prelude

RESCUE = "Make room there and go on, or `%codeact save NEW.ipynb` to a place that can be written."
COMING_SECONDS = 1.5
"""How long a question waits for a widget that was just shown before it goes to stdin."""
AWAY_SECONDS = 30.0
"""How long a question waits for a page that went away, where the settings do not let it wait."""


@dataclass(slots=True)
class Job:
    """A run that is under way: its view, its stop signal and, once it was given to the agent's thread, its end."""

    run: RunProgress
    stop: Stop
    config: CodeAct
    task: str
    origin: Origin
    work: concurrent.futures.Future[Outcome] | None = None
    about: tuple[str, str] | None = None
    check: str = ""


class Resident:
    """Carries out the tasks of one shell, one at a time."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.kernel: Any = getattr(shell, "kernel", None)
        self.settings = from_environment(CodeAct(parent=shell))
        self.session = Session(home(shell), RESCUE)
        self.cells = AgentCells(self.kernel)
        self.progress = Progress()
        self.history = History(shell, self._busy)
        self.names = Names(shell.user_ns, lambda: set(shell.user_ns_hidden), lambda: self.settings.undo_bytes)
        self.offers = Offers(shell.user_ns, self.session, self.history)
        self.job: Job | None = None
        self._replay: Stop | None = None
        self._lock = threading.Lock()
        self.settings.observe(lambda _: self._tell_settings())
        self._tell_settings()

    # -- runs --------------------------------------------------------------------------------------------------
    def begin(
        self, task: str, config: CodeAct, origin: Origin, *, surface: str, inline: bool, title: str = ""
    ) -> Job:
        """Take the kernel's one place for a task; `title` is what people see of a long one.

        Raises:
            BusyError: a task is under way; the sentence names whose it is.
            ConfigError: the task is empty.
        """
        if not task.strip():
            raise ConfigError('The task is empty: say what you want to know, e.g. "which region grew?".')
        redactor = Redactor()
        task, title = redactor.text(task), redactor.text(title)
        with self._lock:
            self._must_be_free()
            facts = {
                "task": title or task,
                "notebook": origin.notebook,
                "cell_id": origin.cell_id,
                "model": config.model,
                "approval": config.approval,
                "surface": surface,
                "inline": inline,
            }
            stop = Stop()
            self.job = Job(self.progress.begin(facts, stop), stop, config, task, origin)
        return self.job

    def submit(
        self,
        job: Job,
        executor: Executor,
        *,
        views: Sequence[View] = (),
        asker: Asker | None = None,
    ) -> concurrent.futures.Future[Outcome]:
        """Carry a job out in the agent's thread; `asker` asks where no front end does.

        Must be called on the main thread: what the user ran before is looked up here.
        """
        patience = COMING_SECONDS if asker is not None else self._patience(job)
        if job.run.inline and asker is None:
            patience = COMING_SECONDS
        front = FrontAsker(self.progress, job.run, asker, patience)
        self.names.watch(job.run)
        prelude, humans, known = self.history.prelude(), self.history.humans(), self.history.count

        def kept() -> None:
            self.history.forget(known)  # the user may have run another cell since
            writer = self.session.writer
            job.run.saved(self.short(str(writer.path)) if writer is not None else None)

        job.work = worker().submit(
            self._carry_out(
                job, executor, Views(job.run, *views), front, prelude=prelude, humans=humans, kept=kept
            )
        )
        return job.work

    def _patience(self, job: Job) -> float | None:
        return None if job.config.when_closed == "wait" else AWAY_SECONDS

    async def _carry_out(
        self,
        job: Job,
        executor: Executor,
        view: View,
        asker: Asker,
        *,
        prelude: Prelude,
        humans: Sequence[HumanCell],
        kept: Callable[[], None],
    ) -> Outcome:
        outcome = Outcome("failed", cause="An unexpected error ended the task.")
        try:
            outcome = await self.session.ask(
                job.task,
                job.config,
                executor=executor,
                view=view,
                stop=job.stop,
                asker=asker,
                origin=job.origin,
                prelude=prelude,
                humans=humans,
                kept=kept,
                between=None if job.run.inline else self.history.take,
                check=job.check,
            )
        except CodeActError as error:
            outcome = Outcome("interrupted" if job.stop.is_set() else "failed", cause=str(error))
            raise
        finally:
            job.run.done(outcome, self.short(outcome.episode))
        self._propose(job, outcome)
        return outcome

    def _propose(self, job: Job, outcome: Outcome) -> None:
        """Offer the last version that ran as the new text of the cell that the task is about."""
        if job.about is None or outcome.status != "done":
            return
        cell_id, base = job.about
        ran = [step["code"] for step in job.run.json()["steps"] if step["status"] == "ok" and step["code"]]
        if cell_id and ran and ran[-1].strip() != base.strip():
            self.progress.emit("proposal", run=job.run.name, cell_id=cell_id, source=ran[-1], base=base)

    def drop(self, job: Job, cause: str) -> None:
        """End a job that was never submitted, or whose cell is gone."""
        job.stop.set()
        if job.work is None:
            job.run.done(Outcome("failed", cause=cause))

    def stop(self) -> bool:
        """Stop what is under way; from any thread. Says whether there was anything."""
        replay = self._replay
        if replay is not None:
            replay.set()
        return self.progress.stop() or replay is not None

    @contextlib.contextmanager
    def replaying(self, stop: Stop) -> Iterator[None]:
        """Keep the kernel's one place for a replay, which `stop` ends.

        Raises:
            BusyError: a task or a replay is under way.
        """
        with self._lock:
            self._must_be_free()
            self._replay = stop
        try:
            yield
        finally:
            self._replay = None

    def _must_be_free(self) -> None:
        current = self.progress.current
        if current is not None:
            raise BusyError(
                f"The agent is at work in this kernel for {current.owner}; wait for it or stop it first."
            )
        if self._replay is not None:
            raise BusyError("A notebook is replayed in this kernel; wait for it or stop it first.")

    def _busy(self) -> bool:
        """Say whether what runs on the main thread now is the agent's."""
        job = self.job
        if job is None or job.run.over:
            return self.cells.running
        return job.run.inline or self.cells.running

    def undo(self, steps: int = 1, *, redo: bool = False) -> dict[str, Any]:
        """Put the names back to before the last steps, or take an undo back; on the main thread.

        Returns {"sentence", "restored": [names], "not_restored": [{"name", "reason"}]}.

        Raises:
            BusyError: a task is under way.
            ConfigError: there is nothing to undo.
        """
        current = self.progress.current
        if current is not None:
            raise BusyError(f"The agent is at work for {current.owner}; undo when it has ended, or stop it first.")
        report = self.names.redo(steps) if redo else self.names.undo(steps)
        sentence = report["sentence"]
        if self.session.conversation is not None:
            self.session.conversation.note = f"{self.session.conversation.note}\n{sentence}".strip()
        self.history.note(f"# {sentence}")
        self.progress.emit("notice", run=None, sentence=sentence)
        return report

    # -- what was said -----------------------------------------------------------------------------------------
    def reset(self) -> None:
        """Forget the conversation.

        Raises:
            BusyError: a task is under way.
        """
        self.session.reset()
        self.names.unprotect()
        self.history.forget()

    def sent(self, step: int) -> tuple[list[dict[str, str]], str]:
        """Return the messages that were sent for a step of the conversation, and what to know about them.

        Raises:
            ConfigError: there is no such step in the present conversation.
        """
        talk = self.session.conversation
        turns = list(talk.turns) if talk is not None else []
        place = next((at for at, turn in enumerate(turns) if isinstance(turn, Step) and turn.index == step), None)
        if talk is None or place is None:
            raise ConfigError(f"Step {step} is not in the present conversation; its episode has what was sent.")
        found = turns[place]
        assert isinstance(found, Step)
        for images in (True, False):
            messages = prompt.sent(talk.system, turns, place, images=images)
            exact = prompt.digest_of(messages) == found.request.digest
            if exact:
                break
        note = "Exactly what was sent." if exact else "Rebuilt from the record; it differs from what was sent."
        return [{"role": message.role, "content": message.content} for message in messages], note

    def short(self, path: str | None) -> str | None:
        """Return a path as a front end can open it: from the notebook's folder."""
        if not path:
            return None
        try:
            return os.path.relpath(path, self.session.folder).replace(os.sep, "/")
        except ValueError:
            return path

    def _tell_settings(self) -> None:
        names = ("model", "approval", "max_steps")
        settings = {name: getattr(self.settings, name) for name in names}
        if settings != self.progress.settings:
            self.progress.settings = settings
            self.progress.emit("settings", settings=settings)

    async def close(self) -> None:
        """Stop what is under way and close the episode."""
        self.stop()
        self.offers.close()
        await self.session.close()


def notebook_of(shell: InteractiveShell) -> str | None:
    """Return the notebook's path: VS Code and Jupyter servers each have their way to say it."""
    path = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return str(path) if path else None


def home(shell: InteractiveShell) -> Path:
    """Return the notebook's folder, else the working folder at the time the extension is loaded."""
    notebook = notebook_of(shell)
    if notebook and Path(notebook).is_absolute() and Path(notebook).parent.is_dir():
        return Path(notebook).parent
    return Path.cwd()

"""`%codeact`: the agent from a cell, on the cell's own kernel."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from codeact_kernel.agent import probe_functions, prompt
from codeact_kernel.asking import asker_for, takes_input
from codeact_kernel.episode import store
from codeact_kernel.errors import CodeActError, EpisodeError, StoppedError
from codeact_kernel.execute import awaiting, questions
from codeact_kernel.execute.cells import queued
from codeact_kernel.execute.subshell import forget_subshell
from codeact_kernel.execute.terminal import executor_for
from codeact_kernel.interpolate import interpolate
from codeact_kernel.notebook_view import NotebookView, answer_bundle, relative
from codeact_kernel.options import SAVE, UNDO, load_replaying, split, unload_replaying, verb_of, with_options
from codeact_kernel.panel import Panel
from codeact_kernel.redactor import Redactor
from codeact_kernel.resident import Resident, notebook_of
from codeact_kernel.session import Origin
from codeact_kernel.stage import Stage, stage_of
from codeact_kernel.terminal_view import TerminalView, printable
from codeact_kernel.types import Outcome
from codeact_kernel.widget import close_all
from codeact_kernel.worker import worker

if TYPE_CHECKING:
    import argparse
    from collections.abc import Coroutine, Generator

    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.magic_arguments import MagicArgumentParser

    from codeact_kernel.agent.listeners import View
    from codeact_kernel.config import CodeAct
    from codeact_kernel.replay_requests import ReplayRequests
    from codeact_kernel.replay_verbs import ReplayVerbs
    from codeact_kernel.resident import Job

SETTLE_SECONDS = 0.05
HINT = (
    "%codeact did not run: it must be awaited, which IPython does only at the top level of a cell with %autoawait "
    "on, and not in the very cell that loads the extension. In an `async def`, write "
    "`await get_ipython().run_line_magic('codeact', TASK)`."
)


class Answer(str):
    """The answer of a task: a plain string that is shown once, under the cell, and not again as its result."""

    __slots__ = ()

    def _ipython_display_(self) -> None:
        """Show nothing: the view has shown it. A terminal's `Out[3]: ` is there already, and is wiped."""
        if sys.stdout.isatty():
            print("\r\x1b[K", end="")  # noqa: T201


class Pending:
    """What the magic returns: it must be awaited, and says so where IPython could not see to it."""

    def __init__(self, work: Coroutine[Any, Any, Answer | None]) -> None:
        self._work = work
        self._awaited = False

    def __await__(self) -> Generator[Any, Any, Answer | None]:
        """Carry the task out."""
        self._awaited = True
        return self._work.__await__()

    def __del__(self) -> None:
        self._ipython_display_()

    def _ipython_display_(self) -> None:
        """Show the hint, once; as the result of a cell this would never be dropped."""
        if not self._awaited:
            self._awaited = True
            self._work.close()
            print(HINT)  # noqa: T201


@magics_class
class CodeActMagics(Magics):  # type: ignore[misc, unused-ignore]
    """The magic of one shell; what it remembers between cells is its resident's."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)  # type: ignore[no-untyped-call, unused-ignore]
        self.here = shell
        self.resident = Resident(shell)
        self.panel = Panel(self.resident) if self.resident.kernel is not None else None
        self.settings = self.resident.settings
        self.session = self.resident.session
        self.history = self.resident.history
        self.verbs: ReplayVerbs | None = None
        self.replays: ReplayRequests | None = None

    @with_options
    @no_var_expand
    @line_cell_magic
    def codeact(self, line: str, cell: str | None = None) -> Any:
        """Let the agent carry out a task in this kernel."""
        text = line if cell is None else f"{line}\n{cell}"
        magic: Any = CodeActMagics.codeact
        parser: MagicArgumentParser = magic.parser
        args, task = split(parser, text.strip())
        if args.help or task == "help":
            print(parser.format_help().strip())  # noqa: T201
            return Pending(self._helped())
        return Pending(self._dispatch(args, task))

    async def _dispatch(self, args: argparse.Namespace, task: str) -> Answer | None:
        """Do what was asked; every error of ours is one sentence, never a traceback."""
        with self.history.magic():
            return await self._do(args, task)

    async def _helped(self) -> None:
        """Be awaited: the magic's call always is."""
        with self.history.magic():
            pass

    async def _do(self, args: argparse.Namespace, task: str) -> Answer | None:
        try:
            if self._done_at_once(task):
                return None
            if task == "fix":
                return await self._ask(args, self.history.last_failure())
            task = interpolate(task, self.here.user_ns, self.history.errors)
            if verb := verb_of(task):
                return await self._saved_notebook(args, *verb)
            return await self._ask(args, task)
        except CodeActError as error:
            raise UsageError(str(error)) from None

    def _done_at_once(self, task: str) -> bool:
        """Do what takes no time, and say whether it was that."""
        if task == "list":
            self._list()
        elif task == "reset":
            self.resident.reset()
            print("The conversation is forgotten; the next task begins a new episode.")  # noqa: T201
        elif undo := UNDO.fullmatch(task):
            report = self.resident.undo(int(undo["steps"] or 1), redo=undo["verb"] == "redo")
            print(report["sentence"])  # noqa: T201
        elif save := SAVE.fullmatch(task):
            self.session.save_as(Path(save["path"]))
            print(f"The episode is in {save['path']} now.")  # noqa: T201
        else:
            return False
        return True

    async def _saved_notebook(self, args: argparse.Namespace, verb: str, words: list[str]) -> Answer | None:
        """Run a saved notebook again, or check it, or go on with it."""
        load_replaying(self.here)
        assert self.verbs is not None
        following = await self.verbs.do(verb, words)
        if following is None:
            return None
        args.model, args.again = args.model or following.model, True
        return await self._ask(args, following.task)

    async def _ask(self, args: argparse.Namespace, task: str) -> Answer | None:
        resident = self.resident
        config = self.settings.updated(
            model=args.model, max_steps=args.max_steps, approval=args.approve, action=args.action
        )
        origin, task = Origin(notebook_of(self.here), _cell_id(self.here)), Redactor().text(task)
        saved = None if args.again else self._saved(config, origin, task)
        if saved is not None:
            return self._show(args, saved, saved_answer=True)
        if args.protect:
            resident.names.protect(args.protect.split(","))
        if args.mcp:
            resident.offers.connect(args.mcp)
        resident.offers.offer((args.tools or "").split(","))
        if args.output or args.check:
            self.session.tell(prompt.words("final-answer"))
        panel = self.panel if await self._hand_over(args, config, origin) else None
        job = resident.begin(task, config, origin, surface="magic", inline=panel is None)
        job.check = args.check or ""
        # Where nobody looks, no widget: its state, the script included, would stay in the notebook's metadata.
        looked_at = _is_kernel(self.here) and (panel is not None or takes_input(resident.kernel))
        stage = stage_of(resident, job) if looked_at and config.widget else None
        if panel is not None:
            resident.submit(job, panel.notebook.executor(job, origin.cell_id), asker=None)
            if stage is not None:
                stage.answer_when_done()
            return None
        return await self._inline(args, job, stage)

    async def _hand_over(self, args: argparse.Namespace, config: CodeAct, origin: Origin) -> bool:
        """Say whether the steps become cells below: a page is there for them, and nothing waits for the answer."""
        if self.panel is None or not config.real_cells or args.inline or args.output or not self.history.alone:
            return False
        if queued(self.resident.kernel) or not await self.panel.available(origin.notebook, origin.cell_id):
            return False
        await asyncio.sleep(SETTLE_SECONDS)  # what the front end sent right behind this cell is here by then
        return not queued(self.resident.kernel)

    async def _inline(self, args: argparse.Namespace, job: Job, stage: Stage | None) -> Answer | None:
        """Run the steps under this cell, which waits for the answer."""
        executor = executor_for(self.here, job.stop.set, self.resident.names)
        view: View = TerminalView(sys.stdout, outputs=False)
        if _is_kernel(self.here):
            view = NotebookView(executor.post, stage.shown if stage is not None else None)
        try:
            work = self.resident.submit(job, executor, views=[view], asker=asker_for(self.here, job.stop))
            outcome = await executor.serve(work)
        except StoppedError as error:
            raise UsageError(str(error)) from None
        finally:
            if job.work is None or not job.work.done():
                self.resident.drop(job, "The cell was cancelled.")  # nobody waits for the agent any more
            view.close()
            if stage is not None:
                stage.clear()
        return self._show(args, outcome)

    def _saved(self, config: CodeAct, origin: Origin, task: str) -> Outcome | None:
        """Return the saved outcome of this very cell, so that Run All never calls the model again."""
        if not config.reuse_answers or origin.cell_id is None or not task.strip():
            return None
        path = store.find(
            self.session.episodes_folder(config), cell_id=origin.cell_id, notebook=origin.notebook, task=task
        )
        try:
            answer = store.answer_of(path, task) if path is not None else None
        except EpisodeError:  # damaged since: the task is carried out again
            return None
        if answer is None or path is None:
            return None
        self.session.adopt(path)
        return Outcome("done", answer=answer, episode=str(path))

    def _show(self, args: argparse.Namespace, outcome: Outcome, *, saved_answer: bool = False) -> Answer | None:
        if _is_kernel(self.here):
            from IPython.display import display  # noqa: PLC0415 - only where it is shown

            display(answer_bundle(outcome, saved=saved_answer), raw=True)  # type: ignore[no-untyped-call]
        else:
            text = answer_bundle(outcome, saved=saved_answer)["text/plain"]
            print(printable(text, sys.stdout))  # noqa: T201
        if args.output:
            value = probe_functions.final_value() if outcome.by_value else outcome.answer
            self.here.user_ns[args.output] = value if outcome.status == "done" else None
        if outcome.status == "interrupted":
            raise _interruption()
        if outcome.status != "done":
            return None
        return Answer(outcome.answer)

    def _list(self) -> None:
        folder = self.session.episodes_folder(self.settings)
        entries = store.listing(folder)
        if not entries:
            print(f"No episodes in {relative(folder)} yet.")  # noqa: T201
        for entry in entries:
            print(  # noqa: T201
                f"{entry.started[:16].replace('T', ' ')}  {entry.status:<11}  {entry.steps:>2} steps  "
                f"{relative(entry.path)}  {entry.title[:60]}"
            )


def _interruption() -> KeyboardInterrupt:
    """Return what stops the cells after this one; it shows as one line, for our frames tell the user nothing."""
    error = KeyboardInterrupt("The task was interrupted.")
    error._render_traceback_ = lambda: ["KeyboardInterrupt: The task was interrupted."]  # type: ignore[attr-defined]
    return error


def _is_kernel(shell: InteractiveShell) -> bool:
    return getattr(shell, "kernel", None) is not None


def _cell_id(shell: InteractiveShell) -> str | None:
    """Return the id of the cell that runs, where the front end sends one."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return None
    parent = kernel.get_parent() or {}
    cell_id = (parent.get("metadata") or {}).get("cellId")
    return str(cell_id) if cell_id else None


def load(shell: InteractiveShell) -> None:
    """Register the magic in a shell; a second load replaces the first."""
    unload(shell)
    magics = CodeActMagics(shell)
    shell.register_magics(magics)  # type: ignore[no-untyped-call, unused-ignore]
    shell.configurables.append(magics.settings)  # type: ignore[arg-type]
    awaiting.install(shell)
    questions.install(shell)
    probe_functions.install()
    magics.history.attach()
    if magics.panel is not None:
        magics.panel.attach()


def unload(shell: InteractiveShell) -> None:
    """Take the magic and its hooks out of a shell."""
    magics = shell.magics_manager.registry.pop("CodeActMagics", None)
    if magics is None:
        return
    unload_replaying(shell)
    if magics.panel is not None:
        magics.panel.detach()
    close_all()
    forget_subshell()
    magics.history.detach()
    awaiting.uninstall(shell)
    questions.uninstall(shell)
    probe_functions.uninstall()
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("codeact", None)
    if magics.settings in shell.configurables:
        shell.configurables.remove(magics.settings)
    worker().submit(magics.resident.close()).result(timeout=5)

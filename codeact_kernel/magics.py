"""`%codeact`: the agent from a cell, on the cell's own kernel."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from codeact_kernel.agent.stop import Stop
from codeact_kernel.asking import asker_for
from codeact_kernel.config import APPROVAL_MODES, CodeAct, from_environment
from codeact_kernel.episode import store
from codeact_kernel.errors import CodeActError, EpisodeError, StoppedError
from codeact_kernel.execute import awaiting, questions
from codeact_kernel.execute.terminal import executor_for
from codeact_kernel.history import History
from codeact_kernel.interpolate import interpolate
from codeact_kernel.notebook_view import NotebookView, answer_bundle, relative
from codeact_kernel.session import Origin, Session
from codeact_kernel.terminal_view import TerminalView, printable
from codeact_kernel.types import Outcome
from codeact_kernel.worker import worker

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from IPython.core.interactiveshell import InteractiveShell

    from codeact_kernel.agent.loop import View

OPTION = re.compile(r"\s*(?P<name>--?[A-Za-z][\w-]*)(?:=(?P<value>\S+))?(?=\s|$)")
SAVE = re.compile(r"save\s+(?P<path>\S+\.ipynb)")
VALUE = re.compile(r"\s*(?:\"([^\"]*)\"|'([^']*)'|(\S+))")

USAGE = """\
%codeact [options] TASK      carry out a task on what is in this kernel
%codeact and now by month    a further task goes on with the conversation

  %codeact fix       mend the last cell that failed
  %codeact list      the episodes kept beside this notebook
  %codeact save F    go on with the episode in another file, F.ipynb
  %codeact reset     forget the conversation; the next task begins a new episode
  %codeact help      this text

Fields: {var}, {In[3]}, {Out[3]}, {Err[3]} in a task are filled from the kernel.
Settings: %config CodeAct; every option below has one."""


RESCUE = "Make room there and go on, or `%codeact save NEW.ipynb` to a place that can be written."
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


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; `%codeact help` lists the options.")


def _parser() -> _Parser:
    parser = _Parser(prog="%codeact", add_help=False, usage=argparse.SUPPRESS, allow_abbrev=False)
    parser.add_argument("-m", "--model", help="model for this task, e.g. llamacpp:qwen2.5-coder-0.5b")
    parser.add_argument("-o", "--output", metavar="VAR", help="put the answer into a variable")
    parser.add_argument("--max-steps", metavar="N", help="steps the task may take")
    parser.add_argument("--approve", choices=APPROVAL_MODES, help="what may run without asking")
    parser.add_argument("--again", action="store_true", help="ask the model even if a saved answer is there")
    parser.add_argument("-h", "--help", action="store_true", help="this text")
    return parser


def split(text: str) -> tuple[argparse.Namespace, str]:
    """Split the words after `%codeact` into options, which come first, and the task, verbatim.

    Raises:
        UsageError: an option that does not exist or lacks its value.
    """
    parser = _parser()
    flags = {"--again", "-h", "--help"}
    options: list[str] = []
    at = 0
    while match := OPTION.match(text, at):
        at = match.end()
        options.append(match.group(0).strip())
        if match.group("value") is None and match.group("name") not in flags:
            value = VALUE.match(text, at)
            if value is not None and options[-1] in parser._option_string_actions:  # noqa: SLF001
                options.append(next(group for group in value.groups() if group is not None))
                at = value.end()
    rest = text[at:].strip()
    if rest.startswith("-- "):
        rest = rest[3:].strip()
    return parser.parse_args(options), rest


@magics_class
class CodeActMagics(Magics):  # type: ignore[misc, unused-ignore]
    """The magic and what it remembers between cells."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)  # type: ignore[no-untyped-call, unused-ignore]
        self.here = shell
        self.settings = from_environment(CodeAct(parent=shell))
        self.session = Session(_home(shell), RESCUE)
        self.history = History(shell, lambda: self.session.running)

    @no_var_expand
    @line_cell_magic
    def codeact(self, line: str, cell: str | None = None) -> Any:
        """Let the agent carry out a task in this kernel; `%codeact help` says more."""
        text = line if cell is None else f"{line}\n{cell}"
        args, task = split(text.strip())
        if args.help or task == "help":
            print(f"{USAGE}\n\n{_parser().format_help().strip()}")  # noqa: T201
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
            if task == "list":
                self._list()
                return None
            if task == "reset":
                self.session.reset()
                self.history.forget()
                print("The conversation is forgotten; the next task begins a new episode.")  # noqa: T201
                return None
            if save := SAVE.fullmatch(task):
                self.session.save_as(Path(save["path"]))
                print(f"The episode is in {save['path']} now.")  # noqa: T201
                return None
            if task == "fix":
                return await self._ask(args, self.history.last_failure())
            return await self._ask(args, interpolate(task, self.here.user_ns, self.history.errors))
        except CodeActError as error:
            raise UsageError(str(error)) from None

    async def _ask(self, args: argparse.Namespace, task: str) -> Answer | None:
        config = self.settings.updated(model=args.model, max_steps=args.max_steps, approval=args.approve)
        origin = Origin(_notebook(self.here), _cell_id(self.here))
        saved = None if args.again else self._saved(config, origin, task)
        if saved is not None:
            return self._show(args, saved, saved_answer=True)
        stop = Stop()
        executor = executor_for(self.here, stop.set)
        view: View = (
            NotebookView(executor.post) if _is_kernel(self.here) else TerminalView(sys.stdout, outputs=False)
        )
        work = worker().submit(
            self.session.ask(
                task,
                config,
                executor=executor,
                view=view,
                stop=stop,
                asker=asker_for(self.here, stop),
                origin=origin,
                prelude=self.history.prelude(),
                humans=self.history.humans(),
                kept=self.history.forget,
            )
        )
        try:
            outcome = await executor.serve(work)
        except StoppedError as error:
            raise UsageError(str(error)) from None
        finally:
            if not work.done():
                stop.set()  # the cell was cancelled from outside: nobody waits for the agent any more
            view.close()
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
            self.here.user_ns[args.output] = outcome.answer if outcome.status == "done" else None
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


def _notebook(shell: InteractiveShell) -> str | None:
    """Return the notebook's path: VS Code and Jupyter servers each have their way to say it."""
    path = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return str(path) if path else None


def _home(shell: InteractiveShell) -> Path:
    """Return the notebook's folder, else the working folder at the time the extension is loaded."""
    notebook = _notebook(shell)
    if notebook and Path(notebook).is_absolute() and Path(notebook).parent.is_dir():
        return Path(notebook).parent
    return Path.cwd()


def load(shell: InteractiveShell) -> None:
    """Register the magic in a shell; a second load replaces the first."""
    unload(shell)
    magics = CodeActMagics(shell)
    shell.register_magics(magics)  # type: ignore[no-untyped-call, unused-ignore]
    shell.configurables.append(magics.settings)  # type: ignore[arg-type]
    awaiting.install(shell)
    questions.install(shell)
    magics.history.attach()


def unload(shell: InteractiveShell) -> None:
    """Take the magic and its hooks out of a shell."""
    magics = shell.magics_manager.registry.pop("CodeActMagics", None)
    if magics is None:
        return
    magics.history.detach()
    awaiting.uninstall(shell)
    questions.uninstall(shell)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("codeact", None)
    if magics.settings in shell.configurables:
        shell.configurables.remove(magics.settings)
    worker().submit(magics.session.close()).result(timeout=5)

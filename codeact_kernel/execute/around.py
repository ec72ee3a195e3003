"""What stands around a cell of the agent in a shell of this process, whoever asked for its execution."""

from __future__ import annotations

import builtins
import contextlib
import io
import sys
from typing import TYPE_CHECKING, Any, Protocol

from codeact_kernel.agent import probe, probe_functions
from codeact_kernel.errors import ExecutionError
from codeact_kernel.execute.interrupt import refuse_exit
from codeact_kernel.execute.kernelside import take_literally
from codeact_kernel.types import ErrorReport, ExecutionStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DISPLAY_FAILED = "_last_traceback_during_displayhook"
"""Where ipykernel notes that the result could not be displayed, which IPython does not count as an error."""


class Watch(Protocol):
    """Looks at the user's names before and after a cell of the agent; called on the main thread."""

    def before(self, code: str) -> str:
        """Get ready for the cell; a sentence that is returned refuses it, and "" lets it run."""

    def after(self) -> tuple[str, ...]:
        """Look again; return sentences that the model and the user must know."""


class ProtectedName(Exception):  # noqa: N818 - the model reads it as the cell's error
    """A cell that would change a name that the user protected; it was not run."""


def check_names(watch: Watch | None, code: str) -> None:
    """Raise `ProtectedName` if the watch refuses the cell."""
    refusal = watch.before(code) if watch is not None else ""
    if refusal:
        raise ProtectedName(refusal)


def changed_names(watch: Watch | None) -> tuple[str, ...]:
    """Return the sentences of the watch on what the cell did."""
    return watch.after() if watch is not None else ()


def look(shell: Any, count: int | None, failure: BaseException | None) -> dict[str, Any]:
    """Return the probe's report; {} when it was interrupted. What user objects print meanwhile is dropped."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return probe.report(
                shell.user_ns, hidden=set(shell.user_ns_hidden), execution_count=count, error=failure
            )
    except BaseException:
        return {}


def evaluated(shell: Any, expression: str) -> str:
    """Return `str()` of an expression's value; what it prints is dropped.

    Raises:
        ExecutionError: it fails; "NameError: ..." for example.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return str(eval(expression, shell.user_ns))  # noqa: S307 - what the user asked for
    except BaseException as error:
        raise ExecutionError(f"{type(error).__name__}: {error}") from None


INTERRUPTIBLE = (check_names, changed_names, look, evaluated)
"""What may take long around a cell, so that Stop must reach into it."""


@contextlib.contextmanager
def order_kept(
    shell: Any,
    stdin: list[dict[str, str]],
    reinstall: Callable[[], None],
    *,
    literal: bool = True,
    answer: Callable[[str], str] | None = None,
) -> Iterator[None]:
    """Leave the shell usable whatever the cell does to streams, exit, input and signals.

    `stdin` takes what is asked and answered meanwhile; `reinstall` takes SIGINT back at the end. `literal` says
    whether the cell means what is written, see `take_literally`; `answer` gives what `input()` returns, where the
    person is not asked.
    """
    streams = sys.stdin, sys.stdout, sys.stderr
    threads = [getattr(stream, "pub_thread", None) for stream in streams]
    ask, asks = builtins.input, _recorder(answer or builtins.input, stdin)
    outer = shell.displayhook.exec_result
    guess = take_literally(shell) if literal else _nothing
    shell.ask_exit = refuse_exit
    probe_functions.forget()
    builtins.input = asks  # type: ignore[assignment]
    try:
        yield
    finally:
        if builtins.input is asks:
            builtins.input = ask
        del shell.ask_exit
        guess()
        shell.displayhook.exec_result = outer
        sys.stdin, sys.stdout, sys.stderr = streams
        for stream, thread in zip(streams, threads, strict=True):
            if thread is not None and getattr(stream, "pub_thread", thread) is None:
                stream.pub_thread = thread  # type: ignore[union-attr]  # the cell closed an OutStream
        reinstall()


def status_of(failure: BaseException | None, *, struck: bool, why: ExecutionStatus) -> ExecutionStatus:
    """Return how a cell came out; `why` counts if it was struck, also where the code swallowed it (`!` does)."""
    if struck:
        return why
    return "ok" if failure is None else "error"


def plain_error(failure: BaseException | None) -> ErrorReport | None:
    """Return an error without a look at its frames."""
    return None if failure is None else ErrorReport(type(failure).__name__, str(failure))


def _nothing() -> None:
    """Do nothing."""


def _recorder(ask: Callable[[str], str], stdin: list[dict[str, str]]) -> Callable[[object], str]:
    """Return an `input` that notes prompts and answers."""

    def asks(prompt: object = "", /) -> str:
        answer = ask(str(prompt))
        stdin.append({"prompt": str(prompt), "answer": answer})
        return answer

    return asks

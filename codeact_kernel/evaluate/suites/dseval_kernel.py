"""What of DSEval runs beside the authors' code: puts a session into a kernel and judges what became of it.

Stdlib only: it is sent as text into kernels that have nothing of ours. The session is read, its reference carried
out, namespaces compared and submissions validated by the authors' own modules, from their checkout.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import os
import re
import shutil
import sys
import traceback
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE = "dseval_session"
"""The name under which a kernel has its sitting."""
INPUTS = "inputs"
REFERENCE_SECONDS = 60
"""What the reference may take; their limit of a second is for submissions on their machine."""
IPYTHON = re.compile(r"_+|_i+|_i?\d+|_[iod]h|_exit_code|__\w+__")
TIME_LIMIT = "dseval.limit.TimeLimitError"
"""What their verdict knows an overlong cell by."""


class Sitting:
    """One session in one kernel: its questions, the reference's environment, what the agent has done.

    Raises:
        FileNotFoundError: data of the session is not in the checkout.
    """

    def __init__(self, shell: Any, checkout: str, path: str) -> None:
        self._shell = shell
        with quiet():
            problem, self._simulation, self._validator = load(checkout)
            session = problem.ProblemSet.fromfile(path)
        self._problems = iter(session)
        lay(session, path)
        self._given = set(shell.user_ns)
        self._reference = self._simulation.Environment()
        self._fork = self._simulation.Environment()
        self._copy: dict[str, Any] = {}
        self._ids: dict[str, int] = {}
        self._answer: Any = None
        self._problem: Any = None
        self._before: list[str] = []
        self._cells: list[tuple[str, Any, BaseException | None]] = []
        self._ended = ""
        shell.events.register("post_run_cell", self._ran)

    def go_on(self) -> None:
        """Put the kernel into the state that the reference leaves for the next question; answer that beside it."""
        self._before = [self._problem.reference_code] if self._problem is not None else []
        self._problem = None
        with quiet():
            try:
                self._advance()
            except Exception as error:
                self._problem, self._ended = None, f"the reference does not run here ({said(error)})"
        for name in self._users(self._shell.user_ns):
            del self._shell.user_ns[name]
        if self._problem is not None:
            self._shell.user_ns.update(self._users(self._fork.namespace))
        self._cells = []

    def _advance(self) -> None:
        """Run what is no question, fork as theirs does, and run the reference of the question."""
        for problem in self._problems:
            if not problem.is_complete:
                self._run(problem.reference_code, {})
                self._before.append(problem.reference_code)
                continue
            self._fork = self._reference.fork()
            self._copy = self._users(self._fork.namespace_copy())
            self._ids = {name: id(value) for name, value in self._fork.namespace.items()}
            self._run(problem.reference_code, problem.execution or {})
            self._answer = self._reference.last_cell.output
            self._problem = problem
            return

    def _run(self, code: str, limits: dict[str, Any]) -> None:
        self._reference.execute(code, **{**limits, "max_time": REFERENCE_SECONDS}, raise_error=True)

    def question(self) -> str:
        """Return, as JSON, the question ("" for none), what the user ran before it, and why there is none."""
        asked = "" if self._problem is None else self._problem.question.strip()
        return json.dumps({"question": asked, "before": "\n\n".join(self._before), "ended": self._ended})

    def judge(self, reply: str, streamed: str) -> str:
        """Return, as JSON, their verdict on what the agent did since the question.

        What it left is compared with what was there at the question; the submission is its last cell, or its reply
        where it ran none, as theirs is. `streamed` is what that cell printed.
        """
        with quiet():
            output = self._submission(streamed) if self._cells else self._carried_out(reply)
            result = self._problem.validator.validate(self._answer, output)
            verdict, subverdict, reason = self._validator.validator_comments_to_verdict(result)
            guard = self._validator.NamespaceIntactGuard()
            intact = guard.validate(self._answer, output)["correct"] == "yes"
        names = {"verdict": verdict.value, "subverdict": subverdict.value}
        return json.dumps({**names, "reason": reason[:2000], "intact": intact})

    def _submission(self, streamed: str) -> dict[str, Any]:
        source, result, error = self._cells[-1]
        mine = self._users(self._shell.user_ns)
        return {
            "source_code": source,
            "stream_output": streamed,
            "execute_time": 0.0,
            "execute_result": result,
            "error": None if error is None else described(error),
            "namespace_snapshot": mine,
            "namespace_diff": self._fork.namespace_diff(mine, self._copy, self._ids),
        }

    def _carried_out(self, reply: str) -> Any:
        self._fork.execute(reply, **(self._problem.execution or {}))
        return self._fork.last_cell.output

    def _users(self, names: dict[str, Any]) -> dict[str, Any]:
        """Return the user's variables: not IPython's, nor what a bare kernel has."""
        return {
            name: value for name, value in names.items() if name not in self._given and not IPYTHON.fullmatch(name)
        }

    def _ran(self, result: Any) -> None:
        if result.info is not None and MODULE not in (result.info.raw_cell or ""):
            error = result.error_before_exec or result.error_in_exec
            self._cells.append((result.info.raw_cell, result.result, error))


def load(checkout: str) -> tuple[Any, Any, Any]:
    """Import the authors' problems, simulation and validators, without the agents and models of their package."""
    for name in ("requests", "typing_extensions"):  # the one would fetch data, the other only tells types
        try:
            importlib.import_module(name)
        except ImportError:
            stub: Any = types.ModuleType(name)
            stub.NotRequired = dict
            sys.modules[name] = stub
    package: Any = types.ModuleType("dseval")
    package.__path__ = [os.path.join(checkout, "dseval")]  # noqa: PTH118 - a text, from a kernel that may lack pathlib's habits
    sys.modules["dseval"] = package
    problem, simulation, validator = (
        importlib.import_module(f"dseval.{name}") for name in ("problem", "simulation", "validator")
    )
    return problem, simulation, validator


def lay(session: Any, path: str) -> None:
    """Put the session's data where its code looks for it, `inputs` in the working folder.

    Theirs would fetch what is missing; we fetch nothing.
    """
    if session.data_directory is not None:
        shutil.copytree(session.data_directory, INPUTS, dirs_exist_ok=True)
    there = set(os.listdir(INPUTS)) if session.data_directory is not None else set()  # noqa: PTH208 - names only
    wanted = [name for problem in session for name in problem.data or {}]
    missing = sorted(set(wanted) - there)
    if missing:
        folder = os.path.join(os.path.dirname(path), "_inputs")  # noqa: PTH118, PTH120 - texts
        raise FileNotFoundError(f"{', '.join(missing)} is not in this checkout; put it into {folder}")


def described(error: BaseException) -> dict[str, Any]:
    """Return an exception as theirs describes it; an interrupt is the time limit's."""
    lines = "".join(traceback.format_exception(type(error), error, error.__traceback__)).splitlines()
    if isinstance(error, KeyboardInterrupt):
        lines.append(TIME_LIMIT)
    return {"ename": type(error).__name__, "evalue": str(error), "traceback": lines}


def said(error: BaseException) -> str:
    """Return an exception in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what is printed and logged."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def open_session(shell: Any, checkout: str, path: str) -> None:
    """Begin a session: from now on the kernel has it as a module."""
    sitting = Sitting(shell, checkout, path)
    module: Any = types.ModuleType(MODULE)
    module.go_on, module.question, module.judge = sitting.go_on, sitting.question, sitting.judge
    sys.modules[MODULE] = module


def source() -> str:
    """Return this module as text."""
    return inspect.getsource(sys.modules[__name__])

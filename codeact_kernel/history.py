"""What the user ran: the cells before an episode, the cells between two tasks, and the cells that failed."""

from __future__ import annotations

import contextlib
import re
import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from codeact_kernel.agent import observation, probe
from codeact_kernel.errors import ConfigError
from codeact_kernel.execute.report import error_of
from codeact_kernel.session import HumanCell, Prelude
from codeact_kernel.types import Execution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

MAGIC = re.compile(
    r"(?P<indent>[ \t]*)(?P<target>[\w., \t\[\]*]+=[ \t]*)?"
    r"%(?P<name>codeact\b|(?:re|un)?load_ext\s+codeact_kernel\b)"
)
CELL_MAGIC = re.compile(r"\s*%%codeact\b")
CALLED = re.compile(r"run_(?:line|cell)_magic\(\s*['\"]codeact['\"]")
OUTPUT = re.compile(r"\s(?:-o|--output)\b")
MOST_ERRORS = 50


@dataclass(frozen=True, slots=True)
class Piece:
    """What stands in a cell between two of our magics.

    `blocked`: a magic stood inside a block of it, with `pass` in its place now. `lost`: something that the magic
    before it, or in it, gave is not there when the piece runs again.
    """

    source: str
    blocked: bool = False
    lost: bool = False


def cut(source: str) -> list[Piece]:
    """Return the pieces of a cell around its `%codeact` lines, without the lines that load us; at least one.

    A line of a text that begins like our magic is taken for it.
    """
    if CELL_MAGIC.match(source):
        return [Piece(""), Piece("")]
    if CALLED.search(source):
        return [Piece("", blocked=True, lost=True)]
    if source[:1].isspace():
        source = textwrap.dedent(source)
    pieces: list[Piece] = []
    kept: list[str] = []
    blocked = lost = False
    lines = iter(source.split("\n"))
    for line in lines:
        found = MAGIC.match(line)
        if found is None:
            kept.append(line)
            continue
        words = line
        while words.endswith("\\"):
            words = words[:-1] + next(lines, "")
        task = found["name"] == "codeact"
        if found["indent"]:
            kept.append(found["indent"] + "pass")
            blocked, lost = blocked or task, lost or task
        elif task:
            pieces.append(Piece(_code(kept), blocked, lost))
            kept, blocked, lost = [], False, bool(found["target"] or OUTPUT.search(words))
    return [*pieces, Piece(_code(kept), blocked, lost)]


def _code(lines: list[str]) -> str:
    """Return lines as a cell, empty for one without code."""
    source = "\n".join(lines).strip("\n")
    alone = source.startswith("%%") and "\n" not in source
    return "" if alone or not source.strip() else source


class History:
    """Listens to a shell; `busy` says whether the agent is at work, whose own cells do not count as the user's."""

    def __init__(self, shell: InteractiveShell, busy: Callable[[], bool]) -> None:
        self._shell = shell
        self._busy = busy
        self.errors: dict[int, str] = {}
        self._failed: tuple[str, str] | None = None
        self._humans: list[HumanCell] = []
        self._given: list[str] = []
        self._begin(shell.execution_count - 1)

    def attach(self) -> None:
        """Begin to listen."""
        self._shell.events.register("pre_run_cell", self._begins)
        self._shell.events.register("post_run_cell", self._ran)

    def detach(self) -> None:
        """Stop listening."""
        self._shell.events.unregister("pre_run_cell", self._begins)
        self._shell.events.unregister("post_run_cell", self._ran)

    @property
    def alone(self) -> bool:
        """Say whether nothing but one call of our magic, whose result goes nowhere, stands in the present cell."""
        return len(self._pieces) == 2 and not any(one.source or one.blocked or one.lost for one in self._pieces)

    @property
    def count(self) -> int:
        """How many cells `humans` would return."""
        return len(self._humans)

    def forget(self, count: int | None = None) -> None:
        """Forget the cells run since the last task, or the first `count` of them."""
        del self._humans[:count]

    def take(self) -> list[HumanCell]:
        """Return the cells run since the last task, and forget them."""
        found = self.humans()
        del self._humans[: len(found)]
        return found

    def note(self, source: str) -> None:
        """Count a cell among the user's that was not typed in one."""
        self._humans.append(HumanCell(source))

    def gave(self, source: str) -> None:
        """Count a cell that was not typed among what the kernel's state is built of, now and in later preludes."""
        self._given.append(source)
        self.note(source)

    @contextlib.contextmanager
    def magic(self) -> Iterator[None]:
        """Stand around a call of our magic: what the cell did before it is the user's, and has run."""
        if self._busy():
            yield
            return
        self._keep(self._calls)
        self._calls += 1
        self._inside = True
        yield
        self._inside = False

    def humans(self) -> list[HumanCell]:
        """Return the user's cells since the last call of `forget`."""
        return list(self._humans)

    def prelude(self) -> Prelude:
        """Return the kernel's input history without our own magics.

        Of the cell that runs, it holds what ran before the magic's line.
        """
        manager = self._shell.history_manager
        if manager is None:
            return Prelude((), complete=False)
        inputs, errors = manager.input_hist_raw, manager.exceptions
        complete = len(inputs) >= self._shell.execution_count
        cells: list[HumanCell] = []
        for count, source in enumerate(inputs[1:], 1):
            pieces = cut(source)
            if count == self._here:
                # Steps of an episode that ended in this very cell stand after it, though they ran in between.
                complete = complete and (self._calls < 2 or count == len(inputs) - 1)
                pieces = pieces[: self._calls]
            complete = complete and not any(piece.lost for piece in pieces)
            if count == self._here:
                pieces = [piece for piece in pieces if not piece.blocked]
            text = "\n".join(piece.source for piece in pieces if piece.source)
            if text:
                cells.append(HumanCell(text, count, failed=count in errors))
        cells += [HumanCell(source) for source in self._given]
        if not complete:  # then what is missing may make any of them fail
            cells = [replace(cell, failed=True) for cell in cells]
        began = str(manager.dir_hist[0]) if complete and manager.dir_hist else None
        return Prelude(cells, complete, began)

    def last_failure(self) -> str:
        """Return the task that mends the last cell that failed.

        Raises:
            ConfigError: no cell failed yet.
        """
        if self._failed is None:
            raise ConfigError("No cell has failed since the extension was loaded; there is nothing to fix.")
        source, error = self._failed
        return (
            "Fix this cell. Find the cause, run a corrected version, then say in one sentence what was wrong.\n\n"
            f"```python\n{source.rstrip()}\n```\n\nIt failed with:\n{error}"
        )

    def _begin(self, count: int, source: str | None = None) -> None:
        """Note which cell runs; without its source it is the one that the shell stored last."""
        manager = self._shell.history_manager
        inputs = manager.input_hist_raw if manager is not None else []
        if source is None:
            source = inputs[count] if 0 < count == len(inputs) - 1 else ""
        self._here, self._pieces = count, cut(source)
        self._calls, self._inside = 0, False
        self._kept: set[int] = set()

    def _begins(self, info: ExecutionInfo) -> None:
        if not self._busy():
            stored = getattr(info, "store_history", False)
            self._begin(self._shell.execution_count - 1 if stored else 0, info.raw_cell or "" if stored else "")

    def _keep(self, number: int, *, failed: bool = False, running: bool = True) -> None:
        """Count a piece of the present cell among the user's, once; not yet if the magic runs inside it."""
        if number >= len(self._pieces) or number in self._kept or (running and self._pieces[number].blocked):
            return
        self._kept.add(number)
        if self._pieces[number].source:
            self._humans.append(HumanCell(self._pieces[number].source, self._here, failed))

    def _ran(self, result: ExecutionResult) -> None:
        info = result.info
        if self._busy() or not getattr(info, "store_history", False):
            return
        if self._here != (result.execution_count or self._here):  # a cell whose beginning was not heard
            self._begin(result.execution_count or 0, getattr(info, "raw_cell", "") or "")
        error = result.error_in_exec or result.error_before_exec
        ours = self._inside or (isinstance(error, UsageError) and len(self._pieces) > 1)
        reached = len(self._pieces) if error is None else self._calls + (not self._inside)
        for number in range(reached):
            self._keep(number, failed=error is not None, running=False)
        source = getattr(info, "raw_cell", "") if len(self._pieces) == 1 else self._piece(self._calls)
        self._inside = False
        if error is None or ours or not source:
            return
        words = _words(error, self._shell.user_ns)
        self.errors[result.execution_count or self._here] = words
        self._failed = (source, words)
        while len(self.errors) > MOST_ERRORS:
            del self.errors[next(iter(self.errors))]

    def _piece(self, number: int) -> str:
        return self._pieces[number].source if number < len(self._pieces) else ""


def _words(error: BaseException, namespace: dict[str, Any]) -> str:
    report = probe.report(namespace, error=error, seconds=0.05)
    return observation.observe(Execution("error", error=error_of(report))).text

"""Notebooks as tests: `pytest -p codeact_kernel.pytest_plugin --codeact-replay` replays the episodes it finds.

Each is one test: it runs in a fresh kernel and fails with what differs. There is no entry point on purpose: that
would load IPython in every pytest run of an environment.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codeact_kernel.episode.files import read_header
from codeact_kernel.errors import CodeActError
from codeact_kernel.replay import user_rules
from codeact_kernel.replay.rules import Rules
from codeact_kernel.replay.runner import BAD, POLICIES, Options, Replay, replay_file
from codeact_kernel.replay.summary import first_line, headline, why

if TYPE_CHECKING:
    from collections.abc import Iterator


class ReplayFailedError(Exception):
    """A replay gave something else, or could not run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    group = parser.getgroup("codeact", "codeact-kernel")
    group.addoption("--codeact-replay", action="store_true", help="replay the episodes (.ipynb) that are found")
    group.addoption("--codeact-replay-all", action="store_true", help="replay all notebooks that are found")
    group.addoption("--codeact-rules", metavar="TOML", help="rules of your own for comparing outputs")
    group.addoption("--codeact-policy", choices=POLICIES, default="normal", help="what counts as a difference")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect episodes; other notebooks too where that was asked for."""
    if file_path.suffix != ".ipynb" or ".ipynb_checkpoints" in file_path.parts:
        return None
    every = parent.config.getoption("--codeact-replay-all")
    if not every and not (parent.config.getoption("--codeact-replay") and read_header(file_path) is not None):
        return None
    made: pytest.Collector = NotebookFile.from_parent(parent, path=file_path)
    return made


class NotebookFile(pytest.File):
    """A notebook, which is one test."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield its replay."""
        yield ReplayItem.from_parent(self, name="replay")


class ReplayItem(pytest.Item):
    """The replay of one notebook."""

    def runtest(self) -> None:
        """Replay it.

        Raises:
            ReplayFailedError: it did not give the same.
        """
        rules = self.config.getoption("--codeact-rules")
        try:
            options = Options(
                rules=Rules(user_rules.load(Path(rules))) if rules else None,
                policy=self.config.getoption("--codeact-policy"),
            )
            found = asyncio.run(replay_file(self.path, options))
        except CodeActError as error:
            raise ReplayFailedError(str(error)) from None
        if found.exit_code:
            raise ReplayFailedError(_words(found))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return what differs, without a traceback of ours."""
        if isinstance(excinfo.value, ReplayFailedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return what pytest calls this test."""
        return self.path, None, f"replay of {self.path.name}"


def _words(found: Replay) -> str:
    lines = [headline(found), *(f"! {one.sentence}" for one in found.environment if not one.fatal)]
    for cell in found.cells:
        if cell.verdict in BAD:
            step = "" if cell.planned.step is None else f" (step {cell.planned.step})"
            lines += [
                f"cell {cell.planned.number}{step}: {cell.verdict}",
                f"    {first_line(cell.planned.source)}",
                f"    {why(cell)}",
            ]
    return "\n".join(lines)

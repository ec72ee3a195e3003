"""What runs inside a kernel: the probe's report as text, and cells that mean what is written.

Standard library only and nothing of ours: the source of this file is sent as text into fresh kernels.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

GUESSES = frozenset(("AutoMagicChecker", "AutocallChecker", "MacroChecker"))
"""IPython's prefilters that read a lone line as another one: `rm -rf x` as `!rm -rf x`, `f x` as `f(x)`."""


SETTLE_SECONDS, WATCHER_SECONDS = 0.1, 0.01
"""How long `settle` waits for pipes at most, and then for the watchers to have written on what they read."""


def take_literally(shell: Any) -> Callable[[], None]:
    """Make cells mean what is written, and so what was labelled and approved; return what undoes it.

    `%automagic` and `%autocall` stay as the user set them: what they ask for is not looked for meanwhile.
    """
    guessing = [
        checker
        for checker in shell.prefilter_manager.checkers
        if checker.enabled and {kind.__name__ for kind in type(checker).__mro__} & GUESSES
    ]
    for checker in guessing:
        checker.enabled = False

    def undo() -> None:
        for checker in guessing:
            checker.enabled = True

    return undo


def literally(shell: Any, on: bool) -> None:  # noqa: FBT001 - by wire
    """Make cells mean what is written, or what the user set; a second time in a row does nothing."""
    if on and not _undo:
        _undo.append(take_literally(shell))
    elif not on and _undo:
        _undo.pop()()


_undo: list[Callable[[], None]] = []


def settle(most: float = SETTLE_SECONDS, after: float = WATCHER_SECONDS) -> None:
    """Wait until what child processes wrote to file descriptors 1 and 2 has been read by ipykernel's watchers.

    For `most` seconds at most, and `after` more: the watcher has the bytes but may not have written them on yet.
    """
    pipes = [pipe for stream in (sys.stdout, sys.stderr) if isinstance(pipe := getattr(stream, "_fid", None), int)]
    if not pipes or os.name == "nt":
        return
    deadline = time.monotonic() + most
    with contextlib.suppress(OSError, ValueError):
        while select.select(pipes, [], [], 0)[0] and time.monotonic() < deadline:
            time.sleep(0.002)
    time.sleep(after)


def look(shell: Any, probe: Any, execution_count: int | None, failed: bool) -> str:  # noqa: FBT001 - by wire
    """Return the probe's report as JSON text; what user objects print meanwhile is dropped.

    `failed` takes the exception that the shell showed last as the cell's error.
    """
    error = getattr(sys, "last_value", None) if failed else None
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        found = probe["report"](
            shell.user_ns, hidden=set(shell.user_ns_hidden), execution_count=execution_count, error=error
        )
    return json.dumps(found)

"""`{var}`, `{In[3]}`, `{Out[3]}`, `{Err[3]}` in a task: the user's own values, bounded, in place of the braces."""

from __future__ import annotations

import re
import time
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from codeact_kernel import terminal
from codeact_kernel.agent.probe_values import result_of

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELD = re.compile(r"\{(?P<name>[A-Za-z_]\w*)(?:\[(?P<index>\d+)\])?\}")
MOST_CHARS = 4000
SECONDS = 0.5


def interpolate(task: str, namespace: Mapping[str, Any], errors: Mapping[int, str]) -> str:
    """Return the task with its fields filled.

    `errors` holds the compact traceback of each cell that failed, by its execution count. Braces that name
    nothing known stay as they are: a task may hold JSON or code.
    """

    def fill(match: re.Match[str]) -> str:
        name, index = match.group("name"), match.group("index")
        if name == "Err" and index is not None:
            return errors.get(int(index), match.group(0))
        if name not in namespace:
            return match.group(0)
        value = namespace[name]
        if index is None:
            return _words(value)
        try:
            return _words(value[int(index)])
        except Exception:
            return match.group(0)

    return FIELD.sub(fill, task)


def _words(value: Any) -> str:
    if type(value) in {str, int, float, bool, type(None)} or isinstance(value, PurePath):
        text = str(value)
    else:
        text = result_of(value, time.perf_counter() + SECONDS) or f"<{type(value).__name__}>"
    return terminal.clip(text, MOST_CHARS)[0]

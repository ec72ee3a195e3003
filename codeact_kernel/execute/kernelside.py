"""What runs inside a fresh kernel: the probe's report as text.

Standard library only and nothing of ours: the source of this file is sent as text into fresh kernels.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any


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

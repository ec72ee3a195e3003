"""What a cell may touch, read from its text before it runs: files, network, processes, installs, keys, code.

The labels help a person decide. They are a seat belt, not a wall: code that means to hide what it does can.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from codeact_kernel.agent.risk.findings import Findings, Risk
from codeact_kernel.agent.risk.scan import Scan
from codeact_kernel.agent.risk.tables import KINDS, SHOWN_ONLY, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["KINDS", "SHOWN_ONLY", "Risk", "labels"]


def labels(
    code: str, *, cwd: str | None = None, names: Collection[str] = (), earlier: Sequence[str] = ()
) -> tuple[Risk, ...]:
    """Return what a cell may do that a person would want to be asked about; nothing for ordinary analysis.

    Args:
        code: the cell as typed; `!`, `%` and `%%` are read as IPython reads them.
        cwd: the folder that the cell's relative paths start from; None is this process's folder. Writing to a file
            is "overwrite" if the file is there now or cannot be known, "outside" if it is not in this folder.
        names: the user's names, modules left out: binding or deleting one is "rebind", which is shown but not
            asked about (`SHOWN_ONLY`).
        earlier: the cells that ran before this one, oldest first, whose imports and bindings it may use.

    Never raises: a text that cannot be read is labelled "unknown". The median cell of benchmarks/risk_labels.py
    takes half a millisecond.
    """
    try:
        findings = Findings(Path.cwd() if cwd is None else Path(cwd))
        Scan(findings, frozenset(names), earlier).read(code)
        return findings.risks()
    except Exception as error:  # a cell too odd to read must still be asked about
        return (Risk("unknown", f"{UNREADABLE}: {type(error).__name__}"),)

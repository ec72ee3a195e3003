"""codeact-kernel: the agent that lives in your Jupyter kernel.

In a notebook: `%load_ext codeact_kernel`, then `%codeact which region lost customers, and why?`.
In Python: `codeact_kernel.run("which region lost customers?", cwd="data")`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeact_kernel import magics
from codeact_kernel._version import __version__
from codeact_kernel.agent.tools import tool
from codeact_kernel.config import CodeAct
from codeact_kernel.oneshot import Result, run

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["CodeAct", "Result", "__version__", "load_ipython_extension", "run", "tool", "unload_ipython_extension"]


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Register `%codeact` in a shell; what `%load_ext codeact_kernel` calls."""
    magics.load(ipython)


def unload_ipython_extension(ipython: InteractiveShell) -> None:
    """Take `%codeact` and its hooks out of a shell."""
    magics.unload(ipython)

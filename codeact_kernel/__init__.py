"""codeact-kernel: the agent that lives in your Jupyter kernel.

In a notebook: `%load_ext codeact_kernel`, then `%codeact which region lost customers, and why?`.
In Python: `codeact_kernel.run("which region lost customers?", cwd="data")`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from codeact_kernel import magics
from codeact_kernel._version import __version__
from codeact_kernel.agent.tools import tool
from codeact_kernel.config import CodeAct

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from codeact_kernel.oneshot import Result, run

__all__ = ["CodeAct", "Result", "__version__", "load_ipython_extension", "run", "tool", "unload_ipython_extension"]


def __getattr__(name: str) -> Any:
    """Load what runs tasks in kernels of its own when it is first asked for: a notebook has one already."""
    if name in {"Result", "run"}:
        return getattr(importlib.import_module("codeact_kernel.oneshot"), name)
    raise AttributeError(f"module 'codeact_kernel' has no attribute {name!r}")


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Register `%codeact` in a shell; what `%load_ext codeact_kernel` calls."""
    magics.load(ipython)


def unload_ipython_extension(ipython: InteractiveShell) -> None:
    """Take `%codeact` and its hooks out of a shell."""
    magics.unload(ipython)

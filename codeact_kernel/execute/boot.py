"""What a kernel of our own is made ready with: our files that run inside it, as text."""

from __future__ import annotations

import inspect
import re

from codeact_kernel.agent import probe
from codeact_kernel.execute import interrupt, kernelside

_BOOT = """
import sys, types
for name, text in SOURCES.items():
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(text, "<" + name + ">", "exec"), module.__dict__)
sys.modules["_codeact_interrupt"].prepare_kernel(SHELL)
sys.modules["_codeact_side"].literally(SHELL, LITERAL)
sys.modules["_codeact_probe"].install()
"""
PRINTS_LATE = re.compile(
    r"^\s*[!%]|=\s*[!%]|\b(?:subprocess|os\.\w|system|p?open|[Tt]hread|concurrent|multiprocessing|joblib|n_jobs|ctypes"
    r"|asyncio|await)\b",
    re.MULTILINE,
)
"""What may print when its cell has ended: processes, threads, tasks."""
SETTLE = "__import__('_codeact_side').settle()"
LOOK = "__import__('_codeact_side').look(get_ipython(), vars(__import__('_codeact_probe')), {count}, {failed})"


def preparation(*, literal: bool, look: bool = True) -> str:
    """Return the expression that puts the probe, the interrupts and the agent's functions into a kernel.

    `literal` says whether cells mean what is written, see `kernelside.take_literally`; without `look`, the probe
    has its functions only and no `report`.
    """
    sources = {
        "_codeact_probe": probe.source(probe.PARTS if look else probe.FUNCTION_PARTS),
        "_codeact_interrupt": inspect.getsource(interrupt),
        "_codeact_side": inspect.getsource(kernelside),
    }
    return f"exec({_BOOT!r}, {{'SOURCES': {sources!r}, 'SHELL': get_ipython(), 'LITERAL': {literal}}})"

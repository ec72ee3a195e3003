"""Saved notebooks in a live kernel: `replay`, `rehearse`, `fork` and `resume` of the magic and of the side panel.

An IPython extension of its own, loaded when the first of these words comes: it takes as long to load as the rest.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import BusyError
from codeact_kernel.replay_requests import ReplayRequests
from codeact_kernel.replay_verbs import ReplayVerbs
from codeact_kernel.replays import Replays

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from codeact_kernel.magics import CodeActMagics


def _magics(shell: InteractiveShell) -> CodeActMagics:
    found: Any = shell.magics_manager.registry.get("CodeActMagics")
    if found is None:
        raise BusyError("%codeact is not loaded; run %load_ext codeact_kernel first.")
    magics: CodeActMagics = found
    return magics


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Give the shell's `%codeact`, and its panel, what runs saved notebooks again."""
    magics = _magics(shell)
    replays = Replays(magics.resident)
    magics.verbs = ReplayVerbs(replays)
    if magics.panel is not None:
        requests = magics.panel.requests
        magics.replays = ReplayRequests(replays, magics.resident, requests.later)
        requests.extend(magics.replays.handlers)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take it away again."""
    with contextlib.suppress(BusyError):
        magics = _magics(shell)
        magics.verbs = magics.replays = None

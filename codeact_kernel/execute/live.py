"""The user's own kernel: cells run on its main thread while the awaited `%codeact` magic serves them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from codeact_kernel.execute.around import DISPLAY_FAILED
from codeact_kernel.execute.capture import OutputReducer, Tee
from codeact_kernel.execute.serving import ServingExecutor

if TYPE_CHECKING:
    from collections.abc import Iterator


class LiveExecutor(ServingExecutor):
    """Runs cells in the ipykernel of `shell`; outputs are seen where the kernel sends them, and shown live.

    See ServingExecutor for `serve`, `run`, `inspect`, `interrupt`, `post`, `describe` and `close`.
    """

    @contextlib.contextmanager
    def _capture(self, reducer: OutputReducer) -> Iterator[Tee]:
        shell = self._shell
        # Only the synchronous way of running cells resets these, so a step would mark the magic's cell as failed.
        failed = getattr(shell, DISPLAY_FAILED, False)
        setattr(shell, DISPLAY_FAILED, False)
        message: Any = getattr(shell.displayhook, "msg", None)
        shell.displayhook.msg = None
        with Tee(shell.kernel, reducer) as tee:
            try:
                yield tee
            finally:
                setattr(shell, DISPLAY_FAILED, failed)
                shell.displayhook.msg = message

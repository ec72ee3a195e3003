"""Kernels for episodes: each episode gets one that is fresh, and it is started while the one before still runs."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path

from codeact_kernel.errors import CodeActError
from codeact_kernel.execute.fresh import FreshExecutor


class Kernels:
    """Keeps up to `ahead` kernels started before they are asked for, each in a new empty folder.

    Belongs to one asyncio loop.
    """

    def __init__(self, ahead: int = 1) -> None:
        self._ahead = ahead
        self._coming: list[asyncio.Task[tuple[FreshExecutor, Path]]] = []

    async def take(self) -> tuple[FreshExecutor, Path]:
        """Return a kernel and its folder; both belong to the caller, who closes and removes them.

        Raises:
            ExecutionError: kernels do not start here.
        """
        if not self._coming:
            self._coming.append(asyncio.create_task(_start()))
        ready = self._coming.pop(0)
        while len(self._coming) < self._ahead:
            self._coming.append(asyncio.create_task(_start()))
        return await ready

    async def close(self) -> None:
        """End the kernels that nobody took."""
        self._ahead = 0
        coming, self._coming = self._coming, []
        for task in coming:
            with contextlib.suppress(CodeActError):
                executor, folder = await task
                await executor.close()
                shutil.rmtree(folder, ignore_errors=True)


async def _start() -> tuple[FreshExecutor, Path]:
    folder = Path(tempfile.mkdtemp(prefix="codeact-eval-"))
    executor = FreshExecutor(cwd=folder)
    try:
        await executor.start()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return executor, folder

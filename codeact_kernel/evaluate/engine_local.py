"""The local engine: some episodes at a time on this machine, each in a kernel of its own."""

from __future__ import annotations

import asyncio
import queue
from typing import TYPE_CHECKING

from codeact_kernel.errors import CodeActError, StoppedError
from codeact_kernel.evaluate.kernels import Kernels
from codeact_kernel.evaluate.play import Player
from codeact_kernel.models.select import resolve
from codeact_kernel.worker import worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from codeact_kernel.evaluate.case import Job
    from codeact_kernel.evaluate.engine import Done, Setup

END = None


def run(jobs: Iterable[Job], setup: Setup, begin: Callable[[Job], int]) -> Iterator[Done]:
    """Play jobs, at most `setup.jobs` at once, and yield what came of each as it comes.

    `begin` is called as a job is taken up and returns its attempt. Stops early, with what is done, when
    `setup.stop` is given.

    Raises:
        ConfigError: the model cannot be had at all.
    """
    ready: queue.SimpleQueue[Done | None] = queue.SimpleQueue()
    pending = iter(jobs)
    model = resolve(setup.config)

    async def work(player: Player) -> None:
        for job in pending:
            if setup.stop.is_set():
                return
            attempt = begin(job)
            try:
                ready.put((job, attempt, await player.play(job, attempt), ""))
            except StoppedError:
                return
            except CodeActError as error:
                ready.put((job, attempt, None, str(error)))
            except Exception as error:
                ready.put((job, attempt, None, f"{type(error).__name__}: {error}"))

    async def everything() -> None:
        kernels = Kernels(ahead=setup.jobs)
        player = Player(
            setup.suite, model, setup.config, kernels, setup.data, setup.out, setup.stop, setup.settings
        )
        try:
            await asyncio.gather(*(work(player) for _ in range(setup.jobs)))
        finally:
            await kernels.close()
            await model.close()
            ready.put(END)

    future = worker().submit(everything())
    try:
        while (done := ready.get()) is not END:
            yield done
        future.result()
    finally:
        setup.stop.set()
        future.exception()

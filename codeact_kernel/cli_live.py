"""`codeact replay FILE --live`: in a kernel that runs already, after a look at what the cells may do."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from codeact_kernel.agent.approval import visible
from codeact_kernel.asking import TerminalReader, terminal_asker
from codeact_kernel.cli_results import say
from codeact_kernel.errors import ConfigError, ExecutionError
from codeact_kernel.execute.attached import AttachedExecutor, connection_file
from codeact_kernel.replay import page
from codeact_kernel.replay.live import open_live
from codeact_kernel.replay.runner import Replay

if TYPE_CHECKING:
    from pathlib import Path

    from codeact_kernel.agent.stop import Stop
    from codeact_kernel.replay.environment import Installed
    from codeact_kernel.replay.live import LiveReplay
    from codeact_kernel.replay.runner import Options, Watcher

NOBODY = "nobody is here to allow that the cells run in your kernel; --yes runs them without asking"


async def replay_live(
    path: Path, options: Options, *, existing: str, yes: bool, stop: Stop, watcher: Watcher
) -> Replay:
    """Replay a notebook in a running kernel; a person is asked first, unless `yes`.

    Raises:
        EpisodeError: it cannot be replayed there.
        ExecutionError: there is no such kernel, or it does not answer.
        ConfigError: nobody can be asked.
    """
    executor = AttachedExecutor(await asyncio.to_thread(connection_file, existing))
    await stop.guard(executor.start())
    try:
        if not executor.python:
            raise ExecutionError("That kernel is not a Python kernel; a live replay needs one.")
        live = await _opened(path, options, executor)
        live.stop = stop
        say(page.opening(live).rstrip())
        if not yes and not await _allowed(stop):
            return Replay(path, cannot="Nothing was run: it was not allowed.")
        before = await executor.folder()
        await executor.go_to(str(live.folder))
        try:
            await _run(live, executor, watcher)
        finally:
            with contextlib.suppress(ExecutionError):  # it died
                await executor.go_to(before)
                await executor.take_literally(on=False)
        return live.found()
    finally:
        await executor.close()


async def _opened(path: Path, options: Options, executor: AttachedExecutor) -> LiveReplay:
    """Read the notebook off the loop; what the kernel has is asked on it."""
    loop = asyncio.get_running_loop()

    def installed(names: list[str]) -> Installed:
        return asyncio.run_coroutine_threadsafe(executor.installed(names), loop).result()

    names = await executor.names()
    return await asyncio.to_thread(lambda: open_live(path, options, names=names, installed=installed))


async def _run(live: LiveReplay, executor: AttachedExecutor, watcher: Watcher) -> None:
    watcher.begins(live.path, len(live.planned.cells))
    told = [0]

    def tell() -> None:
        for result in live.results[told[0] :]:
            watcher.cell(result)
        told[0] = len(live.results)

    await live.run(executor, told=tell)


async def _allowed(stop: Stop) -> bool:
    if terminal_asker(stop) is None:
        raise ConfigError(f"Nothing was run: {NOBODY}.")
    try:
        answer = await asyncio.to_thread(TerminalReader(stop), "Run them in your kernel? [y]es / [n]o: ")
    except EOFError:
        return False
    return visible(answer).strip().lower() in ("y", "yes")

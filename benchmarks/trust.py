"""The long forms of what the fault suite shows in short: random stops, kills at every event, soak, fuzz.

    python -m benchmarks.trust stop  [--times 300]      Stop at random moments: seconds until the task has ended
    python -m benchmarks.trust kill  [--episodes 20]    kills at every journal event, failures of every write
    python -m benchmarks.trust soak  [--steps 2000]     one conversation: memory, threads, files, hooks
    python -m benchmarks.trust fuzz  [--inputs 100000]  the parser, the loader, the reducer and the redactor

Each prints lines of Markdown; `--out FILE` appends them to a file. All of it runs on this machine alone: scripted
models, kernels of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]

from benchmarks.quickstart.report import commit
from benchmarks.trust_disk import block, fuzz, kills
from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.episode.chat import check_messages
from codeact_kernel.episode.files import read_notebook
from codeact_kernel.errors import StoppedError
from codeact_kernel.execute.fresh import FreshExecutor
from codeact_kernel.models.function import CallableModel
from codeact_kernel.session import Session
from codeact_kernel.terminal_view import QuietView

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

KINDS = {
    "a cell that sleeps": "import time\ntime.sleep(30)",
    "a cell that computes": "n = 0\nwhile True:\n    n += 1",
    "a cell that awaits": "import asyncio\nawait asyncio.sleep(30)",
    "a child process": "import subprocess\nsubprocess.run(['sleep', '30'])",
    "the model": "",
    "approval": "import os\nos.remove('x')",
    "saving": "print('x' * 100_000)",
}


class Waits:
    """An asker who never answers."""

    async def ask(self, code: str, risks: Any, reason: str) -> Any:
        """Wait for ever."""
        del code, risks, reason
        await asyncio.Event().wait()

    async def reply(self, question: str, choices: tuple[str, ...] = ()) -> str:
        """Wait for ever."""
        del question, choices
        await asyncio.Event().wait()
        return ""


async def stop_once(executor: FreshExecutor, kind: str, folder: Path, after: float) -> float:
    """Return the seconds from Stop, given `after` seconds, to the end of a task that is about `kind`."""

    async def said(messages: list[dict[str, str]]) -> AsyncIterator[str]:
        if kind == "the model":
            for _ in range(300):
                await asyncio.sleep(0.1)
                yield "word "
        yield block(KINDS[kind] if kind != "saving" else f"x{len(messages)} = 1\n{KINDS[kind]}")

    session, stop = Session(folder, given=CallableModel(said)), Stop()
    config = CodeAct(approval="ask-if-risky" if kind == "approval" else "auto", max_steps=10_000)
    work = asyncio.create_task(
        session.ask("go", config, executor=executor, view=QuietView(), stop=stop, asker=Waits())
    )
    await asyncio.sleep(after)
    if work.done():
        raise AssertionError(f"{kind}: the task ended by itself: {work.result()}")
    began = time.monotonic()
    stop.set()
    try:
        outcome = await work
    except StoppedError:  # before there was an episode
        outcome = None
    took = time.monotonic() - began
    await session.close()
    if outcome is None:
        return took
    assert outcome.status == "interrupted", (kind, outcome)
    assert check_messages(read_notebook(Path(outcome.episode or ""))) == []
    return took


async def stops(times: int) -> list[str]:
    """Give Stop at random moments and return the times."""
    took: dict[str, list[float]] = {kind: [] for kind in KINDS}
    chance = random.Random(8)
    with tempfile.TemporaryDirectory() as name:
        executor = FreshExecutor(cwd=Path(name))
        await executor.start()
        try:
            for number in range(times):
                kind = list(KINDS)[number % len(KINDS)]
                seconds = await stop_once(executor, kind, Path(name), chance.uniform(0.0, 0.9) + 0.05)
                took[kind].append(seconds)
                alive = await executor.run("print(6 * 7)")
                assert alive.outputs[0]["text"] == "42\n", alive
        finally:
            await executor.close()
    together = sorted(seconds for each in took.values() for seconds in each)
    late = statistics.quantiles(together, n=100)[98]
    lines = [f"Stop, {times} random moments: median {statistics.median(together):.3f} s, p99 {late:.3f} s, "]
    lines[0] += f"longest {together[-1]:.3f} s; every kernel answered afterwards, every episode was whole."
    lines += ["", "| while | times | median s | longest s |", "|---|---|---|---|"]
    for kind, each in took.items():
        lines.append(f"| {kind} | {len(each)} | {statistics.median(each):.3f} | {max(each):.3f} |")
    return lines


async def soak(steps: int) -> list[str]:
    """Run one long conversation and return how what it holds grows."""
    count = 0

    def said(messages: list[dict[str, str]]) -> str:
        nonlocal count
        del messages
        count += 1
        return "Done." if count % 50 == 0 else block(f"x{count % 7} = {count}\nprint('step', {count})")

    process, rows = psutil.Process(), []
    with tempfile.TemporaryDirectory() as name:
        executor = FreshExecutor(cwd=Path(name))
        await executor.start()
        session = Session(Path(name), given=CallableModel(said))
        config = CodeAct(approval="auto", max_steps=60)
        began = time.monotonic()
        while count < steps:
            outcome = await session.ask("go", config, executor=executor, view=QuietView(), stop=Stop())
            assert outcome.status in {"done", "limit"}, outcome
            if count % 500 < 50:  # a conversation of five hundred steps, then a new one
                session.reset()
            kernel = await executor.run(
                "import os, threading, resource\nprint(len(os.listdir('/proc/self/fd')), "
                "threading.active_count(), "
                "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "
                "sum(map(len, get_ipython().events.callbacks.values())))"
            )
            inside = [int(word) for word in kernel.outputs[0]["text"].split()]
            rows.append(
                (count, process.memory_info().rss / 1e6, threading.active_count(), process.num_fds(), *inside)
            )
        took = time.monotonic() - began
        await session.close()
        await executor.close()
    half = rows[len(rows) // 2 :]
    slope = (half[-1][1] - half[0][1]) / max(1, half[-1][0] - half[0][0]) * 1000
    lines = [
        (
            f"Soak, {count} steps in {took:.0f} s: memory of the agent's process {rows[0][1]:.0f} MB at first, "
            f"{rows[-1][1]:.0f} MB at last, {slope:+.1f} MB per 1,000 steps over the second half."
        ),
        "",
        "| steps | MB | threads | files | kernel: files | threads | peak MB | hooks |",
        "|---|---|---|---|---|---|---|---|",
    ]
    picked = rows[:: max(1, len(rows) // 8)]
    return lines + ["| " + " | ".join(f"{value:.0f}" for value in row) + " |" for row in picked]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("stop", "kill", "soak", "fuzz"))
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    runs: dict[str, Callable[[], list[str]]] = {
        "stop": lambda: asyncio.run(stops(args.times)),
        "kill": lambda: kills(args.episodes),
        "soak": lambda: asyncio.run(soak(args.steps)),
        "fuzz": lambda: fuzz(args.inputs),
    }
    text = "\n".join([f"## {args.what}", "", *runs[args.what](), "", f"Commit `{commit()[:12]}`, "])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    text += f"{os.cpu_count()} shared cores, peak {peak:.0f} MB.\n"
    print(text)
    if args.out is not None:
        with args.out.open("a", encoding="utf-8") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()

"""Four episodes at once on the embedded model: what do slots of its process gain over one after another?

    python -m benchmarks.slots [--model llamacpp:qwen2.5-coder-0.5b] [--tasks 4] [--threads 2] [--out FILE.md]

The first tasks of quickstart's development half through `codeact eval`, each in a kernel of its own: one after
another, all at once on one slot (requests wait for each other, kernels and prompts do not), and all at once on as
many slots (replies are written in one batch). The model's process is loaded before the clock starts. Replies may
differ from arm to arm, so besides the wall time there are the tokens that were read and written in it.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.evaluate.run import Order, evaluate
from codeact_kernel.evaluate.suites.quickstart import Quickstart
from codeact_kernel.models.base import complete
from codeact_kernel.models.select import resolve
from codeact_kernel.types import Message, Sampling

ROOT = Path(__file__).parents[1]
ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Arm:
    """What is compared: so many episodes at once on so many slots."""

    name: str
    jobs: int
    slots: int


@dataclass(frozen=True, slots=True)
class Result:
    """What an arm came to: wall seconds; tokens read anew and written; tasks solved."""

    seconds: float
    read: int
    written: int
    solved: int


def main() -> None:
    words = argparse.ArgumentParser(prog="python -m benchmarks.slots")
    words.add_argument("--model", default="llamacpp:qwen2.5-coder-0.5b")
    words.add_argument("--tasks", type=int, default=4)
    words.add_argument("--threads", type=int, default=2)
    words.add_argument("--out", type=Path)
    asked = words.parse_args()
    arms = (
        Arm("one after another, 1 slot", 1, 1),
        Arm(f"{asked.tasks} at once, 1 slot", asked.tasks, 1),
        Arm(f"{asked.tasks} at once, {asked.tasks} slots", asked.tasks, asked.tasks),
    )
    found: dict[Arm, list[Result]] = {arm: [] for arm in arms}
    for number in range(ROUNDS):
        for arm in arms:
            found[arm].append(play(arm, asked.model, asked.tasks, asked.threads))
            print(f"round {number + 1}, {arm.name}: {found[arm][-1]}", flush=True)
    table = drawn(found)
    print(table)
    if asked.out:
        head = f"# Slots of the embedded model\n\n{asked.model}, {asked.tasks} tasks, {asked.threads} threads, "
        asked.out.write_text(f"{head}{ROUNDS} rounds in turns, the faster of each.\n\n{table}\n", "utf-8")


def play(arm: Arm, model: str, tasks: int, threads: int) -> Result:
    """Play the tasks with a model process of their own, which ends afterwards."""
    config = CodeAct().updated(model=model, slots=arm.slots, threads=threads, max_steps=4)
    served: Any = resolve(config)
    asyncio.run(complete(served, [Message("user", "Hello")], Sampling(max_tokens=1), Stop(), lambda _: None))
    with tempfile.TemporaryDirectory(prefix="slots-") as folder:
        order = Order(Quickstart(), ROOT, Path(folder), config, limit=tasks, jobs=arm.jobs)
        began = time.monotonic()
        rows = evaluate(order, lambda _: None)
        seconds = time.monotonic() - began
    served.shut_down()
    time.sleep(3)
    read = sum(row["input_tokens"] - row["cached_tokens"] for row in rows)
    solved = sum(row["scores"].get("solved", 0) == 1 for row in rows)
    return Result(seconds, read, sum(row["output_tokens"] for row in rows), solved)


def drawn(found: dict[Arm, list[Result]]) -> str:
    """Return a table of the faster round of each arm."""
    best = {arm: min(results, key=lambda one: one.seconds) for arm, results in found.items()}
    first = next(iter(best.values()))
    lines = [
        "| | seconds | of the first | tokens read | written | written a second |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {arm.name} | {one.seconds:.0f} | {one.seconds / first.seconds:.2f} | {one.read:,} | {one.written:,} "
        f"| {one.written / one.seconds:.1f} |"
        for arm, one in best.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""Many scripted episodes through `codeact eval`: are all done, none twice, is memory flat, what does it cost?

    python -m benchmarks.eval_scale --engine ray --episodes 1000 --kill 0.2 --lose-node
    python -m benchmarks.eval_scale --engine local --episodes 40 --jobs 1
    python -m benchmarks.eval_scale --gain --episodes 16

Each episode has a kernel of its own, one cell and one answer: the small M3ToolEval of the tests, a function as the
model. `--kill 0.2` kills a Ray worker while it plays, once for every five episodes. `--lose-node` makes a cluster
of two nodes with one CPU each on this machine; when half of the episodes are done, one node is killed with all its
workers, and a new one joins when three quarters are done. Kernels that are left are counted on the whole machine.
The cost is said for the local engine: CPU seconds an episode against a bare kernel that is started, prepared, runs
the same cells and ends.
`--gain` plays episodes that compute for about a second each, with one worker and with two, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import json
import math
import random
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from codeact_kernel.config import CodeAct
from codeact_kernel.evaluate.ledger import LEDGER
from codeact_kernel.evaluate.run import Order, evaluate
from codeact_kernel.evaluate.suites import m3tooleval
from codeact_kernel.execute.fresh import FreshExecutor

TESTS = Path(__file__).parents[1] / "tests"
DATA = TESTS / "m3tooleval_small"
BARE = 10
QUARTERS = 4
psutil: Any = importlib.import_module("psutil")  # has no types


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m benchmarks.eval_scale")
    words.add_argument("--engine", choices=("local", "ray"), default="local")
    words.add_argument("--episodes", type=int, default=40)
    words.add_argument("--jobs", type=int, default=2)
    words.add_argument(
        "--kill", type=float, default=0.0, help="share of the episodes during which a worker is killed"
    )
    words.add_argument("--lose-node", action="store_true", help="Ray: two nodes, and one of them is lost halfway")
    words.add_argument("--gain", action="store_true", help="what a second worker brings, and nothing else")
    asked = words.parse_args()
    sys.path.insert(0, str(TESTS))
    if asked.gain:
        return gain(asked.engine, asked.episodes)
    out = Path(tempfile.mkdtemp(prefix="eval-scale-"))
    order = ordered(out, "knows", asked.engine, asked.episodes, asked.jobs)
    killed: list[int] = []
    memory: list[int] = []
    threading.Thread(target=watch, args=(int(asked.episodes * asked.kill), killed, memory), daemon=True).start()
    born = time.time()
    nodes = Nodes(asked.episodes) if asked.lose_node else None
    began, cpu = time.monotonic(), seconds()
    rows = evaluate(order, nodes.told if nodes else lambda _: None)
    wall, cpu = time.monotonic() - began, seconds() - cpu
    time.sleep(10)
    left = orphans(born)
    if nodes:
        nodes.end()
    events = [json.loads(line) for line in (out / LEDGER).read_bytes().splitlines()]
    done = Counter(event["job"] for event in events if event["event"] == "done")
    print(f"episodes {len(rows)}, solved {sum(row['scores'].get('official', 0) for row in rows):g}", end=", ")
    print(
        f"set aside {sum(bool(row['set_aside']) for row in rows)}, results twice {sum(done.values()) - len(done)}"
    )
    print(f"workers killed {len(killed)}, kernels left after 10 s {left}")
    print(f"wall {wall:.0f} s, {wall * asked.jobs / len(rows):.2f} worker-seconds an episode")
    for number in range(QUARTERS):
        part = memory[len(memory) * number // QUARTERS : len(memory) * (number + 1) // QUARTERS]
        print(f"driver's memory, quarter {number + 1} of the time: mean {mean(part):.1f} MB, most {max(part)} MB")
    if asked.engine == "local":
        bare = bare_kernel()
        each = cpu / len(rows)
        print(f"CPU an episode {each:.2f} s, a bare kernel {bare:.2f} s: {each / bare - 1:+.0%}")
    kinds = Counter(event["event"] for event in events)
    print("events of the ledger: " + ", ".join(f"{number} {kind}" for kind, number in kinds.items()))
    shutil.rmtree(out)
    return 0


def ordered(out: Path, model: str, engine: str, episodes: int, jobs: int) -> Order:
    """Return the evaluation of the small M3ToolEval, its four tasks as often as need be."""
    return Order(
        suite=m3tooleval.M3ToolEval(),
        data=DATA,
        out=out,
        config=CodeAct(model=f"callable:eval_models:{model}"),
        epochs=math.ceil(episodes / 4),
        engine=engine,
        jobs=jobs,
    )


class Nodes:
    """A Ray cluster of two nodes on this machine; one is lost when half of the results are there."""

    def __init__(self, episodes: int) -> None:
        self._ray = importlib.import_module("ray")
        self._cluster = importlib.import_module("ray.cluster_utils").Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        self._second = self._cluster.add_node(num_cpus=1)
        self._ray.init(address=self._cluster.address, log_to_driver=False, logging_level="ERROR")
        self._lost_at, self._back_at, self._seen = episodes // 2, episodes * 3 // 4, 0

    def told(self, _row: Any) -> None:
        """Count a result; lose the second node, or let it join again, when its time has come."""
        self._seen += 1
        if self._seen == self._lost_at:
            self._cluster.remove_node(self._second, allow_graceful=False)
            print(f"a node is lost after {self._seen} episodes", flush=True)
        elif self._seen == self._back_at:
            self._second = self._cluster.add_node(num_cpus=1)
            print(f"a new node joins after {self._seen} episodes", flush=True)

    def end(self) -> None:
        """Disconnect and end the cluster."""
        self._ray.shutdown()
        self._cluster.shutdown()


def gain(engine: str, episodes: int) -> int:
    """Play the same with one worker and with two, in turns, and print the ratio of the wall times."""
    spent: dict[int, list[float]] = {1: [], 2: []}
    for jobs in (1, 2, 1, 2):
        with tempfile.TemporaryDirectory(prefix="eval-gain-") as folder:
            began = time.monotonic()
            evaluate(ordered(Path(folder), "works", engine, episodes, jobs), lambda _: None)
            spent[jobs].append(time.monotonic() - began)
            print(f"{jobs} at a time: {spent[jobs][-1]:.1f} s for {episodes} episodes", flush=True)
    print(f"gain of the second worker: {min(spent[1]) / min(spent[2]):.2f}x (the faster of two runs each)")
    return 0


def watch(kills: int, killed: list[int], memory: list[int]) -> None:
    """Sample the driver's memory, and kill workers one after another."""
    own = psutil.Process()
    chance = random.Random(0)
    while True:
        memory.append(own.memory_info().rss // 2**20)
        players = processes("RemotePlayer.play")
        if len(killed) < kills and players and chance.random() < 0.25:
            victim = chance.choice(players)
            killed.append(victim.pid)
            victim.kill()
        time.sleep(0.5)


def processes(what: str) -> list[Any]:
    """Return our descendants whose command line holds a word."""
    found = []
    for one in psutil.Process().children(recursive=True):
        try:
            if one.status() != psutil.STATUS_ZOMBIE and what in " ".join(one.cmdline()):
                found.append(one)
        except psutil.Error:
            continue
    return found


def orphans(since: float) -> int:
    """Return how many kernels of this machine were born after a moment and live, whoever their parent is now."""
    count = 0
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            alive = one.create_time() >= since and one.status() != psutil.STATUS_ZOMBIE
            count += alive and "ipykernel" in " ".join(one.cmdline())
    return count


def seconds() -> float:
    """Return the CPU seconds of this process and of its children that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def bare_kernel() -> float:
    """Return the CPU seconds of a kernel that runs the cells of an episode and nothing else."""
    opening = m3tooleval.opening("tools", DATA, "harbour/cheapest")

    async def play() -> None:
        for _ in range(BARE):
            executor = FreshExecutor()
            await executor.start()
            for cell in (opening, "print(with_tax(7735.0, 25))"):
                await executor.run(cell)
            await executor.close()

    before = seconds()
    asyncio.run(play())
    return (seconds() - before) / BARE


def mean(values: list[int]) -> float:
    return sum(values) / len(values) if values else 0.0


if __name__ == "__main__":
    sys.exit(main())

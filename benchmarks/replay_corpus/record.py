"""Runs the corpus twice, each time in one fresh kernel that is emptied before each cell."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from codeact_kernel.execute.fresh import FreshExecutor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.replay_corpus.cells import Cell

Outputs: TypeAlias = list[dict[str, Any]]
EMPTY = """
%reset -f
import gc, logging, random, sys, warnings
random.seed()
logging.root.handlers.clear(); logging.root.setLevel("WARNING"); warnings.resetwarnings()
if "numpy" in sys.modules: sys.modules["numpy"].random.seed()
if "matplotlib.pyplot" in sys.modules: sys.modules["matplotlib.pyplot"].close("all")
gc.collect();
%reset -f
"""
WARM = "import matplotlib.pyplot as plt, pandas, numpy, tqdm.notebook, rich.progress, ipywidgets, PIL.Image"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one cell: nbformat outputs, and when it ended (seconds since the epoch)."""

    outputs: Outputs
    ended: float


@dataclass(frozen=True, slots=True)
class Pair:
    """The two runs of a cell; the first is what a notebook would have recorded."""

    first: Run
    second: Run


def record(cells: Sequence[Cell]) -> dict[str, Pair]:
    """Return the two runs of each cell, by its name; takes minutes.

    Raises:
        ExecutionError: no kernel could be started.
    """
    return asyncio.run(_both(cells))


async def _both(cells: Sequence[Cell]) -> dict[str, Pair]:
    with tempfile.TemporaryDirectory() as folder:
        first = await _once([cell.first for cell in cells], Path(folder))
        second = await _once([cell.second for cell in cells], Path(folder))
    return {cell.name: Pair(*runs) for cell, *runs in zip(cells, first, second, strict=True)}


async def _once(codes: Sequence[str], cwd: Path) -> list[Run]:
    found: list[Run] = []
    executor = FreshExecutor(cwd=cwd)
    await executor.start()
    try:
        await executor.run(WARM, timeout=120)
        for code in codes:
            await executor.run(EMPTY, timeout=60)
            execution = await executor.run(code, timeout=60)
            if execution.status not in {"ok", "error"}:
                print(f"{execution.status}: {code[:80]!r}")
            found.append(Run(list(execution.outputs), time.time()))
    finally:
        await executor.close()
    return found


def cached(cells: Sequence[Cell], path: Path | None) -> dict[str, Pair]:
    """Return `record(cells)`, from a file outside the repository where one is named and holds every cell."""
    names = {cell.name for cell in cells}
    if path is not None and path.exists():
        kept = json.loads(path.read_text("utf-8"))
        if names <= set(kept):
            return {name: Pair(Run(**kept[name]["first"]), Run(**kept[name]["second"])) for name in names}
    pairs = record(cells)
    if path is not None:
        path.write_text(json.dumps({name: asdict(pair) for name, pair in pairs.items()}), "utf-8")
    return pairs

"""Do the risk labels say what a careful reader would? Precision, recall and time on the cells of tests/risk_set.

    python -m benchmarks.risk_labels [--out benchmarks/results/risk_labels.md] [--misses dev]

Each cell has the exact set of kinds that it should get (tests/risk_set/README.md has the rule). "Asks" is what
`ask-if-risky` would ask about: any kind that is not only shown. Time is the wall clock around `labels` in a warm
process. `--misses` prints the cells of a half that got another set of kinds.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.quickstart.report import commit, wilson
from codeact_kernel.agent.risk import KINDS, SHOWN_ONLY, labels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from codeact_kernel.agent.risk import Risk

HALVES = ("dev", "heldout")
CELLS = Path(__file__).parents[1] / "tests" / "risk_set"
ASKS = "asks or not"
BAR_MS = 5.0
NAMES = ("orders", "customers", "churn_model", "summary")
FILES = (
    *("orders.csv", "customers.csv", "notes.txt", "config.json", "report.xlsx", "model.pkl", "shop.db"),
    *("store.h5", "archive.zip", "cache", "data/raw.csv", "data/2023.csv", "out/summary.csv", "figures/sales.png"),
)
EARLIER = (
    """
import asyncio, csv, glob, http.server, importlib, io, itertools, json, math, os, pickle, re, shutil, sqlite3
import subprocess, sys, tarfile, threading, time, timeit, zipfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
import duckdb, joblib, requests, sympy, torch, yaml
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import seaborn as sns
import tensorflow as tf
""",
    "orders = pd.read_csv('orders.csv')\ncustomers = pd.read_csv('customers.csv')",
)
"""What ran before each cell, as in a notebook: imports, then the data."""


BEFORE_TUNING = """
## Before tuning

The same cells at commit `b38d1c3d8c25`, when they had just been written: asks or not, precision 126/127 and recall
126/149 on dev, 127/134 and 127/149 on heldout; exactly the expected set of kinds 255/287 and 248/287. The changes
since were led by the cells of dev; those of heldout that failed were not looked at before the figures above. One
hand wrote the cells and the tables of names, so strangers' code will be read less well than either half.
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """One labelled cell."""

    half: str
    code: str
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the labeller said of a cell."""

    cell: Cell
    kinds: frozenset[str]


def load(half: str) -> list[Cell]:
    """Return the cells of a half ("dev" or "heldout").

    Raises:
        ValueError: a cell names a kind that does not exist.
    """
    cells = []
    for path in sorted(CELLS.glob(f"{half}_*.cells")):
        for block in re.split(r"(?m)^### ", path.read_text("utf-8"))[1:]:
            head, _, code = block.partition("\n")
            kinds = frozenset(head.split()) - {"-"}
            if unknown := kinds - set(KINDS):
                raise ValueError(f"{path.name}: no such kind: {', '.join(sorted(unknown))}")
            cells.append(Cell(half, code.rstrip("\n"), kinds))
    return cells


def make_folder(folder: Path) -> None:
    """Put the files there that the cells' paths name."""
    for name in FILES:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")


def look(cells: Sequence[Cell], folder: Path) -> list[Seen]:
    """Label every cell once."""
    return [Seen(cell, frozenset(risk.kind for risk in _labels(cell, folder))) for cell in cells]


def _labels(cell: Cell, folder: Path) -> tuple[Risk, ...]:
    return labels(cell.code, cwd=str(folder), names=NAMES, earlier=EARLIER)


def clock(cells: Sequence[Cell], folder: Path, rounds: int = 5) -> list[float]:
    """Return each cell's time in ms, the median of a few rounds, after one round that warms the process."""
    look(cells, folder)
    times: list[list[float]] = [[] for _ in cells]
    for _ in range(rounds):
        for cell, own in zip(cells, times, strict=True):
            began = time.perf_counter()
            _labels(cell, folder)
            own.append(1e3 * (time.perf_counter() - began))
    return [statistics.median(own) for own in times]


def counts(seen: Sequence[Seen], kind: str) -> tuple[int, int, int]:
    """Return how often a kind (or `ASKS`) was rightly said, wrongly said, and missed."""
    has: Callable[[frozenset[str]], bool] = (
        (lambda kinds: bool(kinds - SHOWN_ONLY)) if kind == ASKS else (lambda kinds: kind in kinds)
    )
    pairs = [(has(one.kinds), has(one.cell.kinds)) for one in seen]
    return pairs.count((True, True)), pairs.count((True, False)), pairs.count((False, True))


def share(part: int, whole: int) -> str:
    """Return a share with its 95 % Wilson interval, in per cent; a dash where nothing was counted."""
    if not whole:
        return "-"
    low, high = wilson(part, whole)
    return f"{part}/{whole} = {100 * part / whole:.1f} % ({100 * low:.0f} to {100 * high:.0f})"


def table(seen: Sequence[Seen]) -> list[str]:
    """Return precision and recall of asking and of each kind, as lines of Markdown."""
    lines = ["| | precision | recall |", "|---|---|---|"]
    for kind in (ASKS, *KINDS):
        right, wrong, missed = counts(seen, kind)
        lines.append(f"| {kind} | {share(right, right + wrong)} | {share(right, right + missed)} |")
    exact = sum(one.kinds == one.cell.kinds for one in seen)
    return [*lines, "", f"Exactly the expected set of kinds: {share(exact, len(seen))}."]


def report(seen: dict[str, list[Seen]], times: Sequence[float]) -> str:
    """Return the figures as Markdown."""
    median, late = statistics.median(times), statistics.quantiles(times, n=100)[98]
    cells, met = sum(map(len, seen.values())), "met" if late <= BAR_MS else "MISSED"
    lines = [
        f"{cells} cells, 95 % Wilson intervals, {datetime.now(UTC).date()}, commit `{commit()[:12]}`.",
        "",
        (
            f"Time a cell (median of 5 labellings, {os.cpu_count()} shared cores) over all cells: "
            f"median {median:.2f} ms, p99 {late:.2f} ms (bar {BAR_MS:g} ms): {met}."
        ),
    ]
    for half, ones in seen.items():
        calm = sum(not one.cell.kinds - SHOWN_ONLY for one in ones)
        lines += ["", f"## {half}: {len(ones)} cells, {calm} of them harmless", "", *table(ones)]
    return "\n".join(lines) + "\n" + BEFORE_TUNING


def misses(seen: Sequence[Seen]) -> str:
    """Return the cells that got another set of kinds than they should."""
    blocks = []
    for one in seen:
        if one.kinds != one.cell.kinds:
            wrong = [f"+{kind}" for kind in sorted(one.kinds - one.cell.kinds)]
            missed = [f"-{kind}" for kind in sorted(one.cell.kinds - one.kinds)]
            blocks.append(f"### {' '.join(wrong + missed)}\n{one.cell.code}\n")
    return "\n".join(blocks)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "risk_labels.md")
    parser.add_argument("--misses", choices=HALVES)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_folder(folder)
        seen = {half: look(load(half), folder) for half in HALVES}
        if args.misses:
            print(misses(seen[args.misses]))
            return
        times = clock([one.cell for ones in seen.values() for one in ones], folder)
    text = report(seen, times)
    print(text)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text)


if __name__ == "__main__":
    main()

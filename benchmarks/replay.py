"""What a replay costs beside running the cells only: ours, nbclient and papermill, interleaved, medians.

    python -m benchmarks.replay [--runs 5] [--out benchmarks/results/replay.md]

Two notebooks: 50 trivial cells, and a real one of 28 (pandas, two figures, a few hundred lines of output). Ours
starts a kernel, runs the cells, compares every output and writes the report; nbclient reads, executes and writes
the notebook; papermill does the same in its way. Whole runs are timed from the file to the written file, in one
warm process. The live replay runs the cells in the kernel that one sits at, nbclient's cells are timed from the
first to the last in a kernel that is up; both have imported the libraries, as a live session has.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbclient
import nbformat
import papermill
from jupyter_client.manager import start_new_kernel

from codeact_kernel.replay import report
from codeact_kernel.replay.compare import compare_outputs
from codeact_kernel.replay.runner import replay_file

if TYPE_CHECKING:
    from collections.abc import Callable

TRIVIAL = [f"x = {number}\nprint(x)" for number in range(50)]
REAL = [
    "import numpy as np\nimport pandas as pd\nimport matplotlib.pyplot as plt",
    "rng = np.random.default_rng(7)\nn = 20_000\nregions = ['north', 'south', 'east', 'west']",
    "sales = pd.DataFrame({'region': rng.choice(regions, n), 'month': rng.integers(1, 13, n)})",
    "sales['units'] = rng.poisson(9, n)\nsales['price'] = rng.normal(20, 3, n).round(2)",
    "sales.head()",
    "sales.shape",
    "sales.dtypes",
    "sales.describe()",
    "sales.isna().sum()",
    "sales['revenue'] = sales.units * sales.price",
    "by_month = sales.groupby('month').revenue.sum()\nby_month",
    "table = sales.pivot_table(index='month', columns='region', values='revenue', aggfunc='sum')\ntable.round(1)",
    "for name, rows in sales.groupby('region'):\n    print(f'{name:>6} {len(rows):6d} {rows.revenue.mean():.3f}')",
    "fig, axis = plt.subplots(figsize=(6, 3))\ntable.plot(ax=axis)\naxis.set_title('Revenue')\nplt.show()",
    "best = table.sum().idxmax()\nprint('best region:', best)",
    "share = table.div(table.sum(axis=1), axis=0)\nshare.round(3)",
    "growth = by_month.pct_change()\ngrowth.round(4)",
    "print('best month:', growth.idxmax(), 'worst month:', growth.idxmin())",
    "def top(rows, k=3):\n    return rows.nlargest(k, 'revenue')[['month', 'units', 'price', 'revenue']]",
    "top(sales)",
    "for name, rows in sales.groupby('region'):\n    print(name)\n    print(top(rows, 2).to_string())",
    "print('\\n'.join(f'{i:3d} {v:.6f}' for i, v in enumerate(rng.normal(size=200))))",
    "sales.sample(5, random_state=1)",
    "sales.corr(numeric_only=True)",
    "fig, axis = plt.subplots(figsize=(4, 3))\naxis.hist(sales.price, bins=30)\nplt.show()",
    "cheap = sales[sales.price < 15]\nlen(cheap), cheap.revenue.sum().round(2)",
    "np.polyfit(by_month.index, by_month.values, 1).round(3)",
    "summary = {'rows': n, 'best': best, 'total': round(float(sales.revenue.sum()), 2)}\nsummary",
]
NOTEBOOKS = {"50 trivial cells": TRIVIAL, "a real notebook": REAL}
LIVE = """
import asyncio, json, time
from pathlib import Path
from codeact_kernel.execute.quiet import QuietExecutor
from codeact_kernel.replay.loading import load
from codeact_kernel.replay.plan import plan
from codeact_kernel.replay.runner import replay_cells
_executor = QuietExecutor(get_ipython(), on_interrupt=lambda: None)
_planned = plan(load(Path({path!r}))).cells
async def _replay():
    began = time.perf_counter()
    verdicts = [cell.verdict async for cell in replay_cells(_planned, _executor)]
    return {{"seconds": time.perf_counter() - began, "verdicts": verdicts}}
_result = await _executor.carry_out(_replay())
Path({out!r}).write_text(json.dumps(_result))
"""


def recorded(sources: list[str], folder: Path) -> Path:
    """Return a notebook with the outputs of one honest run."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])  # type: ignore[no-untyped-call]
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbclient.NotebookClient(made, resources={"metadata": {"path": str(folder)}}).execute()
    path = folder / "recorded.ipynb"
    nbformat.write(made, path)  # type: ignore[no-untyped-call]
    return path


def ours(path: Path) -> float:
    """Replay in a fresh kernel, compare, write the report."""
    began = time.perf_counter()
    found = asyncio.run(replay_file(path))
    report.write(found, path.with_name("report.ipynb"))
    seconds = time.perf_counter() - began
    if found.exit_code:
        raise RuntimeError([(cell.planned.source, cell.comparison) for cell in found.cells])
    return seconds


def with_nbclient(path: Path) -> float:
    """Read, execute, write."""
    began = time.perf_counter()
    made = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    nbclient.NotebookClient(made, resources={"metadata": {"path": str(path.parent)}}).execute()
    nbformat.write(made, path.with_name("executed.ipynb"))  # type: ignore[no-untyped-call]
    return time.perf_counter() - began


def with_papermill(path: Path) -> float:
    """Execute a notebook the papermill way."""
    began = time.perf_counter()
    papermill.execute_notebook(
        str(path), str(path.with_name("papermill.ipynb")), cwd=str(path.parent), progress_bar=False
    )
    return time.perf_counter() - began


def live(path: Path) -> float:
    """Replay in a live kernel: seconds of the cells with their comparison."""
    manager, client = start_new_kernel(cwd=str(path.parent))
    out = path.with_name("live.json")
    try:
        client.execute_interactive(REAL[0], timeout=300, output_hook=lambda _: None)
        code = LIVE.format(path=str(path), out=str(out))
        reply = client.execute_interactive(code, timeout=300, output_hook=lambda _: None)
        if reply["content"]["status"] != "ok":
            raise RuntimeError(reply["content"])
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    result = json.loads(out.read_text())
    if set(result["verdicts"]) - {"same", "drift"}:
        raise RuntimeError(result)
    return float(result["seconds"])


def nbclient_cells(path: Path) -> float:
    """Run the cells with nbclient in a kernel that is up."""
    made = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    cells = list(made.cells)
    client = nbclient.NotebookClient(made, resources={"metadata": {"path": str(path.parent)}})
    with client.setup_kernel():
        client.execute_cell(nbformat.v4.new_code_cell(REAL[0]), 0)  # type: ignore[no-untyped-call]
        began = time.perf_counter()
        for number, cell in enumerate(cells):
            client.execute_cell(cell, number)
        return time.perf_counter() - began


WHOLE: dict[str, Callable[[Path], float]] = {
    "codeact replay": ours,
    "nbclient": with_nbclient,
    "papermill": with_papermill,
}
CELLS: dict[str, Callable[[Path], float]] = {"live replay": live, "nbclient, cells only": nbclient_cells}


def measure(runs: int) -> dict[str, dict[str, float]]:
    """Return notebook -> arm -> median of seconds; arms are interleaved, after one round that does not count."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, sources in NOTEBOOKS.items():
            home = Path(folder) / name.replace(" ", "-")
            home.mkdir()
            path = recorded(sources, home)
            seen: dict[str, list[float]] = {arm: [] for arm in (*WHOLE, *CELLS)}
            for number in range(runs + 1):
                for arm, call in {**WHOLE, **CELLS}.items():
                    seconds = call(path)
                    if number:
                        seen[arm].append(seconds)
            found[name] = {arm: statistics.median(times) for arm, times in seen.items()}
    return found


def comparing(path: Path, rounds: int = 50) -> float:
    """Return the median milliseconds that comparing one text cell of a notebook takes."""
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["outputs"] and not _pictured(cell)]
    times = []
    for _ in range(rounds):
        for cell in cells:
            other = json.loads(json.dumps(cell["outputs"]).replace("1.0", "1.0000000001"))
            began = time.perf_counter()
            compare_outputs(cell["outputs"], other)
            times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def _pictured(cell: dict[str, Any]) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell["outputs"])


def table(found: dict[str, dict[str, float]], text_ms: float, runs: int) -> str:
    """Return the figures as Markdown, with the bars."""
    lines = [
        f"Medians of {runs} interleaved runs, in seconds, {datetime.now(UTC).date()}.",
        "",
        f"| arm | {' | '.join(found)} |",
        "|---" * (len(found) + 1) + "|",
        *(
            f"| {arm} | {' | '.join(f'{times[arm]:.2f}' for times in found.values())} |"
            for arm in (*WHOLE, *CELLS)
        ),
        "",
    ]
    for name, times in found.items():
        bars = (
            ("fresh replay / nbclient", times["codeact replay"] / times["nbclient"], 1.15),
            ("fresh replay / papermill", times["codeact replay"] / times["papermill"], 0.7),
            ("live replay / nbclient, cells only", times["live replay"] / times["nbclient, cells only"], 0.4),
        )
        lines += [f"- {name}: {_bar(*bar)}" for bar in bars]
    lines.append(f"- {_bar('comparison of a text cell of the real notebook, ms', text_ms, 1.0)}")
    lines += [
        "",
        "On a busy machine absolute times say little, and ratios of single runs vary by a third. What the cells",
        "of the real notebook compute (its two figures above all) is in every arm, and no replay is faster than",
        "that: there the live bar cannot be met, and that against papermill only where the cells do little.",
    ]
    return "\n".join(lines) + "\n"


def _bar(what: str, value: float, bar: float) -> str:
    return f"{what}: {value:.2f} (bar {bar:g}): {'met' if value <= bar else 'MISSED'}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text_ms = comparing(recorded(REAL, Path(folder)))
    text = table(measure(args.runs), text_ms, args.runs)
    print(text)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text)


if __name__ == "__main__":
    main()

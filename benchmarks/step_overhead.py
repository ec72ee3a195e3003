"""What a step costs beside the bare machinery: 50 trivial steps and a loop of 100,000 rounds, five ways, one run.

    python -m benchmarks.step_overhead [--runs 3] [--out benchmarks/results/step_overhead.md]

Arms: our live step (in a real kernel, under `%codeact`), our fresh step (`codeact_kernel.run`), bare
`InteractiveShell.run_cell`, a bare jupyter_client loop, smolagents' local Python executor. Our steps hold
everything: prompt, scripted reply, journal with fsync, namespace snapshot, drawing, notebook save. Their times are
read from the episode (`timing.asked` of one step to that of the next), the others with a clock around the call.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.manager import start_new_kernel
from smolagents.local_python_executor import LocalPythonExecutor

import codeact_kernel

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = 50
LATE = 10
"""A step's price "at step 50" is the median of the last ten."""
TRIVIAL = "x = {step}\nprint(x)"
LOOP = "t = 0\nfor i in range(100_000):\n    t += i"
BARS = {"live step at step 50, ms": 40.0, "loop, times faster than smolagents": 50.0}


def script(folder: Path) -> Path:
    """Write the scripted replies: the trivial steps, the loop, an answer."""
    replies = [f"Step.\n```python\n{TRIVIAL.format(step=step)}\n```" for step in range(STEPS)]
    replies += [f"Loop.\n```python\n{LOOP}\n```", "Done."]
    path = folder / "script.jsonl"
    path.write_text("".join(json.dumps(reply) + "\n" for reply in replies))
    return path


def of_episode(path: Path) -> tuple[list[float], float]:
    """Return the seconds of each trivial step, and of the loop's own execution, from an episode."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    marks = [cell.metadata.get("codeact", {}) for cell in notebook.cells]
    records = [mark["record"] for mark in marks if "finish" in mark.get("record", {})]
    asked = [datetime.fromisoformat(record["timing"]["asked"]) for record in records]
    steps = [(after - before).total_seconds() for before, after in itertools.pairwise(asked)]
    timing = records[STEPS]["timing"]
    ran = datetime.fromisoformat(timing["finished"]) - datetime.fromisoformat(timing["ran"])
    return steps[:STEPS], ran.total_seconds()


def live(folder: Path) -> tuple[list[float], float]:
    """Run the script under `%codeact` in a real kernel."""
    manager, client = start_new_kernel(cwd=str(folder))
    try:
        for cell in (
            "%load_ext codeact_kernel",
            f"%codeact -m scripted:{script(folder)} --max-steps {STEPS + 5} --approve auto go",
        ):
            reply = client.execute_interactive(cell, timeout=120, output_hook=lambda _: None)
            if reply["content"]["status"] != "ok":
                raise RuntimeError(reply["content"])
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return of_episode(next((folder / "episodes").glob("*.ipynb")))


def fresh(folder: Path) -> tuple[list[float], float]:
    """Run the script through `codeact_kernel.run`."""
    result = codeact_kernel.run(
        "go",
        model=f"scripted:{script(folder)}",
        max_steps=STEPS + 5,
        approve="auto",
        out=folder / "fresh.ipynb",
        cwd=folder,
    )
    return of_episode(result.episode)


def clocked(call: Callable[[str], object]) -> tuple[list[float], float]:
    """Time each trivial step and the loop."""

    def timed(code: str) -> float:
        began = time.perf_counter()
        call(code)
        return time.perf_counter() - began

    return [timed(TRIVIAL.format(step=step)) for step in range(STEPS)], timed(LOOP)


def bare_run_cell(_: Path) -> tuple[list[float], float]:
    """Run the cells in an InteractiveShell of this process."""
    shell = InteractiveShell.instance()
    return clocked(lambda code: shell.run_cell(code, store_history=True))  # type: ignore[no-untyped-call]


def bare_client(folder: Path) -> tuple[list[float], float]:
    """Run the cells in a kernel over jupyter_client, waiting for idle."""
    manager, client = start_new_kernel(cwd=str(folder))
    try:
        return clocked(lambda code: client.execute_interactive(code, output_hook=lambda _: None))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def smolagents(_: Path) -> tuple[list[float], float]:
    """Run the cells in smolagents' local Python executor."""
    executor = LocalPythonExecutor([])
    executor.send_tools({})
    return clocked(executor)


ARMS: dict[str, Callable[[Path], tuple[list[float], float]]] = {
    "live step (`%codeact`)": live,
    "fresh step (`codeact run`)": fresh,
    "bare `run_cell`": bare_run_cell,
    "bare jupyter_client": bare_client,
    "smolagents local executor": smolagents,
}


def measure(runs: int) -> dict[str, tuple[float, float, float]]:
    """Return for each arm the medians in ms: of all steps, of the last ten, of the loop. Arms are interleaved."""
    seen: dict[str, list[tuple[list[float], float]]] = {name: [] for name in ARMS}
    for _ in range(runs):
        for name, arm in ARMS.items():
            with tempfile.TemporaryDirectory() as folder:
                home = Path.cwd()
                os.chdir(folder)
                try:
                    seen[name].append(arm(Path(folder)))
                finally:
                    os.chdir(home)
    return {
        name: (
            1e3 * statistics.median(step for steps, _ in rows for step in steps),
            1e3 * statistics.median(step for steps, _ in rows for step in steps[-LATE:]),
            1e3 * statistics.median(loop for _, loop in rows),
        )
        for name, rows in seen.items()
    }


def table(figures: dict[str, tuple[float, float, float]], runs: int) -> str:
    """Return the figures as Markdown, with the bars."""
    lines = [
        f"{STEPS} trivial steps, {runs} interleaved runs, medians in ms, {datetime.now(UTC).date()}.",
        "",
        "| arm | a step | a step at step 50 | loop of 100,000 |",
        "|---|---|---|---|",
        *(f"| {name} | {step:.2f} | {late:.2f} | {loop:.1f} |" for name, (step, late, loop) in figures.items()),
        "",
    ]
    late = figures["live step (`%codeact`)"][1]
    ratio = figures["smolagents local executor"][2] / figures["live step (`%codeact`)"][2]
    for (what, bar), value, good in zip(
        BARS.items(), (late, ratio), (late <= BARS["live step at step 50, ms"], ratio >= 50), strict=True
    ):
        lines.append(f"- {what}: {value:.1f} (bar {bar:g}): {'met' if good else 'MISSED'}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    text = table(measure(args.runs), args.runs)
    print(text)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text)


if __name__ == "__main__":
    main()

"""What `codeact dataset` keeps in memory: the peak of its process over growing collections.

    python -m benchmarks.dataset_memory [--sizes 1000,10000] [--out benchmarks/results/dataset_memory.md]

Each collection is made first, in a process of its own: episodes of six steps, one with an error, with outputs of
some kilobytes, as real notebooks with a whole chain of digests. A tenth are copies, a tenth unsolved. The figure
is the maximum resident set of the process that runs `codeact dataset` (`getrusage`), HF datasets included where
they are installed, and the same for no episodes at all (what importing costs).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from codeact_kernel.agent.prompt import build, digest_of
from codeact_kernel.cli import main as codeact
from codeact_kernel.episode.header import make_header
from codeact_kernel.episode.store import EpisodeWriter
from codeact_kernel.types import (
    Approval,
    Completion,
    Execution,
    Observation,
    Outcome,
    Request,
    Sampling,
    Step,
    TaskTurn,
    Turn,
    now,
)

SYSTEM = "You act by writing Python code.\n" * 40
TABLE = "\n".join(f"{row:>4}  harbour-{row % 9}  {row * 37 % 1009:>6}  {row * 1.618:>10.3f}" for row in range(40))


def episode(number: int) -> list[Turn]:
    """Return the turns of one made-up episode: a task, four cells, one of which fails, and an answer."""
    turns: list[Turn] = [TaskTurn(f"Count {number}.", f"{TABLE[:600]}\n\nTask: Count {number}.", now())]
    cells = [("print(tabel)", "NameError: name 'tabel' is not defined", "error"), ("print(table)", TABLE, "ok")]
    cells += [(f"rows = {number}; print(table[:{n}])", TABLE[: 900 * n], "ok") for n in (1, 2, 3)]
    for code, seen, status in cells:
        reply = f"I look at it.\n```python\n{code}"
        step = _step(turns, "action", reply, code)
        output = {"output_type": "stream", "name": "stdout", "text": seen}
        ran = Execution("ok" if status == "ok" else "error", (output,), len(turns), now(), now())
        seen_by_model = Observation("ok" if status == "ok" else "error", f"Output:\n{seen}")
        turns.append(step.with_(execution=ran, observation=seen_by_model, approval=Approval("auto")))
    turns.append(_step(turns, "answer", f"There are {number * 7919 + 100_003} of them.", None))
    return turns


def _step(turns: list[Turn], kind: Any, reply: str, code: str | None) -> Step:
    request = Request(digest_of(build(SYSTEM, turns)), 2 * len(turns), None)
    thought = reply if code is None else "I look at it."
    return Step(len(turns), kind, Completion(reply, "stop"), request, thought=thought, code=code)


def collect(folder: Path, count: int) -> None:
    """Write a collection in the layout of `codeact collect`."""
    episodes = folder / "episodes"
    episodes.mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    for number in range(count):
        header = make_header(
            model={"id": "made-up"}, sampling=Sampling(), system=SYSTEM, kernel={"name": "python3"}
        )
        path = episodes / f"case-{number}.code.1.ipynb"
        if number % 10 == 9:
            shutil.copy(episodes / f"case-{number - 1}.code.1.ipynb", path)
        else:
            writer = EpisodeWriter.create(episodes, header=header, title="t", path=path)
            for turn in episode(number):
                if isinstance(turn, TaskTurn):
                    writer.task(turn)
                else:
                    writer.step(turn)
            writer.end(Outcome("done", steps=6))
            writer.close()
        row = {"job": f"j{number}", "case": f"case-{number}", "scores": {"solved": float(number % 10 != 0)}}
        rows.append({**row, "episode": f"episodes/{path.name}", "split": "train", "family": f"f{number % 20}"})
    (folder / "results.json").write_text(json.dumps({"about": {}, "rows": rows}, indent=1), "utf-8")


def _child(work: str, place: str, out: str) -> None:
    began = time.monotonic()
    if work == "collect":
        os.fsync = lambda fd: None  # noqa: ARG005 - nothing here has to outlive a crash, and 70,000 times it is half an hour
        collect(Path(place), int(out))
    else:
        code = codeact(["dataset", place, "--out", out])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"code": code, "peak_kb": peak, "seconds": time.monotonic() - began}))


def _run(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.dataset_memory", "--child", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,10000")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/dataset_memory.md"))
    parser.add_argument("--child", nargs=3, metavar="X", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return _child(*args.child)
    lines = ["| episodes | on disk, MB | peak memory, MB | seconds |", "|---:|---:|---:|---:|"]
    for size in [1, *map(int, args.sizes.split(","))]:
        with tempfile.TemporaryDirectory(prefix="dataset-memory-") as scratch:
            place = Path(scratch) / "collected"
            _run("collect", str(place), str(max(size, 10) if size > 1 else 2))
            bulk = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
            found = json.loads(_run("dataset", str(place), str(Path(scratch) / "data")))
            lines.append(
                f"| {size:,} | {bulk / 1e6:,.1f} | {found['peak_kb'] / 1024:,.0f} | {found['seconds']:,.1f} |"
            )
            print(lines[-1], flush=True)
    about = f"Python {platform.python_version()}, {now()[:10]}; `python -m benchmarks.dataset_memory`."
    args.out.write_text("\n".join(["# Memory of `codeact dataset`", "", *lines, "", about, ""]), "utf-8")
    return None


if __name__ == "__main__":
    main()

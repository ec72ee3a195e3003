"""`python -m benchmarks.quickstart --model SPEC`: see README.md."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks.quickstart.report import results, save, summary_table
from benchmarks.quickstart.run import Record, Settings, chosen, line_of, read_records, run_all
from benchmarks.quickstart.tasks_dev import DEV
from benchmarks.quickstart.tasks_heldout import HELDOUT
from codeact_kernel.types import now


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    words = argparse.ArgumentParser(prog="python -m benchmarks.quickstart", description=__doc__)
    words.add_argument("--model", default="", help="BACKEND:NAME, gguf:PATH or scripted:FILE.jsonl")
    words.add_argument("--reference", action="store_true", help="play the reference solutions instead of a model")
    words.add_argument("--half", choices=("dev", "heldout", "both"), default="dev")
    words.add_argument("--only", default="", metavar="ID,ID", help="tasks by id (dev/filter-1) or slot (filter-1)")
    words.add_argument("--limit", type=int, metavar="N", help="at most N tasks of each half")
    words.add_argument("--out", type=Path, help="default: benchmarks/results/quickstart-MODEL")
    words.add_argument("--max-steps", type=int, metavar="N", help="steps a task may take")
    words.add_argument("--jobs", type=int, default=1, metavar="N", help="kernels side by side")
    words.add_argument("--seed", type=int, metavar="S", help="sampling seed; greedy decoding needs none")
    words.add_argument("--resume", action="store_true", help="keep the finished tasks of an earlier run")
    return words


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 0 when it ran to its end, 1 when it was stopped, 2 when it cannot run."""
    words = parser()
    asked = words.parse_args(arguments)
    if bool(asked.model) == asked.reference:
        words.error("give either --model or --reference")
    if asked.jobs < 1:
        words.error("--jobs must be 1 or more")
    name = "reference" if asked.reference else asked.model
    out: Path = asked.out or Path("benchmarks/results") / f"quickstart-{re.sub(r'[^A-Za-z0-9.]+', '-', name)}"
    try:
        tasks = chosen((*DEV, *HELDOUT), asked.half, asked.only, asked.limit)
        earlier = read_records(out / "results.json") if asked.resume else []
    except ValueError as error:
        words.error(str(error))
    out.mkdir(parents=True, exist_ok=True)
    kept = [record for record in earlier if record.failure not in {"interrupted", "error", "crash"}]
    finished = {record.id for record in kept}
    settings = Settings(asked.model, out, asked.max_steps, asked.seed, asked.jobs, asked.reference)
    about = {key: str(value) if isinstance(value, Path) else value for key, value in vars(asked).items()}
    about = {**about, "model": name, "out": out.name}
    records, stopped = list(kept), False
    for record in run_all([task for task in tasks if task.id not in finished], settings):
        print(line_of(record), flush=True)
        records.append(record)
        stopped = record.failure == "interrupted"
        save(_content(records, out, about), out)
    if not records:
        print("No task was chosen.", file=sys.stderr)
        return 2
    content = _content(records, out, about)
    save(content, out)
    print("\n" + "\n".join(summary_table(content["summary"])))
    print(f"\nWritten: {out / 'results.json'}, {out / 'results.md'}")
    return 1 if stopped else 0


def _content(records: list[Record], out: Path, about: dict[str, Any]) -> dict[str, Any]:
    order = {task.id: i for i, task in enumerate((*DEV, *HELDOUT))}
    return results(sorted(records, key=lambda one: order.get(one.id, 0)), out=out, date=now(), asked=about)


if __name__ == "__main__":
    sys.exit(main())

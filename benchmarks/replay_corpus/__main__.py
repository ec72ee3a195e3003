"""How many honest re-runs do we, byte equality and nbval's default accept, how many real changes do they catch?

    python -m benchmarks.replay_corpus [--pairs FILE] [--out FILE.md] [--misses dev]

Runs every cell twice, in two fresh kernels (some minutes; needs nbval, tqdm, matplotlib, pandas, pillow).
`--pairs` keeps what was recorded in a file outside the repository, and takes it from there the next time.
`--misses` prints what ours gets wrong in one half.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.quickstart.report import commit, wilson
from benchmarks.replay_corpus.cells import HALVES, Cell, corpus
from benchmarks.replay_corpus.judges import same_bytes, same_nbval
from benchmarks.replay_corpus.record import Pair, cached
from codeact_kernel.replay.compare import Comparison, Moment, compare_outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NOTES = Path(__file__).with_name("NOTES.md")
ROUNDS = 5


def ours(pair: Pair) -> Comparison:
    """Return our comparison of the two runs of one cell."""
    moment = Moment(pair.second.ended, pair.first.ended)
    return compare_outputs(pair.first.outputs, pair.second.outputs, moment=moment)


JUDGES: dict[str, Callable[[Pair], bool]] = {
    "ours": lambda pair: ours(pair).verdict in ("same", "drift"),
    "byte equality": lambda pair: same_bytes(pair.first.outputs, pair.second.outputs),
    "nbval's default": lambda pair: same_nbval(pair.first.outputs, pair.second.outputs),
}


def share(part: int, whole: int) -> str:
    low, high = wilson(part, whole)
    return f"{part} of {whole}, {part / whole:.0%} ({low:.0%} to {high:.0%})"


def table(cells: Sequence[Cell], pairs: dict[str, Pair]) -> list[str]:
    lines = ["| half | cells | " + " | ".join(JUDGES) + " |", "|---|---" + "|---" * len(JUDGES) + "|"]
    for half in HALVES:
        for kind, words, wanted in (
            ("honest", "honest re-runs accepted", True),
            ("change", "real changes caught", False),
            ("unrepeatable", "random values reported", False),
        ):
            chosen = [cell for cell in cells if cell.half == half and cell.kind == kind]
            if chosen:
                right = (sum(judge(pairs[c.name]) is wanted for c in chosen) for judge in JUDGES.values())
                lines.append(f"| {half} | {words} | " + " | ".join(share(n, len(chosen)) for n in right) + " |")
    return lines


def milliseconds(cells: Sequence[Cell], pairs: dict[str, Pair]) -> dict[str, float]:
    """Return the CPU time of comparing each honest cell that shows text only: the median of ROUNDS."""
    found = {}
    for cell in cells:
        outputs = pairs[cell.name].first.outputs
        if cell.kind != "honest" or any("image/" in mime for one in outputs for mime in one.get("data", {})):
            continue
        taken = []
        for _ in range(ROUNDS):
            began = time.process_time()
            ours(pairs[cell.name])
            taken.append((time.process_time() - began) * 1000)
        found[cell.name] = statistics.median(taken)
    return found


def report(cells: Sequence[Cell], pairs: dict[str, Pair]) -> str:
    times = sorted(milliseconds(cells, pairs).values())
    within = sum(one <= 1 for one in times)
    head = (
        f"{len(cells)} cells, 95 % Wilson intervals, {datetime.now(UTC):%Y-%m-%d}, commit `{commit()}`, "
        f"nbval {version('nbval')}."
    )
    speed = (
        f"Time of ours a text cell (CPU, median of {ROUNDS}, {os.cpu_count()} shared cores): median "
        f"{statistics.median(times):.2f} ms, p95 {times[int(len(times) * 0.95)]:.2f} ms, "
        f"largest {times[-1]:.2f} ms; {within} of {len(times)} within 1 ms."
    )
    title = "# Comparing two runs of a cell: noise accepted, changes caught"
    return "\n".join([title, "", head, "", *table(cells, pairs), "", speed, "", NOTES.read_text("utf-8")])


def misses(cells: Sequence[Cell], pairs: dict[str, Pair], half: str) -> None:
    for cell in cells:
        found = ours(pairs[cell.name])
        if cell.half == half and (found.verdict in ("same", "drift")) is not (cell.kind == "honest"):
            print(f"{cell.name}: {found.verdict}")
            for one in found.differences[:3]:
                print(f"    {one.where} ({one.kind}): {one.old[:200]!r} -> {one.new[:200]!r}")
            for removed in found.removed[:3]:
                print(f"    removed {removed.rule}: {removed.text[:200]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=Path, help="file outside the repository that keeps what was recorded")
    parser.add_argument("--out", type=Path, help="write the report here as Markdown")
    parser.add_argument("--misses", choices=HALVES, help="print what ours gets wrong in this half")
    asked = parser.parse_args()
    cells = corpus()
    pairs = cached(cells, asked.pairs)
    if asked.misses:
        misses(cells, pairs, asked.misses)
    text = report(cells, pairs)
    print(text)
    if asked.out:
        asked.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()

"""The loss curve: one JSON line a step as it comes, and the picture of it."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LINES, PICTURE = "loss.jsonl", "loss.png"
KEPT = ("step", "epoch", "loss", "eval_loss", "learning_rate", "grad_norm", "tokens")
COLOUR, SMOOTH, VALIDATION = "#bbbbbb", "#4477aa", "#ee6677"
SMOOTHING = 0.9
"""Of the drawn line: the weight of the steps before."""
Row = dict[str, Any]


def write(folder: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Write the curve anew from a trainer's history: what came after the last checkpoint is gone."""
    rows = [row for entry in history if (row := kept(entry))]
    text = "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows)
    (folder / LINES).write_text(text, "utf-8")


def append(folder: Path, entry: Mapping[str, Any]) -> None:
    """Add what a trainer logged, if it holds a loss."""
    row = kept(entry)
    if row:
        with (folder / LINES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, sort_keys=True) + "\n")


def kept(entry: Mapping[str, Any]) -> Row:
    """Return what the curve keeps of a log entry; nothing of one without a loss."""
    if "loss" not in entry and "eval_loss" not in entry:
        return {}
    return {name: entry[name] for name in KEPT if name in entry}


def read(folder: Path) -> list[Row]:
    """Return the rows of a curve; a line that a crash cut is left out."""
    rows = []
    for line in (folder / LINES).read_text("utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def draw(folder: Path) -> bool:
    """Draw the curve as loss.png; return False where matplotlib is not installed or there is nothing to draw."""
    rows = read(folder)
    steps = [(row["step"], row["loss"]) for row in rows if "loss" in row]
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, and heavy
    except ImportError:
        return False
    if not steps:
        return False
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(*zip(*steps, strict=True), color=COLOUR, linewidth=1, label="loss of a step")
    mean, smooth = steps[0][1], []
    for step, loss in steps:
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smooth.append((step, mean))
    axes.plot(*zip(*smooth, strict=True), color=SMOOTH, linewidth=2, label="running mean")
    held = [(row["step"], row["eval_loss"]) for row in rows if "eval_loss" in row]
    if held:
        axes.plot(*zip(*held, strict=True), "o-", color=VALIDATION, label="validation")
    axes.set_xlabel("step")
    axes.set_ylabel("cross entropy of the taught tokens, nats")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100, metadata={"Software": None})
    (folder / PICTURE).write_bytes(file.getvalue())
    return True

"""A replay in few words: as JSON, and as a table for a terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.approval import visible
from codeact_kernel.terminal import clip

if TYPE_CHECKING:
    from rich.table import Table

    from codeact_kernel.replay.compare import Comparison
    from codeact_kernel.replay.runner import CellResult, Replay

ORDER = ("same", "drift", "differs", "status", "skipped", "not-run")
COLOURS = {
    "same": "green",
    "drift": "cyan",
    "differs": "red",
    "status": "bold red",
    "skipped": "dim",
    "not-run": "yellow",
}
MOST_CHARS = 2000
"""Characters of a text that JSON shows of a difference."""
MOST_LISTED = 50


def as_json(replay: Replay) -> dict[str, Any]:
    """Return a replay as a JSON object: verdict, exit code, environment, problems, cells."""
    return {
        "path": str(replay.path),
        "verdict": replay.verdict,
        "exit_code": replay.exit_code,
        "episode": replay.plan.header.get("episode") if replay.plan is not None else None,
        "cannot": replay.cannot or None,
        "problems": list(replay.problems),
        "environment": [
            {
                "kind": one.kind,
                "name": one.name,
                "recorded": one.recorded,
                "present": one.present,
                "fatal": one.fatal,
                "sentence": one.sentence,
            }
            for one in replay.environment
        ],
        "seconds": round(replay.seconds, 3),
        "cells": [_cell_json(cell) for cell in replay.cells],
    }


def counted(replay: Replay) -> str:
    """Return how many cells have which verdict, "3 same, 1 differs"."""
    counts: Counter[str] = Counter(cell.verdict for cell in replay.cells)
    return ", ".join(f"{counts[name]} {name}" for name in ORDER if counts[name]) or "no cells"


def headline(replay: Replay) -> str:
    """Return one sentence on a replay, without the path."""
    if replay.cannot:
        return f"cannot run: {replay.cannot}"
    return f"{replay.verdict}: {counted(replay)} in {replay.seconds:.1f} s"


def why(cell: CellResult) -> str:
    """Return one line on a cell: its reason, else its first difference, else what was removed."""
    if cell.reason or cell.comparison is None:
        return cell.reason
    if cell.comparison.differences:
        one = cell.comparison.differences[0]
        more = len(cell.comparison.differences) - 1
        rest = f" (and {more} more)" if more > 0 else ""
        if one.kind == "image":
            return f"{one.where}: {one.new}{rest}"
        return f"{one.where}: {_short(one.old)} -> {_short(one.new)}{rest}"
    rules = dict.fromkeys(removed.rule for removed in cell.comparison.removed)
    return f"removed: {', '.join(rules)}" if rules and cell.verdict == "drift" else ""


def table(replay: Replay, *, everything: bool = False) -> Table:
    """Return a table for a terminal: every cell, or those only that are not the same."""
    from rich import table as tables  # noqa: PLC0415 - import time
    from rich.text import Text  # noqa: PLC0415

    made = tables.Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for name, justify in (("cell", "right"), ("step", "right"), ("verdict", "left"), ("s", "right")):
        made.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    made.add_column("code", no_wrap=True, max_width=36, overflow="ellipsis")
    made.add_column("why", overflow="fold")
    for cell in replay.cells:
        if not everything and cell.verdict == "same":
            continue
        made.add_row(
            str(cell.planned.number),
            "" if cell.planned.step is None else str(cell.planned.step),
            Text(cell.verdict, style=COLOURS[cell.verdict]),
            f"{cell.seconds:.1f}" if cell.status else "",
            Text(visible(first_line(cell.planned.source))),
            Text(visible(why(cell))[:400]),
        )
    return made


def first_line(source: str) -> str:
    """Return the first line of a cell that says something."""
    return next((line.strip() for line in source.split("\n") if line.strip()), "")[:200]


def _cell_json(cell: CellResult) -> dict[str, Any]:
    planned = cell.planned
    return {
        "cell": planned.number,
        "kind": planned.kind,
        "step": planned.step,
        "verdict": cell.verdict,
        "reason": cell.reason or None,
        "status": cell.status or None,
        "seconds": round(cell.seconds, 3),
        "recorded_seconds": planned.seconds,
        "source": first_line(planned.source),
        **_comparison_json(cell.comparison),
    }


def _comparison_json(comparison: Comparison | None) -> dict[str, Any]:
    if comparison is None:
        return {"differences": [], "removed": []}
    return {
        "differences": [
            {"where": one.where, "kind": one.kind, "recorded": _clipped(one.old), "now": _clipped(one.new)}
            for one in comparison.differences[:MOST_LISTED]
        ],
        "removed": [
            {"rule": one.rule, "text": _clipped(one.text), "count": one.count}
            for one in comparison.removed[:MOST_LISTED]
        ],
    }


def _short(text: Any) -> str:
    line = " ".join(str(text).split())
    return repr(line if len(line) <= 60 else line[:57] + "...")


def _clipped(text: Any) -> str:
    return clip(str(text), MOST_CHARS)[0]

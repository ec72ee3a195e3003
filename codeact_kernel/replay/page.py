"""What a person is shown of a replay in a live kernel: what it would do, how it goes on, what came of it."""

from __future__ import annotations

import html
import io
from typing import TYPE_CHECKING

from codeact_kernel.agent.approval import visible
from codeact_kernel.replay import report, summary
from codeact_kernel.terminal import clip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeact_kernel.replay.live import LiveReplay
    from codeact_kernel.replay.plan import PlannedCell
    from codeact_kernel.replay.runner import CellResult, Replay

WIDTH = 110
"""Columns of the table as text."""
MOST_PICTURES = 6
"""Pictures of each side that are shown of one cell."""


def opening(live: LiveReplay) -> str:
    """Return what is to be known before the cells run: how many, what is not as it was, what they may do."""
    cells = [cell for cell in live.planned.cells if not cell.skip]
    skipped = len(live.planned.cells) - len(cells)
    lines = [
        f"{live.path}: {_count(len(cells), 'cell')} would run in this kernel, in {live.folder}."
        + (f" {_count(skipped, 'cell')} would be skipped." if skipped else "")
    ]
    lines += [f"! {one.sentence}" for one in live.environment]
    lines += [f"! {problem}" for problem in live.planned.problems]
    rows = list(_rows(live))
    if rows:
        lines += ["", "What they may do:"]
        width = max(len(name) for name, _ in rows)
        lines += [f"  {name:<{width}}  {words}" for name, words in rows]
    else:
        lines.append("As far as one can tell from their text, they only compute.")
    return "\n".join(map(visible, lines)) + "\n"


def name_of(cell: PlannedCell) -> str:
    """Return what a person calls a cell: its step in an episode, else its number."""
    return f"cell {cell.number}" if cell.step is None else f"cell {cell.number} (step {cell.step})"


def line(result: CellResult) -> str:
    """Return one line on a cell that ran."""
    why = summary.why(result)
    text = f"{report.MARKS[result.verdict]} {name_of(result.planned)}: {result.verdict}"
    return visible(clip(f"{text}. {why}" if why else text, 300)[0])


def text(found: Replay) -> str:
    """Return what came of a replay as text: the cells that are not the same, then one sentence."""
    from rich.console import Console  # noqa: PLC0415 - import time

    table = summary.table(found)
    out = io.StringIO()
    if table.row_count:
        Console(file=out, width=WIDTH, highlight=False, color_system=None).print(table)
    return f"{out.getvalue()}{visible(str(found.path))}: {visible(summary.headline(found))}"


def page(found: Replay) -> str:
    """Return what came of a replay as HTML: one line, then each cell that is not the same, both sides beside.

    Nothing of the notebook, or of what its cells gave, is markup; pictures are bitmaps.
    """
    parts = [f"<p><b>{_safe(str(found.path))}</b>: {_safe(summary.headline(found))}</p>"]
    notes = [one.sentence for one in found.environment] + list(found.problems)
    if notes:
        parts.append("<ul>" + "".join(f"<li>{_safe(note)}</li>" for note in notes) + "</ul>")
    for result in found.cells:
        if result.verdict in ("differs", "status"):
            parts.append(_difference(result))
        elif result.verdict not in ("same", "skipped"):
            parts.append(f"<p>{_safe(line(result))}</p>")
    return f'<div class="codeact-replay">{"".join(parts)}</div>'


def _rows(live: LiveReplay) -> Iterator[tuple[str, str]]:
    for cell, risks in zip(live.planned.cells, live.risks, strict=True):
        for risk in risks:
            yield name_of(cell), risk.words


def _difference(result: CellResult) -> str:
    old, new = result.planned.outputs, result.outputs
    sides = [
        "".join(
            f'<img alt="{name}" src="data:{mime};base64,{data}">'
            for mime, data in list(report.bitmaps(side))[:MOST_PICTURES]
        )
        for name, side in (("recorded", old), ("now", new))
    ]
    pictures = f"<table><tr><td>{sides[0]}</td><td>{sides[1]}</td></tr></table>" if any(sides) else ""
    source = _safe(clip(result.planned.source, 4000)[0])
    return (
        f"<details open><summary>{_safe(line(result))}</summary><pre>{source}</pre>"
        f"{report.side_by_side(old, new)}{pictures}</details>"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _safe(words: str) -> str:
    return html.escape(visible(words) if "\n" not in words else words)

"""The report on evaluations: a notebook of tables, pictures and links to the episodes, and the same as a page."""

from __future__ import annotations

import base64
import importlib
import os
import re
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate import results
from codeact_kernel.evaluate.arms import (
    arms_of,
    costs_table,
    counts_table,
    groups_table,
    pairs_table,
    questions,
    scores_table,
    total,
)
from codeact_kernel.evaluate.pictures import pictures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from codeact_kernel.evaluate.arms import Arm, Table
    from codeact_kernel.evaluate.ledger import Row

SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")
INTERVALS = (
    "Shares with their 95 % Wilson interval, in percent. Tasks that were played more than once count each time, "
    "the questions of a session each; the interval takes them for independent, which they are not."
)
PAIRS = (
    "The same tasks, played in two ways, by the first score. p says how odd the difference is if there is none."
)
COSTS = "A task, on average. Failures count as the most turns that the suite allows."


def report(folders: Sequence[Path], out: Path, *, html: bool = True, times: bool = True) -> list[Path]:
    """Write the report on the evaluations in `folders` to `out`, a notebook, and beside it as HTML.

    With `times` off, nothing in it depends on how fast the machine was: two runs of the same command that gave
    the same are then the same report, byte for byte.

    Returns the files written.

    Raises:
        ConfigError: a folder holds no results, or what draws and converts is not installed.
    """
    nbformat: Any = importlib.import_module("nbformat")  # late: import time
    evaluations = [(folder, *results.read(folder)) for folder in folders]
    arms = arms_of(evaluations)
    if not any(arm.rows or arm.aside for arm in arms):
        raise ConfigError("There is nothing to report yet: no task has a result.")
    notebook = nbformat.v4.new_notebook()
    notebook.metadata = {"codeact_report": {"version": 1}, "language_info": {"name": "python"}}
    notebook.cells = _cells(evaluations, arms, out, times=times)
    nbformat.validate(notebook)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(nbformat.writes(notebook), encoding="utf-8")
    if not html:
        return [out]
    page = out.with_suffix(".html")
    page.write_text(_page(notebook, out.stem), encoding="utf-8")
    return [out, page]


def _cells(
    evaluations: Sequence[tuple[Path, Row, Sequence[Row]]], arms: Sequence[Arm], out: Path, *, times: bool
) -> list[Any]:
    texts = ["# Evaluation report", *(_about(about, rows) for _, about, rows in evaluations)]
    texts += [f"## Solved\n\n{markdown(scores_table(arms))}\n\n{INTERVALS}"]
    pairs = pairs_table(arms)
    if len(pairs) > 1:
        texts.append(f"## Task by task\n\n{markdown(pairs)}\n\n{PAIRS}")
    texts += [f"## What it took\n\n{markdown(costs_table(arms, times=times))}\n\n{COSTS}"]
    drawn = pictures(arms)
    texts += [f"![{name}](attachment:{name}.png)" for name in drawn]
    texts.append(f"## By group\n\n{markdown(groups_table(arms))}")
    for title, what in (("Why tasks failed", "failure"), ("Exceptions in steps", "raised")):
        table = counts_table(arms, what)
        if len(table) > 1:
            texts.append(f"## {title}\n\n{markdown(table)}")
    aside = [row for arm in arms for row in arm.aside]
    if aside:
        lines = "\n".join(f"- {escape(row['job'])}: {escape(row['set_aside'])}" for row in aside)
        texts.append(f"## Set aside\n\nThese have no result and count for nothing above.\n\n{lines}")
    texts.append(f"## Episodes\n\n{markdown(_links(arms, out), raw=True)}")
    return [_cell(number, text, drawn) for number, text in enumerate(texts, 1)]


def _cell(number: int, text: str, drawn: dict[str, bytes]) -> Any:
    nbformat: Any = importlib.import_module("nbformat")  # late: import time
    cell = nbformat.v4.new_markdown_cell(text, id=f"report-{number}")
    for name, png in drawn.items():
        if f"attachment:{name}.png" in text:
            cell["attachments"] = {f"{name}.png": {"image/png": base64.b64encode(png).decode()}}
    return cell


def _about(about: Row, rows: Sequence[Row]) -> str:
    """Return what was run, in a few lines."""
    weights = next((row["weights"] for row in rows if row.get("weights")), "")
    limit = "all tasks" if about["limit"] is None else f"{about['limit']} tasks ({about['sample']})"
    limit += f" of {', '.join(about['groups'])}" if about.get("groups") else ""
    sampling = ", ".join(f"{name} {value}" for name, value in about["sampling"].items() if value is not None)
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    lines = [
        f"**{about['suite']}**, protocol {about['protocol']}, model `{about['model']}`"
        + (f", weights `{weights}`" if weights else ""),
        f"{limit}, {about['epochs']} time(s) each, in {', '.join(about['actions'])}: {len(rows)} results",
        sampling,
        f"{versions}; {about['machine']['cores']} cores, {about['machine']['processor']}",
    ]
    return "  \n".join(lines)


def _links(arms: Sequence[Arm], out: Path) -> Table:
    """Return a table of tasks and arms, each cell a mark that links to the episode."""
    table = [["task", *(escape(arm.name) for arm in arms)]]
    names = dict.fromkeys((row["case"], row["epoch"]) for arm in arms for row in arm.rows)
    more = len({epoch for _, epoch in names}) > 1
    for case, epoch in names:
        cells = []
        for arm in arms:
            row = next((row for row in arm.rows if (row["case"], row["epoch"]) == (case, epoch)), None)
            cells.append("" if row is None else _link(arm, row, out))
        table.append([escape(case) + (f" ({epoch})" if more else ""), *cells])
    return table


def _link(arm: Arm, row: Row, out: Path) -> str:
    won, count = total([row], arm.scores[0]), questions(row)
    mark = f"solved, {row['turns']}" if won >= 1 else row["failure"] or "wrong"
    mark = mark if count == 1 else f"{won:g} of {count}"
    if not row["episode"]:
        return mark
    way = os.path.relpath(arm.folders[row["job"]] / row["episode"], out.parent).replace(os.sep, "/")
    return f"[{mark}](<{way}>)"


def escape(text: str) -> str:
    """Return a text that Markdown shows as it is, also in a cell of a table."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def markdown(table: Table, *, raw: bool = False) -> str:
    """Return a table in Markdown; `raw` cells are Markdown already."""
    rows = [[cell if raw else escape(cell) for cell in row] for row in table]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]])


def _page(notebook: Any, title: str) -> str:
    try:
        from nbconvert import HTMLExporter  # noqa: PLC0415 - an extra, and heavy
    except ImportError:
        raise ConfigError(
            "The page needs nbconvert: pip install 'codeact-kernel[eval]', or pass --no-html."
        ) from None
    body, _ = HTMLExporter().from_notebook_node(notebook, resources={"metadata": {"name": title}})  # type: ignore[no-untyped-call]
    return str(body)

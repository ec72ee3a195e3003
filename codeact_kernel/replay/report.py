"""The report of a replay: a new notebook that says of each cell whether it gave the same, and shows where not.

The original is never touched. What came from the notebook, or from its code, is shown as text and as pictures;
HTML, SVG, scripts and widgets are not carried over, and text cannot become markup.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from codeact_kernel.episode.files import save_atomically
from codeact_kernel.episode.notebook import cell_bytes, notebook_bytes
from codeact_kernel.episode.plain import plain, plain_text
from codeact_kernel.errors import ConfigError, EpisodeError
from codeact_kernel.replay import loading
from codeact_kernel.replay.summary import as_json, counted
from codeact_kernel.terminal import clip, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from codeact_kernel.replay.runner import CellResult, Replay
    from codeact_kernel.types import NbOutput

KEY = "codeact_replay"
"""Our metadata of a report: `replay.summary.as_json`; a report is no episode."""
PICTURES = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif"}
MOST_TEXT = 6000
"""Characters of each side where outputs differ."""
MOST_REMOVED = 12
MARKS = {"same": "=", "drift": "~", "differs": "≠", "status": "✗", "skipped": "-", "not-run": "…"}
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")


def write(replay: Replay, path: Path) -> None:
    """Write the report of a replay to a new file; an older report there is replaced.

    Raises:
        ConfigError: the file is not ours to replace, or cannot be written.
    """
    check_free(path, replay.path)
    made = notebook(replay)
    data = notebook_bytes(made["metadata"], map(cell_bytes, made["cells"]))
    try:
        save_atomically(path, data)
    except OSError as error:
        raise ConfigError(f"The report cannot be written to {path}: {error.strerror}.") from None


def check_free(path: Path, original: Path) -> None:
    """Raise ConfigError unless a report can have this name: `.ipynb`, and no file but an older report there."""
    if path.suffix != ".ipynb":
        raise ConfigError(f"{path} is no name for a report, which is a notebook; name a file that ends in .ipynb.")
    if not path.parent.is_dir():
        raise ConfigError(f"The report cannot be written to {path}: there is no folder {path.parent}.")
    if not path.exists():
        return
    if original.exists() and path.samefile(original):
        raise ConfigError(f"{path} is the notebook itself, which a replay never changes; name another file.")
    try:
        known = loading.load(path, trust=True)
    except EpisodeError:
        known = {"metadata": {}}
    if KEY not in known["metadata"]:
        raise ConfigError(f"{path} exists already and is no report of a replay; name another file.")


def notebook(replay: Replay) -> dict[str, Any]:
    """Return the report as a notebook: strict JSON, valid nbformat 4.5."""
    cells = [_opening(replay)]
    for result in replay.cells:
        cells += _cells_of(result)
    for number, cell in enumerate(cells):
        cell["id"] = f"report-{number}"
    spec = replay.notebook.get("metadata", {}).get("kernelspec")
    kept = {"kernelspec": plain(spec)} if isinstance(spec, dict) and isinstance(spec.get("name"), str) else {}
    metadata = {**kept, KEY: plain(as_json(replay))}
    return {"metadata": metadata, "nbformat": 4, "nbformat_minor": 5, "cells": cells}


def safe_outputs(outputs: Sequence[NbOutput]) -> list[NbOutput]:
    """Return outputs as a report may hold them: text and bitmaps; what else there was is named."""
    return [_safe(output) for output in outputs]


def _opening(replay: Replay) -> dict[str, Any]:
    """Return the first cell: what differs here from there, then the verdict."""
    lines = [f"# Replay of {_inline(replay.path.name)}", ""]
    lines += [f"**{replay.verdict}**: {counted(replay)}, {replay.seconds:.1f} s.", ""]
    lines += ["## What is not as it was", ""]
    lines += [f"- {_inline(one.sentence)}" for one in replay.environment] or [
        "- Nothing: kernel, packages, files."
    ]
    lines += [f"- {_inline(problem)}" for problem in replay.problems]
    if replay.cannot:
        lines += ["", f"Nothing was run: {_inline(replay.cannot)}"]
    if replay.cells:
        lines += ["", "## Cells", "", "| cell | step | verdict | s then | s now |", "|---|---|---|---|---|"]
    for cell in replay.cells:
        then = "" if cell.planned.seconds is None else f"{cell.planned.seconds:.1f}"
        step = "" if cell.planned.step is None else str(cell.planned.step)
        now = f"{cell.seconds:.1f}" if cell.status else ""
        lines.append(f"| {cell.planned.number} | {step} | {MARKS[cell.verdict]} {cell.verdict} | {then} | {now} |")
    lines += ["", "The outputs under the cells are the new ones. No model was called; the original was only read."]
    return _markdown("\n".join(lines))


def _cells_of(result: CellResult) -> Iterator[dict[str, Any]]:
    planned, comparison = result.planned, result.comparison
    step = "" if planned.step is None else f", step {planned.step}"
    lines = [f"### {MARKS[result.verdict]} Cell {planned.number}{step}: {result.verdict}"]
    if result.reason:
        lines += ["", _inline(result.reason)]
    if comparison is not None and comparison.removed:
        lines += ["", "Taken away by the rules before comparing:", ""]
        lines += [
            f"- {_inline(one.rule)}: {_code(one.text)} ({one.count} times)"
            for one in comparison.removed[:MOST_REMOVED]
        ]
        left = len(comparison.removed) - MOST_REMOVED
        lines += [f"- and {left} more"] if left > 0 else []
    attachments: dict[str, Any] = {}
    if result.verdict in ("differs", "status"):
        if comparison is not None:
            lines += [
                "",
                *(f"- {_inline(str(one.where))}: {_inline(str(one.kind))}" for one in comparison.differences[:20]),
            ]
        lines += ["", side_by_side(planned.outputs, result.outputs)]
        pictures, attachments = _pictures(planned.outputs, result.outputs)
        lines += ["", *pictures] if pictures else []
    cell = _markdown("\n".join(lines))
    if attachments:
        cell["attachments"] = attachments
    yield cell
    if result.verdict in ("skipped", "not-run"):
        yield _markdown(_fenced(planned.source))
        return
    yield {
        "cell_type": "code",
        "id": "",
        "metadata": {"tags": ["raises-exception"]} if result.status != "ok" else {},
        "execution_count": result.count,
        "source": plain_text(planned.source),
        "outputs": plain(safe_outputs(result.outputs)),
    }


def side_by_side(old: Sequence[NbOutput], new: Sequence[NbOutput]) -> str:
    """Return both sides as a table of HTML on one line; nothing of them is markup, Markdown or mathematics."""
    sides = "".join(f"<td><pre>{_escaped(_text_of(side))}</pre></td>" for side in (old, new))
    return f"<table><tr><th>recorded</th><th>now</th></tr><tr>{sides}</tr></table>"


def _pictures(old: Sequence[NbOutput], new: Sequence[NbOutput]) -> tuple[list[str], dict[str, Any]]:
    """Return the rows of a table of the pictures of both sides, and the pictures as attachments."""
    attachments: dict[str, Any] = {}
    columns: list[list[str]] = []
    for side, outputs in (("recorded", old), ("now", new)):
        column: list[str] = []
        for mime, data in bitmaps(outputs):
            name = f"{side}-{len(column) + 1}.{PICTURES[mime]}"
            attachments[name] = {mime: data}
            column.append(f"![{side}](attachment:{name})")
        columns.append(column)
    if not attachments:
        return [], {}
    rows = max(map(len, columns))
    filled = [column + [" "] * (rows - len(column)) for column in columns]
    return [
        "| recorded | now |",
        "|---|---|",
        *(f"| {a} | {b} |" for a, b in zip(*filled, strict=True)),
    ], attachments


def bitmaps(outputs: Sequence[NbOutput]) -> Iterator[tuple[str, str]]:
    """Yield the mime type and the Base64 of each picture that outputs hold."""
    for output in outputs:
        for mime in PICTURES:
            data = loading.joined((output.get("data") or {}).get(mime))
            if data and _BASE64.fullmatch(data):
                yield mime, "".join(data.split())
                break


def _text_of(outputs: Sequence[NbOutput]) -> str:
    """Return what outputs say as one text, bounded."""
    parts = []
    for output in outputs:
        kind = output.get("output_type")
        if kind == "stream":
            name = "" if output.get("name") == "stdout" else f"[{output.get('name')}]\n"
            parts.append(name + loading.joined(output.get("text")))
        elif kind == "error":
            parts.append(f"{output.get('ename')}: {output.get('evalue')}")
        else:
            data = output.get("data") or {}
            others = [mime for mime in data if mime != "text/plain"]
            named = f"[{', '.join(others)}]" if others else ""
            parts.append("\n".join(filter(None, (loading.joined(data.get("text/plain")), named))))
    return clip(render("\n".join(part.rstrip("\n") for part in parts)), MOST_TEXT)[0] or "(nothing)"


def _safe(output: NbOutput) -> NbOutput:
    kind = output.get("output_type")
    if kind == "stream":
        return {
            "output_type": kind,
            "name": output["name"],
            "text": _CONTROL.sub(_shown, loading.joined(output["text"])),
        }
    if kind == "error":
        trace = [_CONTROL.sub(_shown, str(line)) for line in output.get("traceback") or ()]
        return {
            "output_type": kind,
            "ename": str(output.get("ename", "")),
            "evalue": str(output.get("evalue", "")),
            "traceback": trace,
        }
    data = output.get("data") or {}
    kept: dict[str, Any] = {}
    for mime in PICTURES:
        value = loading.joined(data.get(mime))
        if value and _BASE64.fullmatch(value):
            kept[mime] = value
    left_out = [mime for mime in data if mime not in kept and mime != "text/plain"]
    text = loading.joined(data.get("text/plain"))
    if left_out and not kept:
        text = "\n".join(filter(None, (text, f"[not shown here: {', '.join(sorted(left_out))}]")))
    kept["text/plain"] = text
    made: NbOutput = {"output_type": kind, "data": kept, "metadata": {}}
    if kind == "execute_result":
        made["execution_count"] = output.get("execution_count")
    return made


def _shown(found: re.Match[str]) -> str:
    """Keep what colours text and moves within its line, show every other control character."""
    return found[0] if found[0] in "\x1b\r\x08" else f"\\x{ord(found[0]):02x}"


def _inline(text: str) -> str:
    """Return a text on one line of Markdown that has no meaning to it."""
    line = _CONTROL.sub("?", " ".join(plain_text(text).split()))
    return re.sub(r"([\\`*_{}\[\]()#|!$~<>&])", lambda found: f"&#{ord(found[0])};", line)


def _code(text: str) -> str:
    line = " ".join(plain_text(str(text)).split())
    return f"<code>{_escaped(line if len(line) <= 120 else line[:117] + '...')}</code>"


def _escaped(text: str) -> str:
    """Return a text for HTML within Markdown: one line, no markup, no mathematics."""
    safe = html.escape(_CONTROL.sub("?", plain_text(text)))
    for char in "\n\\$|`*_[]":
        safe = safe.replace(char, f"&#{ord(char)};")
    return safe


def _fenced(text: str) -> str:
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{ticks}python\n{plain_text(text)}\n{ticks}"


def _markdown(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": "", "metadata": {}, "source": source}

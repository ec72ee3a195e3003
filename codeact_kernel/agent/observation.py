"""Outputs -> the bounded text and images that the model sees next."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.pictures import IMAGES, PLAIN_OF_PICTURE, Gallery
from codeact_kernel.terminal import clip, neutralise, render
from codeact_kernel.types import ErrorReport, Execution, NbOutput, Observation

if TYPE_CHECKING:
    from collections.abc import Iterable

ERROR_SHARE, STDERR_SHARE, CHANGES_SHARE = 0.6, 0.2, 0.25
"""Parts of the limit that an error, the text on stderr and the changed variables may take at most."""

STATUS = {
    "timeout": "The code ran longer than it may and was interrupted. Do less at once, or do it in a faster way.",
    "interrupted": "The user interrupted the code.",
    "dead": "The kernel died while the code ran. All variables are lost.",
    "refused": "The code was not run.",
}
SILENT = "The code ran without output."
SILENT_HINT = "Print what you need to see."

WIDGET = "application/vnd.jupyter.widget-view+json"
WRAPPER = re.compile(r"<IPython\.core\.display\.(\w+) object>")
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{6,}")
SKIPPED_HTML = re.compile(r"(?is)<(style|script)\b.*?</\1>|<[^<>]*>")
ANY_TEXT = 100_000
"""Characters of one output that are looked at when a text is made from HTML."""


def observe(execution: Execution, *, limit: int = 4000, images: bool = False, changes: str = "") -> Observation:
    """Return what the model sees of one cell.

    Args:
        execution: the cell that ran, or could not.
        limit: characters of the text, besides the lines that say how much was left out. The error and its hints
            survive; the output of the program is cut first, in its middle.
        images: whether the model can see pictures; if not, they are mentioned.
        changes: what the cell changed in the namespace, see `context.changes`.
    """
    gallery = Gallery(visible=images)
    body, stderr = _outputs(execution, gallery)
    dropped = 0

    def cut(text: str, share: float, head: float = 0.6) -> str:
        nonlocal dropped
        shown, left_out = clip(text, int(limit * share), head=head)
        dropped += left_out
        return shown

    error = cut(_error(execution), ERROR_SHARE)
    changed = cut(neutralise(render(changes)), CHANGES_SHARE, 1.0)
    warned = cut(neutralise(stderr), STDERR_SHARE, 0.2)
    rest = max(0, limit - len(error) - len(changed) - len(warned))
    printed = cut(neutralise(body), rest / limit if limit else 0.0)
    parts = [f"Output:\n{printed}" if printed else "", f"On stderr:\n{warned}" if warned else "", error]
    silent = execution.status == "ok" and not any(parts)
    parts += [*execution.notes, SILENT if silent else "", changed, SILENT_HINT if silent else ""]
    text = "\n".join(part for part in parts if part)
    return Observation(execution.status, text, tuple(gallery.shown), dropped, gallery.dropped)


def whole(execution: Execution) -> str:
    """Return all the text that a cell gave: what it printed and displayed, stderr, its error."""
    body, stderr = _outputs(execution, Gallery(visible=False))
    return "\n".join(filter(None, (body, stderr, _error(execution))))


def shorten(text: str, limit: int) -> str:
    """Return an old observation in at most `limit` characters: its first line, then a start and an end.

    A pure function of its arguments, so that rebuilt messages are the same.
    """
    if len(text) <= limit:
        return text
    room = limit - 70  # for the line that says how much was left out
    if room < 40:
        return text[: max(0, limit)]
    first, _, rest = text.partition("\n")
    first = first if len(first) <= room // 2 else first[: room // 2 - 3] + "..."
    return f"{first}\n{clip(rest, room - len(first), head=0.4)[0]}" if rest else clip(text, room)[0]


def _outputs(execution: Execution, gallery: Gallery) -> tuple[str, str]:
    """Return what the cell printed and displayed, in order, and what it wrote to stderr."""
    printed: list[str] = []
    stderr: list[str] = []
    for index, output in enumerate(execution.outputs):
        kind = output.get("output_type")
        if kind == "stream":
            into = stderr if output.get("name") == "stderr" else printed
            into.append(_joined(output.get("text")))
        elif kind == "display_data":
            printed.append(_own_line(printed, _display(output, index, gallery)))
        elif kind == "execute_result":
            text = _display(output, index, gallery, execution.result)
            printed.append(_own_line(printed, f"Result: {text}" if text else ""))
    if execution.result and not any(o.get("output_type") == "execute_result" for o in execution.outputs):
        printed.append(_own_line(printed, f"Result: {execution.result}\n"))
    return _screen(printed), _screen(stderr)


def _screen(pieces: list[str]) -> str:
    lines = render("".join(pieces)).split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def _own_line(before: list[str], text: str) -> str:
    begun = bool(before) and before[-1] != "" and not before[-1].endswith("\n")
    return ("\n" if begun else "") + text.rstrip("\n") + "\n" if text else ""


def _display(output: NbOutput, index: int, gallery: Gallery, result: str | None = None) -> str:
    """Return the text of one rich output; pictures go to the gallery and leave a note."""
    data: dict[str, Any] = output.get("data") or {}
    plain = ADDRESS.sub("", _joined(data.get("text/plain")))
    wrapper = WRAPPER.fullmatch(plain.strip())
    notes = [gallery.note(mime, _joined(data[mime]), index) for mime in IMAGES if mime in data][:1]
    if notes and (wrapper or PLAIN_OF_PICTURE.fullmatch(plain.strip())):
        plain = ""
    elif wrapper or not plain.strip():
        plain = _other_text(data, wrapper.group(1) if wrapper else "")
    text = result or plain
    return "\n".join(part for part in [text.rstrip("\n"), *notes] if part)


def _other_text(data: dict[str, Any], wrapper: str) -> str:
    """Return the text of an output that has no text/plain worth reading; a note when it has none at all."""
    for mime in ("text/markdown", "text/latex"):
        if mime in data:
            return _joined(data[mime])
    if "text/html" in data:
        text = html.unescape(SKIPPED_HTML.sub(" ", _joined(data["text/html"])[:ANY_TEXT]))
        lines = [" ".join(line.split()) for line in text.split("\n")]
        return "\n".join(line for line in lines if line) or "[HTML without text]"
    if WIDGET in data:
        return "[widget]"
    if any(mime in data for mime in IMAGES):
        return ""
    kinds = [mime for mime in data if mime != "text/plain"]
    return f"[{wrapper or kinds[0]}]" if wrapper or kinds else ""


def _error(execution: Execution) -> str:
    """Return the status as a sentence and the error with the user's frames and hints; "" for a cell that ran."""
    if execution.status == "ok":
        return ""
    report = execution.error or _reported(execution.outputs)
    sentence = STATUS.get(execution.status, "")
    if execution.status == "error" and report is None:
        sentence = "The code failed without a message."
    lines = [sentence] if sentence else []
    if report is not None:
        if execution.status in ("error", "refused"):
            value = clip(render(report.evalue).strip(), 600)[0]
            lines.append(f"Error: {report.ename}: {value}" if value else f"Error: {report.ename}")
        lines += _frames(report.frames)
        lines += [f"Hint: {hint}" for hint in report.hints]
    return neutralise(render("\n".join(lines)))


def _frames(frames: Iterable[tuple[str, int, str]]) -> list[str]:
    lines = []
    for where, number, source in frames:
        place = f"  {where}, line {number}" if number else f"  {where}"
        first, *others = source.split("\n")
        lines.append(f"{place}: {first}" if first else place)
        lines += [" " * (len(place) + 2) + other for other in others]
    return lines


def _reported(outputs: Iterable[NbOutput]) -> ErrorReport | None:
    """Return the error that the outputs hold, without frames; None when there is none."""
    for output in outputs:
        if output.get("output_type") == "error":
            return ErrorReport(str(output.get("ename", "Error")), str(output.get("evalue", "")))
    return None


def _joined(text: Any) -> str:
    """Return a text that nbformat may hold as a list of lines; "" for what is no text."""
    if isinstance(text, list):
        return "".join(part for part in text if isinstance(part, str))
    return text if isinstance(text, str) else ""

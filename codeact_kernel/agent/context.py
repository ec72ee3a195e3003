"""What lives in the kernel, in words: at the start of a task, and what a step changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codeact_kernel.terminal import clip, neutralise, render

if TYPE_CHECKING:
    from codeact_kernel.types import NameInfo, Snapshot

DETAIL = ((900, 40, True), (300, 30, False), (100, 20, False), (40, 12, False), (0, 6, False))
"""From rich to poor: characters of a variable's summary, files that are listed, whether heads show."""

SIZED = re.compile(r"^(?:[\d,]+ (?:rows?|items?)\b|shape \()")


def describe(snapshot: Snapshot, *, limit: int = 2500) -> str:
    """Return what the model reads about the kernel at the start of a task, in at most about `limit` characters.

    Says plainly when there are no variables or files. Values are data of unknown origin: see `neutralise`.
    """
    text = ""
    for width, files, heads in DETAIL:
        parts = [
            *_variables(snapshot, width, heads=heads),
            *_imports(snapshot, width),
            _folder(snapshot, files, heads=heads),
        ]
        text = "\n".join(part for part in parts if part)
        if len(text) <= limit:
            return text
    return clip(text, limit, head=0.7)[0]


def changes(before: Snapshot | None, after: Snapshot, *, limit: int = 800) -> str:
    """Return what differs between two snapshots, one line each; "" when nothing does or `before` is unknown.

    New, changed and removed variables, new functions, new and changed files; `limit` is in characters.
    """
    if before is None:
        return ""
    lines = [*_changed_names(before, after), *_changed_files(before.files, after.files)]
    text = "\n".join(lines)
    shown = len(lines)
    while len(text) > limit and shown:
        shown -= 1
        text = "\n".join([*lines[:shown], f"... and {len(lines) - shown} more changes"])
    return text if len(text) <= limit else clip(text, limit)[0]


def _changed_names(before: Snapshot, after: Snapshot) -> list[str]:
    lines = [
        f"New: {_variable(name, info, 200)}" for name, info in after.names.items() if name not in before.names
    ]
    for name, info in after.names.items():
        known = before.names.get(name)
        if known is None or known.stamp == info.stamp:
            continue
        # A summary that is missing on one side was skipped for lack of time: that is no change.
        if known.type != info.type or bool(known.summary) == bool(info.summary):
            lines.append(f"Changed: {_variable(name, info, 200)}")
    lines += [f"New function: {_clean(text, 160)}" for text in after.functions if text not in before.functions]
    gone = [_clean(name, 80) for name in before.names if name not in after.names]
    if gone and not after.left_out:
        lines.append(f"Removed: {', '.join(gone)}")
    return lines


def _changed_files(before: dict[str, int], after: dict[str, int]) -> list[str]:
    lines = []
    for name, size in after.items():
        if before.get(name) != size:
            lines.append(f"{'Changed' if name in before else 'New'} file: {_file(name, size)}")
    return lines


def _variables(snapshot: Snapshot, width: int, *, heads: bool) -> list[str]:
    if not snapshot.names:
        return ["The kernel has no variables yet."]
    known = len(snapshot.names)
    of_all = f" (the latest {known} of {known + snapshot.left_out})" if snapshot.left_out else ""
    lines = [f"Variables in the kernel{of_all}, ready to use:"]
    for name, info in snapshot.names.items():
        lines.append(f"- {_variable(name, info, width)}")
        table = info.summary.split("\n")[1:] if heads else []
        lines += [f"    {_clean(line, 160)}" for line in table]
    return lines


def _imports(snapshot: Snapshot, width: int) -> list[str]:
    lines = []
    if snapshot.modules:
        pairs = [module.partition("=") for module in snapshot.modules]
        names = [f"{module} as {alias}" if module else alias for alias, _, module in pairs]
        lines.append(f"Imported: {_clean(', '.join(names), 300)}")
    if snapshot.functions:
        lines.append("Functions and classes:")
        lines += [f"- {_clean(text, max(40, min(160, width)))}" for text in snapshot.functions]
    return lines


def _folder(snapshot: Snapshot, most: int, *, heads: bool) -> str:
    """Return the files, those whose beginning is known on lines of their own."""
    if not snapshot.files:
        return "The working folder has no files." if snapshot.cwd else ""
    known = {name: lines for name, lines in snapshot.heads.items() if heads and name in snapshot.files}
    lines = []
    for name, head in known.items():
        lines.append(f"- {_file(name, snapshot.files[name])}, which begins:")
        lines += [f"    {_clean(line, 400)}" for line in head]
    rest = [(name, size) for name, size in snapshot.files.items() if name not in known]
    shown = [_file(name, size) for name, size in rest[:most]]
    more = f", ... {len(rest) - most} more" if len(rest) > most else ""
    if not known:
        return f"Files in the working folder: {', '.join(shown)}{more}"
    return "\n".join(["Files in the working folder:", *lines, *([f"- {', '.join(shown)}{more}"] if shown else [])])


def _variable(name: str, info: NameInfo, width: int) -> str:
    """Return a variable on one line, `total (int) = 5`."""
    summary = info.summary.partition("\n")[0]
    shown = _clean(summary, width) if width else ""
    joint = ": " if SIZED.match(summary) else " = "
    return f"{_clean(name, 80)} ({_clean(info.type, 80)})" + (joint + shown if shown else "")


def _file(name: str, size: int) -> str:
    return f"{_clean(name, 80)} ({_bytes(size)})"


def _bytes(size: int) -> str:
    amount = float(size)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def _clean(text: str, width: int) -> str:
    """Return text of unknown origin on one line, harmless, at most `width` characters."""
    line = neutralise(" ".join(render(text).splitlines()) if "\n" in text or not text.isprintable() else text)
    return line if len(line) <= width else line[: max(0, width - 3)] + "..."

"""`codeact export`, `codeact import` and `codeact diff`: episodes as data, and two of them side by side.

Exit codes: 0 done (diff: the same), 1 some rows or files failed (diff: they differ), 2 usage.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from codeact_kernel.episode.diffing import diff, to_json
from codeact_kernel.episode.export import FORMATS, export_row, row_bytes
from codeact_kernel.episode.files import read_notebook
from codeact_kernel.episode.imports import import_file
from codeact_kernel.episode.integrity import integrity
from codeact_kernel.episode.redact import Redactor
from codeact_kernel.errors import ConfigError, EpisodeError
from codeact_kernel.terminal import clip, render
from codeact_kernel.terminal_view import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from rich.text import Text

    from codeact_kernel.episode.diffing import Diff, Pair, Side

COMMANDS = ("export", "import", "diff")
OK, FAILED = 0, 1
WIDTH = 120
"""Columns of the table where there is no terminal."""
MOST_SHOWN = 1500
"""Characters of what a step gave that the table shows."""
MOST_ALIGNED = 300
"""Lines of code of a step that are aligned with the other side's; the work grows with the cube of their number."""
STYLE = {"same": "dim", "differs": "yellow", "only-a": "red", "only-b": "green"}


def add_parsers(subparsers: Any) -> None:
    """Add `export`, `import` and `diff` to the command line's subparsers."""
    out = subparsers.add_parser(
        "export",
        help="write episodes as rows of JSON",
        description="Write one row for each episode. Secrets are taken out first; what was is listed.",
        epilog="Exit codes: 0 done, 1 some files could not be exported (the others are), 2 usage.",
    )
    out.add_argument("files", metavar="FILE", nargs="+", type=Path, help="episodes (.ipynb)")
    out.add_argument("--format", choices=FORMATS, default="messages", help="default: messages, which is lossless")
    out.add_argument("--out", "-o", metavar="X.jsonl", type=Path, required=True, help="replaced when all is done")
    out.add_argument("--images", action="store_true", help="with the pictures the model saw (format openai)")
    out.add_argument("--no-redact", action="store_true", help="leave secrets in (format messages only)")
    back = subparsers.add_parser(
        "import",
        help="make episodes of rows of JSON",
        description="Write one episode for each row. Nothing is executed, no file is replaced.",
        epilog="Exit codes: 0 done, 1 some rows could not be read (the others are), 2 usage.",
    )
    back.add_argument("files", metavar="X.jsonl", nargs="+", type=Path, help="one JSON object a line")
    back.add_argument("--out", "-o", metavar="DIR", type=Path, required=True, help="made if need be")
    back.add_argument("--format", choices=FORMATS, help="default: known by the keys of each row")
    two = subparsers.add_parser(
        "diff",
        help="two episodes side by side, step by step",
        description="Show two episodes of the same task side by side.",
        epilog="Exit codes: 0 every step does and gives the same, 1 they differ, 2 usage.",
    )
    two.add_argument("a", metavar="A", type=Path, help="an episode")
    two.add_argument("b", metavar="B", type=Path, help="another episode")
    two.add_argument("--json", action="store_true", help="print one JSON object")
    two.add_argument("--cells", action="store_true", help="show how the code cells differ, too")


def main(args: argparse.Namespace) -> int:
    """Run the command and return its exit code.

    Raises:
        ConfigError: it cannot be done as it was asked for.
    """
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "export": _export,
        "import": _import,
        "diff": _diff,
    }
    return commands[args.command](args)


def _export(args: argparse.Namespace) -> int:
    if args.no_redact and args.format != "messages":
        raise ConfigError(
            f"Rows in the format {args.format} are made for others; --no-redact is for messages only."
        )
    if args.images and args.format != "openai":
        raise ConfigError("--images is for the format openai; messages always hold them, the others never do.")
    temp: Path = args.out.with_name(f".{args.out.name}.saving")
    failed = done = 0
    try:
        with temp.open("wb") as file:
            for path in args.files:
                try:
                    redactor = None if args.no_redact else Redactor()
                    row = export_row(path, args.format, redactor, images=args.images)
                    line = row_bytes(row)
                except EpisodeError as error:
                    failed += 1
                    _say(_named(path, error))
                    continue
                done += 1
                file.write(line)
                _say_redactions(path, redactor)
                faults = integrity(read_notebook(path))
                if faults:
                    _say(f"{path} is exported, and it is not as it was recorded: {faults[0]}")
        if done:
            temp.replace(args.out)
    except OSError as error:
        raise ConfigError(f"{args.out} cannot be written: {error.strerror}.") from None
    finally:
        with contextlib.suppress(OSError):
            temp.unlink()
    _say(f"{_counted(done, 'episode')} in {args.out}; {_counted(failed, 'file')} could not be exported.")
    return FAILED if failed else OK


def _import(args: argparse.Namespace) -> int:
    failed = done = 0
    for path in args.files:
        result = import_file(path, args.out, args.format)
        for sentence in (*result.bad, *result.notes):
            _say(sentence)
        for made in result.paths:
            print(printable(str(made), sys.stdout))
        failed, done = failed + len(result.bad), done + len(result.paths)
    _say(f"{_counted(done, 'episode')} in {args.out}; {_counted(failed, 'row')} could not be read.")
    return FAILED if failed else OK


def _diff(args: argparse.Namespace) -> int:
    notebooks = []
    for path in (args.a, args.b):
        try:
            notebooks.append(read_notebook(path))
        except EpisodeError as error:
            raise ConfigError(str(error)) from None
    try:
        found = diff(*notebooks, cells=args.cells or args.json)
    except EpisodeError as error:
        raise ConfigError(f"{args.a} and {args.b} cannot be compared: {error}") from None
    if args.json:
        print(json.dumps(to_json(found)))
    else:
        show(found, str(args.a), str(args.b), sys.stdout)
    return OK if found.same else FAILED


def show(found: Diff, a: str, b: str, stream: TextIO) -> None:
    """Print a comparison as a table; `a` and `b` are the names of its two columns."""
    from rich.console import Console  # noqa: PLC0415 - slow to import, needed only here
    from rich.table import Table  # noqa: PLC0415

    console = Console(file=stream, width=None if stream.isatty() else WIDTH)
    table = Table(show_lines=True, expand=True)
    table.add_column("step", no_wrap=True)
    table.add_column(_text(a, stream), ratio=1, overflow="fold")
    table.add_column(_text(b, stream), ratio=1, overflow="fold")
    for name, values in found.header.items():
        table.add_row(_text(name, stream, "bold"), *(_text(str(value), stream) for value in values))
    for pair in found.pairs:
        label = f"{_step(pair)}\n{pair.verdict}" + "".join(f"\n  {name}" for name in pair.changed)
        table.add_row(_text(label, stream, STYLE[pair.verdict]), *_columns(pair, stream))
    console.print(table)
    for pair in found.pairs:
        if pair.cells:
            console.print(_text(f"Cells of step {_step(pair)}", stream, "bold"))
            for line in pair.cells:
                console.print(_text(line, stream, {"-": "red", "+": "green"}.get(line[:1], "")))
    console.print(_text(_verdict(found), stream, "bold"))


def _verdict(found: Diff) -> str:
    counts = {name: sum(pair.verdict == name for pair in found.pairs) for name in STYLE}
    said = [f"{count} {name}" for name, count in counts.items() if count]
    first = next((pair for pair in found.pairs if pair.verdict != "same"), None)
    where = f"; they part at step {_step(first)}" if first else ""
    return f"{', '.join(said) or 'nothing to compare'}{where}."


def _step(pair: Pair) -> str:
    names = [
        "-" if side is None else "task" if side.kind == "task" else str(side.index) for side in (pair.a, pair.b)
    ]
    return names[0] if names[0] == names[1] else "/".join(names)


def _columns(pair: Pair, stream: TextIO) -> list[Text]:
    """Return both sides of a pair as styled texts; lines of code that only one has are marked."""
    if pair.a is None or pair.b is None:
        return [_side(side, None, stream, "") for side in (pair.a, pair.b)]
    return [_side(pair.a, pair.b, stream, "red"), _side(pair.b, pair.a, stream, "green")]


def _side(side: Side | None, other: Side | None, stream: TextIO, style: str) -> Text:
    shown = _text("", stream)
    if side is None:
        return shown
    if side.thought.strip():
        shown.append(_text(side.thought.strip() + "\n", stream, "" if _same(side, other, "thought") else style))
    if side.code is not None:
        lines = side.code.split("\n")
        for line, new in zip(lines, _new_lines(lines, other), strict=True):
            mark = "| " if not new else "- " if style == "red" else "+ "
            shown.append(_text(f"{mark}{line}\n", stream, style if new else "bold"))
    if side.seen.strip():
        text, _ = clip(render(side.seen.strip()), MOST_SHOWN)
        changed = not _same(side, other, "seen")
        shown.append(_text(f"{side.status}: {text}", stream, style if changed else "dim"))
    return shown


def _same(side: Side, other: Side | None, name: str) -> bool:
    return other is None or getattr(side, name) == getattr(other, name)


def _new_lines(lines: Sequence[str], other: Side | None) -> list[bool]:
    """Say of each line whether the other side lacks it."""
    if other is None or other.code is None:
        return [False] * len(lines)
    theirs, new = other.code.split("\n"), [True] * len(lines)
    if max(len(lines), len(theirs)) > MOST_ALIGNED:
        known = set(theirs)
        return [line not in known for line in lines]
    matcher = difflib.SequenceMatcher(None, lines, theirs, autojunk=False)
    for low, _, size in matcher.get_matching_blocks():
        new[low : low + size] = [False] * size
    return new


def _text(words: str, stream: TextIO, style: str = "") -> Text:
    """Return text for the console: no markup is read in it, and on a terminal nothing moves the cursor."""
    from rich.text import Text  # noqa: PLC0415 - slow to import, needed only here

    return Text(printable(words, stream), style=style)


def _say_redactions(path: Path, redactor: Redactor | None) -> None:
    if redactor is not None and redactor.found:
        listed = [f"{item['what']} ({_counted(item['count'], 'time')})" for item in redactor.summary()]
        _say(f"{path}: redacted {', '.join(listed)}.")


def _named(path: Path, error: EpisodeError) -> str:
    return str(error) if str(path) in str(error) else f"{path}: {error}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _say(line: str) -> None:
    print(printable(f"codeact: {line}", sys.stderr), file=sys.stderr)

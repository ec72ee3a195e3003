"""`codeact replay | rehearse | fork | resume`: what was done once, done again, checked, gone on with."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.approval import visible
from codeact_kernel.agent.stop import Stop
from codeact_kernel.asking import terminal_asker
from codeact_kernel.branch import fork
from codeact_kernel.cli_live import replay_live
from codeact_kernel.cli_results import report as report_result
from codeact_kernel.cli_results import say
from codeact_kernel.config import APPROVAL_MODES
from codeact_kernel.errors import CodeActError, ConfigError, EpisodeError
from codeact_kernel.replay import loading, report, summary
from codeact_kernel.replay.rehearse import Rehearsal, rehearse
from codeact_kernel.replay.runner import Replay, replay_file
from codeact_kernel.replay_options import add_goes_on, add_how, options_of
from codeact_kernel.worker import wait_for

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from codeact_kernel.replay.runner import CellResult, Options

COMMANDS = ("replay", "rehearse", "fork", "resume")
CANNOT = 2
WIDTH = 160
"""Columns where there is no terminal."""
EXITS = "Exit codes: 0 same or drift, 1 differs or status, 2 cannot run, 130 interrupted."


def add_parsers(subparsers: Any) -> None:
    """Add the four commands to the command line's subparsers."""
    _add_replay(subparsers)
    again = subparsers.add_parser(
        "rehearse",
        help="check that prompts, parser and observations are still what an episode was made with",
        description="Run the whole loop over the recorded replies and executions; no model and no kernel is used.",
        epilog="Exit codes: 0 all is as recorded, 1 something differs, 2 cannot run.",
    )
    again.add_argument("files", metavar="FILE", nargs="+", type=Path, help="an episode")
    again.add_argument("--json", action="store_true", help="print one JSON object, last on stdout")
    other = subparsers.add_parser(
        "fork",
        help="go on from a step of an episode, with any model",
        description="Replay an episode up to a step in a fresh kernel and go on from there as a new episode.",
    )
    other.add_argument("--step", metavar="K", type=int, required=True, help="the last step that is kept")
    on = subparsers.add_parser(
        "resume",
        help="go on with an episode after its last complete step",
        description="Replay an episode in a fresh kernel and go on after its last complete step.",
    )
    for parser in (other, on):
        parser.add_argument("file", metavar="FILE", type=Path, help="an episode; it is only read")
        add_goes_on(parser)
        parser.add_argument("--max-steps", metavar="N", help="steps the task may take")
        parser.add_argument("--approve", choices=APPROVAL_MODES, help="what may run without asking")
        parser.add_argument("--json", action="store_true", help="print one JSON object, last on stdout")
        parser.add_argument("--quiet", "-q", action="store_true", help="show no progress")
        _add_kernel(parser)
        add_how(parser)


def _add_replay(subparsers: Any) -> None:
    one = subparsers.add_parser(
        "replay",
        help="run an episode, or any notebook, again and compare what it gives",
        description="Run notebooks again, each in a fresh kernel from its own folder, and compare their outputs. "
        "No model is called; the files are only read.",
        epilog=EXITS,
    )
    one.add_argument("files", metavar="FILE", nargs="+", type=Path, help="an episode, or any other notebook")
    one.add_argument(
        "--report", metavar="OUT.ipynb", type=Path, help="write a report notebook (several FILEs: a folder)"
    )
    one.add_argument(
        "--live", action="store_true", help="run in the newest running kernel instead of a fresh one; asks first"
    )
    one.add_argument("--existing", metavar="KERNEL", help="with --live: this kernel, by connection file or id")
    locked = one.add_mutually_exclusive_group()
    locked.add_argument(
        "--isolated",
        dest="isolation",
        action="store_const",
        const="yes",
        default="auto",
        help="replay in a kernel that sees copies of the episode's files and nothing else; the default, where "
        "bubblewrap is, for episodes that were not made on this machine",
    )
    locked.add_argument(
        "--no-isolation", dest="isolation", action="store_const", const="no", help="replay with your own rights"
    )
    one.add_argument("--yes", "-y", action="store_true", help="with --live: run without asking")
    one.add_argument("--json", action="store_true", help="print one JSON object, last on stdout")
    one.add_argument("--all", action="store_true", help="list the cells that are the same, too")
    one.add_argument("--quiet", "-q", action="store_true", help="show no progress")
    _add_kernel(one)
    add_how(one)


def _add_kernel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kernel", metavar="NAME", default="", help="run in this kernel, not the recorded one")


def main(args: argparse.Namespace) -> int:
    """Run one of the commands and return its exit code."""
    command: dict[str, Callable[[argparse.Namespace], int]] = {
        "replay": _replay,
        "rehearse": _rehearse,
        "fork": _fork,
        "resume": _fork,
    }
    try:
        return command[args.command](args)
    except (ConfigError, EpisodeError) as error:
        say(f"codeact: {error}")
        if args.json:
            print(json.dumps({"exit_code": CANNOT, "cannot": str(error)}))
        return CANNOT


def _replay(args: argparse.Namespace) -> int:
    options, stop = options_of(args), Stop()
    places = _places(args.files, args.report)
    watcher = _Lines(quiet=args.quiet)
    done: list[Replay] = []
    for path, place in zip(args.files, places, strict=True):
        found = _one(path, options, stop, watcher, args)
        watcher.close()
        done.append(found)
        if place is not None:
            report.write(found, place)
        if not args.json:
            _show(found, place, everything=args.all)
        if stop.is_set():
            break
    code = max(found.exit_code for found in done)
    if args.json:
        files = [summary.as_json(found) for found in done]
        print(json.dumps({"exit_code": code, "files": files}))
    return code


def _places(files: list[Path], wanted: Path | None) -> list[Path | None]:
    """Return where each report is written, after a look that it can be."""
    if wanted is None:
        return [None] * len(files)
    if wanted.is_dir():
        places = [wanted / f"{file.stem}-replay.ipynb" for file in files]
    elif len(files) == 1:
        places = [wanted]
    else:
        raise ConfigError(f"{wanted} is one file for {len(files)} reports; name a folder that exists.")
    if len(set(places)) < len(places):
        raise ConfigError(
            "Two of the notebooks have one name, and so would their reports; replay them one by one."
        )
    for place, file in zip(places, files, strict=True):
        report.check_free(place, file)
    return list(places)


def _one(path: Path, options: Options, stop: Stop, watcher: _Lines, args: argparse.Namespace) -> Replay:
    """Replay one file; Ctrl-C interrupts its cell and keeps what is there."""
    live = args.live or args.existing
    try:
        if live:
            existing = args.existing or ""
            work = replay_live(path, options, existing=existing, yes=args.yes, stop=stop, watcher=watcher)
        else:
            work = replay_file(path, options, stop=stop, watcher=watcher)
        return wait_for(work, stop)
    except CodeActError as error:
        return Replay(path, cannot=str(error), problems=tuple(getattr(error, "problems", ())))


def _show(found: Replay, place: Path | None, *, everything: bool) -> None:
    from rich.console import Console  # noqa: PLC0415 - import time
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    shown = [one.sentence for one in found.environment if one.sentence != found.cannot]
    for sentence in (*shown, *found.problems):
        console.print(Text(f"! {visible(sentence)}", style="yellow"), soft_wrap=True)
    made = summary.table(found, everything=everything)
    if made.row_count:
        console.print(made)
    console.print(Text(visible(f"{found.path}: {summary.headline(found)}"), style="bold"), soft_wrap=True)
    if place is not None:
        console.print(Text(visible(f"report: {place}")), soft_wrap=True)


class _Lines:
    """Shows on stderr how a replay goes on: one line that changes on a terminal, one per ten cells elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty()
        self._lock = threading.Lock()
        self._name, self._cells, self._done, self._bad = "", 0, 0, 0

    def begins(self, path: Path, cells: int) -> None:
        """Say that a notebook begins."""
        self._name, self._cells, self._done, self._bad = path.name, cells, 0, 0
        self._draw(f"{path.name}: {cells} cells")

    def cell(self, result: CellResult) -> None:
        """Count a cell."""
        self._done += 1
        self._bad += result.verdict in ("differs", "status")
        bad = f", {self._bad} not the same" if self._bad else ""
        if self._live or self._done == self._cells or self._done % max(10, self._cells // 10) == 0:
            self._draw(f"{self._name}: {self._done} of {self._cells} cells{bad}")

    def close(self) -> None:
        """Wipe the line."""
        if self._live and not self._quiet and self._name:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _draw(self, line: str) -> None:
        if self._quiet:
            return
        with self._lock:
            sys.stderr.write(f"\r\x1b[K{line}" if self._live else f"{line}\n")
            sys.stderr.flush()


def _rehearse(args: argparse.Namespace) -> int:
    found: list[Rehearsal | EpisodeError] = []
    for path in args.files:
        try:
            found.append(asyncio.run(rehearse(loading.load(path, trust=True), path)))
        except EpisodeError as error:
            found.append(error)
    codes = [CANNOT if isinstance(one, EpisodeError) else one.exit_code for one in found]
    if args.json:
        files = [_rehearsal_json(path, one) for path, one in zip(args.files, found, strict=True)]
        print(json.dumps({"exit_code": max(codes), "files": files}))
        return max(codes)
    for path, one in zip(args.files, found, strict=True):
        if isinstance(one, EpisodeError):
            say(f"codeact: {one}")
            continue
        for note in one.notes:
            say(f"! {visible(note)}")
        if one.problem:
            print(f"{path}: {one.problem}\n{one.difference}")
        else:
            print(f"{path}: all {one.of} steps are as recorded")
    return max(codes)


def _rehearsal_json(path: Path, one: Rehearsal | EpisodeError) -> dict[str, Any]:
    if isinstance(one, EpisodeError):
        return {"path": str(path), "exit_code": CANNOT, "cannot": str(one)}
    return {
        "path": str(path),
        "exit_code": one.exit_code,
        "steps": one.steps,
        "of": one.of,
        "problem": one.problem or None,
        "difference": one.difference or None,
        "notes": list(one.notes),
    }


def _fork(args: argparse.Namespace) -> int:
    result = fork(
        args.file,
        step=getattr(args, "step", None),
        task=args.task,
        model=args.model,
        out=args.out,
        approve=args.approve,
        max_steps=args.max_steps,
        options=options_of(args),
        display=not args.quiet,
        asker=terminal_asker(),
    )
    return report_result(result, as_json=args.json)

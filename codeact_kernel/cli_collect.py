"""`codeact collect TASKS`: tasks played for their episodes; the checker says which may be learned from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.cli_eval import line_of
from codeact_kernel.collecting import Wanted, accepted, collect
from codeact_kernel.config import from_environment
from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate.run import ENGINES
from codeact_kernel.terminal_view import printable

if TYPE_CHECKING:
    import argparse

COMMANDS = ("collect",)


def add_parsers(subparsers: Any) -> None:
    """Add `collect` to the command line's subparsers."""
    parser = subparsers.add_parser(
        "collect",
        help="play tasks for their episodes, to learn from those that the checker accepts",
        description="Play tasks, each in a kernel of its own, and keep the episodes; results.json says which of "
        "them the checker accepted. The same command goes on with a collection that was stopped.",
        epilog="Exit codes: 0 ran to its end, 1 failed, 2 usage or configuration, 130 interrupted.",
    )
    parser.add_argument(
        "tasks", metavar="TASKS", help="a suite of `codeact eval`, e.g. learn, or SUITE:PROTOCOL, e.g. learn:train"
    )
    parser.add_argument(
        "--model", "-m", metavar="M", help="as for `codeact run`; `reference` plays the demonstrations of `learn`"
    )
    parser.add_argument("--data", metavar="PATH", type=Path, help="what the suite reads; for learn, a JSONL file")
    parser.add_argument("--epochs", type=int, default=1, metavar="K", help="how often each task is tried")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N tasks, each family having its share")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the choice of tasks, and of replies")
    parser.add_argument("--engine", choices=sorted(ENGINES), default="local", help="where episodes run")
    parser.add_argument("--jobs", "-j", type=int, default=1, metavar="N", help="episodes at a time")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="where episodes and results go")


def main(args: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    if args.epochs < 1 or args.jobs < 1:
        raise ConfigError("--epochs and --jobs must be 1 or more.")
    wanted = Wanted(
        tasks=args.tasks,
        config=from_environment().updated(model=args.model),
        out=args.out,
        data=args.data,
        epochs=args.epochs,
        limit=args.limit,
        seed=args.seed,
        engine=args.engine,
        jobs=args.jobs,
    )
    rows = collect(wanted, lambda row: print(printable(line_of(row), sys.stdout), flush=True))
    aside = [row for row in rows if row["set_aside"]]
    print(f"\n{len(accepted(rows))} of {len(rows)} episodes were accepted; {len(aside)} tasks were set aside.")
    print("\n".join(f"set aside: {row['job']}: {row['set_aside']}" for row in aside[:5]))
    print(f"Written: {args.out}")
    return 0

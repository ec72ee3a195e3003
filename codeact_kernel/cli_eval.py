"""`codeact eval SUITE`: a suite of tasks, played in one or more action spaces, on this machine or a cluster."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.config import ACTIONS, from_environment
from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate.arms import questions, total
from codeact_kernel.evaluate.report import report
from codeact_kernel.evaluate.run import ENGINES, Order, evaluate
from codeact_kernel.evaluate.sample import KINDS
from codeact_kernel.evaluate.suites.known import SUITES
from codeact_kernel.terminal_view import printable

if TYPE_CHECKING:
    import argparse

    from codeact_kernel.evaluate.ledger import Row

COMMANDS = ("eval", "report")


def add_parsers(subparsers: Any) -> None:
    """Add `eval` to the command line's subparsers."""
    parser = subparsers.add_parser(
        "eval",
        help="play a suite of tasks and score it, in code, JSON or text",
        description="Play a suite of tasks, each in a kernel of its own, and score it. The same command goes on "
        "with an evaluation that was stopped.",
        epilog="Exit codes: 0 ran to its end, 1 failed, 2 usage or configuration, 130 interrupted.",
    )
    parser.add_argument("suite", choices=sorted(SUITES), metavar="SUITE", help=", ".join(sorted(SUITES)))
    parser.add_argument(
        "--data", metavar="PATH", type=Path, help="what the suite reads, e.g. its authors' checkout"
    )
    parser.add_argument("--model", "-m", metavar="M", help="as for `codeact run`")
    parser.add_argument("--action", default="code", metavar="A,B", help="action spaces: code,json,text")
    parser.add_argument(
        "--protocol", default="", metavar="P", help="how to play it; the suite says which there are"
    )
    parser.add_argument("--group", default="", metavar="A,B", help="tasks of these groups only, e.g. web_browsing")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N tasks")
    parser.add_argument("--sample", choices=KINDS, default="first", help="which N")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of a stratified sample, and of replies")
    parser.add_argument("--epochs", type=int, default=1, metavar="K", help="how often each task is played")
    parser.add_argument("--engine", choices=sorted(ENGINES), default="local", help="where episodes run")
    parser.add_argument("--jobs", "-j", type=int, default=1, metavar="N", help="episodes at a time")
    parser.add_argument("--out", metavar="DIR", type=Path, help="default: eval/SUITE-PROTOCOL-MODEL")
    told = subparsers.add_parser(
        "report",
        help="compare evaluations: a notebook and an HTML page",
        description="Compare evaluations of `codeact eval`: success with intervals, task by task, turns, tokens, "
        "failures, pictures, links to the episodes.",
    )
    told.add_argument("folders", nargs="+", metavar="DIR", type=Path, help="an --out of `codeact eval`")
    told.add_argument("--out", "-o", metavar="FILE.ipynb", type=Path, default=Path("report.ipynb"))
    told.add_argument("--no-html", action="store_true", help="write the notebook only")
    told.add_argument("--without-times", action="store_true", help="leave out what depends on the machine's speed")


def main(args: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    if args.command == "report":
        if args.out.suffix != ".ipynb":
            raise ConfigError(f"--out {args.out} must end in .ipynb; the page is written beside it.")
        made = report(args.folders, args.out, html=not args.no_html, times=not args.without_times)
        print("\n".join(str(path) for path in made))
        return 0
    return _evaluate(args)


def _evaluate(args: argparse.Namespace) -> int:
    suite = SUITES[args.suite]
    actions = tuple(dict.fromkeys(name.strip() for name in args.action.split(",") if name.strip()))
    unknown = [name for name in actions if name not in ACTIONS]
    if unknown or not actions:
        raise ConfigError(f"There is no action space {(unknown or [''])[0]!r}; give some of {', '.join(ACTIONS)}.")
    if args.epochs < 1 or args.jobs < 1:
        raise ConfigError("--epochs and --jobs must be 1 or more.")
    config = from_environment().updated(model=args.model)
    if config.temperature > 0 and config.seed is None:
        config = config.updated(seed=args.seed)
    protocol = args.protocol or suite.protocols[0]
    name = re.sub(r"[^A-Za-z0-9.]+", "-", Path(config.model).name if ":" not in config.model else config.model)
    order = Order(
        suite=suite,
        data=args.data,
        out=args.out or Path("eval") / f"{suite.name}-{protocol}-{name}",
        config=config,
        actions=actions,
        protocol=protocol,
        groups=tuple(name.strip() for name in args.group.split(",") if name.strip()),
        limit=args.limit,
        kind=args.sample,
        seed=args.seed,
        epochs=args.epochs,
        engine=args.engine,
        jobs=args.jobs,
    )
    rows = evaluate(order, lambda row: print(printable(line_of(row), sys.stdout), flush=True))
    print("\n".join(["", *summary(rows, suite.scores), f"Written: {order.out}"]))
    return 0


def line_of(row: Row) -> str:
    """Return the live line of a row."""
    scores = " ".join(f"{name} {value:g}" for name, value in row["scores"].items())
    return (
        f"{row['job']:<60} {scores}  {row['turns']:>2} turns {row['seconds']:>6.1f} s "
        f"{row['input_tokens']:>6,} in {row['output_tokens']:>5,} out  {row['failure']}"
    )


def summary(rows: list[Row], scores: tuple[str, ...]) -> list[str]:
    """Return a few lines on all rows: one an action space, and what was set aside."""
    lines = []
    for action in dict.fromkeys(row["action"] for row in rows):
        group = [row for row in rows if row["action"] == action and not row["set_aside"]]
        if group:
            shares = ", ".join(f"{name} {total(group, name):g} of {sum(map(questions, group))}" for name in scores)
            lines.append(f"{action}: {shares}, {sum(row['turns'] for row in group) / len(group):.2f} turns")
    lines += [f"set aside: {row['job']}: {row['set_aside']}" for row in rows if row["set_aside"]]
    return lines

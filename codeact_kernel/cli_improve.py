"""`codeact improve`, the circle from tasks to a tuned model; `codeact ability`, what tuning cost elsewhere."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate.arms import share
from codeact_kernel.evaluate.statistics import mcnemar, paired
from codeact_kernel.improving import STEPS, Circle, improve, plan
from codeact_kernel.learn.ability import Ability, change, interval, measure

if TYPE_CHECKING:
    import argparse

COMMANDS = ("improve", "ability")


def add_parsers(subparsers: Any) -> None:
    """Add `improve` and `ability` to the command line's subparsers."""
    circle = subparsers.add_parser(
        "improve",
        help="collect, filter, train, evaluate and compare, in a row",
        description="Make a better agent: play tasks, make training data of the episodes that the checker "
        "accepts, tune the base, evaluate both, compare. The same command goes on where it was stopped.",
        epilog="Exit codes: 0 done, 2 usage or configuration, else that of the command that failed.",
    )
    circle.add_argument("--base", "-b", metavar="M", required=True, help="what is tuned: smollm2-135m, ORG/NAME")
    circle.add_argument("--out", "-o", metavar="DIR", type=Path, required=True, help="everything goes there")
    circle.add_argument("--teacher", metavar="M", default="reference", help="who plays the tasks of round 1")
    circle.add_argument("--tasks", metavar="TASKS", default="learn", help="as for `codeact collect`")
    circle.add_argument("--rounds", type=int, default=1, metavar="R", help="in later ones the tuned model plays")
    circle.add_argument("--limit", type=int, default=400, metavar="N", help="tasks a round")
    circle.add_argument("--tries", type=int, default=4, metavar="K", help="of each task, where a model plays")
    circle.add_argument("--heldout", type=int, default=60, metavar="N", help="held-out tasks to evaluate on")
    circle.add_argument(
        "--checkout", metavar="PATH", type=Path, help="of this repository: evaluate quickstart, too"
    )
    circle.add_argument("--seed", type=int, default=0, metavar="S")
    circle.add_argument("--engine", default="local", help="where episodes run: local or ray")
    circle.add_argument("--jobs", "-j", type=int, default=1, metavar="N", help="episodes at a time")
    circle.add_argument("--train", default="", metavar="OPTIONS", help='for `codeact train`, e.g. "--epochs 2"')
    circle.add_argument("--dataset", default="", metavar="OPTIONS", help="for `codeact dataset`")
    circle.add_argument("--until", choices=STEPS, default="", help="leave out what comes after this step")
    circle.add_argument("--plan", action="store_true", help="print the commands and run none")
    able = subparsers.add_parser(
        "ability",
        help="general ability of a model, and what tuning cost it",
        description="Measure the perplexity of 100 texts and the share of 48 easy questions that are answered "
        "right, by likelihood; the models after the first are compared with it. In-process, with torch.",
    )
    able.add_argument("models", nargs="+", metavar="M", help="smollm2-135m, ORG/NAME, a folder, an adapter")
    able.add_argument("--device", default="auto", help="auto, cpu, cuda")
    able.add_argument("--out", metavar="FILE.json", type=Path, help="where all figures go")


def main(args: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    if args.command == "ability":
        return _ability(args)
    circle = Circle(
        base=args.base,
        out=args.out,
        teacher=args.teacher,
        tasks=args.tasks,
        rounds=args.rounds,
        limit=args.limit,
        tries=args.tries,
        heldout=args.heldout,
        seed=args.seed,
        jobs=args.jobs,
        engine=args.engine,
        checkout=args.checkout,
        more={"train": _words(args.train), "dataset": _words(args.dataset)},
    )
    if args.plan:
        print("\n".join(command.line for command in plan(circle)))
        return 0
    return improve(circle, lambda line: print(line, flush=True), until=args.until)


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise ConfigError(f"The options {text!r} cannot be read ({error}); quote them as in a shell.") from None


def _ability(args: argparse.Namespace) -> int:
    measured: list[Ability] = []
    for name in args.models:
        measured.append(measure(name, args.device))
        print("\n".join(lines_of(measured[0], measured[-1])), flush=True)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([one.as_json() for one in measured], indent=1)
        args.out.write_text(f"{text}\n", encoding="utf-8")
        print(f"Written: {args.out}")
    return 0


def lines_of(base: Ability, one: Ability) -> list[str]:
    """Return what is said of a model: its figures with intervals, and how they differ from the base's."""
    low, high = interval(one)
    right = f"questions {share(sum(one.right), len(one.right))} of {len(one.right)}"
    lines = [one.model, f"  perplexity {one.perplexity:.2f} ({low:.2f} to {high:.2f}), {right}"]
    if one is not base:
        factor, low, high = change(base, one)
        first, second = (dict(zip(map(str, range(len(a.right))), a.right, strict=True)) for a in (base, one))
        _, lost, won, _ = paired(first, second)
        lines.append(
            f"  against {base.model}: perplexity x {factor:.3f} ({low:.3f} to {high:.3f}), "
            f"questions lost {lost}, won {won}, p {mcnemar(lost, won):.2f}"
        )
    return lines

"""`codeact dataset`, `codeact train`, `codeact convert`: episodes -> rows -> an adapter -> a GGUF file.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 130 interrupted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.cli_results import say
from codeact_kernel.learn import card
from codeact_kernel.learn.dataset import HF, PREFERENCES, TRAIN, VALIDATION, Wanted, facts, make
from codeact_kernel.learn.filters import MIN_TURNS
from codeact_kernel.terminal_view import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

COMMANDS = ("dataset",)
EVERY = 500
"""Trajectories between two lines of progress."""


def add_parsers(subparsers: Any) -> None:
    """Add `dataset` to the command line's subparsers."""
    data = subparsers.add_parser(
        "dataset",
        help="make training data of episodes",
        description="Put episodes through the funnel (solved, not too easy, recovered, no leakage ...) and write "
        "them as training data with a card. Secrets are taken out first.",
        epilog="Exit codes: 0 done, 1 failed, 2 usage, or nothing is left.",
    )
    data.add_argument(
        "places",
        metavar="DIR",
        nargs="+",
        type=Path,
        help="an --out of `codeact collect` or `codeact eval`, an .ipynb, or rows of CodeActInstruct (.jsonl)",
    )
    data.add_argument("--out", "-o", metavar="DATA", type=Path, required=True, help="made if need be")
    data.add_argument(
        "--min-turns",
        type=int,
        default=MIN_TURNS,
        metavar="N",
        help=f"turns at least (default: {MIN_TURNS}, as the paper)",
    )
    data.add_argument(
        "--unchecked", action="store_true", help="also episodes with an answer that no checker has seen"
    )
    data.add_argument("--only-recovered", action="store_true", help="only trajectories that hold an error")
    data.add_argument("--errors", action="store_true", help="train also the replies whose code failed")
    data.add_argument("--general", metavar="FILE.jsonl", type=Path, help="general conversations to mix in")
    data.add_argument(
        "--ratio", type=float, default=1.0, metavar="R", help="so many of them for each trajectory (default: 1)"
    )
    data.add_argument("--seed", type=int, default=0, metavar="S", help="of the draw of general conversations")
    data.add_argument(
        "--preferences", action="store_true", help="pairs of what users changed or refused, where they agreed"
    )
    data.add_argument("--no-hf", action="store_true", help="write no HF datasets folder")


def main(args: argparse.Namespace) -> int:
    """Run the command and return its exit code.

    Raises:
        ConfigError: it cannot be done as it was asked for.
    """
    commands: dict[str, Callable[[argparse.Namespace], int]] = {"dataset": _dataset}
    return commands[args.command](args)


def _dataset(args: argparse.Namespace) -> int:
    wanted = Wanted(
        min_turns=args.min_turns,
        unchecked=args.unchecked,
        only_recovered=args.only_recovered,
        errors=args.errors,
        preferences=args.preferences,
        general=args.general,
        ratio=args.ratio,
        seed=args.seed,
        hf=not args.no_hf,
    )

    def tell(seen: int, kept: int) -> None:
        if seen % EVERY == 0:
            say(f"codeact: {seen:,} read, {kept:,} kept")

    made = make(args.places, args.out, wanted, tell)
    known = facts(made, wanted)
    card.write(args.out, known, made.redactions)
    for sentence in made.troubles:
        say(f"codeact: {sentence}")
    for name, dropped, left in known["funnel"]:
        print(printable(f"{name:<36} {dropped:>8,} dropped {left:>8,} left", sys.stdout))
    if wanted.hf and not (args.out / HF).is_dir():
        say("codeact: there is no HF datasets folder: pip install 'codeact-kernel[train]' writes it, too.")
    counts = [f"{made.rows[name]:,} rows in {name}" for name in (TRAIN, VALIDATION) if made.rows[name]]
    if wanted.preferences:
        counts.append(f"{made.rows[PREFERENCES]:,} pairs")
    print(printable(f"{', '.join(counts)}; the card is {args.out / card.CARD}", sys.stdout))
    return 0

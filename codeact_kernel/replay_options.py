"""The options of what runs saved notebooks again, as the command line and the magic have them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from codeact_kernel.replay import user_rules
from codeact_kernel.replay.rules import Rules
from codeact_kernel.replay.runner import MOST_SECONDS, POLICIES, Options

if TYPE_CHECKING:
    import argparse


def add_how(parser: argparse.ArgumentParser) -> None:
    """Add how cells are run again and compared."""
    how = parser.add_argument_group("how cells are run again and compared")
    how.add_argument("--rtol", metavar="R", type=float, default=1e-6, help="relative tolerance of floats (1e-6)")
    how.add_argument("--rules", metavar="TOML", type=Path, help="rules of your own: what is taken out of texts")
    how.add_argument("--policy", choices=POLICIES, default="normal", help="what counts as a difference (normal)")
    how.add_argument("--without-prelude", action="store_true", help="leave out what ran before the episode")
    how.add_argument(
        "--anyway",
        action="store_true",
        help="go on with an episode that was changed, or that lacks packages or files",
    )
    how.add_argument("--trust", action="store_true", help="go on with a notebook whose outputs hold scripts")
    how.add_argument(
        "--timeout",
        metavar="S",
        type=float,
        default=MOST_SECONDS,
        help=f"seconds that a cell may take at most ({MOST_SECONDS:g}); less where its time was recorded",
    )


def add_goes_on(parser: argparse.ArgumentParser) -> None:
    """Add which step is the last one that is kept, and where the new episode lies."""
    parser.add_argument("--task", "-t", metavar="TASK", help="what to do; without it, the task of that step")
    parser.add_argument("--model", "-m", metavar="M", help="who goes on; without it, the episode's model")
    parser.add_argument("--out", "-o", metavar="FILE.ipynb", type=Path, help="the new episode's file")


def options_of(args: argparse.Namespace) -> Options:
    """Return how a replay is made, from the parsed arguments.

    Raises:
        ConfigError: an argument cannot be used.
    """
    return Options(
        rules=Rules(user_rules.load(args.rules)) if args.rules is not None else None,
        rtol=args.rtol,
        policy=args.policy,
        without_prelude=args.without_prelude,
        anyway=args.anyway,
        trust=args.trust,
        kernel=getattr(args, "kernel", ""),
        most_seconds=args.timeout,
        isolation=getattr(args, "isolation", "no"),
    )

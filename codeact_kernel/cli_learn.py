"""`codeact dataset`, `codeact train`, `codeact convert`: episodes -> rows -> an adapter -> a GGUF file.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.cli_results import say
from codeact_kernel.learn import card
from codeact_kernel.learn.dataset import HF, PREFERENCES, TRAIN, VALIDATION, Wanted, facts, make
from codeact_kernel.learn.filters import MIN_TURNS
from codeact_kernel.learn.recipe import Recipe
from codeact_kernel.learn.to_gguf import KINDS, convert
from codeact_kernel.learn.train import Heard, train
from codeact_kernel.terminal_view import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

COMMANDS = ("dataset", "train", "convert")
GGUF = "model.gguf"
EVERY = 500
"""Trajectories between two lines of progress."""


def add_parsers(subparsers: Any) -> None:
    """Add `dataset`, `train` and `convert` to the command line's subparsers."""
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
    _add_train(subparsers)


def _add_train(subparsers: Any) -> None:
    made = Recipe("")
    tune = subparsers.add_parser(
        "train",
        help="fine-tune a model on a data set",
        description="Fine-tune a model by TRL and PEFT: only what a model wrote is taught. The same command goes "
        "on with a training that was cut off. On many GPUs: accelerate launch -m codeact_kernel.cli train ...",
        epilog="Exit codes: 0 done, 1 failed, 2 usage or configuration, 130 interrupted.",
    )
    tune.add_argument("--base", "-b", metavar="M", required=True, help="smollm2-135m, ORG/NAME, a folder, a .gguf")
    tune.add_argument("--data", "-d", metavar="DATA", type=Path, required=True, help="of `codeact dataset`")
    tune.add_argument("--out", "-o", metavar="ADAPTER", type=Path, required=True, help="made if need be")
    tune.add_argument("--full", action="store_true", help="all weights instead of a LoRA adapter")
    tune.add_argument("--rank", type=int, default=made.rank, metavar="N", help="of the adapter")
    tune.add_argument("--rate", type=float, default=0.0, metavar="R", help="peak learning rate")
    tune.add_argument("--epochs", type=float, default=made.epochs, metavar="E")
    tune.add_argument("--length", type=int, default=made.length, metavar="N", help="tokens of a pack")
    tune.add_argument("--batch", type=int, default=made.batch, metavar="N", help="packs a step")
    tune.add_argument("--most-tokens", type=int, default=0, metavar="N", help="take rows up to so many tokens")
    tune.add_argument("--stop-after", type=int, default=0, metavar="N", help="end after so many steps")
    tune.add_argument("--seed", type=int, default=0, metavar="S")
    tune.add_argument("--save-steps", type=int, default=made.save_steps, metavar="N", help="between checkpoints")
    tune.add_argument("--threads", type=int, default=0, metavar="N", help="of torch, on a CPU")
    tune.add_argument("--gguf", action="store_true", help="then write ADAPTER/model.gguf, too")
    gguf = subparsers.add_parser(
        "convert",
        help="write a tuned model as a GGUF file",
        description="Merge an adapter into its base and write both as a GGUF file for llama.cpp. The base must "
        "have been a GGUF file.",
    )
    gguf.add_argument("adapter", metavar="ADAPTER", type=Path, help="an --out of `codeact train`")
    gguf.add_argument("--out", "-o", metavar="FILE.gguf", type=Path, help="default: ADAPTER/model.gguf")
    gguf.add_argument("--kind", choices=KINDS, default=KINDS[0], help=f"of its numbers (default: {KINDS[0]})")


def main(args: argparse.Namespace) -> int:
    """Run the command and return its exit code.

    Raises:
        ConfigError: it cannot be done as it was asked for.
    """
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "dataset": _dataset,
        "train": _train,
        "convert": _convert,
    }
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


def _train(args: argparse.Namespace) -> int:
    recipe = Recipe(
        base=args.base,
        full=args.full,
        rank=args.rank,
        rate=args.rate,
        epochs=args.epochs,
        length=args.length,
        batch=args.batch,
        most_tokens=args.most_tokens,
        stop_after=args.stop_after,
        seed=args.seed,
        save_steps=args.save_steps,
        threads=args.threads,
    )
    with _bar() as tell:
        made = train(args.data, args.out, recipe, tell)
    for name, digest in made.get("sha256", {}).items():
        print(printable(f"{digest}  {args.out / name}", sys.stdout))
    return _written(args.out, args.out / GGUF, KINDS[0]) if args.gguf else 0


def _convert(args: argparse.Namespace) -> int:
    return _written(args.adapter, args.out or args.adapter / GGUF, args.kind)


def _written(folder: Path, out: Path, kind: str) -> int:
    digest = convert(folder, out, kind)
    print(printable(f"{digest}  {out}", sys.stdout))
    return 0


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[Heard], None]]:
    """Give what shows each step: a bar on a terminal, a line elsewhere."""
    if not sys.stderr.isatty():
        yield lambda heard: say(
            f"codeact: step {heard.step} of {heard.steps}, loss {heard.loss:.4f}, {heard.rate:,.0f} tokens/s"
        )
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, needed only here
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        bar = shown.add_task("loading", total=None)

        def tell(heard: Heard) -> None:
            words = f"loss {heard.loss:.4f}, {heard.rate:,.0f} tokens/s"
            shown.update(bar, total=heard.steps, completed=heard.step, description=words)

        yield tell

"""`%codeact replay | rehearse | fork | resume FILE`: asks first, runs the cells here, shows what came of it."""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from IPython.core.error import UsageError

from codeact_kernel.agent.approval import visible
from codeact_kernel.errors import ConfigError
from codeact_kernel.replay import loading, page, report
from codeact_kernel.replay.fork import branch
from codeact_kernel.replay.rehearse import rehearse
from codeact_kernel.replay_options import add_goes_on, add_how, options_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeact_kernel.replay.live import LiveReplay
    from codeact_kernel.replays import Replays

NOBODY = "Nobody is here to allow that the cells run; with --yes they run without asking."
FRAME = 0.2
"""Seconds between two redraws of the line that counts cells."""
MOST_QUESTIONS = 5
_CHOICES = {"y": "all", "yes": "all", "a": "all", "s": "one", "step": "one", "": "one", "n": "no", "no": "no"}


@dataclass(frozen=True, slots=True)
class Following:
    """The task that goes on with an episode, and who does it; None for the model that is set."""

    task: str
    model: str | None


class ReplayVerbs:
    """Carries out the words of the magic that are about saved notebooks."""

    def __init__(self, replays: Replays) -> None:
        self._replays = replays

    async def do(self, verb: str, words: list[str]) -> Following | None:
        """Do what was asked; return what the agent shall go on with, None for nothing.

        Raises:
            CodeActError: it cannot be done.
            UsageError: an option that there is not.
        """
        args = _parser(verb).parse_intermixed_args(words)
        if verb == "rehearse":
            for path in args.files:
                await self._rehearse(path)
            return None
        if verb == "replay":
            if args.report is not None:
                report.check_free(args.report, args.file)
            live = self._replays.open(args.file, options_of(args))
            if await self._carry_out(live, yes=args.yes) and args.report is not None:
                report.write(live.found(), args.report)
                print(f"report: {args.report}")  # noqa: T201
            return None
        return await self._go_on(args, getattr(args, "step", None))

    async def _go_on(self, args: argparse.Namespace, step: int | None) -> Following | None:
        """Replay an episode up to a step, then go on from there."""
        options = options_of(args)
        kept = branch(loading.load(args.file, trust=options.trust), step)
        live = self._replays.open(args.file, options, through=kept.step)
        task = args.task or " ".join(args.words) or None
        if task is None and kept.answered:
            raise ConfigError(f"Step {kept.step} is the answer; say what to do next, or name an earlier step.")
        if not await self._carry_out(live, yes=args.yes):
            return None
        if live.state != "done":
            return None
        task, model = self._replays.go_on(live, task, model=args.model, out=args.out)
        return Following(task, model)

    async def _carry_out(self, live: LiveReplay, *, yes: bool) -> bool:
        """Ask, run the cells, show what came of it; say whether any ran."""
        choice = "all"
        if not yes:
            print(page.opening(live))  # noqa: T201
            choice = _ask("Run them? [y]es / [s]tep by step / [n]o: ")
        if choice == "no":
            print("Nothing was run.")  # noqa: T201
            return False
        counting = _Counting(live)
        while live.state == "ready":
            await self._replays.go(live, None if choice == "all" else 1, told=counting.told)
            if choice != "one" or live.state != "ready":
                continue
            print(page.line(live.results[-1]))  # noqa: T201
            print(f"next: {page.name_of(live.left[0])}\n{_shown(live.left[0].source)}")  # noqa: T201
            choice = _ask("Run it? [y]es, and all others / [s]tep: only this one / [n]o, end here: ")
            if choice == "no":
                break
        counting.over()
        if bool(live.results):
            _show(live)
        return bool(live.results)

    async def _rehearse(self, path: Path) -> None:
        notebook = loading.load(path, trust=True)
        found = await asyncio.to_thread(lambda: asyncio.run(rehearse(notebook, path)))
        for note in found.notes:
            print(f"! {visible(note)}")  # noqa: T201
        if found.problem:
            print(f"{path}: {found.problem}\n{found.difference}")  # noqa: T201
        else:
            print(f"{path}: all {found.of} steps are as recorded.")  # noqa: T201


def _ask(prompt: str) -> str:
    """Return "all", "one" or "no".

    Raises:
        ConfigError: nobody is there.
    """
    for _ in range(MOST_QUESTIONS):
        try:
            answer = input(prompt)
        except (EOFError, OSError):
            raise ConfigError(NOBODY) from None
        except Exception as error:
            if type(error).__name__ == "StdinNotImplementedError":
                raise ConfigError(NOBODY) from None
            raise
        choice = _CHOICES.get(answer.strip().lower())
        if choice is not None:
            return choice
        print("Please answer y, s or n.")  # noqa: T201
    raise ConfigError(NOBODY)


def _show(live: LiveReplay) -> None:
    """Show what came of it: as HTML where there is a front end, else as text."""
    found = live.found()
    if _displays():
        from IPython.display import display  # noqa: PLC0415 - only where it is shown

        bundle = {"text/plain": page.text(found), "text/html": page.page(found)}
        display(bundle, raw=True)  # type: ignore[no-untyped-call, unused-ignore]
    else:
        print(page.text(found))  # noqa: T201


def _displays() -> bool:
    """Say whether what is displayed goes to a front end."""
    from IPython import get_ipython  # noqa: PLC0415 - import time

    return getattr(get_ipython(), "kernel", None) is not None


def _shown(source: str) -> str:
    return "\n".join(f"  | {visible(line)}" for line in source.split("\n")[:40])


class _Counting:
    """Counts the cells that ran: one line that changes in a notebook, one line a cell in a terminal."""

    def __init__(self, live: LiveReplay) -> None:
        self._live = live
        self._drawn = 0.0
        self._said = 0
        self._update: Callable[[str], None] | None = self._begin() if _displays() else None

    def _begin(self) -> Callable[[str], None]:
        from IPython.display import display  # noqa: PLC0415

        handle = display({"text/plain": ""}, raw=True, display_id=True)  # type: ignore[no-untyped-call]

        def update(words: str) -> None:
            handle.update({"text/plain": words}, raw=True)

        return update

    def told(self) -> None:
        """Count the cells that ran."""
        done, of, present = len(self._live.results), len(self._live.planned.cells), time.monotonic()
        if self._update is None:
            for result in self._live.results[self._said :]:
                print(page.line(result))  # noqa: T201
            self._said = done
            return
        if present - self._drawn >= FRAME:
            self._drawn = present
            self._update(f"{done} of {of} cells, {self._live.path.name}")

    def over(self) -> None:
        """Take the line away."""
        if self._update is not None:
            self._update("")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; `%codeact help` lists the options.")


def _parser(verb: str) -> _Parser:
    parser = _Parser(prog=f"%codeact {verb}", add_help=False, usage=argparse.SUPPRESS, allow_abbrev=False)
    if verb == "rehearse":
        parser.add_argument("files", nargs="+", type=Path)
        return parser
    parser.add_argument("file", type=Path)
    parser.add_argument("--yes", "-y", action="store_true", help="run without asking")
    if verb == "replay":
        parser.add_argument("--report", type=Path)
    else:
        parser.add_argument("words", nargs="*")
        add_goes_on(parser)
    if verb == "fork":
        parser.add_argument("--step", type=int, required=True)
    add_how(parser)
    return parser

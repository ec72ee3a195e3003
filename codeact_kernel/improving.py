"""The circle: collect, filter, train, evaluate, compare, as a row of commands that can be gone on with."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codeact_kernel.errors import ConfigError
from codeact_kernel.learn import reference

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STEPS = ("collect", "dataset", "train", "eval", "ability", "report")


@dataclass(frozen=True, slots=True)
class Circle:
    """What is asked for; see `codeact improve --help`. `more` are further options, by the command they are for."""

    base: str
    out: Path
    teacher: str = reference.NAME
    tasks: str = "learn"
    rounds: int = 1
    limit: int = 400
    tries: int = 4
    heldout: int = 60
    seed: int = 0
    jobs: int = 1
    engine: str = "local"
    checkout: Path | None = None
    more: dict[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the circle; `what` is said of it."""

    step: str
    what: str
    words: tuple[str, ...]

    @property
    def line(self) -> str:
        """The command as one would type it."""
        return shlex.join(("codeact", *self.words))


def plan(circle: Circle) -> list[Command]:
    """Return the commands of all rounds.

    In the first round the teacher plays the tasks; in later ones the model tuned last does, tasks drawn anew,
    several tries each. What the checker accepts is added to what there was, and each round tunes the base anew.

    Raises:
        ConfigError: a number below 1.
    """
    if min(circle.rounds, circle.limit, circle.tries, circle.heldout, circle.jobs) < 1:
        raise ConfigError("--rounds, --limit, --tries, --heldout and --jobs must be 1 or more.")
    commands: list[Command] = []
    collected: list[str] = []
    evaluated = [circle.out / "base"]
    player = circle.teacher
    for number in range(1, circle.rounds + 1):
        here = circle.out / f"round-{number}"
        tries = 1 if player == reference.NAME else circle.tries
        collected.append(str(here / "episodes"))
        adapter = here / f"tuned-{number}"
        commands += [
            _command(
                circle,
                "collect",
                f"round {number}: {player} plays tasks",
                *(circle.tasks, "--model", player, "--epochs", str(tries), "--limit", str(circle.limit)),
                *("--seed", str(circle.seed + number), "--engine", circle.engine, "-j", str(circle.jobs)),
                *("--out", str(here / "episodes")),
            ),
            _command(
                circle,
                "dataset",
                f"round {number}: the episodes become training data",
                *(*collected, "--out", str(here / "data")),
            ),
            _command(
                circle,
                "train",
                f"round {number}: {circle.base} is tuned",
                *("--base", circle.base, "--data", str(here / "data"), "--out", str(adapter)),
                *("--seed", str(circle.seed)),
            ),
            *_measures(circle, f"hf:{adapter}", here, f"round {number}: the tuned model"),
        ]
        evaluated.append(here)
        player = f"hf:{adapter}"
    measured = _measures(circle, circle.base, circle.out / "base", "the base")
    return [*commands, *measured, *_comparisons(circle, evaluated)]


def _command(circle: Circle, step: str, what: str, *words: str) -> Command:
    return Command(step, what, (step, *words, *(circle.more or {}).get(step, ())))


def _model(name: str) -> str:
    """Return the name under which transformers plays a base: training and measuring read it in the same way."""
    return name if ":" in name else f"hf:{name}"


def _measures(circle: Circle, model: str, folder: Path, who: str) -> list[Command]:
    """Return the evaluations of one model: held-out families, and `quickstart` where there is a checkout."""
    sample = ("--limit", str(circle.heldout), "--sample", "stratified", "--seed", str(circle.seed))
    found = [
        _command(
            circle,
            "eval",
            f"{who} on the held-out families",
            *("learn", "--protocol", "heldout", "--model", _model(model), *sample),
            *("--engine", circle.engine, "-j", str(circle.jobs), "--out", str(folder / "heldout")),
        )
    ]
    if circle.checkout is not None:
        found.append(
            _command(
                circle,
                "eval",
                f"{who} on the held-out half of quickstart",
                *("quickstart", "--data", str(circle.checkout), "--protocol", "heldout", "--model", _model(model)),
                *("-j", str(circle.jobs), "--out", str(folder / "quickstart")),
            )
        )
    return found


def _comparisons(circle: Circle, folders: list[Path]) -> list[Command]:
    models = [circle.base, *(str(folder / f"tuned-{number}") for number, folder in enumerate(folders) if number)]
    suites = ["heldout", *(["quickstart"] if circle.checkout is not None else [])]
    return [
        _command(circle, "ability", "general ability", *models, "--out", str(circle.out / "ability.json")),
        _command(
            circle,
            "report",
            "the comparison",
            *(str(folder / suite) for suite in suites for folder in folders),
            *("--out", str(circle.out / "report.ipynb")),
        ),
    ]


def improve(circle: Circle, tell: Callable[[str], None], *, until: str = "") -> int:
    """Run the commands of the circle one after another, those of a step `until` and before it where one is named.

    Each goes on where it was stopped, so the whole does. Returns 0, or the exit code of the command that failed.

    Raises:
        ConfigError: see `plan`.
    """
    for command in plan(circle):
        if until and STEPS.index(command.step) > STEPS.index(until):
            continue
        tell(f"\n== {command.what}\n$ {command.line}")
        done = subprocess.run([sys.executable, "-m", "codeact_kernel.cli", *command.words], check=False)  # noqa: S603
        if done.returncode:
            tell(f"That ended with the exit code {done.returncode}; the same command goes on from here.")
            return done.returncode
    return 0

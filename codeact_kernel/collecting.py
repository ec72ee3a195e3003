"""Collecting: suites of tasks played for their episodes, of which the checker says which may be learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate.run import Order, evaluate
from codeact_kernel.evaluate.suites.known import SUITES
from codeact_kernel.evaluate.suites.learn import Learn
from codeact_kernel.learn import reference

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from codeact_kernel.config import CodeAct
    from codeact_kernel.evaluate.ledger import Row

WARM = 0.7
"""Temperature where a task is played more than once: greedy episodes would all be the same."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be collected; see `codeact collect --help`. `tasks` is SUITE or SUITE:PROTOCOL."""

    tasks: str
    config: CodeAct
    out: Path
    data: Path | None = None
    epochs: int = 1
    limit: int | None = None
    seed: int = 0
    engine: str = "local"
    jobs: int = 1


def collect(wanted: Wanted, told: Callable[[Row], None]) -> list[Row]:
    """Play the tasks and return all rows; episodes and results.json are in `wanted.out`. Goes on where it stopped.

    Raises:
        ConfigError: there is no such suite, or the model or a setting cannot be used.
        BusyError: another run writes there.
    """
    name, _, protocol = wanted.tasks.partition(":")
    suite = SUITES.get(name)
    if suite is None:
        raise ConfigError(f"There are no tasks {name!r}; give one of {', '.join(sorted(SUITES))}.")
    config = wanted.config
    if config.model == reference.NAME:
        if not isinstance(suite, Learn):
            raise ConfigError(f"The model `reference` knows the tasks of `learn` only, not those of {name}.")
        if wanted.epochs > 1:
            raise ConfigError("The model `reference` says the same each time; leave --epochs out.")
        config = config.updated(model=reference.MODEL)
    elif wanted.epochs > 1:
        temperature = config.temperature or WARM
        seed = wanted.seed if config.seed is None else config.seed
        config = config.updated(temperature=temperature, seed=seed)
    order = Order(
        suite=suite,
        data=wanted.data,
        out=wanted.out,
        config=config,
        protocol=protocol,
        limit=wanted.limit,
        kind="stratified",
        seed=wanted.seed,
        epochs=wanted.epochs,
        engine=wanted.engine,
        jobs=wanted.jobs,
    )
    return evaluate(order, told)


def accepted(rows: list[Row]) -> list[Row]:
    """Return the rows whose episodes the checker accepted."""
    return [row for row in rows if row["scores"].get("solved", 0.0) >= 1 and row["episode"]]

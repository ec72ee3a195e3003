"""An evaluation: which jobs, what is done already, and the results; goes on where it was stopped."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from codeact_kernel._version import __version__
from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate import engine_local, engine_ray, results
from codeact_kernel.evaluate.case import Job
from codeact_kernel.evaluate.engine import Setup
from codeact_kernel.evaluate.ledger import Ledger, Row
from codeact_kernel.evaluate.play import set_aside
from codeact_kernel.evaluate.sample import sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from codeact_kernel.config import CodeAct
    from codeact_kernel.evaluate.case import Case
    from codeact_kernel.evaluate.suite import Suite

WRITE_SECONDS = 5.0
"""results.json is whole and at most so old; what counts is the ledger."""
MOST_ATTEMPTS = 3
SUSPECT_AFTER = 3
"""Attempts of a job that ended with the process that played it. Not each is its fault, since others were played
beside it; from here on it is played after all others, alone."""
MOST_ALONE = 2
"""Such attempts of a job that was played alone, after which nothing else can be to blame."""
PACKAGES = ("ipykernel", "ipython", "xllamacpp", "transformers", "torch", "ray", "pandas")


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for; see `codeact eval --help`."""

    suite: Suite
    data: Path | None
    out: Path
    config: CodeAct
    actions: tuple[str, ...] = ("code",)
    protocol: str = ""
    groups: tuple[str, ...] = ()
    limit: int | None = None
    kind: str = "first"
    seed: int = 0
    epochs: int = 1
    engine: str = "local"
    jobs: int = 1


def evaluate(order: Order, told: Callable[[Row], None]) -> list[Row]:
    """Carry an evaluation out, or go on with it, and return all its rows in the order of its jobs.

    `told` is called with each new row. Results are written to `order.out` as they come.

    Raises:
        ConfigError: something asked for cannot be; see `Ledger`, `Suite.cases`, `models.select.resolve`.
        BusyError: another run writes there.
    """
    protocol = order.protocol or order.suite.protocols[0]
    if protocol not in order.suite.protocols:
        raise ConfigError(
            f"{order.suite.name} is played as {' or '.join(order.suite.protocols)}, not {protocol!r}."
        )
    cases = sample(_chosen(order, protocol), order.limit, order.kind, order.seed)
    jobs = [
        Job(order.suite.name, protocol, case, action, epoch)
        for epoch in range(1, order.epochs + 1)
        for case in cases
        for action in order.actions
    ]
    about = manifest(order, protocol)
    ledger, written = Ledger(order.out, about), 0.0
    try:
        while left := _next(jobs, ledger):
            alone = _suspected(left[0], ledger)
            setup = Setup(order.suite, order.config, order.data, order.out, order.jobs)
            run = ENGINES[order.engine]
            for job, _attempt, row, reason in run(left, setup, partial(_begin, ledger=ledger, alone=alone)):
                if row is None:
                    ledger.failed(job.id, reason, lost=reason == engine_ray.LOST)
                elif ledger.done(row):
                    told(row)
                    if time.monotonic() - written > WRITE_SECONDS:
                        results.write(order.out, about, _in_order(jobs, ledger))
                        written = time.monotonic()
        return _in_order(jobs, ledger)
    finally:
        results.write(order.out, about, _in_order(jobs, ledger), parquet=True)
        ledger.close()


def _chosen(order: Order, protocol: str) -> list[Case]:
    """Return the cases of the groups that are asked for, all where none is named."""
    cases = order.suite.cases(order.data, protocol)
    known = dict.fromkeys(case.group for case in cases)
    for group in order.groups:
        if group not in known:
            raise ConfigError(f"{order.suite.name} has no group {group!r}; there are {', '.join(known)}.")
    return [case for case in cases if not order.groups or case.group in order.groups]


def _begin(job: Job, *, ledger: Ledger, alone: bool) -> int:
    return ledger.begin(job.id, alone=alone)


def _next(jobs: Sequence[Job], ledger: Ledger) -> list[Job]:
    """Return what is to be played next: all that is left, then one suspect at a time.

    A job that was begun too often without a result is set aside with the reason.
    """
    left = []
    for job in jobs:
        if job.id in ledger.rows:
            continue
        if ledger.failures[job.id] >= MOST_ATTEMPTS or ledger.alone[job.id] >= MOST_ALONE:
            attempts = ledger.begun[job.id]
            reason = ledger.reasons.get(job.id, "Each attempt ended without a result: its process was killed.")
            ledger.done(set_aside(job, attempts, f"{attempts} attempts: {reason}"))
        else:
            left.append(job)
    return [job for job in left if not _suspected(job, ledger)] or left[:1]


def _suspected(job: Job, ledger: Ledger) -> bool:
    """Say whether so many attempts were lost that the job may be what kills."""
    return ledger.begun[job.id] - ledger.failures[job.id] >= SUSPECT_AFTER


def _in_order(jobs: Sequence[Job], ledger: Ledger) -> list[Row]:
    return [ledger.rows[job.id] for job in jobs if job.id in ledger.rows]


def manifest(order: Order, protocol: str) -> Row:
    """Return what makes two evaluations the same one, and what they ran on."""
    config = order.config
    return {
        "suite": order.suite.name,
        "protocol": protocol,
        "actions": list(order.actions),
        "model": config.model,
        "groups": list(order.groups),
        "limit": order.limit,
        "sample": order.kind if order.limit is not None else "all",
        "sample_seed": order.seed if order.kind == "stratified" else None,
        "epochs": order.epochs,
        "sampling": {"temperature": config.temperature, "top_p": config.top_p, "seed": config.seed},
        "versions": versions(),
        "machine": {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()},
        "scores": list(order.suite.scores),
        "turns": order.suite.turns,
    }


def versions() -> dict[str, Any]:
    """Return Python's version, ours, and those of the packages that matter and are there."""
    found = {"codeact-kernel": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


ENGINES = {"local": engine_local.run, "ray": engine_ray.run}

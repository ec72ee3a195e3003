"""Which cases: all of them, the first, every so manieth, or a sample that keeps the groups' shares."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

from codeact_kernel.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeact_kernel.evaluate.case import Case

KINDS = ("first", "stratified", "every")


def sample(cases: Sequence[Case], limit: int | None, kind: str, seed: int) -> list[Case]:
    """Return at most `limit` cases, in the suite's order; None takes all.

    Args:
        cases: all of the suite.
        limit: how many.
        kind: "first"; "every", evenly spaced from the first on (a quarter is every fourth); "stratified", from
            each group by chance in proportion to its size, the largest remainders rounded up.
        seed: of the stratified sample.

    Raises:
        ConfigError: a limit below 1.
    """
    if limit is None or limit >= len(cases):
        return list(cases)
    if limit < 1:
        raise ConfigError(f"--limit {limit} leaves no case; give 1 or more.")
    if kind == "first":
        return list(cases[:limit])
    if kind == "every":
        stride = math.ceil(len(cases) / limit)
        return list(cases[::stride])
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.group, []).append(case)
    chance = Random(f"codeact/sample/{seed}")  # noqa: S311 - a sample, not a secret
    chosen = {
        case.id
        for name, count in _shares({name: len(group) for name, group in groups.items()}, limit).items()
        for case in chance.sample(groups[name], count)
    }
    return [case for case in cases if case.id in chosen]


def _shares(sizes: dict[str, int], limit: int) -> dict[str, int]:
    """Share `limit` out in proportion to sizes."""
    total = sum(sizes.values())
    exact = {name: limit * size / total for name, size in sizes.items()}
    shares = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(sizes, key=lambda name: (shares[name] - exact[name], name))
    for name in by_remainder[: limit - sum(shares.values())]:
        shares[name] += 1
    return shares

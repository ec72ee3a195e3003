"""The few statistics that a comparison on the same tasks needs, exact where it is cheap."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Z95 = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


def wilson(won: float, count: int, z: float = Z95) -> tuple[float, float]:
    """Return the Wilson score interval of a share, 0 to 1; (0, 1) for no trials. It holds the share."""
    if not count:
        return 0.0, 1.0
    share = won / count
    middle = share + z * z / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    # Of none and of all, a bound is the share itself but for rounding.
    return min(share, max(0.0, (middle - spread) / scale)), max(share, min(1.0, (middle + spread) / scale))


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided exact p of McNemar's test: how odd these discordant pairs are if neither is better."""
    count = only_first + only_second
    if not count:
        return 1.0
    fewer = min(only_first, only_second)
    tail: float = sum(math.comb(count, one) for one in range(fewer + 1)) / 2**count
    return min(1.0, 2 * tail)


def paired(first: Mapping[str, bool], second: Mapping[str, bool]) -> tuple[int, int, int, int]:
    """Return how many tasks that both tried both solved, only the first, only the second, neither."""
    counts = [0, 0, 0, 0]
    for key in first.keys() & second.keys():
        counts[2 * (not first[key]) + (not second[key])] += 1
    return counts[0], counts[1], counts[2], counts[3]

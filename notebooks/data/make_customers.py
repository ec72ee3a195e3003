"""Make customers.csv: 2,600 made-up customers of a made-up box of vegetables by subscription.

    python notebooks/data/make_customers.py

The file is the same on every machine: the standard library's seeded generator draws everything. The story in it:
in April 2025 the fee rose by 30 % in the region East and nowhere else, and many customers there left because of
it.
"""

# ruff: noqa: INP001 - a script beside its data
from __future__ import annotations

import csv
from pathlib import Path
from random import Random

SEED = 20251
CUSTOMERS = 2600
REGIONS = {"North": 24, "South": 23, "East": 19, "West": 21, "Central": 13}
PLANS = {"small": (19.0, 5), "family": (29.0, 4), "large": (39.0, 2)}
REASONS = {"moved away": 5, "too much food": 4, "quality": 3, "competitor": 3, "price": 2}
RISE_REGION, RISE, RISE_MONTH = "East", 1.3, 27
FIRST_YEAR, LAST_MONTH = 2023, 33
"""Months count from 0, January 2023; the last one in the file is September 2025."""
COLUMNS = (
    "customer_id",
    "region",
    "plan",
    "signup_month",
    "monthly_fee",
    "support_tickets",
    "status",
    "left_month",
    "cancel_reason",
)


def month(number: int) -> str:
    """Return a month as text: 0 is 2023-01."""
    return f"{FIRST_YEAR + number // 12}-{number % 12 + 1:02d}"


def customer(chance: Random, number: int) -> dict[str, object]:
    """Draw one customer; empty cells are None."""
    region = chance.choices(list(REGIONS), list(REGIONS.values()))[0]
    plan = chance.choices(list(PLANS), [weight for _, weight in PLANS.values()])[0]
    signup = chance.randint(0, LAST_MONTH - 4)
    left, reason = leaving(chance, region, signup)
    raised = region == RISE_REGION and (left is None or left >= RISE_MONTH)
    tickets = min(9, int(chance.expovariate(0.8)))
    return {
        "customer_id": f"C{10000 + number}",
        "region": region,
        "plan": plan,
        "signup_month": month(signup),
        "monthly_fee": round(PLANS[plan][0] * (RISE if raised else 1), 2),
        "support_tickets": None if chance.random() < 0.03 else tickets,
        "status": "active" if left is None else "lost",
        "left_month": None if left is None else month(left),
        "cancel_reason": None if chance.random() < 0.06 else reason,
    }


def leaving(chance: Random, region: str, signup: int) -> tuple[int | None, str | None]:
    """Draw when and why a customer left, if they did: the dear months of the raised region come on top."""
    if chance.random() < 0.14:
        return chance.randint(signup + 1, LAST_MONTH - 1), chance.choices(list(REASONS), list(REASONS.values()))[0]
    if region == RISE_REGION and chance.random() < 0.27:
        return max(signup + 1, chance.randint(RISE_MONTH, LAST_MONTH - 1)), "price"
    return None, None


def rows() -> list[dict[str, object]]:
    """Return all customers."""
    chance = Random(SEED)  # noqa: S311 (made-up data)
    return [customer(chance, number) for number in range(CUSTOMERS)]


def main() -> None:
    """Write customers.csv beside this file."""
    path = Path(__file__).with_name("customers.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows())


if __name__ == "__main__":
    main()

"""Held-out tasks on columns: dates, strings, missing values, statistics."""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import correlation, fmean, median
from typing import TYPE_CHECKING

from benchmarks.quickstart.expect import CsvFile, Name, Number
from benchmarks.quickstart.task import Play, Row, Task, names, others, rng, table, top, totals

if TYPE_CHECKING:
    from collections.abc import Callable

HALF = "heldout"
PANDAS = "import pandas as pd"


def dates_weekday() -> Task:
    """Find the weekday with most rows."""
    chance = rng(HALF, "dates-1")
    start = datetime(2023, 1, 1)  # noqa: DTZ001 (a table's local time)
    weights = [1.9 if (start + timedelta(days=day)).weekday() == 3 else 1 for day in range(365)]
    moments = sorted(
        start + timedelta(days=chance.choices(range(365), weights)[0], minutes=chance.randint(360, 1380))
        for _ in range(480)
    )
    rows: list[Row] = [
        {"ride": 70 + i, "started": moment.isoformat(sep=" "), "km": round(chance.uniform(1, 14), 1)}
        for i, moment in enumerate(moments)
    ]
    counts = totals((f"{moment:%A}", 1) for moment in moments)
    best = top(counts, lead=1.1)
    second = sorted(counts, key=lambda weekday: counts[weekday])[-2]
    return Task(
        "dates-1",
        HALF,
        "On which day of the week did the most rides start, and how many? See rides.csv.",
        {"rides.csv": table(rows)},
        (PANDAS,),
        (
            Name(best, {weekday: (weekday[:3], f"{weekday}s") for weekday in counts}),
            Number(counts[best], 0, others(counts, best), (len(rows), 3, 4)),
        ),
        Play(
            "started = pd.to_datetime(pd.read_csv('rides.csv')['started'])\n"
            "print(started.dt.day_name().value_counts().head(1))",
            f"Most rides started on a {best}: {counts[best]}.",
        ),
        Play("print('guess')", f"Most rides started on a {second}: {counts[second]}."),
    )


def dates_gap() -> Task:
    """Take the median of the nights between two dates, leaving open cases out."""
    chance = rng(HALF, "dates-2")
    rows: list[Row] = []
    for i in range(171):
        admitted = datetime(2023, 9, 1) + timedelta(days=chance.randint(0, 120))  # noqa: DTZ001 (calendar days)
        left = admitted + timedelta(days=1 + round(chance.expovariate(0.09)))
        gone = chance.random() > 0.2
        rows.append(
            {"stay": i, "admitted": f"{admitted:%Y-%m-%d}", "discharged": f"{left:%Y-%m-%d}" if gone else None}
        )
    gaps = [
        (datetime.fromisoformat(row["discharged"]) - datetime.fromisoformat(row["admitted"])).days
        for row in rows
        if row["discharged"]
    ]
    value = round(fmean(gaps), 1)
    padded = round(sum(gaps) / len(rows), 1)
    wrong = (padded, float(max(gaps)), float(median(gaps)), float(sum(gaps)))
    return Task(
        "dates-2",
        HALF,
        "What is the mean number of nights between admitted and discharged in the table `stays`? Leave out people "
        "who are still there. One decimal is enough.",
        {"stays.csv": table(rows)},
        (PANDAS, "stays = pd.read_csv('stays.csv')\nstays.tail(3)"),
        (Number(value, 0.051, wrong, (len(gaps), len(rows), len(rows) - len(gaps))),),
        Play(
            "nights = (pd.to_datetime(stays['discharged']) - pd.to_datetime(stays['admitted'])).dt.days\n"
            "print(round(nights.mean(), 1))",
            f"A stay takes {value} nights on average.",
        ),
        Play(
            "nights = (pd.to_datetime(stays['discharged']) - pd.to_datetime(stays['admitted'])).dt.days\n"
            "print(nights.sum() / len(stays))",
            f"A stay takes {padded} nights on average.",
        ),
    )


def strings() -> Task:
    """Count a name that people typed in different ways."""
    chance = rng(HALF, "strings")
    flavours = ["Vanilla", "Lemon", "Hazelnut", "Mango"]
    shapes: list[Callable[[str], str]] = [str, str.lower, str.upper, "  {}".format, lambda one: f"{one.upper()} "]
    rows: list[Row] = [
        {
            "order": i,
            "flavour": chance.choice(shapes)(chance.choices(flavours, [3, 4, 2, 2])[0]),
            "scoops": i % 3 + 1,
        }
        for i in range(1, 251)
    ]
    counts = totals((row["flavour"].strip().title(), 1) for row in rows)
    exact = sum(row["flavour"] == "Lemon" for row in rows)
    stripped = sum(row["flavour"].strip() == "Lemon" for row in rows)
    lowered = sum(row["flavour"].lower() == "lemon" for row in rows)
    value = counts["Lemon"]
    return Task(
        "strings",
        HALF,
        "How many of the orders in icecream.csv are for lemon? The flavour was typed by hand: there are stray "
        "spaces and capitals.",
        {"icecream.csv": table(rows)},
        (PANDAS,),
        (Number(value, 0, (exact, stripped, lowered, *others(counts, "Lemon")), (len(rows),)),),
        Play(
            "flavour = pd.read_csv('icecream.csv')['flavour'].str.strip().str.lower()\n"
            "print((flavour == 'lemon').sum())",
            f"{value} orders are for lemon.",
        ),
        Play(
            "print((pd.read_csv('icecream.csv')['flavour'].str.lower() == 'lemon').sum())",
            f"{lowered} orders are for lemon.",
        ),
    )


def missing_most() -> Task:
    """Find the column with most missing values."""
    chance = rng(HALF, "missing-1")
    shares = {"height": 0.04, "weight": 0.1, "pulse": 0.06, "glucose": 0.17}
    rows: list[Row] = [
        {
            "visit": i,
            **{
                name: None if chance.random() < share else chance.randint(50, 190)
                for name, share in shares.items()
            },
        }
        for i in range(280)
    ]
    counts = totals((name, row[name] is None) for row in rows for name in shares)
    best = top(counts, lead=1.1)
    second = sorted(counts, key=lambda name: counts[name])[-2]
    return Task(
        "missing-1",
        HALF,
        "In the table `visits`, which column has the most gaps (missing values), and how many?",
        {"visits.csv": table(rows)},
        (PANDAS, "visits = pd.read_csv('visits.csv')\nvisits.shape"),
        (
            Name(best, names(["visit", *shares])),
            Number(counts[best], 0, others(counts, best), (sum(counts.values()), len(rows) - counts[best])),
        ),
        Play(
            "missing = visits.isna().sum()\nprint(missing.idxmax(), missing.max())",
            f"The column `{best}` has the most missing values: {counts[best]}.",
        ),
        Play(
            "print(visits.isna().sum())", f"The column `{second}` has the most missing values: {counts[second]}."
        ),
    )


def missing_fill() -> Task:
    """Fill gaps with the median and save the table."""
    chance = rng(HALF, "missing-2")
    rows: list[Row] = [
        {
            "sample": f"S{i:03d}",
            "lab": chance.choice(["north", "south"]),
            "ph": None if chance.random() < 0.2 else round(6 + chance.expovariate(0.8), 2),
        }
        for i in range(141)
    ]
    middle = median(row["ph"] for row in rows if row["ph"] is not None)
    filled = [[row["sample"], row["lab"], middle if row["ph"] is None else row["ph"]] for row in rows]
    return Task(
        "missing-2",
        HALF,
        "In samples.csv some values of `ph` are missing. Put the median of the known ones in their place and "
        "save the complete table as samples_filled.csv, without touching samples.csv.",
        {"samples.csv": table(rows)},
        (PANDAS,),
        (CsvFile("samples_filled.csv", ("sample", "lab", "ph"), filled),),
        Play(
            "samples = pd.read_csv('samples.csv')\nsamples['ph'] = samples['ph'].fillna(samples['ph'].median())\n"
            "samples.to_csv('samples_filled.csv', index=False)\nprint(samples['ph'].isna().sum())",
            "I put the median in place of the missing values and saved samples_filled.csv.",
        ),
        Play(
            "samples = pd.read_csv('samples.csv').dropna()\nsamples.to_csv('samples_filled.csv', index=False)",
            "I saved samples_filled.csv.",
        ),
    )


def statistics() -> Task:
    """Correlate two columns for one group."""
    chance = rng(HALF, "statistics")
    slopes = {"spring": 0.6, "summer": 1.7, "autumn": -0.4}
    rows: list[Row] = []
    for i in range(190):
        season = chance.choice(list(slopes))
        rain = round(chance.uniform(0, 30), 1)
        growth = round(40 + slopes[season] * rain + chance.gauss(0, 9), 1)
        rows.append({"plot": i, "season": season, "rain_mm": rain, "growth_cm": growth})

    def pearson(season: str | None) -> float:
        kept = [row for row in rows if season in {None, row["season"]}]
        return round(correlation([row["rain_mm"] for row in kept], [row["growth_cm"] for row in kept]), 2)

    value, overall = pearson("spring"), pearson(None)
    return Task(
        "statistics",
        HALF,
        "How strongly do rain_mm and growth_cm go together in `plots` in spring? Give the Pearson correlation "
        "to two decimals.",
        {"plots.csv": table(rows)},
        (PANDAS, "plots = pd.read_csv('plots.csv')"),
        (Number(value, 0.0051, (overall, pearson("summer"), pearson("autumn"))),),
        Play(
            "spring = plots[plots['season'] == 'spring']\n"
            "print(round(spring['rain_mm'].corr(spring['growth_cm']), 2))",
            f"In spring the correlation is {value}.",
        ),
        Play("print(plots['rain_mm'].corr(plots['growth_cm']))", f"The correlation is {overall}."),
    )


TASKS = (dates_weekday, dates_gap, strings, missing_most, missing_fill, statistics)

"""Development tasks on columns: dates, strings, missing values, statistics."""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import correlation, fmean, median
from typing import TYPE_CHECKING

from benchmarks.quickstart.answers import MONTHS
from benchmarks.quickstart.expect import CsvFile, Name, Number
from benchmarks.quickstart.task import Play, Row, Task, names, others, rng, table, top, totals

if TYPE_CHECKING:
    from collections.abc import Callable

HALF = "dev"
PANDAS = "import pandas as pd"


def dates_month() -> Task:
    """Find the month with most rows."""
    chance = rng(HALF, "dates-1")
    start = datetime(2024, 1, 1)  # noqa: DTZ001 (a table's local time)
    weights = [1.8 if (start + timedelta(days=day)).month == 9 else 1 for day in range(366)]
    opened = sorted(
        start + timedelta(days=chance.choices(range(366), weights)[0], minutes=chance.randint(0, 1439))
        for _ in range(500)
    )
    rows: list[Row] = [
        {
            "ticket": 300 + i,
            "opened": moment.isoformat(sep=" "),
            "topic": chance.choice(["login", "billing", "bug"]),
        }
        for i, moment in enumerate(opened)
    ]
    counts = totals((MONTHS[moment.month - 1], 1) for moment in opened)
    best = top(counts, lead=1.1)
    second = sorted(counts, key=lambda month: counts[month])[-2]
    spellings = {month: (month[:3], f"2024-{i:02d}") for i, month in enumerate(MONTHS, 1) if month != "May"}
    return Task(
        "dates-1",
        HALF,
        "In which month of 2024 were the most tickets opened, and how many? See tickets.csv.",
        {"tickets.csv": table(rows)},
        (PANDAS,),
        (
            Name(best, {**spellings, "May": ("2024-05",)}),
            Number(counts[best], 0, others(counts, best), (len(rows), MONTHS.index(best) + 1)),
        ),
        Play(
            "opened = pd.to_datetime(pd.read_csv('tickets.csv')['opened'])\n"
            "print(opened.dt.month_name().value_counts().head(1))",
            f"Most tickets were opened in {best} 2024: {counts[best]:.0f}.",
        ),
        Play("print('guess')", f"Most tickets were opened in {second} 2024: {counts[second]:.0f}."),
    )


def dates_gap() -> Task:
    """Average the days between two dates, leaving open cases out."""
    chance = rng(HALF, "dates-2")
    rows: list[Row] = []
    for i in range(160):
        came = datetime(2024, 2, 1) + timedelta(days=chance.randint(0, 150))  # noqa: DTZ001 (calendar days)
        went = came + timedelta(days=chance.randint(1, 24))
        done = chance.random() > 0.15
        rows.append(
            {"repair": 40 + i, "came_in": f"{came:%Y-%m-%d}", "went_out": f"{went:%Y-%m-%d}" if done else None}
        )
    gaps = [
        (datetime.fromisoformat(row["went_out"]) - datetime.fromisoformat(row["came_in"])).days
        for row in rows
        if row["went_out"]
    ]
    value = round(fmean(gaps), 2)
    wrong = (float(median(gaps)), round(sum(gaps) / len(rows), 2), float(max(gaps)), float(sum(gaps)))
    return Task(
        "dates-2",
        HALF,
        "How many days does a repair take on average, from came_in to went_out? Leave out the ones that are not "
        "finished. The table is `repairs`; two decimals, please.",
        {"repairs.csv": table(rows)},
        (PANDAS, "repairs = pd.read_csv('repairs.csv')\nrepairs.tail(3)"),
        (Number(value, 0.0051, wrong, (len(gaps), len(rows), len(rows) - len(gaps))),),
        Play(
            "days = (pd.to_datetime(repairs['went_out']) - pd.to_datetime(repairs['came_in'])).dt.days\n"
            "print(round(days.mean(), 2))",
            f"A finished repair takes {value} days on average.",
        ),
        Play(
            "days = (pd.to_datetime(repairs['went_out']) - pd.to_datetime(repairs['came_in'])).dt.days\n"
            "print(days.fillna(0).mean())",
            f"A repair takes {wrong[1]} days on average.",
        ),
    )


def strings() -> Task:
    """Count a name that people typed in different ways."""
    chance = rng(HALF, "strings")
    cities = ["Berlin", "Hamburg", "Leipzig", "Bremen"]
    shapes: list[Callable[[str], str]] = [
        str,
        str.lower,
        str.upper,
        lambda text: f" {text}",
        lambda text: f"{text.lower()} ",
    ]
    rows: list[Row] = [
        {
            "respondent": i,
            "city": chance.choice(shapes)(chance.choices(cities, [4, 3, 2, 2])[0]),
            "age": chance.randint(18, 80),
        }
        for i in range(1, 231)
    ]
    counts = totals((row["city"].strip().title(), 1) for row in rows)
    exact = sum(row["city"] == "Berlin" for row in rows)
    stripped = sum(row["city"].strip() == "Berlin" for row in rows)
    lowered = sum(row["city"].lower() == "berlin" for row in rows)
    value = counts["Berlin"]
    return Task(
        "strings",
        HALF,
        "How many people in survey.csv live in Berlin? They typed the city by hand, so mind capitals and stray "
        "spaces.",
        {"survey.csv": table(rows)},
        (PANDAS,),
        (Number(value, 0, (exact, stripped, lowered, *others(counts, "Berlin")), (len(rows),)),),
        Play(
            "city = pd.read_csv('survey.csv')['city'].str.strip().str.lower()\nprint((city == 'berlin').sum())",
            f"{value} people live in Berlin.",
        ),
        Play("print((pd.read_csv('survey.csv')['city'] == 'Berlin').sum())", f"{exact} people live in Berlin."),
    )


def missing_most() -> Task:
    """Find the column with most missing values."""
    chance = rng(HALF, "missing-1")
    shares = {"temp_c": 0.05, "humidity": 0.14, "wind_ms": 0.09, "pressure": 0.02}
    rows: list[Row] = [
        {
            "hour": i,
            **{
                name: None if chance.random() < share else round(chance.uniform(5, 90), 1)
                for name, share in shares.items()
            },
        }
        for i in range(300)
    ]
    counts = totals((name, row[name] is None) for row in rows for name in shares)
    best = top(counts, lead=1.1)
    second = sorted(counts, key=lambda name: counts[name])[-2]
    return Task(
        "missing-1",
        HALF,
        "Which column of the table `readings` has the most missing values, and how many are missing there?",
        {"readings.csv": table(rows)},
        (PANDAS, "readings = pd.read_csv('readings.csv')\nreadings.shape"),
        (
            Name(best, names(["hour", *shares])),
            Number(counts[best], 0, others(counts, best), (sum(counts.values()), len(rows) - counts[best])),
        ),
        Play(
            "missing = readings.isna().sum()\nprint(missing.idxmax(), missing.max())",
            f"`{best}` has the most missing values: {counts[best]}.",
        ),
        Play("print(readings.isna().sum())", f"`{second}` has the most missing values: {counts[second]}."),
    )


def missing_fill() -> Task:
    """Fill gaps with the median and save the table."""
    chance = rng(HALF, "missing-2")
    rows: list[Row] = [
        {
            "person": f"P{i:03d}",
            "age": None if chance.random() < 0.18 else round(min(90, 20 + chance.expovariate(0.06))),
            "visits": chance.randint(0, 12),
        }
        for i in range(150)
    ]
    middle = median(row["age"] for row in rows if row["age"] is not None)
    filled = [[row["person"], middle if row["age"] is None else row["age"], row["visits"]] for row in rows]
    return Task(
        "missing-2",
        HALF,
        "Fill the missing values of `age` in people.csv with the median of the known ages and save the whole "
        "table as people_filled.csv. Leave people.csv as it is.",
        {"people.csv": table(rows)},
        (PANDAS,),
        (CsvFile("people_filled.csv", ("person", "age", "visits"), filled),),
        Play(
            "people = pd.read_csv('people.csv')\npeople['age'] = people['age'].fillna(people['age'].median())\n"
            "people.to_csv('people_filled.csv', index=False)\nprint(people['age'].isna().sum())",
            "I filled the missing ages with the median and saved people_filled.csv.",
        ),
        Play(
            "people = pd.read_csv('people.csv')\npeople['age'] = people['age'].fillna(people['age'].mean())\n"
            "people.to_csv('people_filled.csv', index=False)",
            "I filled the missing ages and saved people_filled.csv.",
        ),
    )


def statistics() -> Task:
    """Correlate two columns for one group."""
    chance = rng(HALF, "statistics")
    rows: list[Row] = []
    for i in range(180):
        channel = chance.choice(["radio", "web", "print"])
        spend = round(chance.uniform(1, 40), 1)
        slope = {"radio": 1.1, "web": 2.4, "print": 0.3}[channel]
        rows.append(
            {
                "week": i,
                "channel": channel,
                "spend": spend,
                "sales": round(60 + slope * spend + chance.gauss(0, 12), 1),
            }
        )
    pairs = [(row["spend"], row["sales"], row["channel"]) for row in rows]

    def pearson(channel: str | None) -> float:
        kept = [pair for pair in pairs if channel in {None, pair[2]}]
        return round(correlation([p[0] for p in kept], [p[1] for p in kept]), 2)

    value = pearson("radio")
    wrong = {pearson(None), pearson("web"), pearson("print")} - {value}
    return Task(
        "statistics",
        HALF,
        "What is the Pearson correlation between spend and sales in `campaigns` for the channel radio? "
        "Two decimals.",
        {"campaigns.csv": table(rows)},
        (PANDAS, "campaigns = pd.read_csv('campaigns.csv')"),
        (Number(value, 0.0051, tuple(sorted(wrong))),),
        Play(
            "radio = campaigns[campaigns['channel'] == 'radio']\n"
            "print(round(radio['spend'].corr(radio['sales']), 2))",
            f"The correlation for radio is {value}.",
        ),
        Play("print(campaigns['spend'].corr(campaigns['sales']))", f"The correlation is {pearson(None)}."),
    )


TASKS = (dates_month, dates_gap, strings, missing_most, missing_fill, statistics)

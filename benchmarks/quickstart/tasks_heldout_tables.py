"""Held-out tasks on tables: aggregate, filter, join."""

from __future__ import annotations

from statistics import fmean

from benchmarks.quickstart.expect import Name, Number
from benchmarks.quickstart.task import Play, Row, Task, names, others, rng, table, top, totals

HALF = "heldout"
PANDAS = "import pandas as pd"


def aggregate() -> Task:
    """Find the largest group total."""
    chance = rng(HALF, "aggregate")
    drivers = {"Amira": 4, "Bjorn": 6, "Chen": 3, "Dolores": 8, "Edgar": 5}
    rows: list[Row] = []
    for i in range(460):
        km = round(chance.uniform(2, 64), 1)
        driver = chance.choices(list(drivers), list(drivers.values()))[0]
        rows.append({"trip": 1 + i, "driver": driver, "km": km, "fare": round(4 + 1.7 * km, 2)})
    sums = totals((row["driver"], row["km"]) for row in rows)
    best = top(sums)
    worst = min(sums, key=lambda driver: sums[driver])
    fares = totals((row["driver"], row["fare"]) for row in rows)
    counts = totals((row["driver"], 1) for row in rows)
    return Task(
        "aggregate",
        HALF,
        "Which driver in trips.csv drove the most kilometres in total, and how many were they? Round to whole "
        "kilometres.",
        {"trips.csv": table(rows)},
        (PANDAS,),
        (
            Name(best, names(drivers)),
            Number(
                sums[best], 1, (*others(sums, best), *counts.values(), *others(fares, "")), (sum(sums.values()),)
            ),
        ),
        Play(
            "sums = pd.read_csv('trips.csv').groupby('driver')['km'].sum()\n"
            "print(sums.idxmax(), round(sums.max()))",
            f"{best} drove the most: {sums[best]:,.0f} kilometres.",
        ),
        Play(
            "print(pd.read_csv('trips.csv').groupby('driver')['km'].mean())",
            f"{worst} drove the most: {sums[worst]:.0f} kilometres.",
        ),
    )


def filter_count() -> Task:
    """Count rows under two conditions."""
    chance = rng(HALF, "filter-1")
    rows: list[Row] = [
        {
            "patient": f"P{4000 + i}",
            "age": min(95, max(18, round(chance.gauss(58, 15)))),
            "smoker": chance.choices(["yes", "no"], [3, 5])[0],
        }
        for i in range(320)
    ]
    for row in rows[5:30:8]:  # so that "at least 65" shows
        row |= {"age": 65, "smoker": "yes"}
    old = [row for row in rows if row["age"] > 65]
    smokers = [row for row in rows if row["smoker"] == "yes"]
    value = sum(row["smoker"] == "yes" for row in old)
    loose = sum(row["age"] >= 65 for row in smokers)
    return Task(
        "filter-1",
        HALF,
        "How many of the people in `patients` are older than 65 and smoke?",
        {"patients.csv": table(rows)},
        (PANDAS, "patients = pd.read_csv('patients.csv')\npatients.head()"),
        (Number(value, 0, (len(old), len(smokers), loose), (len(rows),)),),
        Play(
            "print(((patients['age'] > 65) & (patients['smoker'] == 'yes')).sum())",
            f"{value} patients are older than 65 and smoke.",
        ),
        Play(
            "print(((patients['age'] >= 65) & (patients['smoker'] == 'yes')).sum())",
            f"{loose} patients are older than 65 and smoke.",
        ),
    )


def filter_top() -> Task:
    """Look up one row: the largest value under two conditions."""
    chance = rng(HALF, "filter-2")
    scores = chance.sample(range(400, 960), 110)
    rows: list[Row] = [
        {
            "film_id": f"F{300 + i}",
            "genre": chance.choice(["drama", "comedy", "thriller"]),
            "minutes": chance.randint(75, 180),
            "score": score / 10,
        }
        for i, score in enumerate(scores)
    ]
    # Better films that miss one condition each, so that a forgotten condition shows.
    rows[12] |= {"genre": "drama", "minutes": 151, "score": 97.1}
    rows[71] |= {"genre": "thriller", "minutes": 88, "score": 98.4}
    fit = [row for row in rows if row["genre"] == "drama" and row["minutes"] < 120]
    best = max(fit, key=lambda row: row["score"])
    overall = max(rows, key=lambda row: row["score"])
    wrong = (overall["score"], rows[12]["score"], min(row["score"] for row in fit))
    return Task(
        "filter-2",
        HALF,
        "What is the film_id of the drama with the highest score that is shorter than 120 minutes, and what "
        "is its score? The table is in films.csv.",
        {"films.csv": table(rows)},
        (),
        (Name(best["film_id"], names(row["film_id"] for row in rows)), Number(best["score"], 0.001, wrong)),
        Play(
            f"{PANDAS}\nfilms = pd.read_csv('films.csv')\n"
            "fit = films[(films['genre'] == 'drama') & (films['minutes'] < 120)]\n"
            "print(fit.sort_values('score').iloc[-1])",
            f"{best['film_id']} has the highest score, {best['score']}.",
        ),
        Play(
            f"{PANDAS}\nprint(pd.read_csv('films.csv').sort_values('score').iloc[-1])",
            f"{overall['film_id']} has the highest score, {overall['score']}.",
        ),
    )


def join_sum() -> Task:
    """Merge two files and add up a product of columns for one category."""
    chance = rng(HALF, "join-1")
    departments = ["cardiology", "surgery", "radiology"]
    doctors: list[Row] = [
        {"doctor_id": 30 + i, "department": departments[i % 3], "rate": chance.randint(60, 140)} for i in range(15)
    ]
    shifts: list[Row] = [
        {"shift_id": 900 + i, "doctor_id": chance.randint(30, 44), "hours": chance.choice([2.5, 4, 6, 7.5, 8])}
        for i in range(240)
    ]
    staff = {doctor["doctor_id"]: doctor for doctor in doctors}
    sums = totals(
        (staff[one["doctor_id"]]["department"], one["hours"] * staff[one["doctor_id"]]["rate"]) for one in shifts
    )
    chosen = [one for one in shifts if staff[one["doctor_id"]]["department"] == "cardiology"]
    hours = sum(one["hours"] for one in chosen)
    rough = round(hours * fmean(staff[one["doctor_id"]]["rate"] for one in chosen), 2)
    value = sums["cardiology"]
    return Task(
        "join-1",
        HALF,
        "Using shifts.csv and doctors.csv: what do the shifts of the department cardiology cost in total, at "
        "hours times rate?",
        {"shifts.csv": table(shifts), "doctors.csv": table(doctors)},
        (PANDAS,),
        (Number(value, 0.51, (*others(sums, "cardiology"), hours, rough), (sum(sums.values()),)),),
        Play(
            "both = pd.read_csv('shifts.csv').merge(pd.read_csv('doctors.csv'), on='doctor_id')\n"
            "both['cost'] = both['hours'] * both['rate']\n"
            "print(both[both['department'] == 'cardiology']['cost'].sum())",
            f"The shifts of cardiology cost {value:,.2f} in total.",
        ),
        Play(
            "both = pd.read_csv('shifts.csv').merge(pd.read_csv('doctors.csv'), on='doctor_id')\n"
            "part = both[both['department'] == 'cardiology']\nprint(part['hours'].sum() * part['rate'].mean())",
            f"The shifts of cardiology cost {rough} in total.",
        ),
    )


def join_unmatched() -> Task:
    """Count rows without a partner in the other table."""
    chance = rng(HALF, "join-2")
    known = sorted(chance.sample(range(1, 190), 130))
    strangers = [number for number in range(1, 190) if number not in known]
    books: list[Row] = [{"book_id": number, "shelf": chance.choice("ABCD")} for number in known]
    loans: list[Row] = [
        {
            "loan_id": 2500 + i,
            "book_id": chance.choice(strangers) if chance.random() < 0.15 else chance.choice(known),
            "weeks": chance.randint(1, 6),
        }
        for i in range(280)
    ]
    lost = [loan for loan in loans if loan["book_id"] not in known]
    kinds = len({loan["book_id"] for loan in lost})
    return Task(
        "join-2",
        HALF,
        "How many loans in `loans` are of a book_id that is missing from `books`?",
        {"loans.csv": table(loans), "books.csv": table(books)},
        (PANDAS, "loans = pd.read_csv('loans.csv')\nbooks = pd.read_csv('books.csv')"),
        (Number(len(lost), 0, (kinds, len(loans) - len(lost)), (len(loans), len(known))),),
        Play(
            "print((~loans['book_id'].isin(books['book_id'])).sum())",
            f"{len(lost)} loans are of a book that is missing from books.",
        ),
        Play(
            "print(len(loans.merge(books, on='book_id')))",
            f"{len(loans) - len(lost)} loans are of a missing book.",
        ),
    )


TASKS = (aggregate, filter_count, filter_top, join_sum, join_unmatched)

"""Held-out tasks on files: text, JSON, SQLite, writing, regular expressions, a detective's question."""

from __future__ import annotations

import json

from benchmarks.quickstart.expect import JsonFile, Name, Number
from benchmarks.quickstart.task import Play, Row, Task, database, names, others, rng, table, top, totals

HALF = "heldout"
PANDAS = "import pandas as pd"


def text() -> Task:
    """Count lines of a log and find what most of them are about."""
    chance = rng(HALF, "text")
    pages = {"home": 5, "search": 4, "cart": 3, "profile": 8}
    lines, seen = [], []
    for i in range(450):
        page = chance.choices(list(pages), list(pages.values()))[0]
        code = chance.choices(["200", "301", "404"], [7, 1, 3])[0]
        seen.append((page, code))
        lines.append(
            f"10.0.{chance.randint(0, 9)}.{chance.randint(2, 99)} {7 + i // 30:02d}:{i % 60:02d} {page} {code}"
        )
    counts = totals((page, 1) for page, code in seen if code == "404")
    best = top(counts, lead=1.1)
    second = sorted(counts, key=lambda page: counts[page])[-2]
    value = sum(counts.values())
    codes = totals((code, 1) for _, code in seen)
    return Task(
        "text",
        HALF,
        "How many requests in access.log ended with the status 404, and which page was asked for in most of "
        "those? A line reads: address, time, page, status.",
        {"access.log": ("\n".join(lines) + "\n").encode()},
        (),
        (
            Name(best, names(pages)),
            Number(value, 0, others(codes, "404"), (*counts.values(), len(lines))),
        ),
        Play(
            "from collections import Counter\n"
            "rows = [line.split() for line in open('access.log')]\n"
            "lost = Counter(row[2] for row in rows if row[3] == '404')\n"
            "print(lost.total(), lost.most_common(1))",
            f"{value} requests ended with 404, most of them for {best} ({counts[best]}).",
        ),
        Play("print(open('access.log').read()[:500])", f"{len(lines)} requests, most of them for {second}."),
    )


def json_read() -> Task:
    """Walk a nested JSON file."""
    chance = rng(HALF, "json")
    roles = ["tester", "writer", "builder"]
    teams = [
        {
            "name": f"Team {chr(65 + i)}",
            "floor": chance.randint(1, 6),
            "members": [
                {"role": chance.choice(roles), "remote": chance.random() < 0.45}
                for _ in range(chance.randint(3, 8))
            ],
        }
        for i in range(24)
    ]
    people: list[Row] = [person for team in teams for person in team["members"]]  # type: ignore[attr-defined]
    testers = sum(person["role"] == "tester" for person in people)
    remote = sum(person["remote"] for person in people)
    value = sum(person["role"] == "tester" and person["remote"] for person in people)
    return Task(
        "json",
        HALF,
        "company.json lists teams, each with its members. How many members with the role tester work remote?",
        {"company.json": json.dumps({"teams": teams}, indent=1).encode()},
        (),
        (Number(value, 0, (testers, remote), (len(teams), len(people))),),
        Play(
            "import json\nteams = json.load(open('company.json'))['teams']\n"
            "print(sum(m['role'] == 'tester' and m['remote'] for t in teams for m in t['members']))",
            f"{value} testers work remote.",
        ),
        Play(
            "import json\nteams = json.load(open('company.json'))['teams']\n"
            "print(sum(m['remote'] for t in teams for m in t['members']))",
            f"{remote} testers work remote.",
        ),
    )


def sqlite() -> Task:
    """Join and add up in a database."""
    chance = rng(HALF, "sqlite")
    teachers = {"Adler": 4, "Brandt": 3, "Conti": 5, "Dubois": 8, "Evans": 3, "Fischer": 4}
    numbers = {name: i for i, name in enumerate(teachers, 11)}
    lessons: list[tuple[object, ...]] = []
    sums: dict[str, float] = dict.fromkeys(teachers, 0)
    for i in range(260):
        name = chance.choices(list(teachers), list(teachers.values()))[0]
        minutes = chance.choice([30, 45, 60, 90])
        sums[name] += minutes
        lessons.append((i, numbers[name], minutes))
    best = top(sums, lead=1.05)
    second = sorted(sums, key=lambda name: sums[name])[-2]
    data = database(
        "CREATE TABLE teacher (id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE TABLE lesson (id INTEGER PRIMARY KEY, teacher_id INTEGER, minutes INTEGER);",
        {"teacher": [(number, name) for name, number in numbers.items()], "lesson": lessons},
    )
    return Task(
        "sqlite",
        HALF,
        "Which teacher in the SQLite database school.db taught the most minutes, and how many minutes? The "
        "tables are teacher(id, name) and lesson(id, teacher_id, minutes).",
        {"school.db": data},
        ("import sqlite3",),
        (
            Name(best, names(teachers)),
            Number(sums[best], 0, others(sums, best), (sum(sums.values()), len(lessons), numbers[best])),
        ),
        Play(
            "connection = sqlite3.connect('school.db')\n"
            "query = 'SELECT name, SUM(minutes) FROM lesson JOIN teacher ON teacher.id = teacher_id GROUP BY "
            "name'\nprint(max(connection.execute(query), key=lambda row: row[1]))",
            f"{best} taught the most: {sums[best]} minutes.",
        ),
        Play("print(sqlite3.connect('school.db'))", f"{second} taught the most: {sums[second]} minutes."),
    )


def write() -> Task:
    """Write totals as a JSON file."""
    chance = rng(HALF, "write")
    rows: list[Row] = [
        {
            "entry": i,
            "site": chance.choice(["quarry", "mill", "depot", "yard"]),
            "tonnes": round(chance.uniform(0.5, 30), 1),
        }
        for i in range(200)
    ]
    sums = totals((row["site"], row["tonnes"]) for row in rows)
    return Task(
        "write",
        HALF,
        "Save the sum of tonnes per site from loads.csv in a file tonnes.json, as a JSON object from site to sum.",
        {"loads.csv": table(rows)},
        (PANDAS,),
        (JsonFile("tonnes.json", sums, 0.01),),
        Play(
            "import json\nsums = pd.read_csv('loads.csv').groupby('site')['tonnes'].sum()\n"
            "with open('tonnes.json', 'w') as file:\n    json.dump(sums.to_dict(), file)\nprint(sums)",
            "tonnes.json holds the sum per site.",
        ),
        Play(
            "pd.read_csv('loads.csv').groupby('site')['tonnes'].mean().to_json('tonnes.json')",
            "tonnes.json holds the sum per site.",
        ),
    )


def regex() -> Task:
    """Find addresses in prose and count the different ones of one domain."""
    chance = rng(HALF, "regex")
    people = ["ana", "ben", "cleo", "dan", "eva", "finn", "gus", "hana", "ivo", "jule", "karl", "lena"]
    domains = ["north.org", "south.org", "west.net"]
    addresses = [
        f"{one}.{chance.choice('rstvw')}@{domain}" for one in people for domain in domains for _ in (0, 1)
    ]
    used = [chance.choice(addresses) for _ in range(110)]
    phrases = ["Please answer {} today.", "{} wrote again.", "Copy to {} and file it.", "Room 4: ask {} first"]
    lines = [chance.choice(phrases).format(one) for one in used]
    hits = [one for one in used if one.endswith("@north.org")]
    value = len(set(hits))
    return Task(
        "regex",
        HALF,
        "How many different e-mail addresses that end in @north.org are in messages.txt?",
        {"messages.txt": ("\n".join(lines) + "\n").encode()},
        (),
        (Number(value, 0, (len(hits), len(set(used))), (len(used),)),),
        Play(
            "import re\nprint(len(set(re.findall(r'[\\w.]+@north\\.org', open('messages.txt').read()))))",
            f"There are {value} different addresses that end in @north.org.",
        ),
        Play(
            "print(open('messages.txt').read().count('@north.org'))",
            f"There are {len(hits)} addresses that end in @north.org.",
        ),
    )


def detective() -> Task:
    """Find the worst group, then the main cause within it."""
    chance = rng(HALF, "detective")
    airports = {"Lyon": 3, "Porto": 7, "Turin": 4, "Cork": 3}
    causes = ["weather", "crew", "strike", "repair"]
    # Everywhere it is the weather, but at the worst airport another cause leads.
    weights = {name: [6, 3, 1, 2] for name in airports} | {"Porto": [3, 2, 6, 1]}
    rows: list[Row] = []
    for i in range(400):
        airport = chance.choices(list(airports), list(airports.values()))[0]
        off = chance.random() < (0.4 if airport == "Porto" else 0.3)
        cause = chance.choices(causes, weights[airport])[0] if off else None
        rows.append({"flight": 100 + i, "airport": airport, "cancelled": "yes" if off else "no", "cause": cause})
    gone = [row for row in rows if row["cancelled"] == "yes"]
    counts = totals((row["airport"], 1) for row in gone)
    worst = top(counts, lead=1.1)
    cause = top(totals((row["cause"], 1) for row in gone if row["airport"] == worst), lead=1.1)
    overall = top(totals((row["cause"], 1) for row in gone))
    return Task(
        "detective",
        HALF,
        "At which airport in flights.csv were the most flights cancelled, and what was the most common cause "
        "there?",
        {"flights.csv": table(rows)},
        (PANDAS, "flights = pd.read_csv('flights.csv')\nflights.head(3)"),
        (Name(worst, names(airports)), Name(cause, {one: (f"{one}s",) for one in causes})),
        Play(
            "gone = flights[flights['cancelled'] == 'yes']\nworst = gone['airport'].value_counts().idxmax()\n"
            "print(worst, gone[gone['airport'] == worst]['cause'].value_counts())",
            f"Most flights were cancelled in {worst}, most often because of {cause}.",
        ),
        Play("print(flights['cause'].value_counts())", f"Most were cancelled in {worst}, because of {overall}."),
    )


TASKS = (text, json_read, sqlite, write, regex, detective)

"""Development tasks on files: text, JSON, SQLite, writing, regular expressions, a detective's question."""

from __future__ import annotations

import json

from benchmarks.quickstart.expect import JsonFile, Name, Number
from benchmarks.quickstart.task import Play, Row, Task, database, names, others, rng, table, top, totals

HALF = "dev"
PANDAS = "import pandas as pd"


def text() -> Task:
    """Count lines of a log and find who wrote most of them."""
    chance = rng(HALF, "text")
    services = {"auth": 3, "search": 4, "billing": 7, "mail": 4}
    lines, seen = [], []
    for i in range(420):
        service = chance.choices(list(services), list(services.values()))[0]
        level = chance.choices(["INFO", "WARN", "ERROR"], [7, 2, 3])[0]
        seen.append((service, level))
        words = chance.choice(["request done", "slow answer", "retry later", "connection lost"])
        lines.append(
            f"2024-06-{1 + i // 20:02d} {8 + i % 12:02d}:{chance.randint(0, 59):02d} {level} {service} {words}"
        )
    counts = totals((service, 1) for service, level in seen if level == "ERROR")
    best = top(counts, lead=1.1)
    value = sum(counts.values())
    levels = totals((level, 1) for _, level in seen)
    second = sorted(counts, key=lambda service: counts[service])[-2]
    return Task(
        "text",
        HALF,
        "How many ERROR lines are in server.log, and which service wrote the most of them? A line reads: date, "
        "time, level, service, message.",
        {"server.log": ("\n".join(lines) + "\n").encode()},
        (),
        (
            Name(best, names(services)),
            Number(value, 0, others(levels, "ERROR"), (*counts.values(), len(lines))),
        ),
        Play(
            "from collections import Counter\n"
            "rows = [line.split() for line in open('server.log')]\n"
            "errors = Counter(row[3] for row in rows if row[2] == 'ERROR')\n"
            "print(errors.total(), errors.most_common(1))",
            f"There are {value} ERROR lines; {best} wrote the most of them ({counts[best]}).",
        ),
        Play(
            "print(open('server.log').read()[:500])", f"There are {len(lines)} ERROR lines; {second} wrote most."
        ),
    )


def json_read() -> Task:
    """Walk a nested JSON file."""
    chance = rng(HALF, "json")
    branches = ["Harbour", "Hill", "Market"]
    books = [
        {
            "title": f"Book {i}",
            "year": chance.randint(1950, 2023),
            "copies": [
                {"branch": chance.choice(branches), "loaned": chance.random() < 0.4}
                for _ in range(chance.randint(1, 5))
            ],
        }
        for i in range(90)
    ]
    copies = [copy for book in books for copy in book["copies"]]  # type: ignore[attr-defined]
    counts = totals((copy["branch"], 1) for copy in copies)
    value = sum(copy["branch"] == "Harbour" and copy["loaned"] for copy in copies)
    titles = sum(any(copy["branch"] == "Harbour" for copy in book["copies"]) for book in books)  # type: ignore[attr-defined]
    loaned = sum(copy["loaned"] for copy in copies)
    return Task(
        "json",
        HALF,
        "library.json lists books, each with its copies. How many copies of the branch Harbour are out on loan?",
        {"library.json": json.dumps({"books": books}, indent=1).encode()},
        (),
        (Number(value, 0, (counts["Harbour"], titles, loaned), (len(books), len(copies))),),
        Play(
            "import json\nbooks = json.load(open('library.json'))['books']\n"
            "print(sum(c['branch'] == 'Harbour' and c['loaned'] for b in books for c in b['copies']))",
            f"{value} copies of the branch Harbour are out on loan.",
        ),
        Play(
            "import json\nbooks = json.load(open('library.json'))['books']\n"
            "print(sum(c['branch'] == 'Harbour' for b in books for c in b['copies']))",
            f"{counts['Harbour']} copies of Harbour are out on loan.",
        ),
    )


def sqlite() -> Task:
    """Join and add up in a database."""
    chance = rng(HALF, "sqlite")
    products = {"lamp": 3, "chair": 5, "desk": 2, "shelf": 7, "rug": 4, "mirror": 3}
    numbers = {name: i for i, name in enumerate(products, 1)}
    sales: list[tuple[object, ...]] = []
    sums: dict[str, float] = dict.fromkeys(products, 0)
    for i in range(280):
        name = chance.choices(list(products), list(products.values()))[0]
        pieces = chance.randint(1, 6)
        sums[name] += pieces
        sales.append((i, numbers[name], pieces))
    best = top(sums, lead=1.05)
    second = sorted(sums, key=lambda name: sums[name])[-2]
    data = database(
        "CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE TABLE sale (id INTEGER PRIMARY KEY, product_id INTEGER, pieces INTEGER);",
        {"product": [(number, name) for name, number in numbers.items()], "sale": sales},
    )
    return Task(
        "sqlite",
        HALF,
        "In the SQLite database shop.db, of which product were the most pieces sold, and how many pieces? "
        "The tables are product(id, name) and sale(id, product_id, pieces).",
        {"shop.db": data},
        ("import sqlite3",),
        (
            Name(best, {name: (f"{name}s",) for name in products}),
            Number(sums[best], 0, others(sums, best), (sum(sums.values()), len(sales), numbers[best])),
        ),
        Play(
            "connection = sqlite3.connect('shop.db')\n"
            "query = 'SELECT name, SUM(pieces) FROM sale JOIN product ON product.id = product_id GROUP BY name'\n"
            "print(max(connection.execute(query), key=lambda row: row[1]))",
            f"The {best} sold best: {sums[best]} pieces.",
        ),
        Play("print(sqlite3.connect('shop.db'))", f"The {second} sold best: {sums[second]} pieces."),
    )


def write() -> Task:
    """Write totals as a JSON file."""
    chance = rng(HALF, "write")
    departments = ["research", "sales", "support", "legal"]
    rows: list[Row] = [
        {"receipt": i, "department": chance.choice(departments), "amount": round(chance.uniform(3, 250), 2)}
        for i in range(180)
    ]
    sums = totals((row["department"], row["amount"]) for row in rows)
    return Task(
        "write",
        HALF,
        "Write a file totals.json with the total amount per department from expenses.csv: a JSON object from "
        "department to total.",
        {"expenses.csv": table(rows)},
        (PANDAS,),
        (JsonFile("totals.json", sums, 0.01),),
        Play(
            "import json\ntotals = pd.read_csv('expenses.csv').groupby('department')['amount'].sum()\n"
            "with open('totals.json', 'w') as file:\n    json.dump(totals.to_dict(), file)\nprint(totals)",
            "totals.json holds the total per department.",
        ),
        Play(
            "import json\ncounts = pd.read_csv('expenses.csv')['department'].value_counts()\n"
            "with open('totals.json', 'w') as file:\n    json.dump({k: int(v) for k, v in counts.items()}, file)",
            "totals.json holds the total per department.",
        ),
    )


def regex() -> Task:
    """Find codes in prose and count the different ones."""
    chance = rng(HALF, "regex")
    codes = [f"{chance.choice('ABCDE')}{chance.choice('KLMN')}-{chance.randint(1000, 9999)}" for _ in range(34)]
    used = [chance.choice(codes) for _ in range(90)]
    phrases = [
        "Please send {} again.",
        "Parcel {} came back, room 12.",
        "{} was paid on 3 May.",
        "Lost: {}, 2 boxes",
    ]
    lines = [chance.choice(phrases).format(code) for code in used]
    lines += [f"Call extension {chance.randint(1000, 9999)} about it." for _ in range(25)]
    chance.shuffle(lines)
    value = len(set(used))
    return Task(
        "regex",
        HALF,
        "How many different order codes are in notes.txt? An order code is two capital letters, a dash and four "
        "digits, like QX-1234.",
        {"notes.txt": ("\n".join(lines) + "\n").encode()},
        (),
        (Number(value, 0, (len(used), len(used) - value), (len(lines),)),),
        Play(
            "import re\nprint(len(set(re.findall(r'\\b[A-Z]{2}-\\d{4}\\b', open('notes.txt').read()))))",
            f"There are {value} different order codes in notes.txt.",
        ),
        Play(
            "import re\nprint(len(re.findall(r'[A-Z]{2}-\\d{4}', open('notes.txt').read())))",
            f"There are {len(used)} order codes in notes.txt.",
        ),
    )


def detective() -> Task:
    """Find the worst group, then the main reason within it."""
    chance = rng(HALF, "detective")
    machines = {"M1": 3, "M2": 4, "M3": 8, "M4": 3}
    reasons = ["scratches", "wrong size", "cracks", "colour"]
    # Everywhere it is scratches, but on the worst machine another reason leads.
    weights = {name: [6, 2, 2, 1] for name in machines} | {"M3": [3, 2, 6, 1]}
    rows: list[Row] = []
    for i in range(380):
        machine = chance.choices(list(machines), list(machines.values()))[0]
        bad = chance.random() < (0.42 if machine == "M3" else 0.3)
        rows.append(
            {
                "part": 9000 + i,
                "machine": machine,
                "status": "scrap" if bad else "good",
                "reason": chance.choices(reasons, weights[machine])[0] if bad else None,
            }
        )
    scrap = [row for row in rows if row["status"] == "scrap"]
    counts = totals((row["machine"], 1) for row in scrap)
    worst = top(counts, lead=1.1)
    inside = totals((row["reason"], 1) for row in scrap if row["machine"] == worst)
    reason = top(inside, lead=1.1)
    overall = top(totals((row["reason"], 1) for row in scrap))
    return Task(
        "detective",
        HALF,
        "Which machine in parts.csv made the most scrap parts, and what was the most common reason on that "
        "machine?",
        {"parts.csv": table(rows)},
        (PANDAS, "parts = pd.read_csv('parts.csv')\nparts.head(3)"),
        (Name(worst, names(machines)), Name(reason, names(reasons))),
        Play(
            "scrap = parts[parts['status'] == 'scrap']\nworst = scrap['machine'].value_counts().idxmax()\n"
            "print(worst, scrap[scrap['machine'] == worst]['reason'].value_counts())",
            f"{worst} made the most scrap parts, most often because of {reason}.",
        ),
        Play(
            "print(parts['reason'].value_counts())", f"{worst} made the most scrap, mostly because of {overall}."
        ),
    )


TASKS = (text, json_read, sqlite, write, regex, detective)

"""Held-out tasks on the kernel's state: arrays, Python values, plots, tables, a simulation, a wrong name."""

from __future__ import annotations

from statistics import fmean

from benchmarks.quickstart.expect import Name, Number, Picture, Probe
from benchmarks.quickstart.task import Play, Row, Task, names, others, rng, table, totals

HALF = "heldout"
PANDAS = "import pandas as pd"


def numpy() -> Task:
    """Centre the columns of an array and leave the result behind."""
    chance = rng(HALF, "numpy")
    marks = [[round(chance.uniform(20, 100), 1) for _ in range(4)] for _ in range(7)]
    means = [fmean(row[i] for row in marks) for i in range(4)]
    centred = [[cell - means[i] for i, cell in enumerate(row)] for row in marks]
    return Task(
        "numpy",
        HALF,
        "Take the mean of each column of the array `marks` away from that column. Keep the result in a new array "
        "`centred`; `marks` must stay as it is.",
        {},
        (f"import numpy as np\nmarks = np.array({marks!r})\nmarks.shape",),
        (Probe("centred", centred), Probe("marks", marks)),
        Play(
            "centred = marks - marks.mean(axis=0)\nprint(centred.mean(axis=0).round(6))",
            "The array `centred` holds `marks` less the mean of each column.",
        ),
        Play("centred = marks - marks.mean()", "The array `centred` holds `marks` less the mean."),
    )


def state_dict() -> Task:
    """Book payments against a dict without changing it."""
    chance = rng(HALF, "state-1")
    people = ["Nora", "Omar", "Pia", "Quentin", "Rosa"]
    balances = {person: chance.randint(300, 900) for person in people}
    payments = [(chance.choice(people), chance.randint(5, 60)) for _ in range(22)]
    paid = totals(payments)
    after = {person: balances[person] - paid.get(person, 0) for person in people}
    return Task(
        "state-1",
        HALF,
        "Everyone in `payments` paid that amount out of their balance. Make a new dict `after` with the "
        "balance of each person in `balances` after all payments, but leave `balances` alone.",
        {},
        (f"balances = {balances!r}", f"payments = {payments!r}"),
        (
            Probe("after", after),
            Probe("balances", balances),
            Probe("payments", [list(payment) for payment in payments]),
        ),
        Play(
            "after = dict(balances)\nfor person, amount in payments:\n    after[person] -= amount\nprint(after)",
            "`after` holds the balance of each person after all payments.",
        ),
        Play(
            "for person, amount in payments:\n    balances[person] -= amount\nafter = balances\nprint(after)",
            "`after` holds the balance of each person after all payments.",
        ),
    )


def state_function() -> Task:
    """Use the user's own function over the user's own list."""
    chance = rng(HALF, "state-2")
    stays = [{"nights": chance.randint(1, 12), "guests": chance.randint(1, 5)} for _ in range(28)]
    source = (
        "def bill(nights, guests):\n"
        '    """Price of one stay in euros."""\n'
        "    price = nights * (55 + 12.5 * guests)\n"
        "    return price * 0.9 if nights >= 7 else price"
    )

    def bill(nights: int, guests: int) -> float:
        price = nights * (55 + 12.5 * guests)
        return price * 0.9 if nights >= 7 else price

    bills = [bill(stay["nights"], stay["guests"]) for stay in stays]
    value = round(sum(bills), 2)
    full = round(sum(stay["nights"] * (55 + 12.5 * stay["guests"]) for stay in stays), 2)
    wrong = (full, round(fmean(bills), 2), round(max(bills), 2), round(sum(bills[:-1]), 2))
    return Task(
        "state-2",
        HALF,
        "Add up the prices of all the stays in the list `stays` with my function `bill`. What is the sum? Two "
        "decimals.",
        {},
        (source, f"stays = {stays!r}\nlen(stays)"),
        (Number(value, 0.0051, wrong, (len(stays),)),),
        Play(
            "print(round(sum(bill(stay['nights'], stay['guests']) for stay in stays), 2))",
            f"The sum is {value} euros.",
        ),
        Play("print(sum(s['nights'] * (55 + 12.5 * s['guests']) for s in stays))", f"The sum is {full} euros."),
    )


def plot() -> Task:
    """Draw a bar chart, save it and keep the Axes."""
    chance = rng(HALF, "plot")
    rows: list[Row] = [
        {"year": chance.randint(2015, 2023), "rain": round(chance.uniform(1, 40), 1)} for _ in range(160)
    ]
    sums = totals((str(row["year"]), row["rain"]) for row in rows)
    heights = [sums[year] for year in sorted(sums)]
    return Task(
        "plot",
        HALF,
        "Show the total rain per year from the table `weather` as a bar chart, years in order. Save the chart as "
        "rain.png and leave the Axes object in a variable `ax`.",
        {"weather.csv": table(rows)},
        (f"{PANDAS}\nimport matplotlib.pyplot as plt", "weather = pd.read_csv('weather.csv')"),
        (Picture("rain.png"), Probe("[bar.get_height() for bar in ax.patches]", heights, 0.01)),
        Play(
            "sums = weather.groupby('year')['rain'].sum()\nfig, ax = plt.subplots()\nax.bar(sums.index, sums)\n"
            "fig.savefig('rain.png')\nprint(len(ax.patches))",
            "I saved the chart as rain.png; the Axes are in `ax`.",
        ),
        Play(
            "means = weather.groupby('year')['rain'].mean()\nfig, ax = plt.subplots()\nax.bar(means.index, "
            "means)\nfig.savefig('rain.png')",
            "I saved the chart as rain.png; the Axes are in `ax`.",
        ),
    )


def variable() -> Task:
    """Leave a filtered and sorted table behind."""
    chance = rng(HALF, "variable")
    gaps = chance.sample(range(-45, 70), 90)
    rows: list[Row] = [
        {"item": 4100 + i, "in_stock": (stock := chance.randint(80, 160)), "wanted": stock + gap}
        for i, gap in enumerate(gaps)
    ]
    short = sorted((row for row in rows if row["in_stock"] < row["wanted"]), key=_gap, reverse=True)
    return Task(
        "variable",
        HALF,
        "I need a table `short` with the rows of `items` where in_stock is below wanted, the largest gap "
        "first. Do not change `items`.",
        {"items.csv": table(rows)},
        (PANDAS, "items = pd.read_csv('items.csv')"),
        (
            Probe("list(short['item'])", [row["item"] for row in short]),
            Probe("items", {"columns": list(rows[0]), "rows": [list(row.values()) for row in rows]}),
        ),
        Play(
            "short = items[items['in_stock'] < items['wanted']].copy()\n"
            "short['gap'] = short['wanted'] - short['in_stock']\n"
            "short = short.sort_values('gap', ascending=False)\nprint(len(short))",
            "`short` holds the items that run short, the largest gap first.",
        ),
        Play(
            "short = items[items['in_stock'] < items['wanted']]",
            "`short` holds the items that run short, the largest gap first.",
        ),
    )


def _gap(row: Row) -> int:
    return int(row["wanted"] - row["in_stock"])


def simulation() -> Task:
    """Count the days until a tank falls below a mark."""
    chance = rng(HALF, "simulation")
    start, mark, added = chance.randint(80, 99) * 10, chance.randint(30, 38) * 10, chance.randint(8, 14)
    rate = chance.choice([5, 6, 7])

    def days(*, loss: bool = True, refill: bool = True) -> int:
        litres, day = float(start), 0
        while litres >= mark:
            day += 1
            litres = litres * (1 - rate / 100) + added * refill if loss else litres - rate
        return day

    value, dry, straight = days(), days(refill=False), days(loss=False)
    return Task(
        "simulation",
        HALF,
        f"A tank holds {start} litres. Every day {rate} % of what is in it evaporates, and in the evening "
        f"{added} litres are poured in. After how many days are there fewer than {mark} litres in it for the "
        f"first time?",
        {},
        (),
        (Number(value, 0, (value - 1, value + 1, dry, straight)),),
        Play(
            f"litres, days = {start}, 0\nwhile litres >= {mark}:\n"
            f"    litres = litres * (1 - {rate} / 100) + {added}\n    days += 1\nprint(days)",
            f"After {value} days there are fewer than {mark} litres in the tank.",
        ),
        Play(f"print(({start} - {mark}) / {rate})", f"After {dry} days there are fewer than {mark} litres in it."),
    )


def wrong_name() -> Task:
    """Notice that the user has a column's name wrong, and answer all the same."""
    chance = rng(HALF, "wrong-name")
    rows: list[Row] = [
        {
            "flat": f"A{i:02d}",
            "rooms": chance.randint(1, 6),
            "floor_no": chance.randint(0, 9),
            "surface_m2": chance.randint(25, 160),
        }
        for i in range(90)
    ]
    means = {name: round(fmean(row[name] for row in rows), 2) for name in ("rooms", "floor_no", "surface_m2")}
    value = means["surface_m2"]
    return Task(
        "wrong-name",
        HALF,
        "Please give me the average of the column `area` in the table `flats`. Should the column be called "
        "something else, take that one and say what it is called.",
        {"flats.csv": table(rows)},
        (PANDAS, "flats = pd.read_csv('flats.csv')\nlen(flats)"),
        (
            Name("surface_m2", names(["surface_m2"])),
            Number(value, 0.051, others(means, "surface_m2", 2), (len(rows),)),
        ),
        Play(
            "print(list(flats.columns))\nprint(round(flats['surface_m2'].mean(), 2))",
            f"The column is called `surface_m2`, not `area`; its average is {value}.",
        ),
        Play("print(flats['rooms'].mean())", f"The average area, in the column `rooms`, is {means['rooms']}."),
    )


TASKS = (numpy, state_dict, state_function, plot, variable, simulation, wrong_name)

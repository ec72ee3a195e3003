"""Development tasks on the kernel's state: arrays, Python values, plots, tables, a simulation, a wrong name."""

from __future__ import annotations

from statistics import fmean

from benchmarks.quickstart.expect import Name, Number, Picture, Probe
from benchmarks.quickstart.task import Play, Row, Task, names, rng, table, totals

HALF = "dev"
PANDAS = "import pandas as pd"


def numpy() -> Task:
    """Scale the rows of an array and leave the result behind."""
    chance = rng(HALF, "numpy")
    grid = [[round(chance.uniform(-4, 31), 1) for _ in range(6)] for _ in range(5)]
    scaled = [[(cell - min(row)) / (max(row) - min(row)) for cell in row] for row in grid]
    return Task(
        "numpy",
        HALF,
        "Scale every row of the array `grid` so that its smallest value becomes 0 and its largest 1. Leave the "
        "result in a new array `scaled` and do not change `grid`.",
        {},
        (f"import numpy as np\ngrid = np.array({grid!r})\ngrid.shape",),
        (Probe("scaled", scaled), Probe("grid", grid)),
        Play(
            "low = grid.min(axis=1, keepdims=True)\nhigh = grid.max(axis=1, keepdims=True)\n"
            "scaled = (grid - low) / (high - low)\nprint(scaled.round(2))",
            "The array `scaled` holds the rows of `grid`, each from 0 to 1.",
        ),
        Play(
            "scaled = (grid - grid.min()) / (grid.max() - grid.min())",
            "The array `scaled` holds the values of `grid` from 0 to 1.",
        ),
    )


def state_dict() -> Task:
    """Book orders against a dict without changing it."""
    chance = rng(HALF, "state-1")
    parts = ["bolts", "nuts", "screws", "washers", "hinges"]
    stock = {part: chance.randint(150, 400) for part in parts}
    orders = [(chance.choice(parts), chance.randint(2, 25)) for _ in range(24)]
    ordered = totals(orders)
    left = {part: stock[part] - ordered.get(part, 0) for part in parts}
    return Task(
        "state-1",
        HALF,
        "Take the orders in `orders` off `stock` and leave what remains of each part in a new dict `left`. Do not "
        "change `stock` itself.",
        {},
        (f"stock = {stock!r}", f"orders = {orders!r}"),
        (Probe("left", left), Probe("stock", stock), Probe("orders", [list(order) for order in orders])),
        Play(
            "left = dict(stock)\nfor part, number in orders:\n    left[part] -= number\nprint(left)",
            "`left` holds what remains of each part.",
        ),
        Play(
            "left = stock\nfor part, number in orders:\n    left[part] -= number\nprint(left)",
            "`left` holds what remains of each part.",
        ),
    )


def state_function() -> Task:
    """Use the user's own function over the user's own list."""
    chance = rng(HALF, "state-2")
    parcels = [
        {"weight_kg": round(chance.uniform(0.2, 14), 1), "country": chance.choice(["DE", "AT", "CH"])}
        for _ in range(26)
    ]
    source = (
        "def shipping(weight_kg, country):\n"
        '    """Cost of one parcel in euros."""\n'
        "    base = 4.5 if country == 'DE' else 9.0\n"
        "    return base + 0.8 * max(0, weight_kg - 2)"
    )

    def shipping(weight_kg: float, country: str) -> float:
        return (4.5 if country == "DE" else 9.0) + 0.8 * max(0, weight_kg - 2)

    costs = [shipping(float(str(one["weight_kg"])), str(one["country"])) for one in parcels]
    value = round(sum(costs), 2)
    flat = round(sum(4.5 if one["country"] == "DE" else 9.0 for one in parcels), 2)
    wrong = (flat, round(fmean(costs), 2), round(max(costs), 2), round(sum(costs[:-1]), 2))
    return Task(
        "state-2",
        HALF,
        "What do all the parcels in the list `parcels` cost together by my function `shipping`? Two decimals.",
        {},
        (source, f"parcels = {parcels!r}\nlen(parcels)"),
        (Number(value, 0.0051, wrong, (len(parcels),)),),
        Play(
            "print(round(sum(shipping(p['weight_kg'], p['country']) for p in parcels), 2))",
            f"Together they cost {value} euros.",
        ),
        Play("print(sum(4.5 if p['country'] == 'DE' else 9.0 for p in parcels))", f"They cost {flat} euros."),
    )


def plot() -> Task:
    """Draw a bar chart, save it and keep the Axes."""
    chance = rng(HALF, "plot")
    rows: list[Row] = [
        {"month": f"2024-{chance.randint(1, 8):02d}", "amount": round(chance.uniform(10, 90), 1)}
        for _ in range(150)
    ]
    sums = totals((row["month"], row["amount"]) for row in rows)
    heights = [sums[month] for month in sorted(sums)]
    return Task(
        "plot",
        HALF,
        "Draw a bar chart of the total amount per month from the table `sales`, months in order. Save it as "
        "monthly.png and keep the Axes object in a variable `ax`.",
        {"sales.csv": table(rows)},
        (f"{PANDAS}\nimport matplotlib.pyplot as plt", "sales = pd.read_csv('sales.csv')"),
        (Picture("monthly.png"), Probe("[bar.get_height() for bar in ax.patches]", heights, 0.01)),
        Play(
            "ax = sales.groupby('month')['amount'].sum().plot.bar()\nax.figure.savefig('monthly.png')\n"
            "print(len(ax.patches))",
            "I saved the chart as monthly.png; the Axes are in `ax`.",
        ),
        Play(
            "fig, ax = plt.subplots()\nax.bar(sales['month'], sales['amount'])\nfig.savefig('monthly.png')",
            "I saved the chart as monthly.png; the Axes are in `ax`.",
        ),
    )


def variable() -> Task:
    """Leave a filtered and sorted table behind."""
    chance = rng(HALF, "variable")
    delays = chance.sample(range(-40, 60), 80)
    rows: list[Row] = [
        {"order_id": 800 + i, "promised_day": (day := chance.randint(60, 200)), "delivered_day": day + delay}
        for i, delay in enumerate(delays)
    ]
    late = sorted((row for row in rows if row["delivered_day"] > row["promised_day"]), key=_lateness)[::-1]
    return Task(
        "variable",
        HALF,
        "Make a table `late` of the rows of `orders` that were delivered after the promised day, the longest "
        "delay first. Leave `orders` as it is.",
        {"orders.csv": table(rows)},
        (PANDAS, "orders = pd.read_csv('orders.csv')"),
        (
            Probe("list(late['order_id'])", [row["order_id"] for row in late]),
            Probe("orders", {"columns": list(rows[0]), "rows": [list(row.values()) for row in rows]}),
        ),
        Play(
            "late = orders[orders['delivered_day'] > orders['promised_day']].copy()\n"
            "late['delay'] = late['delivered_day'] - late['promised_day']\n"
            "late = late.sort_values('delay', ascending=False)\nprint(len(late))",
            "`late` holds the late orders, the longest delay first.",
        ),
        Play(
            "late = orders[orders['delivered_day'] > orders['promised_day']]\n"
            "late = late.sort_values('delivered_day', ascending=False)",
            "`late` holds the late orders, the longest delay first.",
        ),
    )


def _lateness(row: Row) -> int:
    return int(row["delivered_day"] - row["promised_day"])


def simulation() -> Task:
    """Count the months until an account passes a mark."""
    chance = rng(HALF, "simulation")
    start, goal, deposit = chance.randint(15, 25) * 100, chance.randint(50, 60) * 100, chance.randint(6, 9) * 10
    rate = chance.choice([0.3, 0.4, 0.5])

    def months(*, interest: bool, deposits: bool) -> int:
        balance, month = float(start), 0
        while balance <= goal:
            month += 1
            balance = balance * (1 + rate / 100 * interest) + deposit * deposits
        return month

    value = months(interest=True, deposits=True)
    plain = months(interest=False, deposits=True)
    alone = months(interest=True, deposits=False)
    return Task(
        "simulation",
        HALF,
        f"I have {start} euros in an account. At the end of each month I get {rate} % interest on the balance "
        f"and then put in {deposit} euros. After how many months is the balance above {goal} euros for the "
        f"first time?",
        {},
        (),
        (Number(value, 0, (value - 1, value + 1, plain, alone)),),
        Play(
            f"balance, months = {start}, 0\nwhile balance <= {goal}:\n"
            f"    balance = balance * (1 + {rate} / 100) + {deposit}\n    months += 1\nprint(months)",
            f"After {value} months the balance is above {goal} euros.",
        ),
        Play(f"print(({goal} - {start}) / {deposit})", f"After {plain} months the balance is above {goal} euros."),
    )


def wrong_name() -> Task:
    """Notice that the user has a column's name wrong, and answer all the same."""
    chance = rng(HALF, "wrong-name")
    rows: list[Row] = [
        {
            "car": f"C{i:02d}",
            "year": chance.randint(2005, 2023),
            "mileage_km": chance.randint(5_000, 210_000),
            "asking_eur": chance.randint(20, 390) * 100,
        }
        for i in range(95)
    ]
    value = round(fmean(row["asking_eur"] for row in rows), 2)
    wrong = round(fmean(row["mileage_km"] for row in rows), 2)
    year = round(fmean(row["year"] for row in rows), 2)
    return Task(
        "wrong-name",
        HALF,
        "What is the average of the column `price` in the table `cars`? If I have the name of the column wrong, "
        "use the right one and tell me its name.",
        {"cars.csv": table(rows)},
        (PANDAS, "cars = pd.read_csv('cars.csv')\nlen(cars)"),
        (
            Name("asking_eur", names(["asking_eur"])),
            Number(value, 0.51, (wrong, year), (len(rows),)),
        ),
        Play(
            "print(list(cars.columns))\nprint(round(cars['asking_eur'].mean(), 2))",
            f"There is no column `price`; it is called `asking_eur`, and its average is {value}.",
        ),
        Play("print(cars['mileage_km'].mean())", f"The average price, in the column `mileage_km`, is {wrong}."),
    )


TASKS = (numpy, state_dict, state_function, plot, variable, simulation, wrong_name)

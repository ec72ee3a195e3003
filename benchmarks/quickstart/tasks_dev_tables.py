"""Development tasks on tables: aggregate, filter, join."""

from __future__ import annotations

from benchmarks.quickstart.expect import Name, Number
from benchmarks.quickstart.task import Play, Row, Task, names, others, rng, table, top, totals

HALF = "dev"
PANDAS = "import pandas as pd"


def aggregate() -> Task:
    """Find the largest group total."""
    chance = rng(HALF, "aggregate")
    stores = {"Harbour": 5, "Station": 4, "Old Town": 7, "Airport": 3, "Riverside": 5}
    rows: list[Row] = [
        {
            "sale_id": 1000 + i,
            "store": chance.choices(list(stores), list(stores.values()))[0],
            "units": chance.randint(1, 9),
            "revenue": round(chance.uniform(4, 80), 2),
        }
        for i in range(420)
    ]
    sums = totals((row["store"], row["revenue"]) for row in rows)
    best = top(sums)
    counts = totals((row["store"], 1) for row in rows)
    return Task(
        "aggregate",
        HALF,
        "Which store in sales.csv took the most revenue in total, and how much was it? Round to whole euros.",
        {"sales.csv": table(rows)},
        (PANDAS,),
        (
            Name(best, names(stores)),
            Number(sums[best], 1, (*others(sums, best), *counts.values()), (sum(sums.values()),)),
        ),
        Play(
            "sums = pd.read_csv('sales.csv').groupby('store')['revenue'].sum()\n"
            "print(sums.idxmax(), round(sums.max()))",
            f"{best} took the most revenue: {sums[best]:,.0f} euros.",
        ),
        Play(
            "m = pd.read_csv('sales.csv').groupby('store')['revenue'].max()\nprint(m)",
            f"{min(sums, key=lambda store: sums[store])} took the most: {min(sums.values()):.0f} euros.",
        ),
    )


def filter_count() -> Task:
    """Count rows under two conditions."""
    chance = rng(HALF, "filter-1")
    towns = ["Oslo", "Bergen", "Tromso", "Stavanger"]
    rows: list[Row] = [
        {
            "flight": f"NX{200 + i}",
            "origin": chance.choices(towns, [5, 3, 2, 2])[0],
            "delay_min": max(0, round(chance.gauss(18, 25))),
        }
        for i in range(340)
    ]
    late = [row for row in rows if row["delay_min"] > 30]
    value = sum(row["origin"] == "Oslo" for row in late)
    all_oslo = sum(row["origin"] == "Oslo" for row in rows)
    loose = sum(row["origin"] == "Oslo" and row["delay_min"] >= 29 for row in rows)
    return Task(
        "filter-1",
        HALF,
        "How many of the flights in `flights` left from Oslo more than 30 minutes late?",
        {"flights.csv": table(rows)},
        (PANDAS, "flights = pd.read_csv('flights.csv')\nflights.head()"),
        (Number(value, 0, (len(late), all_oslo, loose), (len(rows),)),),
        Play(
            "print(((flights['origin'] == 'Oslo') & (flights['delay_min'] > 30)).sum())",
            f"{value} flights left from Oslo more than 30 minutes late.",
        ),
        Play(
            "print((flights['delay_min'] > 30).sum())", f"{len(late)} flights left Oslo more than 30 minutes late."
        ),
    )


def filter_top() -> Task:
    """Look up one row: the smallest value under two conditions."""
    chance = rng(HALF, "filter-2")
    prices = chance.sample(range(118, 495), 120)
    rows: list[Row] = [
        {
            "house_id": f"H{100 + i}",
            "city": chance.choice(["Leeds", "York", "Hull"]),
            "bedrooms": chance.randint(1, 5),
            "price": price * 1000,
        }
        for i, price in enumerate(prices)
    ]
    # Cheaper houses that miss one condition each, so that a forgotten condition shows.
    rows[17] |= {"city": "Leeds", "bedrooms": 2, "price": 109_500}
    rows[58] |= {"city": "York", "bedrooms": 4, "price": 98_500}
    fit: list[Row] = [row for row in rows if row["city"] == "Leeds" and row["bedrooms"] >= 3]
    best = min(fit, key=lambda row: row["price"])
    cheapest = min(rows, key=lambda row: row["price"])
    in_city = min((row for row in rows if row["city"] == "Leeds"), key=lambda row: row["price"])
    dearest = max(fit, key=lambda row: row["price"])
    wrong = [row for row in (cheapest, in_city, dearest) if row is not best]
    return Task(
        "filter-2",
        HALF,
        "What is the house_id of the cheapest house in Leeds with at least 3 bedrooms, and what does it cost? "
        "The table is in houses.csv.",
        {"houses.csv": table(rows)},
        (),
        (
            Name(best["house_id"], names(row["house_id"] for row in rows)),
            Number(best["price"], 0, tuple(row["price"] for row in wrong)),
        ),
        Play(
            f"{PANDAS}\nhouses = pd.read_csv('houses.csv')\n"
            "fit = houses[(houses['city'] == 'Leeds') & (houses['bedrooms'] >= 3)]\n"
            "print(fit.sort_values('price').iloc[0])",
            f"{best['house_id']} is the cheapest; it costs {best['price']:,}.",
        ),
        Play(
            f"{PANDAS}\nprint(pd.read_csv('houses.csv').sort_values('price').iloc[0])",
            f"{cheapest['house_id']} is the cheapest; it costs {cheapest['price']}.",
        ),
    )


def join_sum() -> Task:
    """Merge two files and add up a product of columns for one category."""
    chance = rng(HALF, "join-1")
    categories = ["garden", "kitchen", "office"]
    products: list[Row] = [
        {"product_id": 10 + i, "category": categories[i % 3], "price": round(chance.uniform(3, 60), 2)}
        for i in range(18)
    ]
    orders: list[Row] = [
        {"order_id": 5000 + i, "product_id": chance.randint(10, 27), "quantity": chance.randint(1, 6)}
        for i in range(260)
    ]
    shelf = {product["product_id"]: product for product in products}
    sums = totals(
        (
            str(shelf[order["product_id"]]["category"]),
            order["quantity"] * shelf[order["product_id"]]["price"],
        )
        for order in orders
    )
    pieces = sum(order["quantity"] for order in orders if shelf[order["product_id"]]["category"] == "garden")
    single = sum(
        shelf[order["product_id"]]["price"]
        for order in orders
        if shelf[order["product_id"]]["category"] == "garden"
    )
    value = round(sums["garden"], 2)
    return Task(
        "join-1",
        HALF,
        "Using orders.csv and products.csv: what is the total revenue (quantity times price) of the category "
        "garden? Give it to two decimals.",
        {"orders.csv": table(orders), "products.csv": table(products)},
        (PANDAS,),
        (Number(value, 0.0051, (*others(sums, "garden", 2), pieces, round(single, 2)), (sum(sums.values()),)),),
        Play(
            "both = pd.read_csv('orders.csv').merge(pd.read_csv('products.csv'), on='product_id')\n"
            "garden = both[both['category'] == 'garden']\n"
            "print(round((garden['quantity'] * garden['price']).sum(), 2))",
            f"The category garden made {value:,.2f} in total.",
        ),
        Play(
            "both = pd.read_csv('orders.csv').merge(pd.read_csv('products.csv'), on='product_id')\n"
            "print(both[both['category'] == 'garden']['price'].sum())",
            f"The total revenue of garden is {single:.2f}.",
        ),
    )


def join_unmatched() -> Task:
    """Count rows without a partner in the other table."""
    chance = rng(HALF, "join-2")
    known = sorted(chance.sample(range(100, 260), 110))
    strangers = [number for number in range(100, 260) if number not in known]
    customers: list[Row] = [
        {"customer_id": number, "country": chance.choice(["DE", "FR", "PL"])} for number in known
    ]
    orders: list[Row] = [
        {
            "order_id": 7000 + i,
            "customer_id": chance.choice(strangers) if chance.random() < 0.12 else chance.choice(known),
            "amount": round(chance.uniform(10, 200), 2),
        }
        for i in range(300)
    ]
    lost = [order for order in orders if order["customer_id"] not in known]
    kinds = len({order["customer_id"] for order in lost})
    return Task(
        "join-2",
        HALF,
        "How many orders in `orders` have a customer_id that is not in `customers`?",
        {"orders.csv": table(orders), "customers.csv": table(customers)},
        (PANDAS, "orders = pd.read_csv('orders.csv')\ncustomers = pd.read_csv('customers.csv')"),
        (Number(len(lost), 0, (kinds, len(orders) - len(lost)), (len(orders), len(known))),),
        Play(
            "print((~orders['customer_id'].isin(customers['customer_id'])).sum())",
            f"{len(lost)} orders have a customer_id that is not in customers.",
        ),
        Play(
            "print(len(set(orders['customer_id']) - set(customers['customer_id'])))",
            f"{kinds} orders have an unknown customer_id.",
        ),
    )


TASKS = (aggregate, filter_count, filter_top, join_sum, join_unmatched)

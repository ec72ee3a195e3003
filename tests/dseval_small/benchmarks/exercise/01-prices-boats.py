# ruff: noqa: PTH123, SIM115
# %%
import csv

# %%
"""
{"question": "Read inputs/boats.csv into a list of dicts called boats, with whole numbers as prices.",
 "validator": {"namespace_check": {"boats": null}},
 "data": {"boats.csv": "https://example.org/boats.csv"}}
"""

boats = [{**row, "price": int(row["price"])} for row in csv.DictReader(open("inputs/boats.csv"))]

# %%
"""
{"question": "How many boats lie in Visby?"}
"""

sum(boat["harbour"] == "Visby" for boat in boats)

# %%
"""
{"question": "Add 25 % tax to the prices in boats.", "validator": {"namespace_check": {"boats": null}}}
"""

for boat in boats:
    boat["price"] = boat["price"] * 1.25

# %%
"""
{"question": "What does the cheapest boat cost?"}
"""

min(boat["price"] for boat in boats)

# ruff: noqa: PTH123, SIM115
# %%
"""
{"question": "Read inputs/lost.csv.", "data": {"lost.csv": "https://example.org/lost.csv"}}
"""

open("inputs/lost.csv").read()

"""One sentence on an error whose text alone explains it: what small models stumble over. Part of the probe."""

from __future__ import annotations

import difflib
import re
import sys

IMPORTS = {
    "pd": "import pandas as pd",
    "np": "import numpy as np",
    "plt": "import matplotlib.pyplot as plt",
    "sns": "import seaborn as sns",
    "px": "import plotly.express as px",
    "pl": "import polars as pl",
    "tf": "import tensorflow as tf",
    "nx": "import networkx as nx",
    "sm": "import statsmodels.api as sm",
    "stats": "from scipy import stats",
    "Path": "from pathlib import Path",
    "Counter": "from collections import Counter",
    "defaultdict": "from collections import defaultdict",
    "namedtuple": "from collections import namedtuple",
    "timedelta": "from datetime import timedelta",
    "Decimal": "from decimal import Decimal",
    "Fraction": "from fractions import Fraction",
    "dataclass": "from dataclasses import dataclass",
    "reduce": "from functools import reduce",
    "sqrt": "from math import sqrt",
    "display": "from IPython.display import display",
}
SENTENCES = {
    r"Can only use \.dt accessor": "Make the column dates first: df[c] = pd.to_datetime(df[c]).",
    r"Can only use \.str accessor": "Make the column text first: df[c] = df[c].astype(str).",
    r"(?i)could not convert string|cannot perform reduction|does not support|agg function failed": (
        "Not every value is a number: pick the number columns (numeric_only=True), or convert with "
        "pd.to_numeric(column, errors='coerce')."
    ),
    r"Unalignable boolean Series": (
        "Filter a table by conditions on its own columns; bring two tables together with merge first."
    ),
    r"The truth value of a|Cannot perform 'r?(?:and|or)_'": (
        "Combine conditions with & | ~ and brackets around each; ask a whole column with .any() or .all()."
    ),
    r"cannot convert float NaN to integer|Cannot convert non-finite": "Drop or fill missing values first.",
    r"If using all scalar values": "Give lists as values, or one row as pd.DataFrame([record]).",
    r"columns overlap but no suffix": "Use merge(..., on=...), or give suffixes.",
    r"You are trying to merge on": "Make both key columns the same type first, with astype.",
    r"'DataFrame' object has no attribute 'append'": "Use pd.concat([df, pd.DataFrame([row])]).",
    r"has no attribute 'iteritems'": "Use items().",
    r"object has no attribute 'ix'": "Use loc (labels) or iloc (positions).",
    r"^'NoneType' object has no attribute '(?:groups?|groupdict|start|end|span)'": (
        "The pattern did not match there. Print repr() of one such text, and write the pattern after it."
    ),
    r"^'NoneType' object": "The value is None: a function without return, or one with inplace=True, gives None.",
    r"can only concatenate str|unsupported operand type.*'str'": "Convert first: int(x), float(x) or str(x).",
    r"not supported between instances of .*'str'": "One side is text: convert with float(x) or pd.to_numeric.",
    r"object is not callable": "The name is a variable here, no function: use another name for the variable.",
    r"codec can't decode": "Try another encoding, for example encoding='latin-1'.",
    r"Argument 'freq' has incorrect type": (
        "The value is a span of time: x.total_seconds() / 86400 gives its days, which round(days, 2) rounds."
    ),
    r"Missing parentheses in call to 'print'": "Write print(...).",
}


def advise(ename: str, evalue: str) -> list[str]:
    """Return hints for an error by its class name and message; none when nothing certain can be said."""
    quoted = re.search(r"'([\w.]+)'", evalue)
    if ename == "NameError" and quoted:
        name = quoted.group(1)
        known = IMPORTS.get(name) or (f"import {name}" if name in modules() else "")
        return [f"`{name}` is not imported: {known}"] if known else []
    if ename == "ModuleNotFoundError" and quoted:
        name = quoted.group(1).partition(".")[0]
        near = difflib.get_close_matches(name, [known for known in modules() if known != name], 1, 0.75)
        meant = f"did you mean {near[0]}?" if near else "do it with the packages that are there."
        return [f"The package {name} is not installed in this kernel; {meant}"]
    return next(([sentence] for pattern, sentence in SENTENCES.items() if re.search(pattern, evalue)), [])


def modules() -> set[str]:
    """Return top modules that can be imported for sure: the standard library's and those already imported."""
    loaded = {name for name in list(sys.modules) if "." not in name and not name.startswith("_")}
    return loaded | set(getattr(sys, "stdlib_module_names", ()))

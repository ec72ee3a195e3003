"""Look at variables in the kernel after an episode. This file's text runs there: standard library only."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any


def plain(value: Any) -> Any:
    """Turn a value into JSON: tables as columns and rows, arrays as lists, days as text, NaN as None."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(plain(key)): plain(one) for key, one in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((plain(one) for one in value), key=repr)
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return _foreign(value)


def _foreign(value: Any) -> Any:
    module = type(value).__module__.split(".")[0]
    if module == "pandas" and hasattr(value, "columns"):
        rows = value.astype(object).to_numpy().tolist()
        return {"columns": plain(list(value.columns)), "rows": plain(rows)}
    if module == "pandas" and hasattr(value, "index") and hasattr(value, "to_numpy"):
        return {"index": plain(list(value.index)), "values": plain(list(value))}
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat().removesuffix("T00:00:00")
    if module in {"numpy", "pandas"} and hasattr(value, "tolist"):
        return plain(value.tolist())
    return {"type": type(value).__name__}


def report(names: dict[str, Any], expressions: list[str]) -> str:
    """Evaluate expressions over the names; return JSON: for each `{"value": ...}` or `{"error": "..."}`."""
    results = []
    for expression in expressions:
        try:
            results.append({"value": plain(eval(expression, dict(names)))})
        except BaseException as error:
            results.append({"error": f"{type(error).__name__}: {error}"})
    return json.dumps(results)

"""M3ToolEval: is an answer right? As its authors decide it, and as a reader would.

The official score reproduces the quirks of their grader (PAPER figures rest on them); the corrected one accepts
what the tasks themselves ask for and what is the same value in another spelling.
"""

from __future__ import annotations

import ast
import contextlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

TWO_DECIMALS = "xx.xx"
"""A task that says this asks for two decimals, whatever its expected value has."""
THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
CURRENCY = "$€£"
CLOSE = 1e-9


def official(answer: str, expected: Any) -> bool:
    """Return what the authors' grader says of an answer, a text.

    Numbers are compared where both read as one. Lists, dicts and tuples are right only as `str(expected)`: their
    grader raises inside before it compares them, and goes on to the texts. An answer that is a literal of Python
    (a quoted string, say) is compared as what it spells from there on.
    """
    meant: Any = answer
    try:
        if answer == expected or _number(answer) == _number(expected):
            return True
        meant = ast.literal_eval(answer)
    except Exception:
        return str(meant) == str(expected)
    return str(meant) == str(expected)


def _number(value: Any) -> Any:
    """Read an int, else a float, else leave it; raises TypeError for what is neither text nor number."""
    for read in (int, float):
        try:
            return read(value)
        except ValueError:
            continue
    return value


def corrected(answer: str, expected: Any, *, task: str = "", also: Sequence[Any] = ()) -> bool:
    """Return whether an answer is right: the value, however it is spelled.

    Accepted besides the official ones: two decimals where the `task` asks for them, a currency sign, commas
    between thousands, a final period, quotes, JSON for lists, dicts, booleans, whole numbers for floats, keys in
    another order, lists without brackets. `also` are further right values.
    """
    places = 2 if TWO_DECIMALS in task else None
    values = [expected, *also]
    return any(official(answer, value) or _means(answer.strip(), value, places) for value in values)


def _means(answer: str, expected: Any, places: int | None) -> bool:
    spelled = [answer, answer.strip("`*").strip(), answer.rstrip(".").strip("`*").strip()]
    if isinstance(expected, list | tuple):
        spelled += [f"[{text}]" for text in spelled]
    return any(_same(value, expected, places) for text in spelled for value in _readings(text, expected))


def _readings(text: str, expected: Any) -> list[Any]:
    """Return what a text may mean, as values."""
    found: list[Any] = [text, text.strip("\"'")]
    if isinstance(expected, int | float) and not isinstance(expected, bool):
        bare = text.strip(CURRENCY + " ")
        bare = bare.replace(",", "") if THOUSANDS.fullmatch(bare) else bare
        with contextlib.suppress(ValueError):
            found.append(float(bare))
    for read in (json.loads, ast.literal_eval):
        try:
            found.append(read(text))
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    if isinstance(expected, bool) and text.lower() in {"true", "false"}:
        found.append(text.lower() == "true")
    return found


def _same(value: Any, expected: Any, places: int | None) -> bool:
    if isinstance(expected, bool) or isinstance(value, bool):
        return value is expected
    if isinstance(expected, int | float):
        asked = 0.5 * 10**-places if places is not None else 0.0
        return isinstance(value, int | float) and math.isclose(
            value, expected, rel_tol=CLOSE, abs_tol=asked + CLOSE
        )
    if isinstance(expected, Mapping):
        return (
            isinstance(value, Mapping)
            and value.keys() == expected.keys()
            and all(_same(value[key], expected[key], places) for key in expected)
        )
    if isinstance(expected, list | tuple):
        return (
            isinstance(value, list | tuple)
            and len(value) == len(expected)
            and all(_same(one, two, places) for one, two in zip(value, expected, strict=True))
        )
    return bool(value == expected)

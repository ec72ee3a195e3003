"""External memory, pandas: questions about a DataFrame of the kernel, some with a second one to join."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from codeact_kernel.learn.tasks.questions import PAIRS, Question, question
from codeact_kernel.learn.tasks.task import Draft, Family, Move, Slip

if TYPE_CHECKING:
    from random import Random


def families() -> list[Family]:
    """Return the families of this domain."""
    return [
        Family(f"tables/{operation}-{condition}", split, partial(_make, operation, condition))
        for (operation, condition), split in PAIRS.items()
    ]


def _make(operation: str, condition: str, chance: Random) -> Draft:
    asked = question(operation, condition, chance)
    table = asked.theme.table
    first = Move(f"I take the {table} that are asked for.", f"{_selection(asked)}\nprint(len(part))")
    second = Move(*_operation(asked))
    wrong = first.code.replace(f'"{_column(asked)}"', f'"{_column(asked).capitalize()}"')
    return Draft(
        text=asked.text,
        setup=(_setup(asked),),
        moves=(first, second),
        answer=asked.answer,
        expected=(asked.expected,),
        others=tuple(row[0] for row in asked.rows) if isinstance(asked.expected, str) else (),
        slip=Slip(0, wrong, f"The column is named {_column(asked)}, in small letters."),
    )


def _setup(asked: Question) -> str:
    theme = asked.theme
    columns = dict(
        zip(("name", theme.category, theme.first, theme.second), zip(*asked.rows, strict=True), strict=True)
    )
    lines = ",\n".join(f"    {name!r}: {list(values)!r}" for name, values in columns.items())
    code = f"import pandas as pd\n\n{theme.table} = pd.DataFrame({{\n{lines},\n}})"
    if asked.zones:
        zones = {theme.category: list(asked.zones), "zone": list(asked.zones.values())}
        code += f"\nzones = pd.DataFrame({zones!r})"
    return code


def _column(asked: Question) -> str:
    """Return the column that a mistake is made with."""
    return {"above": asked.theme.second, "below": asked.theme.second, "zone": "zone"}.get(
        asked.condition, asked.theme.category
    )


def _selection(asked: Question) -> str:
    table, category, second = asked.theme.table, asked.theme.category, asked.theme.second
    compared = {
        "is": f'{table}["{category}"] == "{asked.value}"',
        "above": f'{table}["{second}"] > {asked.level}',
        "below": f'{table}["{second}"] < {asked.level}',
        "zone": f'joined["zone"] == "{asked.value}"',
        "both": f'({table}["{category}"] == "{asked.value}") & ({table}["{second}"] > {asked.level})',
    }[asked.condition]
    if asked.condition == "zone":
        return f'joined = {table}.merge(zones, on="{category}")\npart = joined[{compared}]'
    return f"part = {table}[{compared}]"


def _operation(asked: Question) -> tuple[str, str]:
    number = asked.theme.first
    return {
        "mean": (f"Now the mean {number} of them.", f'print(round(part["{number}"].mean(), 2))'),
        "sum": (f"Now the total {number} of them.", f'print(part["{number}"].sum())'),
        "min": (f"Now the lowest {number} of them.", f'print(part["{number}"].min())'),
        "max": (f"Now the highest {number} of them.", f'print(part["{number}"].max())'),
        "top": (
            f"Now the one with the highest {number}.",
            f'print(part.sort_values("{number}")[["name", "{number}"]].tail(1))',
        ),
        "least": (
            f"Now the one with the lowest {number}.",
            f'print(part.sort_values("{number}")[["name", "{number}"]].head(1))',
        ),
    }[asked.operation]

"""External memory, SQLite: the same kinds of questions about a database file in the working folder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from codeact_kernel.learn.tasks.questions import PAIRS, Question, question
from codeact_kernel.learn.tasks.task import Draft, Family, Move, Slip

if TYPE_CHECKING:
    from random import Random

CONNECT = 'import sqlite3\n\ndb = sqlite3.connect("data.db")\n'


def families() -> list[Family]:
    """Return the families of this domain."""
    return [
        Family(f"records/{operation}-{condition}", split, partial(_make, operation, condition))
        for (operation, condition), split in PAIRS.items()
    ]


def _make(operation: str, condition: str, chance: Random) -> Draft:
    asked = question(operation, condition, chance)
    theme, where = asked.theme, _where(asked)
    count = Move(
        f"I count the {theme.table} that are asked for.",
        f'{CONNECT}where = "{where}"\nprint(db.execute("SELECT COUNT(*) FROM " + where).fetchall())',
    )
    thought, columns, order = _operation(asked)
    found = Move(thought, f'print(db.execute("SELECT {columns} FROM " + where{order}).fetchall())')
    wrong = count.code.replace(f"FROM {theme.table}", f"FROM {theme.one}", 1).replace(
        f'where = "{theme.table}', f'where = "{theme.one}', 1
    )
    return Draft(
        text=f"The file data.db is an SQLite database. {asked.text}",
        setup=(_setup(asked),),
        moves=(count, found),
        answer=asked.answer,
        expected=(asked.expected,),
        others=tuple(row[0] for row in asked.rows) if isinstance(asked.expected, str) else (),
        slip=Slip(0, wrong, f"The table is named {theme.table}."),
    )


def _setup(asked: Question) -> str:
    theme = asked.theme
    columns = f"name TEXT, {theme.category} TEXT, {theme.first} INTEGER, {theme.second} INTEGER"
    lines = [
        "import sqlite3",
        "",
        '_db = sqlite3.connect("data.db")',
        f'_ = _db.execute("CREATE TABLE {theme.table} ({columns})")',
        f'_ = _db.executemany("INSERT INTO {theme.table} VALUES (?, ?, ?, ?)", {asked.rows!r})',
    ]
    if asked.zones:
        lines += [
            f'_ = _db.execute("CREATE TABLE zones ({theme.category} TEXT, zone TEXT)")',
            f'_ = _db.executemany("INSERT INTO zones VALUES (?, ?)", {list(asked.zones.items())!r})',
        ]
    return "\n".join([*lines, "_db.commit()", "_db.close()", "del _db, sqlite3"])


def _where(asked: Question) -> str:
    theme = asked.theme
    return {
        "is": f"{theme.table} WHERE {theme.category} = '{asked.value}'",
        "above": f"{theme.table} WHERE {theme.second} > {asked.level}",
        "below": f"{theme.table} WHERE {theme.second} < {asked.level}",
        "zone": f"{theme.table} JOIN zones USING ({theme.category}) WHERE zone = '{asked.value}'",
        "both": f"{theme.table} WHERE {theme.category} = '{asked.value}' AND {theme.second} > {asked.level}",
    }[asked.condition]


def _operation(asked: Question) -> tuple[str, str, str]:
    """Return the sentence, the columns to select and what follows the condition."""
    number = asked.theme.first
    return {
        "mean": (f"Now the mean {number} of them.", f"ROUND(AVG({number}), 2)", ""),
        "sum": (f"Now the total {number} of them.", f"SUM({number})", ""),
        "min": (f"Now the lowest {number} of them.", f"MIN({number})", ""),
        "max": (f"Now the highest {number} of them.", f"MAX({number})", ""),
        "top": (
            f"Now the one with the highest {number}.",
            f"name, {number}",
            f' + " ORDER BY {number} DESC LIMIT 1"',
        ),
        "least": (
            f"Now the one with the lowest {number}.",
            f"name, {number}",
            f' + " ORDER BY {number} LIMIT 1"',
        ),
    }[asked.operation]

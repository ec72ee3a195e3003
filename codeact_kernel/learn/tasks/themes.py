"""What the tables are about: columns, names and ranges, shared by the pandas and the SQLite families."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

HARBOURS = ("Visby", "Kalmar", "Ystad", "Lysekil", "Malmo")
TOWNS = ("Bergen", "Oslo", "Turku", "Tartu", "Riga", "Vaasa")
PEOPLE = (
    "Ada",
    "Ben",
    "Carl",
    "Dora",
    "Emil",
    "Fay",
    "Greta",
    "Hugo",
    "Ida",
    "Jon",
    "Kaja",
    "Leo",
    "Mia",
    "Nils",
    "Olga",
    "Pia",
    "Rolf",
    "Sara",
    "Tom",
    "Ulla",
    "Vera",
    "Wim",
    "Zoe",
    "Axel",
    "Bea",
    "Cleo",
    "Dan",
    "Eva",
    "Finn",
    "Gus",
)


@dataclass(frozen=True, slots=True)
class Theme:
    """A table: its name, one of its rows in words, a category with values, two columns of whole numbers."""

    table: str
    one: str
    category: str
    values: tuple[str, ...]
    first: str
    first_range: tuple[int, int]
    second: str
    second_range: tuple[int, int]


THEMES = (
    Theme("boats", "boat", "harbour", HARBOURS, "price", (900, 9900), "length", (4, 40)),
    Theme("shops", "shop", "town", TOWNS, "sales", (1000, 9000), "staff", (2, 60)),
    Theme("trees", "tree", "park", ("North", "Lake", "Castle", "Mill"), "height", (120, 990), "age", (3, 90)),
    Theme("trips", "trip", "driver", ("Anna", "Bo", "Cecil", "Dina"), "distance", (15, 900), "fare", (20, 990)),
    Theme(
        "books", "book", "genre", ("crime", "poetry", "history", "travel"), "pages", (80, 900), "price", (5, 99)
    ),
    Theme("hens", "hen", "farm", ("Hill", "River", "Forest"), "eggs", (40, 320), "weight", (900, 3900)),
    Theme(
        "players", "player", "team", ("Reds", "Blues", "Greens", "Whites"), "points", (10, 800), "age", (16, 40)
    ),
    Theme("houses", "house", "street", ("Main", "Oak", "Church", "Mill"), "rent", (300, 2900), "rooms", (1, 12)),
    Theme(
        "films",
        "film",
        "country",
        ("Spain", "Japan", "Chile", "Kenya"),
        "visitors",
        (90, 9900),
        "minutes",
        (60, 240),
    ),
    Theme("rivers", "river", "region", ("east", "west", "south"), "depth", (2, 99), "width", (10, 900)),
    Theme("bikes", "bike", "colour", ("red", "blue", "green", "black"), "price", (90, 2900), "weight", (6, 30)),
    Theme("letters", "letter", "sender", ("Ivar", "Jana", "Knut", "Lena"), "stamps", (1, 90), "words", (50, 990)),
)
"""The words are plain ones that small models write without a slip."""

GROUPS = ("zone", ("alpha", "beta", "gamma"))
"""The column of the second table, which says for each value of the category to which zone it belongs."""


def rows_of(theme: Theme, chance: Random, count: int) -> list[tuple[str, str, int, int]]:
    """Return rows: a name that occurs once, the category, the two numbers, which occur once each if they can."""
    names = chance.sample(PEOPLE, count)
    return [
        (
            name,
            chance.choice(theme.values),
            chance.randint(*theme.first_range),
            chance.randint(*theme.second_range),
        )
        for name in names
    ]

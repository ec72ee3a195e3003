"""Information seeking: questions that take two or three searches in a small archive, made anew for each task."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from codeact_kernel.learn.tasks.task import Draft, Family, Move, Slip

if TYPE_CHECKING:
    from random import Random

    from codeact_kernel.learn.tasks.task import Split, Value

CHAINS: dict[tuple[str, str], Split] = {
    ("born", "founded"): "train",
    ("born", "river"): "train",
    ("lives", "inhabitants"): "train",
    ("lives", "founded"): "train",
    ("spouse", "inhabitants"): "train",
    ("spouse", "river"): "train",
    ("born", "inhabitants"): "validation",
    ("lives", "river"): "heldout",
    ("spouse", "founded"): "heldout",
}
"""(how a person leads to a town, what is asked of it) -> split."""
PAIRS: dict[tuple[str, str], Split] = {
    ("sum", "inhabitants"): "train",
    ("gap", "founded"): "train",
    ("gap", "inhabitants"): "heldout",
}
"""(what is made of two towns' numbers, which numbers) -> split."""
FIRST = ("Ada", "Ben", "Carl", "Dora", "Emil", "Greta", "Hugo", "Ida", "Jon", "Leo", "Mia", "Nils", "Olga", "Vera")
LAST = ("Holm", "Berg", "Lind", "Falk", "Strand", "Dahl", "Ek", "Ström", "Moe", "Krog", "Vik", "Sand")
TOWNS = (
    *("Aldby", "Borgham", "Carlsund", "Dunvik", "Elmstad", "Fagerby", "Grimsund", "Halden", "Isvik"),
    *("Kallby", "Lundham", "Mosund", "Norrvik", "Osterby"),
)
RIVERS = ("Alma", "Brenta", "Dova", "Esk", "Glomma", "Luma", "Nida", "Orra", "Sava", "Tana", "Umea", "Vera")
TRADES = ("painter", "baker", "teacher", "doctor", "sailor", "writer", "farmer")
ASKED = {
    "founded": ("In which year was the town founded {where}?", "It was founded in {value}."),
    "inhabitants": ("How many inhabitants has the town {where}?", "It has {value} inhabitants."),
    "river": ("On which river is the town {where}?", "It is on the river {value}."),
}
WHERE = {
    "born": "where {person} was born",
    "lives": "where {person} lives",
    "spouse": "where the person lives to whom {person} is married",
}
TOOL = '''
def _archive(pages):
    def search(query):
        """Return the page of the archive that fits a name best."""
        words = set(query.lower().split())
        best = max(pages, key=lambda title: len(words & set(title.lower().split())))
        if not words & set(best.lower().split()):
            raise LookupError(f"The archive has no page on {query!r}.")
        return pages[best]
    return search


search = _archive(%s)
del _archive
'''


@dataclass(frozen=True, slots=True)
class Town:
    """A town of an archive."""

    name: str
    founded: int
    inhabitants: int
    river: str

    @property
    def page(self) -> str:
        """Its page."""
        return (
            f"{self.name} is a town on the river {self.river}. It was founded in {self.founded} and has "
            f"{self.inhabitants} inhabitants."
        )


@dataclass(frozen=True, slots=True)
class Person:
    """A person of an archive; `spouse` is a name."""

    name: str
    trade: str
    born: str
    lives: str
    spouse: str

    @property
    def page(self) -> str:
        """The person's page."""
        return (
            f"{self.name} is a {self.trade}, was born in {self.born}, lives in {self.lives} and is married to "
            f"{self.spouse}."
        )


@dataclass(frozen=True, slots=True)
class Archive:
    """What `search` looks in, by name."""

    towns: dict[str, Town]
    people: dict[str, Person]

    @property
    def setup(self) -> str:
        """The cell that makes `search`; the pages are nobody's variable."""
        pages = {name: town.page for name, town in self.towns.items()}
        pages |= {name: person.page for name, person in self.people.items()}
        return (TOOL % repr(pages)).strip()


def families() -> list[Family]:
    """Return the families of this domain."""
    chains = [
        Family(f"seek/{way}-{asked}", split, partial(_chain, way, asked)) for (way, asked), split in CHAINS.items()
    ]
    pairs = [
        Family(f"seek/{made}-{asked}", split, partial(_pair, made, asked))
        for (made, asked), split in PAIRS.items()
    ]
    return chains + pairs


def _new_archive(chance: Random) -> Archive:
    names = chance.sample(TOWNS, 8)
    years, sizes = chance.sample(range(1050, 1890), 8), chance.sample(range(2100, 98000), 8)
    rivers = chance.sample(RIVERS, 8)
    facts = zip(names, years, sizes, rivers, strict=True)
    towns = {name: Town(name, year, size, river) for name, year, size, river in facts}
    firsts, lasts = chance.sample(FIRST, 8), chance.sample(LAST, 8)
    people = [f"{first} {last}" for first, last in zip(firsts, lasts, strict=True)]
    found = {}
    for one, other in zip(people[::2], people[1::2], strict=True):
        born_one, born_other, lives_one, lives_other = chance.sample(names, 4)
        found[one] = Person(one, chance.choice(TRADES), born_one, lives_one, other)
        found[other] = Person(other, chance.choice(TRADES), born_other, lives_other, one)
    return Archive(towns, found)


def _chain(way: str, asked: str, chance: Random) -> Draft:
    """Write a question that goes from a person over a town, or over another person, to a fact."""
    archive = _new_archive(chance)
    person = archive.people[chance.choice(sorted(archive.people))]
    moves = [Move(f"I look up {person.name}.", f'print(search("{person.name}"))')]
    last = person
    if way == "spouse":
        last = archive.people[person.spouse]
        moves.append(Move(f"{person.name} is married to {last.name}.", f'print(search("{last.name}"))'))
    town = archive.towns[last.born if way == "born" else last.lives]
    verb = "was born" if way == "born" else "lives"
    moves.append(Move(f"{last.name} {verb} in {town.name}.", f'print(search("{town.name}"))'))
    question, told = ASKED[asked]
    facts: dict[str, Value] = {"founded": town.founded, "inhabitants": town.inhabitants, "river": town.river}
    value = facts[asked]
    return Draft(
        text=question.format(where=WHERE[way].format(person=person.name)),
        setup=(archive.setup,),
        moves=tuple(moves),
        answer=told.format(value=value),
        expected=(value,),
        others=RIVERS if isinstance(value, str) else (),
        slip=Slip(0, f'print(search("{person.name}").text)', "search returns a text, which I print as it is."),
    )


def _pair(made: str, asked: str, chance: Random) -> Draft:
    """Write a question on the numbers of two towns."""
    archive = _new_archive(chance)
    one, other = (archive.towns[name] for name in chance.sample(sorted(archive.towns), 2))
    first, second = (town.founded if asked == "founded" else town.inhabitants for town in (one, other))
    if made == "gap" and first < second:
        one, other, first, second = other, one, second, first
    value = first + second if made == "sum" else first - second
    texts = {
        ("sum", "inhabitants"): f"How many inhabitants have {one.name} and {other.name} together?",
        ("gap", "founded"): f"How many years after {other.name} was {one.name} founded?",
        ("gap", "inhabitants"): f"How many more inhabitants has {one.name} than {other.name}?",
    }
    answers = {
        ("sum", "inhabitants"): f"Together they have {value} inhabitants.",
        ("gap", "founded"): f"{one.name} was founded {value} years later.",
        ("gap", "inhabitants"): f"{one.name} has {value} more inhabitants.",
    }
    search = f'print(search("{one.name}"))\nprint(search("{other.name}"))'
    sign, thought = ("+", "I add the two numbers.") if made == "sum" else ("-", "I subtract the two numbers.")
    return Draft(
        text=texts[made, asked],
        setup=(archive.setup,),
        moves=(Move("I look up both towns.", search), Move(thought, f"print({first} {sign} {second})")),
        answer=answers[made, asked],
        expected=(value,),
        slip=Slip(0, f'print(search("{one.name}", "{other.name}"))', "search takes one name at a time."),
    )

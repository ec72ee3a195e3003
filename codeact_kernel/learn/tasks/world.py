"""Planning: a small world of rooms and things, moved by functions; where everything is in the end counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from codeact_kernel.learn.tasks.task import Draft, Family, Move, Slip

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from codeact_kernel.learn.tasks.task import Split, Value

ROOMS = ("kitchen", "hall", "cellar", "attic", "garden", "garage", "study", "bedroom")
THINGS = ("lamp", "book", "key", "cup", "rope", "clock", "vase", "ball", "knife", "map", "bell", "chair")
COLOURS = ("red", "blue", "green")
LOOK = Move("I look into every room.", "for room in rooms():\n    print(go(room))")
TOOLS = '''
def _world(things):
    held, at = [], [next(iter(things))]

    def rooms():
        """Return the names of all rooms."""
        return list(things)

    def go(room):
        """Go to a room and return what is in it."""
        if room not in things:
            raise ValueError(f"There is no room {room!r}.")
        at[0] = room
        return f"{room}: {', '.join(things[room]) or 'nothing'}"

    def take(thing):
        """Take a thing of the room where you are."""
        if thing not in things[at[0]]:
            raise ValueError(f"There is no {thing} in the {at[0]}; go to its room first.")
        things[at[0]].remove(thing)
        held.append(thing)

    def put(thing):
        """Put a thing that you hold into the room where you are."""
        if thing not in held:
            raise ValueError(f"You do not hold the {thing}; take it first.")
        held.remove(thing)
        things[at[0]].append(thing)

    def state():
        return sorted((thing, room) for room in things for thing in things[room]), sorted(held)

    return rooms, go, take, put, state


rooms, go, take, put, _state = _world(%s)
del _world
'''


@dataclass(frozen=True, slots=True)
class World:
    """Where everything is at first: room -> things, and thing -> room."""

    rooms: dict[str, list[str]]

    @property
    def places(self) -> dict[str, str]:
        """Thing -> room."""
        return {thing: room for room, things in self.rooms.items() for thing in things}

    def move(self, *moves: tuple[str, str]) -> str:
        """Return the code that brings things to rooms, one after the other, and shows those rooms."""
        lines = []
        for thing, room in moves:
            lines += [f'go("{self.places[thing]}")', f'take("{thing}")', f'go("{room}")', f'put("{thing}")']
        return "\n".join([*lines, *(f'print(go("{room}"))' for room in dict.fromkeys(room for _, room in moves))])

    def after(self, *moves: tuple[str, str], held: tuple[str, ...] = ()) -> str:
        """Return the repr of the world's state after moves, and after taking what is `held`."""
        places = self.places | dict(moves)
        return repr((sorted((thing, room) for thing, room in places.items() if thing not in held), sorted(held)))


@dataclass(frozen=True, slots=True)
class Wish:
    """A task in a world: its words, the code, the answer, the state at the end, and what the answer must state."""

    text: str
    code: str
    answer: str
    state: str
    expected: tuple[Value, ...] = ()
    slip: str = ""


def families() -> list[Family]:
    """Return the families of this domain."""
    kinds: list[tuple[str, Split, Callable[[World, Random], Wish]]] = [
        ("find", "train", _find),
        ("bring", "train", _bring),
        ("beside", "train", _beside),
        ("empty", "train", _empty),
        ("gather", "train", _gather),
        ("hold", "validation", _hold),
        ("both", "heldout", _both),
        ("swap", "heldout", _swap),
    ]
    return [Family(f"world/{name}", split, partial(_make, wish)) for name, split, wish in kinds]


def _make(wishing: Callable[[World, Random], Wish], chance: Random) -> Draft:
    rooms = chance.sample(ROOMS, 5)
    things = chance.sample(THINGS, 6)
    coloured = [f"{chance.choice(COLOURS)} {thing}" for thing in things[:3]] + things[3:]
    placed: dict[str, list[str]] = {room: [] for room in rooms}
    for thing in coloured:
        placed[chance.choice(rooms)].append(thing)
    world = World(placed)
    wish = wishing(world, chance)
    moves = (LOOK, Move("Now I know where everything is.", wish.code)) if wish.code else (LOOK,)
    return Draft(
        text=wish.text,
        setup=((TOOLS % repr(placed)).strip(),),
        moves=moves,
        answer=wish.answer,
        expected=wish.expected,
        others=tuple(rooms) if wish.expected else (),
        tests=(("_state()", wish.state),),
        slip=Slip(1, wish.slip, "I must go to its room first.") if wish.slip else None,
    )


def _elsewhere(world: World, chance: Random, *things: str) -> str:
    """Return a room in which none of these things is."""
    return chance.choice([room for room in world.rooms if room not in {world.places[thing] for thing in things}])


def _without_going(world: World, code: str, thing: str) -> str:
    """Return the code of somebody who forgets to go first; "" where it would do, by luck."""
    return "" if world.places[thing] == list(world.rooms)[-1] else code.partition("\n")[2]


def _find(world: World, chance: Random) -> Wish:
    thing = chance.choice(sorted(world.places))
    room = world.places[thing]
    return Wish(f"In which room is the {thing}?", "", f"It is in the {room}.", world.after(), (room,))


def _bring(world: World, chance: Random) -> Wish:
    thing = chance.choice(sorted(world.places))
    room = _elsewhere(world, chance, thing)
    code = world.move((thing, room))
    return Wish(
        f"Bring the {thing} to the {room}.",
        code,
        f"The {thing} is in the {room} now.",
        world.after((thing, room)),
        slip=_without_going(world, code, thing),
    )


def _beside(world: World, chance: Random) -> Wish:
    while True:
        thing, other = chance.sample(sorted(world.places), 2)
        room = world.places[other]
        if world.places[thing] != room or len(set(world.places.values())) == 1:
            break
    code = world.move((thing, room)) if world.places[thing] != room else f'print(go("{room}"))'
    return Wish(
        f"Bring the {thing} to the room where the {other} is.",
        code,
        f"The {thing} is in the {room} now.",
        world.after((thing, room)),
        slip=_without_going(world, code, thing),
    )


def _empty(world: World, chance: Random) -> Wish:
    room = world.places[chance.choice(sorted(world.places))]
    target = chance.choice([other for other in world.rooms if other != room])
    moves = [(thing, target) for thing in world.rooms[room]]
    return Wish(
        f"Bring all things that are in the {room} to the {target}.",
        world.move(*moves),
        f"All things of the {room} are in the {target} now.",
        world.after(*moves),
    )


def _gather(world: World, chance: Random) -> Wish:
    colour = chance.choice(sorted({thing.split()[0] for thing in world.places if " " in thing}))
    things = [thing for thing in world.places if thing.startswith(f"{colour} ")]
    room = _elsewhere(world, chance, things[0])
    moves = [(thing, room) for thing in things if world.places[thing] != room]
    return Wish(
        f"Bring everything {colour} to the {room}.",
        world.move(*moves),
        f"Everything {colour} is in the {room} now.",
        world.after(*moves),
    )


def _hold(world: World, chance: Random) -> Wish:
    one, other = chance.sample(sorted(world.places), 2)
    lines = [f'go("{world.places[thing]}")\ntake("{thing}")' for thing in (one, other)]
    code = "\n".join([*lines, f'print(go("{world.places[other]}"))'])
    return Wish(
        f"Take the {one} and the {other}, and keep them.",
        code,
        f"I hold the {one} and the {other}.",
        world.after(held=(one, other)),
        slip=_without_going(world, code, one),
    )


def _both(world: World, chance: Random) -> Wish:
    one, other = chance.sample(sorted(world.places), 2)
    room = _elsewhere(world, chance, one, other)
    code = world.move((one, room), (other, room))
    return Wish(
        f"Bring the {one} and the {other} to the {room}.",
        code,
        f"The {one} and the {other} are in the {room} now.",
        world.after((one, room), (other, room)),
        slip=_without_going(world, code, one),
    )


def _swap(world: World, chance: Random) -> Wish:
    one, other = chance.sample(sorted(world.places), 2)
    moves = ((one, world.places[other]), (other, world.places[one]))
    return Wish(
        f"Swap the {one} and the {other}: each is to be in the room where the other is.",
        world.move(*moves),
        f"The {one} and the {other} have changed places.",
        world.after(*moves),
    )

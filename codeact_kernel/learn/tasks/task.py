"""The nouns of a task source: a family, what its generator writes, and the task that is made of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Literal

from codeact_kernel.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Split = Literal["train", "validation", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "validation", "heldout")
Value = int | float | str
SLIPS, AT_ONCE = 0.3, 0.1
"""Shares of the demonstrations that first make a mistake, and that do all in one cell."""


@dataclass(frozen=True, slots=True)
class Move:
    """One cell of a demonstration, and the sentence that it is announced with."""

    thought: str
    code: str


@dataclass(frozen=True, slots=True)
class Slip:
    """A mistake that people make: `code` raises before the move at `at`, and `mended` announces the cure."""

    at: int
    code: str
    mended: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What a generator writes.

    `moves` are the cells of the solution, the last of which shows the answer; `answer` is the reply that ends it.
    `expected` is what an answer must state, `others` are the names that it could be taken for; `tests` are pairs
    of an expression in the kernel and of what it must be equal to at the end.
    """

    text: str
    setup: tuple[str, ...]
    moves: tuple[Move, ...]
    answer: str
    expected: tuple[Value, ...] = ()
    others: tuple[str, ...] = ()
    tests: tuple[tuple[str, str], ...] = ()
    slip: Slip | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of task: all of it belongs to one split. `name` is `domain/kind`."""

    name: str
    split: Split
    make: Callable[[Random], Draft]

    def task(self, number: int) -> Task:
        """Return the task of a number: the same one on every machine."""
        chance = Random(f"codeact/learn/{self.name}/{number}")  # noqa: S311 - tasks, not secrets
        draft = self.make(chance)
        return Task(
            id=f"{self.name}/{number}",
            family=self.name,
            split=self.split,
            text=draft.text,
            setup=draft.setup,
            expected=draft.expected,
            others=draft.others,
            tests=draft.tests,
            replies=_replies(draft, chance.random()),
        )


@dataclass(frozen=True, slots=True)
class Task:
    """One task: its words, the cells that make its data, what its answer must state, and a demonstration.

    `replies` are those of a model that knows the way, each with at most one cell in `<execute>` tags, the answer
    last; none where there is no demonstration. For the other fields see `Draft`.
    """

    id: str
    family: str
    split: str
    text: str
    setup: tuple[str, ...] = ()
    expected: tuple[Value, ...] = ()
    others: tuple[str, ...] = ()
    tests: tuple[tuple[str, str], ...] = ()
    replies: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """Return the task as a JSON object."""
        return asdict(self)


def from_json(found: Mapping[str, Any], place: str) -> Task:
    """Return the task that a JSON object holds; `place` says where it stands, for errors.

    Raises:
        ConfigError: a field is missing, unknown, or of another type; or nothing could be checked.
    """
    try:
        task = Task(
            **{
                **found,
                "setup": _texts(found.get("setup", ())),
                "expected": tuple(_value(one) for one in found.get("expected", ())),
                "others": _texts(found.get("others", ())),
                "tests": tuple((str(expression), str(shown)) for expression, shown in found.get("tests", ())),
                "replies": _texts(found.get("replies", ())),
            }
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{place} is not a task ({error}); see docs/learning.md for its fields.") from None
    if not all(isinstance(part, str) and part for part in (task.id, task.family, task.split, task.text)):
        raise ConfigError(f"{place} is not a task: id, family, split and text must be texts.")
    if not task.expected and not task.tests:
        raise ConfigError(f"{place} has neither `expected` nor `tests`, so nobody could say whether it is solved.")
    return task


def _texts(found: Any) -> tuple[str, ...]:
    if isinstance(found, str) or not all(isinstance(one, str) for one in found):
        raise TypeError("a list of texts is wanted")
    return tuple(found)


def _value(found: Any) -> Value:
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        raise TypeError("expected values are numbers and texts")
    return found


def _replies(draft: Draft, chance: float) -> tuple[str, ...]:
    """Return the demonstration's replies: step by step, or all at once, or with a mistake that is mended."""
    moves = list(draft.moves)
    if draft.slip is not None and chance < SLIPS:
        right = moves[draft.slip.at]
        moves[draft.slip.at] = Move(draft.slip.mended, right.code)
        moves.insert(draft.slip.at, Move(right.thought, draft.slip.code))
    elif chance > 1 - AT_ONCE:
        moves = [Move(moves[0].thought, "\n".join(move.code for move in moves))]
    return (*(f"{move.thought}\n<execute>\n{move.code}\n</execute>" for move in moves), draft.answer)

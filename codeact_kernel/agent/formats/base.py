"""What an action space is: the words it is explained with, and how its replies become cells."""

from __future__ import annotations

import keyword
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from codeact_kernel.types import Action, Finish, Step

CUT = {"length", "tool", "cancelled"}
"""Ways a reply can end before its author ended it: an action that is not whole is then none."""
EMPTY = "Your reply was empty. Make one call, or reply with the answer in plain text."
CUT_REPLY = "Your reply reached the token limit before it ended, so nothing was called. Write less."
CALLS = (
    ("write the next code block", "make the next call"),
    ("write a corrected code block", "make a corrected call"),
    ("Write the corrected code block", "Make the corrected call"),
    ("run the corrected code, all of it", "make the corrected call"),
    ("Write a code block that computes and prints it", "Make a call that shows it"),
    ("Write a code block that finds it out", "Make a call that finds it out"),
    (
        "Begin your reply with ```python and write code that computes and prints exactly what the task asks for",
        "Make a call that shows exactly what the task asks for",
    ),
    ("Begin your reply with ```python and write the code", "Make the first call now"),
    ("Begin your reply with ```python and compute it from the data", "Make a call that finds it out"),
    ("You described steps but wrote no code", "You described steps but made no call"),
    ("If the code left out", "If the calls left out"),
    ("the last code you may run", "the last call you may make"),
    ("You ran exactly this code", "You made exactly this call"),
    ("Do not run it again", "Do not make it again"),
    ("begin your reply with ```python and write code that uses it", "make a call that uses it"),
    ("No code has looked", "No call has looked"),
    ("No code used", "No call used"),
    ("The last code failed", "The last call failed"),
    ("The code failed", "The call failed"),
    ("The code could not be read", "The call could not be read"),
    ("the code did not do", "the call did not do"),
    ("without code", "without a call"),
)
"""Our words about code, and what they are where a step is one call."""


@dataclass(frozen=True, slots=True)
class Format:
    """An action space.

    `system` names its system prompt (`prompts/NAME.md`); `parse` reads a reply and its finish reason into one
    cell; `stop` are the strings after which a small model invents; `phrases` replace our words about code.
    """

    name: str
    system: str
    parse: Callable[[str, Finish], Action]
    stop: tuple[str, ...] = ()
    phrases: tuple[tuple[str, str], ...] = ()

    def words(self, text: str) -> str:
        """Return what we say to the model in the words of this action space."""
        for ours, theirs in self.phrases:
            text = text.replace(ours, theirs)
        return text

    def worded(self, step: Step) -> Step:
        """Return a step whose observation speaks of this space's actions; what a cell gave stays as it is."""
        seen = step.observation
        if seen is None or not self.phrases:
            return step
        if step.kind == "note" and not seen.guide:
            return step.with_(observation=replace(seen, text=self.words(seen.text)))
        guide = self.words(seen.guide)
        return step.with_(observation=replace(seen, text=seen.text.removesuffix(seen.guide) + guide, guide=guide))


def can_be_called(text: str) -> bool:
    """Say whether a text is the name of something in a kernel, or of an attribute of it."""
    return all(name.isidentifier() and not keyword.iskeyword(name) for name in text.split("."))


def call(tool: str, args: Sequence[Any] = (), named: Mapping[str, Any] | None = None) -> str:
    """Return the cell that makes one call."""
    given = [*map(repr, args), *(f"{name}={value!r}" for name, value in (named or {}).items())]
    return f"{tool}({', '.join(given)})"

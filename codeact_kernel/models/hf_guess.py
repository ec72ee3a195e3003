"""Guessing ahead from the conversation: which tokens may come next, and whether to check them.

Prompt lookup (apoorvumang/prompt-lookup-decoding): code that is mended repeats most of what stood before, and
checking many tokens in one pass costs less than a pass for each, since a pass is mostly reading weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NGRAM = 3
PAYS = 2
"""Right guesses that make up for a pass: on a CPU one of seven tokens takes 2.7 times one of a single token, one
of two tokens 2.1 times (SmolLM2 135M behind 2,000 tokens), so guess many or none."""
LONGEST_REST = 16


def guess(tokens: Sequence[int], most: int) -> list[int]:
    """Return up to `most` tokens that followed the last few tokens where they stood before."""
    for size in range(min(NGRAM, len(tokens) - 1), 1, -1):
        tail = list(tokens[-size:])
        for at in range(len(tokens) - size - 1, -1, -1):
            if tokens[at] == tail[0] and list(tokens[at : at + size]) == tail:
                return list(tokens[at + size : at + size + most])
    return []


class Pace:
    """Whether to guess: again at once after a guess that paid, and after others not for a while, each time longer.

    So a reply that repeats nothing costs hardly more than without guessing.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest, self._next_rest = 0, 1

    def size(self) -> int:
        """Return how many tokens to guess for the pass that comes, 0 while it rests."""
        if self._rest:
            self._rest -= 1
            return 0
        return self._most

    def learn(self, guessed: int, right: int) -> None:
        """Take in how many of the guessed tokens were right; nothing is learnt where none was guessed."""
        if right >= PAYS:
            self._next_rest = 1
        elif guessed:
            self._rest, self._next_rest = self._next_rest, min(LONGEST_REST, 2 * self._next_rest)

"""Text and lists that remember their beginning and their end, and say how much lay between."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Run:
    """Text of one stream without another output in between. `order` is its place among all outputs."""

    order: int
    parts: deque[str] = field(default_factory=deque)


class BoundedStream:
    """The first and the last `limit / 2` characters of a stream that may be endless.

    Text comes in runs (see `Run`); at most `most_runs` of them are kept at either end.
    """

    def __init__(self, limit: int, most_runs: int = 500) -> None:
        self._half = max(1, limit // 2)
        self._most_runs = most_runs
        self._head: list[Run] = []
        self._tail: deque[Run] = deque()
        self._head_chars = 0
        self._tail_chars = 0
        self.left_out = 0

    def append(self, text: str, order: int) -> None:
        """Add text; the same `order` as before continues the last run."""
        if not self._tail and self._head_chars < self._half:
            if not self._head or self._head[-1].order != order:
                if len(self._head) == self._most_runs:
                    self._head_chars = self._half
                else:
                    self._head.append(Run(order))
            taken = text[: self._half - self._head_chars]
            if taken:
                self._head[-1].parts.append(taken)
                self._head_chars += len(taken)
                text = text[len(taken) :]
        if text:
            self._append_tail(text, order)

    def _append_tail(self, text: str, order: int) -> None:
        if len(text) > self._half:
            self.left_out += len(text) - self._half
            text = text[-self._half :]
        if not self._tail or self._tail[-1].order != order:
            self._tail.append(Run(order))
        self._tail[-1].parts.append(text)
        self._tail_chars += len(text)
        while self._tail_chars > self._half or len(self._tail) > self._most_runs:
            self._trim()

    def _trim(self) -> None:
        run = self._tail[0]
        part = run.parts.popleft()
        over = self._tail_chars - self._half
        cut = len(part) if len(self._tail) > self._most_runs else min(len(part), over)
        if cut < len(part):
            run.parts.appendleft(part[cut:])
        if not run.parts:
            self._tail.popleft()
        self._tail_chars -= cut
        self.left_out += cut

    def runs(self, name: str) -> list[tuple[int, str]]:
        """Return `(order, text)` in order; where text is missing, a line says how many characters."""
        found = [(run.order, "".join(run.parts)) for run in self._head]
        tail = [(run.order, "".join(run.parts)) for run in self._tail]
        if self.left_out and tail:
            order, text = tail[0]
            tail[0] = (order, f"\n[... {self.left_out:,} characters of {name} left out ...]\n{text}")
        return found + tail


class BoundedList(Generic[T]):
    """The first and the last `most / 2` items of a list; `left_out` counts the others."""

    def __init__(self, most: int) -> None:
        self._half = max(1, most // 2)
        self._head: list[tuple[int, T]] = []
        self._tail: deque[tuple[int, T]] = deque()
        self.left_out = 0

    def append(self, item: T, order: int) -> T | None:
        """Add an item and return the one that had to go, if any."""
        if len(self._head) < self._half:
            self._head.append((order, item))
            return None
        self._tail.append((order, item))
        if len(self._tail) <= self._half:
            return None
        self.left_out += 1
        return self._tail.popleft()[1]

    def items(self) -> list[tuple[int, T]]:
        """Return the kept `(order, item)` pairs in order."""
        return [*self._head, *self._tail]

    @property
    def gap(self) -> int | None:
        """Return the order of the first item after the gap; None where nothing is missing."""
        return self._tail[0][0] if self.left_out else None

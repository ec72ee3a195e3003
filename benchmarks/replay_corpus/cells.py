"""The corpus: honest cells, cells that cannot be repeated, and changed pairs; every second one is held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from benchmarks.replay_corpus import (
    changes_rich,
    changes_text,
    honest_display,
    honest_objects,
    honest_progress,
    honest_system,
    honest_values,
    unrepeatable,
)

Kind: TypeAlias = Literal["honest", "unrepeatable", "change"]
HALVES = ("dev", "heldout")
SOURCES: dict[Kind, tuple[str, ...]] = {
    "honest": tuple(
        module.CELLS for module in (honest_progress, honest_objects, honest_values, honest_display, honest_system)
    ),
    "unrepeatable": (unrepeatable.CELLS,),
    "change": (changes_text.CELLS, changes_rich.CELLS),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: `first` runs in the first kernel, `second` in the second; they differ for a change only."""

    name: str
    kind: Kind
    half: str
    first: str
    second: str


def corpus() -> list[Cell]:
    """Return every cell; those at even places of their kind are "dev", the others "heldout"."""
    found: list[Cell] = []
    for kind, texts in SOURCES.items():
        parts = [part for text in texts for part in text.split("\n### ")[1:]]
        for place, part in enumerate(parts):
            name, _, code = part.partition("\n")
            first, _, second = code.partition("\n---\n")
            cell = Cell(f"{kind}/{name}", kind, HALVES[place % 2], first.strip(), (second or first).strip())
            found.append(cell)
    return found

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
    later,
    unrepeatable,
)

Kind: TypeAlias = Literal["honest", "unrepeatable", "change"]
HALVES = ("dev", "heldout", "later")
"""Rules were tuned on "dev" only; "later" are cells written after the rules."""
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


LATER: dict[Kind, str] = {"honest": later.HONEST, "change": later.CHANGES}


def corpus() -> list[Cell]:
    """Return every cell; those at even places of their kind are "dev", the others "heldout"."""
    found: list[Cell] = []
    for kind, texts in SOURCES.items():
        parts = [part for text in texts for part in _parts(text)]
        found += [_cell(part, kind, HALVES[place % 2]) for place, part in enumerate(parts)]
    for kind, text in LATER.items():
        found += [_cell(part, kind, "later") for part in _parts(text)]
    return found


def _parts(text: str) -> list[str]:
    return text.split("\n### ")[1:]


def _cell(part: str, kind: Kind, half: str) -> Cell:
    name, _, code = part.partition("\n")
    first, _, second = code.partition("\n---\n")
    return Cell(f"{kind}/{name}", kind, half, first.strip(), (second or first).strip())

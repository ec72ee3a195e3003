"""What must hold after an episode: each expectation looks at one piece of evidence and names its problems."""

from __future__ import annotations

import csv
import io
import json
import math
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.quickstart.answers import Figure, excused, figures, mentions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MOST_EXTRA_NUMBERS = 5
"""More unexplained numbers than this in an answer make it a listing of what was seen."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a checker may look at.

    `answer` is the final answer, `given` the numbers in the user's own words, `folder` the working folder,
    `probes` what the kernel said of each expression: `{"value": ...}` or `{"error": "..."}`.
    """

    answer: str
    given: frozenset[float]
    folder: Path
    probes: Mapping[str, Mapping[str, Any]]


class Expectation(Protocol):
    """One thing that must hold."""

    def problems(self, evidence: Evidence, others: Sequence[Expectation]) -> list[str]:
        """Return what does not hold, one sentence each; `others` are all expectations of the task."""


@dataclass(frozen=True, slots=True)
class Number:
    """The answer states `value` to within `tol` (absolute) and no other number for the same question.

    Contradictory is a number among `wrong` (other groups' figures, results of likely mistakes), or an
    unexplained one between half and twice the value. Explained are the numbers of the task's text, of the other
    expectations, of `facts` (true figures that an answer may add), and coarser roundings of the value.
    """

    value: float
    tol: float = 0.005
    wrong: tuple[float, ...] = ()
    facts: tuple[float, ...] = ()

    def holds(self, number: float) -> bool:
        """Say whether a number is the right one."""
        return abs(number - self.value) <= self.tol * (1 + 1e-9)

    def explains(self, number: float) -> bool:
        """Say whether a number is the right one, a rounding of it that is not wrong for sure, or a fact."""
        if any(abs(number - wrong) <= self.tol for wrong in self.wrong):
            return False
        rounded = any(number == round(self.value, digits) for digits in range(5))
        return self.holds(number) or rounded or any(abs(number - fact) <= 0.005 for fact in self.facts)

    def problems(self, evidence: Evidence, others: Sequence[Expectation]) -> list[str]:
        """See `Expectation`."""
        stated = figures(evidence.answer)
        if not any(self.holds(figure.value) for figure in stated):
            return [f"the answer does not state {self.value:g}"]
        compared = [mention for one in others if isinstance(one, Name) for mention in one.found(evidence.answer)]
        odd = [
            figure.value
            for figure in stated
            if not excused(figure, compared) and not self._explained(figure, evidence, others)
        ]
        found = [f"the answer also states {number:g}" for number in odd if self._contradicts(number)]
        if len(set(odd)) > MOST_EXTRA_NUMBERS:
            found.append(f"the answer lists {len(set(odd))} other numbers")
        return found

    def _explained(self, figure: Figure, evidence: Evidence, others: Sequence[Expectation]) -> bool:
        if any(isinstance(one, Number) and one.explains(figure.value) for one in others):
            return True
        return figure.value in evidence.given

    def _contradicts(self, number: float) -> bool:
        if any(abs(number - wrong) <= self.tol for wrong in self.wrong):
            return True
        return self.value != 0 and 0.5 <= number / self.value <= 2


@dataclass(frozen=True, slots=True)
class Name:
    """The answer claims `right` and none of the other `candidates` (name -> further spellings)."""

    right: str
    candidates: Mapping[str, tuple[str, ...]]

    def found(self, answer: str) -> list[Any]:
        """Return the mentions of candidates in an answer."""
        return mentions(answer, {name: (name, *spellings) for name, spellings in self.candidates.items()})

    def problems(self, evidence: Evidence, others: Sequence[Expectation]) -> list[str]:
        """See `Expectation`."""
        del others
        claimed = {mention.name for mention in self.found(evidence.answer) if mention.claimed}
        missing = [] if self.right in claimed else [f"the answer does not name {self.right}"]
        return missing + [f"the answer also claims {name}" for name in sorted(claimed - {self.right})]


@dataclass(frozen=True, slots=True)
class Probe:
    """An expression over the kernel's variables has this value (floats to within `tol`)."""

    expression: str
    value: Any
    tol: float = 1e-6

    def problems(self, evidence: Evidence, others: Sequence[Expectation]) -> list[str]:
        """See `Expectation`."""
        del others
        seen = evidence.probes.get(self.expression, {"error": "it was not evaluated"})
        if "error" in seen:
            return [f"`{self.expression}`: {seen['error']}"]
        return (
            []
            if same(seen["value"], self.value, self.tol)
            else [f"`{self.expression}` is {_short(seen['value'])}"]
        )


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A CSV file has this header and these rows in this order; texts of numbers compare as numbers.

    Columns may stand in any order; an unnamed or `index` counter column in front is let pass.
    """

    name: str
    header: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    tol: float = 1e-6

    def problems(self, evidence: Evidence, others: Sequence[Expectation]) -> list[str]:
        """See `Expectation`."""
        del others
        text = _read(evidence.folder / self.name)
        if text is None:
            return [f"there is no file {self.name}"]
        table = list(csv.DictReader(io.StringIO(text)))
        header = [name for name in (table[0] if table else {}) if name not in {"", "index", "Unnamed: 0"}]
        if sorted(map(str, header)) != sorted(self.header):
            return [f"{self.name} has the columns {header}"]
        rows = [[_cell(row[name]) for name in self.header] for row in table]
        wanted = [[_cell(str(cell)) if cell is not None else "" for cell in row] for row in self.rows]
        return [] if same(rows, wanted, self.tol) else [f"the rows of {self.name} differ from the right ones"]


@dataclass(frozen=True, slots=True)
class JsonFile:
    """A JSON file holds this value (floats to within `tol`)."""

    name: str
    value: Any
    tol: float = 0.005

    def problems(self, evidence: Evidence, others: Sequence[Expectation]) -> list[str]:
        """See `Expectation`."""
        del others
        text = _read(evidence.folder / self.name)
        if text is None:
            return [f"there is no file {self.name}"]
        try:
            seen = json.loads(text)
        except ValueError as error:
            return [f"{self.name} is not JSON: {error}"]
        return [] if same(seen, self.value, self.tol) else [f"{self.name} holds {_short(seen)}"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG file is there, at least 100 x 100 pixels, whole, and not of one colour."""

    name: str

    def problems(self, evidence: Evidence, others: Sequence[Expectation]) -> list[str]:
        """See `Expectation`."""
        del others
        path = evidence.folder / self.name
        data = path.read_bytes() if path.is_file() else b""
        if data[:8] != b"\x89PNG\r\n\x1a\n":
            return [f"{self.name} is not a PNG picture"]
        width, height = struct.unpack(">II", data[16:24])
        if width < 100 or height < 100:
            return [f"{self.name} is only {width} x {height} pixels"]
        try:
            pixels = zlib.decompress(b"".join(_chunks(data, b"IDAT")))
        except (zlib.error, struct.error) as error:
            return [f"{self.name} is broken: {error}"]
        stride = len(pixels) // height
        lines = {pixels[i * stride + 1 : (i + 1) * stride] for i in range(height)}
        return [] if len(lines) > 3 else [f"{self.name} is blank"]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The user's input files are byte for byte as they were."""

    files: Mapping[str, bytes] = field(repr=False)

    def problems(self, evidence: Evidence, others: Sequence[Expectation]) -> list[str]:
        """See `Expectation`."""
        del others
        changed = []
        for name, data in self.files.items():
            path = evidence.folder / name
            if not path.is_file() or path.read_bytes() != data:
                changed.append(f"the user's file {name} was changed")
        return changed


def same(seen: Any, wanted: Any, tol: float) -> bool:
    """Compare JSON values: numbers to within `tol`, texts and booleans exactly, keys in any order."""
    if isinstance(wanted, bool) or isinstance(seen, bool):
        return seen is wanted
    if isinstance(wanted, (int, float)) and isinstance(seen, (int, float)):
        return math.isclose(seen, wanted, rel_tol=1e-9, abs_tol=tol)
    if isinstance(wanted, dict) and isinstance(seen, dict):
        return seen.keys() == wanted.keys() and all(same(seen[key], wanted[key], tol) for key in wanted)
    if isinstance(wanted, list) and isinstance(seen, list):
        return len(seen) == len(wanted) and all(same(a, b, tol) for a, b in zip(seen, wanted, strict=True))
    return type(seen) is type(wanted) and bool(seen == wanted)


def _cell(text: str | None) -> str | float:
    try:
        return float(text or "")
    except ValueError:
        return text or ""


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _chunks(png: bytes, kind: bytes) -> list[bytes]:
    found, at = [], 8
    while at + 8 <= len(png):
        size = struct.unpack(">I", png[at : at + 4])[0]
        if png[at + 4 : at + 8] == kind:
            found.append(png[at + 8 : at + 8 + size])
        at += 12 + size
    return found

"""Two episodes of one task, step by step: which steps answer to each other, and in what they differ."""

from __future__ import annotations

import difflib
import io
import re
from dataclasses import dataclass
from importlib import import_module, util
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from codeact_kernel.canonical import sha256
from codeact_kernel.episode.cells import mark_of, source_of, turn_of
from codeact_kernel.episode.integrity import check_shape
from codeact_kernel.episode.notebook import Episode, from_notebook
from codeact_kernel.episode.plain import plain, unescape
from codeact_kernel.episode.schema import check_version
from codeact_kernel.types import Step, TaskTurn

if TYPE_CHECKING:
    from collections.abc import Sequence

Verdict: TypeAlias = Literal["same", "differs", "only-a", "only-b"]
Cell: TypeAlias = dict[str, Any]

ALIKE = 0.34
"""Part of the words that two replies must share to be taken for the same step done in another way."""

MOST_COMPARED = 2500
"""Pairs of steps between two equal ones; where there are more, steps are paired by their order."""

FEW_PAIRS, MANY_WORDS, FEW_WORDS = 25, 400, 80
"""Words of a reply that are compared, more where few pairs are; the work grows with the cube of their number."""

MOST_NBDIME, MOST_OUTPUTS = 2_000, 50
"""Characters of one text, and outputs, that nbdime is given: a line of 5,000 characters takes it 30 s."""

MOST_LINES, MOST_SHOWN = 1_000, 2_000
"""Lines from the first that differs that are compared, and characters of each that are shown."""


@dataclass(frozen=True, slots=True)
class Side:
    """A task or a step of one episode. `kind` is "task" or a step's kind; `seen` is what the model saw of it."""

    kind: str
    index: int
    thought: str = ""
    code: str | None = None
    status: str = ""
    seen: str = ""
    cell: Cell | None = None

    @property
    def words(self) -> str:
        """What is compared to find the partner: the code, or the text where there is none."""
        return self.thought if self.code is None else self.code


@dataclass(frozen=True, slots=True)
class Pair:
    """Steps that answer to each other; one is None where the other episode has none.

    `changed` names the parts that differ: kind, thought, code, status, seen, outputs. `cells` are the lines of a
    difference of the two code cells.
    """

    a: Side | None
    b: Side | None
    changed: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """How the two compare."""
        if self.a is None:
            return "only-b"
        if self.b is None:
            return "only-a"
        return "differs" if self.changed else "same"


@dataclass(frozen=True, slots=True)
class Diff:
    """All of it: `header` maps the name of a property to its two values, where they differ."""

    header: dict[str, tuple[Any, Any]]
    pairs: tuple[Pair, ...]

    @property
    def same(self) -> bool:
        """Whether every step of the two does and gives the same; the headers may differ."""
        return all(pair.verdict == "same" for pair in self.pairs)


def diff(a: dict[str, Any], b: dict[str, Any], *, cells: bool = True) -> Diff:
    """Compare the notebooks of two episodes.

    Args:
        a: the first episode's notebook; `b` the second's.
        b: see `a`.
        cells: whether code cells that differ are compared line by line, by nbdime where it is installed.

    Raises:
        EpisodeError: one of them is no episode, was damaged, or is of a newer major version.
    """
    one, two = _episode(a), _episode(b)
    sides = _sides(one), _sides(two)
    pairs = []
    for left, right in _aligned(*sides):
        changed = _changed(left, right)
        lines: Sequence[str] = ()
        if cells and left and right and left.cell and right.cell and {"code", "outputs"} & set(changed):
            lines = cell_lines(left.cell, right.cell)
        pairs.append(Pair(left, right, changed, tuple(lines)))
    return Diff(_header_difference(one, two), tuple(pairs))


def to_json(found: Diff) -> dict[str, Any]:
    """Return a comparison as JSON: `same`, `header`, and `steps` with both sides of each pair."""

    def side(of: Side | None) -> dict[str, Any] | None:
        if of is None:
            return None
        names = ("kind", "index", "thought", "code", "status", "seen")
        return {name: getattr(of, name) for name in names}

    result: dict[str, Any] = plain(
        {
            "same": found.same,
            "header": {name: list(values) for name, values in found.header.items()},
            "steps": [
                {
                    "verdict": pair.verdict,
                    "changed": list(pair.changed),
                    "a": side(pair.a),
                    "b": side(pair.b),
                    "cells": list(pair.cells),
                }
                for pair in found.pairs
            ],
        }
    )
    return result


def cell_lines(a: Cell, b: Cell) -> list[str]:
    """Return how two code cells differ in source and outputs, as lines; by nbdime if it is installed.

    Cells that are large are compared without it, and of very long ones only a part.
    """
    if util.find_spec("nbdime") is not None and not (_is_large(a) or _is_large(b)):
        return _by_nbdime(a, b)
    found: list[str] = []
    for name, of in (("source", source_of), ("outputs", _all_shown)):
        found += _line_difference(name, _lines(of(a)), _lines(of(b)))
    return found


def _is_large(cell: Cell) -> bool:
    sizes, outputs = [len(source_of(cell))], cell.get("outputs") or ()
    for output in outputs:
        data = output.get("data")
        texts = data.items() if isinstance(data, dict) else [("text/plain", output.get("text", ""))]
        sizes += [len(_text(value)) for mime, value in texts if mime.startswith("text/")]
    return max(sizes) > MOST_NBDIME or sum(sizes) > 3 * MOST_NBDIME or len(outputs) > MOST_OUTPUTS


def _line_difference(name: str, a: list[str], b: list[str]) -> list[str]:
    if max(len(a), len(b)) > MOST_LINES:
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False))
        first = sum(1 for _ in alike)
        a, b = a[first : first + MOST_LINES], b[first : first + MOST_LINES]
        name = f"{name} from line {first + 1} on"
    return [line[:MOST_SHOWN] for line in difflib.unified_diff(a, b, name, name, lineterm="")]


def _by_nbdime(a: Cell, b: Cell) -> list[str]:
    notebooks, prettyprint = import_module("nbdime.diffing.notebooks"), import_module("nbdime.prettyprint")
    one, two = _alone(a), _alone(b)
    out = io.StringIO()
    config = prettyprint.PrettyPrintConfig(out=out, use_color=False, use_git=False, use_diff=False)
    prettyprint.pretty_print_notebook_diff("a", "b", one, notebooks.diff_notebooks(one, two), config)
    return [line for line in out.getvalue().split("\n")[3:] if line.strip()]


def _alone(cell: Cell) -> Any:
    """Return a notebook of this cell alone, without what always differs: ids, counts and our metadata."""
    import nbformat  # noqa: PLC0415 - slow to import, needed only here

    outputs = [
        output | {"execution_count": None} if "execution_count" in output else output
        for output in cell.get("outputs") or ()
    ]
    source = {"source": source_of(cell), "outputs": outputs}
    alone: Cell = {"cell_type": "code", "id": "c", "metadata": {}, "execution_count": None, **source}
    whole = {"metadata": {}, "nbformat": 4, "nbformat_minor": 5, "cells": [alone]}
    return nbformat.from_dict(whole)  # type: ignore[no-untyped-call]


def _episode(notebook: dict[str, Any]) -> Episode:
    check_shape(notebook)
    episode = from_notebook(plain(notebook))
    check_version(episode.header)
    return episode


def _sides(episode: Episode) -> list[Side]:
    sides = []
    for entry in episode.entries:
        turn = turn_of(entry)
        if isinstance(turn, TaskTurn):
            sides.append(Side("task", 0, turn.text))
        elif isinstance(turn, Step):
            cell = next((cell for cell in entry.cells if mark_of(cell).get("kind") == "action"), None)
            said = turn.thought if turn.code is not None else turn.thought or turn.completion.text
            seen = turn.observation
            status = turn.execution.status if turn.execution else seen.status if seen else ""
            sides.append(Side(turn.kind, turn.index, said, turn.code, status, seen.text if seen else "", cell))
    return sides


def _aligned(a: list[Side], b: list[Side]) -> list[tuple[Side | None, Side | None]]:
    """Return the steps of both in order, equal ones side by side, between them those that are alike."""
    keys = [[(side.kind == "task", side.code is None, _normal(side.words)) for side in sides] for sides in (a, b)]
    pairs: list[tuple[Side | None, Side | None]] = []
    matcher = difflib.SequenceMatcher(None, keys[0], keys[1], autojunk=False)
    for tag, low_a, high_a, low_b, high_b in matcher.get_opcodes():
        if tag == "equal":
            pairs += zip(a[low_a:high_a], b[low_b:high_b], strict=True)
        else:
            pairs += _alike(a[low_a:high_a], b[low_b:high_b])
    return pairs


def _alike(a: list[Side], b: list[Side]) -> list[tuple[Side | None, Side | None]]:
    """Pair steps in order so that the sum of their likeness is largest."""
    if len(a) * len(b) > MOST_COMPARED:
        both = min(len(a), len(b))
        rest = [*((side, None) for side in a[both:]), *((None, side) for side in b[both:])]
        return [*zip(a[:both], b[:both], strict=True), *rest]
    most = MANY_WORDS if len(a) * len(b) <= FEW_PAIRS else FEW_WORDS
    likeness = [[_likeness(one, two, most) for two in b] for one in a]
    best = [[0.0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], best[i + 1][j + 1] + likeness[i][j])
    pairs: list[tuple[Side | None, Side | None]] = []
    i = j = 0
    while i < len(a) and j < len(b):
        if likeness[i][j] and best[i][j] == best[i + 1][j + 1] + likeness[i][j]:
            pairs.append((a[i], b[j]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            pairs.append((a[i], None))
            i += 1
        else:
            pairs.append((None, b[j]))
            j += 1
    return [*pairs, *((side, None) for side in a[i:]), *((None, side) for side in b[j:])]


def _likeness(a: Side, b: Side, most: int) -> float:
    """Return 0 for steps that are no partners, else how alike their first `most` words are, up to 1."""
    if (a.kind == "task") != (b.kind == "task"):
        return 0.0
    if a.kind == b.kind in {"task", "answer"}:
        return 1.0
    if (a.code is None) != (b.code is None):
        return 0.0
    one, two = (re.findall(r"\w+|[^\w\s]", side.words)[:most] for side in (a, b))
    ratio = difflib.SequenceMatcher(None, one, two, autojunk=False).ratio()
    return ratio if ratio >= ALIKE else 0.0


def _changed(a: Side | None, b: Side | None) -> tuple[str, ...]:
    if a is None or b is None:
        return ()
    names = [
        name for name in ("kind", "thought", "code", "status", "seen") if getattr(a, name) != getattr(b, name)
    ]
    shown = [[_shown(output) for output in (side.cell or {}).get("outputs") or ()] for side in (a, b)]
    return (*names, "outputs") if shown[0] != shown[1] else tuple(names)


def _all_shown(cell: Cell) -> str:
    return "\n".join(_shown(output) for output in cell.get("outputs") or ())


def _shown(output: dict[str, Any]) -> str:
    """Return an output as text: what a person compares; of other data than text the digest."""
    if output.get("output_type") == "error":
        return f"{output.get('ename')}: {output.get('evalue')}"
    if "text" in output:
        return f"{output.get('name', '')}: {_text(output['text'])}"
    data = output.get("data")
    parts = []
    for mime, value in sorted(data.items()) if isinstance(data, dict) else ():
        text = _text(value)
        parts.append(text if mime == "text/plain" else f"{mime} {sha256(text)[:12]}")
    return "\n".join(parts)


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "".join(value)
    return value if isinstance(value, str) else repr(value)


def _lines(text: str) -> list[str]:
    return text.split("\n") if text else []


def _normal(text: str) -> str:
    """Return code or text without what does not count: blank lines and white space at line ends."""
    return "\n".join(line.rstrip() for line in text.strip().split("\n") if line.strip())


def _header_difference(a: Episode, b: Episode) -> dict[str, tuple[Any, Any]]:
    one, two = (_properties(unescape(episode.header)) for episode in (a, b))
    names = [*one, *(name for name in two if name not in one)]
    return {name: (one.get(name), two.get(name)) for name in names if one.get(name) != two.get(name)}


def _properties(header: dict[str, Any]) -> dict[str, Any]:
    """Return what of a header may explain a difference, flat."""

    def part(name: str) -> dict[str, Any]:
        value = header.get(name)
        return value if isinstance(value, dict) else {}

    result = {
        "status": header.get("status"),
        "model": part("model").get("id"),
        "agent": part("agent").get("version"),
        "steps": header.get("steps"),
        "calls": part("usage").get("calls"),
        "input tokens": part("usage").get("input"),
        "output tokens": part("usage").get("output"),
        "system prompt": sha256(str(part("prompt").get("system")))[:12],
        "python": part("kernel").get("language_version"),
    }
    sampling = {f"sampling {name}": value for name, value in part("sampling").items()}
    return {**result, **sampling, **{f"package {name}": value for name, value in part("packages").items()}}

"""Where trajectories come from: folders of `codeact collect` and `eval`, episodes, rows of CodeActInstruct.

One after the other, so that memory does not grow with their number.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from sys import intern
from typing import TYPE_CHECKING, Any

from codeact_kernel.episode.files import read_notebook
from codeact_kernel.episode.integrity import check_shape
from codeact_kernel.episode.plain import plain
from codeact_kernel.episode.redact import redact_notebook
from codeact_kernel.errors import ConfigError, EpisodeError
from codeact_kernel.learn.filters import HELD_OUT
from codeact_kernel.learn.trajectory import Trajectory, Verdict, of_episode, of_instruct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from codeact_kernel.episode.redact import Redactor

RESULTS = "results.json"
BLOCK = 1 << 16
SPLITS = {"validation": "validation", "heldout": HELD_OUT, "test": HELD_OUT}
"""The words of rows for what is not trained on; anything else is."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that was read: `where` it lies, and the trajectory with the notebook or row it was made of.

    `trouble` is the sentence on why there is none.
    """

    where: str
    trajectory: Trajectory | None = None
    made_of: Row | None = None
    redacted: bool = False
    trouble: str = ""


def trajectories(places: Sequence[Path], redactor: Redactor) -> Iterator[Found]:
    """Yield what lies at the places, in order: folders, episodes (.ipynb), rows of CodeActInstruct (.jsonl).

    Secrets are taken out of each before anything else looks at it.

    Raises:
        ConfigError: there is nothing at a place.
    """
    for place in places:
        if place.is_dir():
            yield from _folder(place, redactor)
        elif place.suffix == ".jsonl" and place.is_file():
            yield from _rows(place, redactor)
        elif place.suffix == ".ipynb" and place.is_file():
            yield _episode(place, None, redactor)
        else:
            raise ConfigError(
                f"There are no episodes at {place}; give a folder of `codeact collect`, an .ipynb or a .jsonl."
            )


def _folder(folder: Path, redactor: Redactor) -> Iterator[Found]:
    verdicts = dict(_verdicts(folder / RESULTS))
    place = folder / "episodes"
    paths = sorted((place if place.is_dir() else folder).glob("*.ipynb"))
    if not paths:
        raise ConfigError(f"The folder {folder} holds no episodes (no .ipynb in it or in its episodes/).")
    for path in paths:
        yield _episode(path, verdicts.get(path.name), redactor)


def _episode(path: Path, verdict: Verdict | None, redactor: Redactor) -> Found:
    try:
        notebook = plain(read_notebook(path))
        check_shape(notebook)
        clean = redact_notebook(notebook, redactor)
        trajectory = of_episode(clean, verdict)
    except EpisodeError as error:
        return Found(str(path), trouble=str(error))
    return Found(str(path), trajectory, clean, redacted=clean is not notebook)


def _rows(path: Path, redactor: Redactor) -> Iterator[Found]:
    for number, row in lines_of(path):
        where = f"{path}:{number}"
        if row is None:
            yield Found(where, trouble=f"{where} is no JSON object.")
            continue
        before = sum(redactor.found.values())
        clean = redactor.value(row)
        try:
            trajectory = of_instruct(clean)
        except EpisodeError as error:
            yield Found(where, trouble=f"{where}: {error}")
            continue
        yield Found(where, trajectory, clean, redacted=sum(redactor.found.values()) > before)


def lines_of(path: Path) -> Iterator[tuple[int, Row | None]]:
    """Yield the number of each line that is not empty, from 1, and its JSON object; None for anything else.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    row = None
                yield number, row if isinstance(row, dict) else None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None


def _verdicts(path: Path) -> Iterator[tuple[str, Verdict]]:
    """Yield the name of each episode's file and the verdict of its row, reading one row at a time."""
    if not path.is_file():
        return
    for row in rows_of(path):
        episode = str(row.get("episode") or "").rpartition("/")[2]
        if not episode:
            continue
        scores = row.get("scores")
        score = scores.get("solved") if isinstance(scores, dict) else None
        solved = None if score is None or row.get("set_aside") else float(score) >= 1
        split = str(row.get("split") or row.get("protocol") or "").replace("-", "").replace("_", "")
        family = intern(str(row.get("family") or row.get("group") or ""))
        yield episode, Verdict(solved, SPLITS.get(split, "train"), family)


def rows_of(path: Path) -> Iterator[Row]:
    """Yield the rows of a results.json one after the other; the file may be larger than memory.

    Raises:
        ConfigError: the file is cut off, or no results.
    """
    decoder, buffer, at_end = json.JSONDecoder(), "", False
    with path.open(encoding="utf-8") as file:

        def more() -> bool:
            nonlocal buffer, at_end
            block = file.read(BLOCK)
            buffer, at_end = buffer + block, not block
            return not at_end

        while (begin := buffer.find('"rows": [')) < 0:
            if not more():
                raise ConfigError(f"{path} holds no rows of results; check the path.")
        buffer = buffer[begin + len('"rows": [') :]
        while True:
            buffer = buffer.lstrip(" \t\r\n,")
            if buffer.startswith("]"):
                return
            try:
                row, end = decoder.raw_decode(buffer)
            except ValueError:
                if not more():
                    raise ConfigError(f"{path} is cut off; make it again, or give the episodes alone.") from None
                continue
            buffer = buffer[end:]
            if isinstance(row, dict):
                yield row

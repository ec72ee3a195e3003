"""`codeact dataset`: trajectories through the funnel, and out as rows, one at a time.

What lies in the folder afterwards: `train.jsonl` and `validation.jsonl` (what `codeact train` reads), the same as
HF `datasets` in `hf/`, `codeact-instruct.jsonl` (CodeActInstruct's row format), `preferences.jsonl` where asked
for, `funnel.json`, `funnel.png` and the card, `README.md`.

A row of train.jsonl is `{"id", "source", "family", "messages": [{"role", "content", "trained"}]}`; `trained` lists
the [start, end) of the characters that the model is taught to write. `source` is "episode", "codeact-instruct" or
"general".
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from typing import IO, TYPE_CHECKING, Any

from codeact_kernel._version import __version__
from codeact_kernel.episode.export import row_bytes, row_from
from codeact_kernel.episode.redact import Redactor
from codeact_kernel.errors import ConfigError, EpisodeError
from codeact_kernel.learn.filters import MIN_TURNS, Funnel, funnel
from codeact_kernel.learn.general import count_rows, general_rows
from codeact_kernel.learn.preferences import pairs_of
from codeact_kernel.learn.sources import Found, trajectories
from codeact_kernel.learn.trajectory import INSTRUCT, messages_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

TRAIN, VALIDATION = "train.jsonl", "validation.jsonl"
INSTRUCT_ROWS, PREFERENCES, FACTS, HF = "codeact-instruct.jsonl", "preferences.jsonl", "funnel.json", "hf"
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Args:
        min_turns: turns that a trajectory has at least.
        unchecked: whether an episode that nobody checked counts as solved where it has an answer.
        only_recovered: whether a trajectory must hold an error.
        errors: whether replies whose code failed are trained, too.
        preferences: whether pairs are made of what users changed and refused.
        general: a file of general conversations; `ratio` of them are mixed in for each trajectory.
        ratio: see `general`.
        seed: of the draw of general conversations.
        hf: whether HF `datasets` are written.
    """

    min_turns: int = MIN_TURNS
    unchecked: bool = False
    only_recovered: bool = False
    errors: bool = False
    preferences: bool = False
    general: Path | None = None
    ratio: float = 1.0
    seed: int = 0
    hf: bool = True


@dataclass
class Made:
    """What came of it; counts are of rows."""

    out: Path
    funnel: Funnel
    rows: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    characters: int = 0
    trained: int = 0
    troubles: list[str] = field(default_factory=list)
    redactions: list[Row] = field(default_factory=list)
    sha256: dict[str, str] = field(default_factory=dict)


class _Files:
    """The files of one data set while it is written; each takes its place when all are whole."""

    def __init__(self, out: Path, stack: ExitStack) -> None:
        self.out, self._stack = out, stack
        self._open: dict[str, IO[bytes]] = {}
        self._digests: dict[str, Any] = {}

    def add(self, name: str, row: Row) -> None:
        if name not in self._open:
            self._open[name] = self._stack.enter_context(self._part(name).open("wb"))
            self._digests[name] = sha256()
        line = row_bytes(row)
        self._open[name].write(line)
        self._digests[name].update(line)

    def finish(self) -> dict[str, str]:
        """Put the files in their places, take away what an earlier run left, and return their SHA-256."""
        for name in (TRAIN, VALIDATION, INSTRUCT_ROWS, PREFERENCES):
            if name in self._open:
                self._open[name].close()
                self._part(name).replace(self.out / name)
            else:
                (self.out / name).unlink(missing_ok=True)
        return {name: found.hexdigest() for name, found in self._digests.items()}

    def _part(self, name: str) -> Path:
        return self.out / f".{name}.part"


def make(
    places: Sequence[Path], out: Path, wanted: Wanted, tell: Callable[[int, int], None] | None = None
) -> Made:
    """Write the data set and return what came of it; `tell` hears (seen, kept) after each trajectory.

    Raises:
        ConfigError: there is nothing at a place, nothing passes, or the folder cannot be written.
    """
    if wanted.ratio < 0 or wanted.min_turns < 1:
        raise ConfigError("--ratio must be 0 or more and --min-turns 1 or more.")
    rules = funnel(min_turns=wanted.min_turns, unchecked=wanted.unchecked, only_recovered=wanted.only_recovered)
    made, redactor = Made(out, rules), Redactor()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            files = _Files(out, stack)
            for found in trajectories(places, redactor):
                _take(found, made, wanted, files)
                if tell is not None:
                    tell(rules.seen, rules.kept)
            if not made.rows[TRAIN]:
                raise ConfigError(f"No trajectory is left for training: {_why(rules)}.")
            _mix(made, wanted, files, redactor)
            made.sha256 = files.finish()
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror or error}.") from None
    finally:
        for part in out.glob(".*.part") if out.is_dir() else ():
            part.unlink(missing_ok=True)
    made.redactions = redactor.summary()
    if wanted.hf:
        write_hf(out)
    (out / FACTS).write_text(json.dumps(facts(made, wanted), indent=1, sort_keys=True) + "\n", "utf-8")
    return made


def _take(found: Found, made: Made, wanted: Wanted, files: _Files) -> None:
    """Put one trajectory through the funnel and write what is left of it."""
    trajectory = found.trajectory
    if trajectory is None:
        made.funnel.unreadable()
        if len(made.troubles) < 20:
            made.troubles.append(found.trouble)
        return
    made.funnel.redacted += found.redacted
    if wanted.preferences and found.made_of is not None and trajectory.source == "episode":
        for pair in pairs_of(trajectory, found.made_of):
            files.add(PREFERENCES, pair)
            made.rows[PREFERENCES] += 1
    if not made.funnel.passes(trajectory):
        return
    messages = messages_of(trajectory.system, trajectory.turns, errors=wanted.errors)
    row = {
        "id": trajectory.id,
        "source": trajectory.source,
        "family": trajectory.verdict.family,
        "messages": messages,
    }
    name = VALIDATION if trajectory.verdict.split == "validation" else TRAIN
    files.add(name, row)
    _count(made, name, row)
    made.families[trajectory.verdict.family or "-"] += 1
    if name == TRAIN and found.made_of is not None:
        native = trajectory.source == INSTRUCT
        with contextlib.suppress(EpisodeError):  # code that holds the format's own tags cannot be carried in it
            files.add(INSTRUCT_ROWS, found.made_of if native else row_from(found.made_of, INSTRUCT, found.where))
            made.rows[INSTRUCT_ROWS] += 1


def _count(made: Made, name: str, row: Row) -> None:
    made.rows[name] += 1
    made.rows[f"{row['source']} in {name}"] += 1
    for message in row["messages"]:
        made.messages += 1
        made.characters += len(message["content"])
        made.trained += sum(end - start for start, end in message["trained"])


def _mix(made: Made, wanted: Wanted, files: _Files, redactor: Redactor) -> None:
    """Add general conversations, so many for each trajectory: without them general ability is lost."""
    if wanted.general is None or not wanted.ratio:
        return
    there = count_rows(wanted.general)
    asked = round(wanted.ratio * made.rows[TRAIN])
    if asked > there:
        made.troubles.append(f"{wanted.general} has {there} conversations and {asked} were asked for; all are in.")
    chosen = set(random.Random(wanted.seed).sample(range(there), min(asked, there)))  # noqa: S311 - a draw
    for row in general_rows(wanted.general, chosen, redactor):
        files.add(TRAIN, row)
        _count(made, TRAIN, row)


def _why(rules: Funnel) -> str:
    worst = [f"{count} of {rules.seen} were dropped by the rule '{name}'" for name, count in rules.dropped.items()]
    return "; ".join(worst) or "nothing was read"


def facts(made: Made, wanted: Wanted) -> Row:
    """Return what is known of a data set as JSON."""
    return {
        "codeact": __version__,
        "funnel": [list(line) for line in made.funnel.table()],
        "redacted": made.funnel.redacted,
        "rows": dict(sorted(made.rows.items())),
        "families": dict(sorted(made.families.items())),
        "messages": made.messages,
        "characters": made.characters,
        "trained_characters": made.trained,
        "sha256": made.sha256,
        "settings": {
            "min_turns": wanted.min_turns,
            "unchecked": wanted.unchecked,
            "only_recovered": wanted.only_recovered,
            "errors": wanted.errors,
            "preferences": wanted.preferences,
            "general": wanted.general.name if wanted.general else None,
            "ratio": wanted.ratio if wanted.general else 0,
            "seed": wanted.seed,
        },
    }


def write_hf(out: Path) -> bool:
    """Write the rows as HF `datasets` under `hf/`, batch by batch; False where `datasets` is not installed."""
    try:
        import datasets as hf  # noqa: PLC0415 - an extra, and heavy
    except ImportError:
        return False
    # Not whole numbers of 32 bits by accident: what is inferred differs from file to file.
    features = hf.Features(
        {
            "id": hf.Value("string"),
            "source": hf.Value("string"),
            "family": hf.Value("string"),
            "messages": hf.List(
                {
                    "role": hf.Value("string"),
                    "content": hf.Value("string"),
                    "trained": hf.List(hf.List(hf.Value("int64"))),
                }
            ),
        }
    )
    scratch, fresh, place = out / ".hf-scratch", out / ".hf-part", out / HF
    try:
        splits = {
            name.removesuffix(".jsonl"): hf.Dataset.from_generator(
                _stored, features=features, gen_kwargs={"path": str(out / name)}, cache_dir=str(scratch)
            )
            for name in (TRAIN, VALIDATION)
            if (out / name).is_file()
        }
        shutil.rmtree(fresh, ignore_errors=True)
        hf.DatasetDict(splits).save_to_disk(str(fresh))
        shutil.rmtree(place, ignore_errors=True)
        fresh.replace(place)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(fresh, ignore_errors=True)
    return True


def _stored(path: str) -> Any:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pickled by datasets, so plain
        for line in file:
            yield json.loads(line)

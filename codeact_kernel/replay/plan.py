"""What a replay runs: the cells of an episode, or of any notebook, in order, with what they gave before."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from codeact_kernel.episode.cells import KEY, mark_of, number_in, source_of
from codeact_kernel.episode.integrity import integrity
from codeact_kernel.episode.notebook import from_notebook
from codeact_kernel.episode.schema import check_version
from codeact_kernel.errors import EpisodeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from codeact_kernel.episode.cells import Cell
    from codeact_kernel.episode.notebook import Episode
    from codeact_kernel.types import NbOutput

CellKind: TypeAlias = Literal["prelude", "action", "human", "code"]

SKIPPED_BY = ("nbval-skip", "skip-execution")
IGNORED_BY = "nbval-ignore-output"
_RUN_KINDS = {"action", "human"}
_CALLS_MODEL = re.compile(r"^[ \t]*%{1,2}codeact\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One cell to run. `number` counts from 1; `step` is the step's index in an episode, else None.

    `outputs` are those recorded; `recorded` says whether there is anything to compare with. `failed` is whether
    it failed then, None where that is not known; `may_fail` whether it is marked as one that may.
    `seconds` is how long it took then, None where that is not known; `stdin` holds the answers given to `input()`.
    `began` is when it ran then (seconds since the epoch). `skip` says why it is not run, "" where it is.
    `position` is the entry's in an episode. `enters`: it goes to the working folder of an episode.
    """

    number: int
    kind: CellKind
    source: str
    outputs: tuple[NbOutput, ...] = ()
    recorded: bool = False
    failed: bool | None = None
    may_fail: bool = False
    seconds: float | None = None
    stdin: tuple[dict[str, str], ...] = ()
    skip: str = ""
    ignore_output: bool = False
    step: int | None = None
    position: int = -1
    count: int | None = None
    began: float | None = None
    enters: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The cells of a notebook to run. `header` is an episode's, {} for any other notebook.

    `problems` says what was changed in an episode since it was recorded. `kernel` names the kernelspec. `enters`:
    one of the cells goes to the working folder.
    """

    cells: tuple[PlannedCell, ...]
    kernel: str = "python3"
    header: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    enters: bool = False

    @property
    def is_episode(self) -> bool:
        """Whether the notebook is an episode of ours."""
        return bool(self.header)


class EditedError(EpisodeError):
    """The episode was edited, reordered or cut since it was recorded; `problems` says where."""

    def __init__(self, message: str, problems: tuple[str, ...]) -> None:
        super().__init__(message)
        self.problems = problems


def plan(
    notebook: dict[str, Any],
    path: Path | str = "This notebook",
    *,
    without_prelude: bool = False,
    anyway: bool = False,
    through: int | None = None,
    enter: bool = True,
) -> Plan:
    """Return what a replay of a notebook runs.

    Args:
        notebook: as `loading.load` returns it.
        path: its name for messages.
        without_prelude: leave the kernel's earlier input history out.
        anyway: go on with an episode that was changed since it was recorded.
        through: the last step (by its index) that is run; None runs all.
        enter: run the cell that goes to the working folder; a kernel that is there already has no need of it.

    Raises:
        EditedError: the episode was changed, and `anyway` is not set.
        EpisodeError: the episode's prelude is not whole, or it is of a newer version.
    """
    metadata = notebook["metadata"]
    if "schema" in (metadata.get(KEY) or {}):
        planned = _of_episode(notebook, path, without_prelude=without_prelude, anyway=anyway, through=through)
        return planned if enter else replace(planned, cells=tuple(c for c in planned.cells if not c.enters))
    kernel = str((metadata.get("kernelspec") or {}).get("name") or "python3")
    code = (cell for cell in notebook["cells"] if cell["cell_type"] == "code" and source_of(cell).strip())
    return Plan(tuple(_plain_cell(cell, number) for number, cell in enumerate(code, 1)), kernel)


def _of_episode(
    notebook: dict[str, Any], path: Path | str, *, without_prelude: bool, anyway: bool, through: int | None
) -> Plan:
    episode = from_notebook(notebook)
    header = episode.header
    check_version(header, path if not isinstance(path, str) else None)
    problems = tuple(integrity(notebook))
    if problems and not anyway:
        more = f" and {len(problems) - 1} more such changes" if len(problems) > 1 else ""
        raise EditedError(
            f"{path} was changed since it was recorded: {problems[0].rstrip('.')}{more}; "
            "`--anyway` replays it as it is now.",
            problems,
        )
    if header.get("prelude_complete") is False and not without_prelude:
        raise EpisodeError(
            f"{path} began in a kernel whose state its prelude does not rebuild; "
            "`--without-prelude` replays the steps alone."
        )
    kernel = str((header.get("kernel") or {}).get("name") or "python3")
    cells = tuple(_episode_cells(episode, without_prelude=without_prelude, through=through))
    return Plan(cells, kernel, header, problems, any(cell.enters for cell in cells))


def _episode_cells(episode: Episode, *, without_prelude: bool, through: int | None) -> Iterator[PlannedCell]:
    number = 0
    last = _last_position(episode, through)
    for entry in episode.entries:
        if last is not None and entry.position > last:
            break
        for cell in entry.cells:
            mark = mark_of(cell)
            prelude = entry.kind == "prelude" and not (without_prelude and mark.get("role") != "cwd")
            if cell.get("cell_type") != "code" or not (prelude or mark.get("kind") in _RUN_KINDS):
                continue
            number += 1
            if entry.kind == "prelude":
                yield replace(
                    _given_cell(cell, number, "prelude", entry.position), enters=mark.get("role") == "cwd"
                )
            elif mark.get("kind") == "human":
                yield _given_cell(cell, number, "human", entry.position)
            else:
                yield _action_cell(cell, number, entry.position)


def _last_position(episode: Episode, through: int | None) -> int | None:
    """Return the position of the last entry that is run: that of step `through`."""
    if through is None:
        return None
    found = [
        entry.position
        for entry in episode.entries
        if entry.kind == "step" and any(number_in(mark_of(cell), "step", -1) <= through for cell in entry.cells)
    ]
    return max(found, default=0)


def _given_cell(cell: Cell, number: int, kind: CellKind, position: int) -> PlannedCell:
    """Return a cell that a person ran; its outputs were not always kept."""
    outputs = _outputs(cell)
    return PlannedCell(
        number,
        kind,
        source_of(cell),
        outputs,
        recorded=bool(outputs),
        failed="raises-exception" in _tags(cell),
        may_fail="raises-exception" in _tags(cell),
        seconds=_seconds_of(cell),
        skip=_skip(cell),
        ignore_output=IGNORED_BY in _tags(cell),
        position=position,
        count=cell.get("execution_count"),
        began=_moment(_times(cell)[0]),
    )


def _action_cell(cell: Cell, number: int, position: int) -> PlannedCell:
    mark = mark_of(cell)
    record = mark.get("record") or {}
    ran = record.get("execution") or {}
    status = ran.get("status") or (record.get("observation") or {}).get("status")
    outputs = _outputs(cell)
    cleared = not outputs and cell.get("execution_count") is None and ran.get("count") is not None
    never_ended = status in ("timeout", "interrupted", "dead")
    return PlannedCell(
        number,
        "action",
        source_of(cell),
        outputs,
        recorded=not cleared,
        failed=None if status is None else status != "ok",
        may_fail=status == "error",
        seconds=_between(*(_timing(record, name) for name in ("ran", "finished"))) or _seconds_of(cell),
        stdin=tuple(dict(answer) for answer in record.get("stdin") or ()),
        skip=_skip(cell) or (f"it ended as {status!r} when it was recorded" if never_ended else ""),
        ignore_output=IGNORED_BY in _tags(cell),
        step=number_in(mark, "step", position),
        position=position,
        count=cell.get("execution_count"),
        began=_moment(_timing(record, "ran")) or _moment(_times(cell)[0]),
    )


def _plain_cell(cell: Cell, number: int) -> PlannedCell:
    outputs, tags = _outputs(cell), _tags(cell)
    source, count = source_of(cell), cell.get("execution_count")
    ran = bool(outputs) or count is not None
    calls = "it would call a model" if _CALLS_MODEL.search(source) else ""
    return PlannedCell(
        number,
        "code",
        source,
        outputs,
        recorded=ran,
        failed=any(output["output_type"] == "error" for output in outputs) if ran else None,
        may_fail="raises-exception" in tags,
        seconds=_seconds_of(cell),
        skip=_skip(cell) or calls,
        ignore_output=IGNORED_BY in tags,
        count=count if isinstance(count, int) else None,
        began=_moment(_times(cell)[0]),
    )


def _outputs(cell: Cell) -> tuple[NbOutput, ...]:
    return tuple(cell.get("outputs") or ())


def _tags(cell: Cell) -> list[str]:
    return (cell.get("metadata") or {}).get("tags") or []


def _skip(cell: Cell) -> str:
    tag = next((tag for tag in SKIPPED_BY if tag in _tags(cell)), None)
    return f"it has the tag {tag}" if tag else ""


def _timing(record: dict[str, Any], name: str) -> Any:
    return (record.get("timing") or {}).get(name)


def _seconds_of(cell: Cell) -> float | None:
    """Return how long a cell took, None where that is not known."""
    return _between(*_times(cell))


def _times(cell: Cell) -> tuple[Any, Any]:
    """Return when a cell began and ended by the times that nbclient and Jupyter write."""
    times = (cell.get("metadata") or {}).get("execution") or {}
    begun = times.get("iopub.execute_input") or times.get("iopub.status.busy")
    return begun, times.get("shell.execute_reply") or times.get("iopub.status.idle")


def _between(begun: Any, ended: Any) -> float | None:
    one, other = _moment(begun), _moment(ended)
    return None if one is None or other is None or other < one else other - one


def _moment(text: Any) -> float | None:
    """Return a time (see `types.now`) in seconds since the epoch; None for anything else."""
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return None

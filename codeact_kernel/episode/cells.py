"""The cells of one entry of an episode: which kind is shown how, and back.

An entry is a task, a step, a cell that the user ran meanwhile, or an error; it owns one or two cells, and its
record sits in the metadata of one of them. With `notebook.py` the only file that knows the layout.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from codeact_kernel.canonical import sha256
from codeact_kernel.episode.plain import plain, plain_text
from codeact_kernel.episode.records import (
    Record,
    record_digest,
    step_from_record,
    step_record,
    task_from_record,
    task_record,
)
from codeact_kernel.errors import EpisodeError

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from codeact_kernel.types import Execution, NbOutput, Step, TaskTurn, Turn

Cell: TypeAlias = dict[str, Any]
EntryKind: TypeAlias = Literal["prelude", "task", "step", "human", "error", "interrupted", "foreign", "other"]

KEY = "codeact"
ENTRY_OF_CELL: dict[str, EntryKind] = {
    "prelude": "prelude",
    "task": "task",
    "thought": "step",
    "action": "step",
    "rejected": "step",
    "answer": "step",
    "human": "human",
    "error": "error",
}
_NEVER_ENDED = ("timeout", "interrupted", "dead")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry and the cells that show it. `position` counts from 0; foreign cells have none (-1).

    An entry of a kind that only a later version knows is an `other`: kept, linked, and nothing more.
    """

    kind: EntryKind
    position: int
    cells: tuple[Cell, ...]

    @property
    def record(self) -> Record | None:
        """The entry's record as it is stored, None when it has none (or lost it)."""
        for cell in self.cells:
            record = mark_of(cell).get("record")
            if isinstance(record, dict):
                return record
        return None

    @property
    def digest(self) -> str | None:
        """The link of the chain that the next record holds."""
        record = self.record
        return record_digest(record) if record is not None else None


def mark_of(cell: Cell) -> dict[str, Any]:
    """Return our metadata of a cell; empty for a cell that is not ours."""
    mark = (cell.get("metadata") or {}).get(KEY)
    return mark if isinstance(mark, dict) else {}


def number_in(mark: dict[str, Any], name: str, default: int) -> int:
    """Return a whole number of our metadata, or the default for anything else."""
    value = mark.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def source_of(cell: Cell) -> str:
    """Return a cell's source as one text."""
    source = cell.get("source") or ""
    return "".join(source) if isinstance(source, list) else str(source)


def prelude_entry(sources: Sequence[str], position: int, failed: Container[int] = (), cwd: str = ".") -> Entry:
    """Return the kernel's input history before the episode as collapsed code cells.

    `failed` holds the numbers of the sources that raised; a cell before them goes to the folder `cwd`, which is
    given as it is reached from the notebook's own.
    """
    cells = []
    if cwd != ".":
        mark = {"kind": "prelude", "position": position, "part": 0, "role": "cwd"}
        cells.append(_code("prelude-cwd", _enter(cwd), mark))
    for number, source in enumerate(sources):
        mark = {"kind": "prelude", "position": position, "part": len(cells)}
        cells.append(_code(f"prelude-{number}", plain_text(source), mark))
        if number in failed:
            cells[-1]["metadata"]["tags"] = ["raises-exception"]
    for cell in cells:
        cell["metadata"]["jupyter"] = {"source_hidden": True}
    return Entry("prelude", position, tuple(cells))


def moved(entry: Entry, cwd: str) -> Entry:
    """Return an entry whose cell that goes to the working folder, if it has one, finds it from a new place."""
    first, *rest = entry.cells
    if mark_of(first).get("role") != "cwd":
        return entry
    return Entry(entry.kind, entry.position, (first | {"source": _enter(cwd)}, *rest))


def _enter(cwd: str) -> str:
    """Return the code that goes to a folder, if it is there; IPython's `_dh[0]` is where the kernel began.

    A second Run All in one kernel must not go one folder further, so the present folder does not count.
    """
    return (
        "import os  # the cells below were run in this folder\n\n"
        f"if os.path.isdir(os.path.join(_dh[0], {cwd!r})):\n"
        f"    os.chdir(os.path.join(_dh[0], {cwd!r}))"
    )


def task_entry(turn: TaskTurn, position: int, prev: str | None) -> Entry:
    """Return the entry of a task; `prev` is the digest of the record before it, None for the first."""
    mark = {"kind": "task", "position": position, "record": task_record(turn, prev)}
    return Entry("task", position, (markdown(f"task-{position}", plain_text(turn.text), mark),))


def step_entry(step: Step, position: int, prev: str | None) -> Entry:
    """Return the entry of a step: what really ran is a code cell, everything else is markdown."""
    record = step_record(step, prev)
    mark = {"kind": "answer", "position": position, "step": step.index, "record": record}
    name = f"step-{position}"
    thought = plain_text(step.thought)
    if step.kind == "answer":
        return Entry("step", position, (markdown(f"{name}-answer", thought or record["text"], mark),))
    if step.kind == "note":
        shown = thought or record["text"]
        return Entry("step", position, (markdown(f"{name}-thought", shown, mark | {"kind": "thought"}),))
    ran = step.execution
    if step.kind == "rejected" or ran is None or ran.status == "refused":
        shown = _refused(thought, step)
        return Entry("step", position, (markdown(f"{name}-rejected", shown, mark | {"kind": "rejected"}),))
    cells = []
    if thought.strip():
        first = {"kind": "thought", "position": position, "part": 0, "step": step.index}
        cells.append(markdown(f"{name}-thought", thought, first))
    action = _code(
        f"{name}-action",
        plain_text(step.code or ""),
        mark | {"kind": "action", "part": 1},
        plain(ran.outputs),
        ran.execution_count,
    )
    action["metadata"] |= _execution_metadata(ran)
    cells.append(action)
    if step.answer is not None:
        last = {"kind": "answer", "position": position, "part": 2, "step": step.index}
        cells.append(markdown(f"{name}-answer", plain_text(step.answer), last))
    return Entry("step", position, tuple(cells))


def human_entry(
    source: str,
    outputs: Sequence[NbOutput],
    count: int | None,
    position: int,
    prev: str | None,
    *,
    failed: bool = False,
) -> Entry:
    """Return the entry of a cell that the user ran meanwhile: it replays too, its failure included."""
    shown = plain_text(source)
    mark = {"kind": "human", "position": position, "record": {"source": sha256(shown), "prev": prev}}
    cell = _code(f"human-{position}", shown, mark, plain(tuple(outputs)), count)
    if failed or any(output.get("output_type") == "error" for output in outputs):
        cell["metadata"]["tags"] = ["raises-exception"]
    return Entry("human", position, (cell,))


def error_entry(status: str, cause: str, position: int, prev: str | None) -> Entry:
    """Return the entry that says why a task ended without an answer."""
    record = {"status": status, "cause": plain_text(cause), "prev": prev}
    mark = {"kind": "error", "position": position, "record": record}
    return Entry("error", position, (markdown(f"error-{position}", f"**{status}**: {record['cause']}", mark),))


def interrupted_entry(step: Step, position: int, prev: str | None) -> Entry:
    """Return the note on a step whose reply is known and whose end is not (after a crash or a stop)."""
    said = (
        "The model asked for this code, and no result of it was recorded: "
        "it may have run wholly, in part, or not at all."
        if step.code is not None
        else "The model said this, and the task ended before the step was complete."
    )
    body = _fenced(plain_text(step.code), "python") if step.code is not None else plain_text(step.completion.text)
    mark = {
        "kind": "rejected",
        "position": position,
        "step": step.index,
        "interrupted": True,
        "record": step_record(step, prev),
    }
    cell = markdown(f"step-{position}-interrupted", f"**Interrupted.** {said}\n\n{body}", mark)
    return Entry("interrupted", position, (cell,))


def turn_of(entry: Entry) -> Turn | None:
    """Return the task or step of an entry, None for an entry that messages do not need.

    Raises:
        EpisodeError: the entry's record is gone or incomplete.
    """
    if entry.kind not in {"task", "step"}:
        return None
    record = entry.record
    if record is None:
        raise EpisodeError(f"Entry {entry.position} of the episode has lost its record; it cannot be read.")
    if entry.kind == "task":
        return task_from_record(record)
    cell = next(cell for cell in entry.cells if mark_of(cell).get("record") is record)
    try:
        outputs = [_joined(output) for output in cell.get("outputs") or ()]
    except (TypeError, ValueError):
        raise EpisodeError(
            f"The outputs of entry {entry.position} cannot be read; the episode was damaged."
        ) from None
    return step_from_record(record, number_in(mark_of(cell), "step", entry.position), outputs)


def markdown(cell_id: str, source: str, mark: dict[str, Any]) -> Cell:
    """Return a markdown cell of ours."""
    return {"cell_type": "markdown", "id": cell_id, "metadata": {KEY: mark}, "source": source}


def _code(
    cell_id: str,
    source: str,
    mark: dict[str, Any],
    outputs: Sequence[NbOutput] = (),
    count: int | None = None,
) -> Cell:
    return {
        "cell_type": "code",
        "id": cell_id,
        "metadata": {KEY: mark},
        "execution_count": count,
        "source": source,
        "outputs": list(outputs),
    }


def _execution_metadata(ran: Execution) -> dict[str, Any]:
    """Return nbclient's timing keys and tags. A cell that never ended is not run by a plain Run All."""
    result: dict[str, Any] = {}
    if ran.started and ran.finished:
        result["execution"] = {
            "iopub.execute_input": ran.started,
            "iopub.status.busy": ran.started,
            "iopub.status.idle": ran.finished,
            "shell.execute_reply": ran.finished,
        }
    if ran.status in _NEVER_ENDED:
        result["tags"] = ["raises-exception", "skip-execution"]
    elif ran.status != "ok":
        result["tags"] = ["raises-exception"]
    return result


def _refused(thought: str, step: Step) -> str:
    if step.kind == "rejected":
        reason = step.approval.reason if step.approval else ""
        said = f"**Not run**: {reason}" if reason else "**Not run.**"
    else:
        said = "**Not run**: " + (step.observation.text if step.observation else "the code could not be run.")
    block = _fenced(plain_text(step.code or ""), "python")
    return "\n\n".join(part for part in (thought.strip(), plain_text(said), block) if part)


def _fenced(text: str, language: str) -> str:
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{ticks}{language}\n{text}\n{ticks}"


def _joined(output: NbOutput) -> NbOutput:
    """Return an output with its lines joined, as `nbformat.read` would give it."""
    result = dict(output)
    if isinstance(output.get("text"), list):
        result["text"] = "".join(output["text"])
    if isinstance(output.get("data"), dict):
        result["data"] = {
            mime: "".join(value) if isinstance(value, list) and not mime.endswith("json") else value
            for mime, value in output["data"].items()
        }
    return result

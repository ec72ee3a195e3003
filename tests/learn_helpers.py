"""Trajectories built for the tests of learning: small honest episodes, as files of a collection."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from episode_helpers import SYSTEM, TASK, action, answer, asked, create, header, reply, write

from codeact_kernel.learn.trajectory import Trajectory, Verdict
from codeact_kernel.types import Approval, Execution, Observation, Outcome, Step, TaskTurn

if TYPE_CHECKING:
    from pathlib import Path

AT = "2026-11-23T09:30:00.123Z"
CONTEXT = "df: columns harbour, boats"


def task(words: str = TASK) -> TaskTurn:
    return TaskTurn(words, f"{CONTEXT}\n\nTask: {words}", AT)


def ran(turns, code, output, **more) -> Step:
    return action(turns, len(turns), code, output, **more)


def failed(turns, code="print(m)", output="NameError: name 'm' is not defined") -> Step:
    return ran(turns, code, output, status="error")


def said(turns, text) -> Step:
    return answer(turns, len(turns), text)


def note(turns, text="Perhaps 7?") -> Step:
    return Step(
        len(turns), "note", reply(text), asked(turns), observation=Observation("refused", "Show it first.")
    )


def refused(turns, code, reason="not my file") -> Step:
    return Step(
        len(turns),
        "rejected",
        reply(f"I clean up.\n```python\n{code}"),
        asked(turns),
        thought="I clean up.",
        code=code,
        approval=Approval("reject", "user", None, reason),
        observation=Observation("refused", f"The user did not allow this cell: {reason}."),
    )


def edited(turns, proposed, code, output) -> Step:
    return Step(
        len(turns),
        "action",
        reply(f"I count.\n```python\n{proposed}"),
        asked(turns),
        thought="I count.",
        code=code,
        approval=Approval("modify", "user", proposed),
        execution=Execution("ok", ({"output_type": "stream", "name": "stdout", "text": output},), 1, AT, AT),
        observation=Observation("ok", f"The user changed the cell to:\n```python\n{code}\n```\n\n{output}"),
    )


def talk(*makers, words: str = TASK) -> list:
    """Return turns: a task, and what each maker makes of the turns before it."""
    turns: list = [task(words)]
    for make in makers:
        turns.append(make(turns))
    return turns


def good(words: str = TASK, figure: int = 1234) -> list:
    """Solved in four turns, with an error that was recovered from."""
    return talk(
        failed,
        lambda t: ran(t, "print(len(df))", f"{figure}\n"),
        lambda t: ran(t, "print(df.shape)", f"({figure}, 2)\n"),
        lambda t: said(t, f"There are {figure} rows."),
        words=words,
    )


def trajectory(turns, *, solved=True, split="train", family="rows", status="done", faults=()) -> Trajectory:
    return Trajectory("T", "episode", SYSTEM, tuple(turns), Verdict(solved, split, family), status, tuple(faults))


def keep(folder: Path, turns, *, outcome=None, **changes) -> Path:
    """Write turns as an episode into a folder and return its path."""
    writer = create(folder, header=header(**changes))
    write(writer, turns, outcome or Outcome("done", answer="", steps=len(turns) - 1))
    writer.close()
    return writer.path


def collection(folder: Path, talks) -> Path:
    """Write a folder as `codeact collect` does: talks are (turns, solved, split, family)."""
    (folder / "episodes").mkdir(parents=True)
    rows = []
    for number, (turns, solved, split, family) in enumerate(talks):
        path = keep(folder / "episodes", turns)
        path = path.rename(path.with_name(f"case-{number}.code.1.ipynb"))
        rows.append(
            {
                "job": f"job-{number}",
                "case": f"case-{number}",
                "scores": {"solved": float(solved)},
                "episode": f"episodes/{path.name}",
                "split": split,
                "family": family,
            }
        )
    (folder / "results.json").write_text(json.dumps({"about": {"model": "m"}, "rows": rows}, indent=1))
    return folder

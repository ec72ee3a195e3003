"""DSEval: sessions of questions on the user's own variables, from a checkout of its authors' repository.

`--data` is that checkout (MetaCopilot/dseval). Nothing of theirs is in this package: in each session's kernel
their own code reads the questions, runs the reference and validates. Each question finds the state that the
reference leaves, as with theirs; the agent answers it in a few cells, and the last one is its submission.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate.bench import failure_of, raised, repeated
from codeact_kernel.evaluate.case import Case, Played
from codeact_kernel.evaluate.suites import dseval_kernel as kernel

if TYPE_CHECKING:
    from pathlib import Path

    from codeact_kernel.evaluate.bench import Bench
    from codeact_kernel.types import Outcome

STEPS = 8
"""Most are answered in one cell; a model that has not found it in eight goes round in circles."""
CELL_SECONDS = 30.0
LIMITS = (
    "You will get several tasks on the user's variables. Each is judged by the variables it asks for, or else by"
    " the value of the last line of your last cell, which must be the value asked for itself (not printed)."
    " Leave the user's variables as they are unless the task asks for a change."
)
BEFORE = "The user has run this; the variables are as it left them:\n```python\n{code}\n```"
CORRECT, LENIENT = "CORRECT", ("CORRECT", "PRESENTATION_ERROR", "INTACT_VIOLATION")
TOPIC = re.compile(r"\d+-[a-z]+|[a-z]+eval(?=-)")


class DSEval:
    """The suite; see the module. A protocol is one of the benchmarks in the checkout."""

    name: str = "dseval"
    protocols: tuple[str, ...] = ("exercise", "leetcode", "so")
    scores: tuple[str, ...] = ("official", "lenient", "intact")
    turns: int = 0

    def cases(self, data: Path | None, protocol: str = "") -> list[Case]:
        """Return the sessions of a benchmark; see `suite.Suite`."""
        part = protocol or self.protocols[0]
        folder = where(data) / "benchmarks" / part
        paths = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
        if not paths:
            raise ConfigError(f"{folder} holds no sessions; check the checkout.")
        return [Case(f"{part}/{path.stem}", topic(path.stem, part), path.stem) for path in paths]

    async def play(self, bench: Bench) -> Played:
        """Carry out one session and judge each of its questions; see `suite.Suite`."""
        checkout = where(bench.data)
        path = checkout / "benchmarks" / f"{bench.job.case.id}.py"
        await bench.setup(opening(checkout, path))
        judged: list[dict[str, Any]] = []
        answers: list[str] = []
        while True:
            await bench.setup(f"import {kernel.MODULE}\n{kernel.MODULE}.go_on()")
            now = json.loads(await _said(bench, "question()"))
            if not now["question"]:
                break
            told = BEFORE.format(code=now["before"].strip()) if now["before"].strip() else ""
            before = len(bench.steps)
            outcome = await bench.ask(
                now["question"],
                told=f"{told if judged else LIMITS + chr(10) + told}".strip(),
                max_steps=STEPS,
                cell_timeout=CELL_SECONDS,
            )
            answers.append(outcome.answer)
            judged.append(await _judged(bench, outcome, before))
            if failure_of(outcome) == "kernel died":
                now["ended"] = "the kernel died"
                break
        if not judged:
            raise ConfigError(f"{bench.job.case.id} has no question that can be asked: {now['ended'] or 'none'}.")
        return played(bench, judged, answers, now["ended"])


async def _judged(bench: Bench, outcome: Outcome, before: int) -> dict[str, Any]:
    """Return the verdict on what the agent did for one question, with the verdict's names as theirs."""
    if failure_of(outcome) == "kernel died":
        return {"verdict": "CRASH", "subverdict": "KERNEL_DIED", "reason": outcome.cause, "intact": False}
    ran = [step.execution for step in bench.steps[before:] if step.execution is not None]
    streamed = "".join(
        str(output.get("text", ""))
        for output in (ran[-1].outputs if ran else ())
        if output["output_type"] == "stream"
    )
    found: dict[str, Any] = json.loads(await _said(bench, f"judge({outcome.answer!r}, {streamed!r})"))
    return found


async def _said(bench: Bench, call: str) -> str:
    return await bench.executor.evaluate(f"__import__({kernel.MODULE!r}).{call}")


def played(bench: Bench, judged: list[dict[str, Any]], answers: list[str], ended: str) -> Played:
    """Return what came of a session: means over its questions, and the verdict on each in the notes."""
    official = [float(one["verdict"] == CORRECT) for one in judged]
    wrong = Counter(one["verdict"] for one in judged if one["verdict"] != CORRECT)
    notes = [f"{number}: {one['verdict']} {one['subverdict']}" for number, one in enumerate(judged, 1)]
    return Played(
        scores={
            "official": sum(official) / len(judged),
            "lenient": sum(one["verdict"] in LENIENT for one in judged) / len(judged),
            "intact": sum(one["intact"] for one in judged) / len(judged),
        },
        turns=len(bench.steps),
        usage=bench.usage,
        failure=wrong.most_common(1)[0][0].replace("_", " ").lower() if wrong else "",
        answers=tuple(answers),
        raised=raised(bench.steps),
        repeated=repeated(bench.steps),
        notes=(*notes, *([f"ended early: {ended}"] if ended else [])),
        marks=tuple(official),
    )


def topic(stem: str, part: str) -> str:
    """Return what a sample is stratified by: the exercises' chapter, the library of the questions from forums."""
    found = TOPIC.match(stem)
    return found[0] if found else part


def where(data: Path | None) -> Path:
    """Return the checkout.

    Raises:
        ConfigError: it is none.
    """
    if data is None:
        raise ConfigError("dseval needs --data: a checkout of its authors' repository (MetaCopilot/dseval).")
    if not (data / "dseval" / "validator.py").is_file() or not (data / "benchmarks").is_dir():
        raise ConfigError(f"{data} holds no DSEval; give the folder that has dseval/validator.py and benchmarks.")
    return data.resolve()


def opening(checkout: Path, path: Path) -> str:
    """Return the cell that makes a session ready in a kernel that has nothing of ours; it leaves no variable."""
    begin = f"open_session(get_ipython(), {str(checkout)!r}, {str(path)!r})"
    names = "{'__name__': 'dseval_kernel', 'get_ipython': get_ipython}"
    return f"exec(compile({kernel.source() + begin!r}, '<dseval>', 'exec'), {names})"

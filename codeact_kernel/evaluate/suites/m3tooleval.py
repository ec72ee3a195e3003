"""M3ToolEval: 82 tasks of several tool calls, from a checkout of its authors' repository.

`--data` is that checkout, or the folder `scripts/eval/m3tooleval` in it. Nothing of theirs is in this package.
Protocol `native` gives the same tasks, tools, turns and retries to our own agent; `paper` is theirs to the letter.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate.bench import failure_of, raised, repeated
from codeact_kernel.evaluate.case import Case, Played
from codeact_kernel.evaluate.suites import m3tooleval_kernel as kernel
from codeact_kernel.evaluate.suites.m3tooleval_paper import REPLY_TOKENS, TURNS, Dialogue, sentences
from codeact_kernel.evaluate.suites.m3tooleval_score import corrected, official

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from codeact_kernel.evaluate.bench import Bench
    from codeact_kernel.types import Outcome

INSIDE = ("", "m3tooleval", "scripts/eval/m3tooleval")
CELL_SECONDS = 30.0
MARK = "Answer:"
TASK = "{task}\nCall the functions to find it out."
FORM = "Now state the value alone: reply with one line, `Answer: ` and the value, nothing else."
GUESSED = "That answer is wrong: it was a guess, for no function was called yet. The task was: {task}\n{begin}"
WRONG = "That answer is wrong. The task was: {task}\n{begin}"
BEGIN = {
    "code": "Begin your reply with ```python and call the functions.",
    "json": 'Begin your reply with {"tool": and call a function.',
    "text": "Begin your reply with Action: and call a function.",
}
"""Last in a message, this moves a small model to act; a form for the answer would move it to answer at once."""
SHAKE = 0.7
"""Temperature of the reply after the same wrong answer twice, as the loop's after a repeated action."""


class M3ToolEval:
    """The suite; see the module."""

    name: str = "m3tooleval"
    protocols: tuple[str, ...] = ("native", "paper")
    scores: tuple[str, ...] = ("official", "corrected", "first")
    turns: int = TURNS

    def cases(self, data: Path | None, protocol: str = "") -> list[Case]:  # noqa: ARG002 - the same for all
        """Return the tasks in their order; see `case.Suite`."""
        folder = where(data)
        said = sentences(folder / "main.py")
        found = described(folder)
        return [
            Case(
                id=task["name"],
                group=task["name"].partition("/")[0],
                task=task["instruction"].strip(),
                data={**task, "said": {**found["said"], **said}},
            )
            for task in found["tasks"]
        ]

    async def play(self, bench: Bench) -> Played:
        """Carry out one task; see `case.Suite`."""
        task = bench.job.case.data
        if task["single"]:
            raise ConfigError(f"{task['name']} is a task of one tool call, which this suite does not score.")
        expected = ast.literal_eval(task["expected"])
        right = partial(official, expected=expected)
        paper = bench.job.protocol == "paper"
        await bench.setup(opening("play" if paper else "tools", where(bench.data), task["name"]))
        if paper:
            outcome, steps, answers = await Dialogue(bench, task["said"], right).run()
            usage = outcome.usage
        else:
            outcome, answers = await _native(bench, right)
            steps, usage = bench.steps, bench.usage
        mended = partial(corrected, expected=expected, task=bench.job.case.task, also=_values(task["also"]))
        return Played(
            scores={
                "official": float(any(map(right, answers))),
                "corrected": float(any(map(mended, answers))),
                "first": float(bool(answers) and right(answers[0])),
            },
            turns=len(steps) if any(map(right, answers)) else TURNS,
            usage=usage,
            failure=_failure(outcome, answers, solved=any(map(right, answers))),
            answers=tuple(answers),
            raised=raised(steps),
            repeated=repeated(steps),
        )


async def _native(bench: Bench, right: Any) -> tuple[Outcome, list[str]]:
    """Let our own agent do the task; a wrong answer is said to be wrong, and turns that are left may be used."""
    case = bench.job.case
    answers: list[str] = []
    task = TASK.format(task=case.task)
    left, told = TURNS, offered(case.data["tools"])
    while True:
        again = len(answers) > len(set(answers))
        shaken = {"temperature": SHAKE, "seed": left} if again else {}
        outcome = await bench.ask(
            task, told=told, max_steps=left, max_tokens=REPLY_TOKENS, cell_timeout=CELL_SECONDS, **shaken
        )
        left, told = left - outcome.steps, ""
        if outcome.status == "done":
            answers.append(value_of(outcome.answer))
        if outcome.status != "done" or right(answers[-1]) or left < 1:
            return outcome, answers
        acted = any(step.execution is not None for step in bench.steps)
        if acted and task != FORM and MARK not in outcome.answer:
            task = FORM
        else:
            task = (WRONG if acted else GUESSED).format(task=case.task, begin=BEGIN[bench.job.action])


def value_of(reply: str) -> str:
    """Return the value of a reply: what stands behind the last `Answer:`, else the whole reply."""
    before, mark, after = reply.rpartition(MARK)
    value = after if mark else before or reply
    return (value if mark else reply).strip().strip("`*").strip()


def offered(tools: Sequence[Sequence[str]]) -> str:
    """Return what our agent is told of the tools, in the authors' words for each."""
    shown = "\n".join(f"- {signature}: {' '.join(about.split())}" for signature, about in tools)
    return f"Functions that are there for you to call:\n{shown}"


def where(data: Path | None) -> Path:
    """Return the folder of the harness in a checkout.

    Raises:
        ConfigError: it is not there.
    """
    if data is None:
        raise ConfigError("m3tooleval needs --data: a checkout of its authors' repository (xingyaoww/code-act).")
    for inside in INSIDE:
        folder = data / inside
        if (folder / "main.py").is_file() and (folder / "tasks" / "base.py").is_file():
            return folder.resolve()
    raise ConfigError(f"{data} holds no M3ToolEval; give the folder that has scripts/eval/m3tooleval/main.py.")


def described(folder: Path) -> dict[str, Any]:
    """Return the authors' tasks, read by their own code in a process of its own.

    Raises:
        ConfigError: their code does not run.
    """
    asked = f"{kernel.source()}\nprint()\nprint(describe({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=False, cwd=folder)  # noqa: S603
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ConfigError(f"The tasks in {folder} could not be read ({why}); check the checkout.")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def opening(verb: str, folder: Path, name: str) -> str:
    """Return the cell that makes a task ready in a kernel that has nothing of ours."""
    boot = f"exec(compile({kernel.source()!r}, '<m3tooleval>', 'exec'), m3)"
    begin = f"m3[{verb!r}](get_ipython(), {str(folder)!r}, {name!r})"
    return f"m3 = {{'__name__': 'm3tooleval'}}\n{boot}\n{begin}\ndel m3"


def _values(texts: Sequence[str]) -> list[Any]:
    return [ast.literal_eval(text) for text in texts]


def _failure(outcome: Outcome, answers: Sequence[str], *, solved: bool) -> str:
    if solved:
        return ""
    if outcome.status == "failed" and "longer than" in outcome.cause:
        return "context limit"
    ended = failure_of(outcome)
    if ended == "repeated action":
        return ended
    return "wrong answer" if answers else ended or "wrong answer"

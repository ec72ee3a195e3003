"""M3ToolEval by its authors' protocol: their prompt, how they read a reply, what they say to it, ten turns.

Their sentences come from their checkout; here is only what is done with them.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from codeact_kernel._version import __version__
from codeact_kernel.agent import prompt
from codeact_kernel.canonical import sha256
from codeact_kernel.episode.header import make_header
from codeact_kernel.episode.store import EpisodeWriter
from codeact_kernel.errors import ConfigError, ModelError
from codeact_kernel.evaluate.bench import AttemptError
from codeact_kernel.models.base import complete
from codeact_kernel.models.wire import TOO_LONG
from codeact_kernel.types import (
    Approval,
    Message,
    Observation,
    Outcome,
    Request,
    Sampling,
    Step,
    TaskTurn,
    Usage,
    now,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from codeact_kernel.evaluate.bench import Bench
    from codeact_kernel.types import Completion, Execution

TURNS = 10
REPLY_TOKENS = 512
ACTION_SECONDS = 120.0
"""Their own limit is 30 s, by a signal that some code does not hear."""
MARKS = re.compile("Answer:|Action:")
ACTION, ANSWER, END = "Action:", "Answer:", "End Action"


@dataclass(frozen=True, slots=True)
class Reading:
    """A reply as their parser takes it: "action", "answer" or "invalid", and the reminder that is added."""

    kind: str
    content: str
    reminder: str = ""


def trimmed(reply: str) -> str:
    """Return what of a reply their harness keeps: where there are several actions or answers, the first."""
    reply = reply.lstrip()
    marks = list(MARKS.finditer(reply))
    if len(marks) < 2:
        return reply
    kept = reply[: marks[1].start()].strip()
    # Where there is no "Action:" in it, they look from the length of the mark less one: find() gave -1.
    begin = kept.find(ACTION) + len(ACTION)
    end = kept.find(END, begin)
    if end != -1:
        kept = kept[: end + len(END)].strip()
    thought = kept.find("Thought:", begin)
    return kept if thought == -1 else kept[:thought].strip()


def read(reply: str, said: dict[str, str]) -> Reading:
    """Read a trimmed reply; `said` are their sentences by name: both, neither, answers, actions."""
    if ANSWER in reply and ACTION in reply:
        return Reading("invalid", said["both"])
    for mark, kind, many in ((ANSWER, "answer", "answers"), (ACTION, "action", "actions")):
        if mark not in reply:
            continue
        content = reply.split(mark)[1]
        reminder = said[many] if reply.count(mark) > 1 else ""
        if kind == "answer":
            return Reading(kind, content.strip(), reminder)
        return Reading(kind, content.lstrip().partition(END)[0], reminder)
    return Reading("invalid", said["neither"])


def sentences(main: Path) -> dict[str, str]:
    """Return from the text of their main.py what they say to a wrong answer, and how a reminder begins.

    Raises:
        ConfigError: it is not the file that is known here.
    """
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(main.read_text("utf-8"))):
        if isinstance(node, ast.Assign) and _is_content(node.targets[0]) and _text(node.value):
            found.setdefault("incorrect", _text(node.value))
        elif isinstance(node, ast.AugAssign) and _is_content(node.target) and isinstance(node.value, ast.BinOp):
            found.setdefault("reminder", _text(node.value.left))
    if not found.get("incorrect") or not found.get("reminder"):
        raise ConfigError(f"{main} is not M3ToolEval's harness as it was published; give its folder with --data.")
    return found


def _is_content(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "content"


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


@dataclass
class Dialogue:
    """One task as their harness runs it. `right` is their grader.

    The episode holds each action as a cell `%%act SPACE`, which their own code carries out.
    """

    bench: Bench
    said: dict[str, str]
    right: Callable[[str], bool]

    async def run(self) -> tuple[Outcome, list[Step], list[str]]:
        """Play to the end; return how it ended, the steps, and the answers in order.

        Raises:
            AttemptError: the model or the kernel could not be had.
            StoppedError: the evaluation is stopped.
        """
        case, bench = self.bench.job.case, self.bench
        prompted: str = case.data["prompts"][bench.job.action]
        sampling = Sampling(bench.config.temperature, bench.config.top_p, REPLY_TOKENS, (), bench.config.seed)
        writer = EpisodeWriter.create(
            bench.out.parent, header=self._header(sampling), title=case.task, path=bench.out, prelude=bench.prelude
        )
        writer.task(TaskTurn(case.task, prompted, now()))
        messages, steps, answers, usage = [Message("user", prompted)], list[Step](), list[str](), Usage()
        outcome = Outcome("limit", cause=f"No right answer within {TURNS} turns.")
        try:
            while len(steps) < TURNS:
                try:
                    completion = await complete(bench.model, messages, sampling, bench.stop, lambda _: None)
                except ModelError as error:
                    if not TOO_LONG.search(str(error)) and "longer than" not in str(error):
                        raise AttemptError(str(error)) from None
                    outcome = Outcome("failed", cause="The conversation became longer than the model can take.")
                    break
                usage = usage + completion.usage
                step = await self._step(len(steps) + 1, completion, messages, writer, answers)
                steps.append(step)
                writer.step(step)
                messages.append(Message("assistant", step.completion.text))
                if step.observation is None:
                    outcome = Outcome("done", answer=answers[-1])
                    break
                messages.append(Message("user", step.observation.text))
        finally:
            outcome = replace(outcome, steps=len(steps), usage=usage)
            writer.end(outcome)
            writer.close()
        return outcome, steps, answers

    async def _step(
        self,
        index: int,
        completion: Completion,
        messages: list[Message],
        writer: EpisodeWriter,
        answers: list[str],
    ) -> Step:
        """Read one reply, do what it asks, and say what they say; no observation means: right, the end."""
        kept = trimmed(completion.text)
        drafts = (completion.text,) if kept != completion.text else ()
        reading = read(kept, self.said)
        code = f"%%act {self.bench.job.action}\n{reading.content}" if reading.kind == "action" else None
        request = Request(prompt.digest_of(messages), len(messages))
        thought = reading.content if reading.kind == "answer" else kept.partition(ACTION)[0].strip()
        step = Step(index, "note", replace(completion, text=kept), request, thought, code, drafts=drafts)
        if code is not None:
            step = step.with_(kind="action", approval=Approval("auto"))
        writer.completion(step)
        if code is not None:
            ran = await self.bench.executor.run(code, timeout=ACTION_SECONDS)
            if ran.status == "dead":
                raise AttemptError("The kernel died while it ran an action of the model's.")
            return step.with_(execution=ran, observation=self._observed("ok", printed(ran), reading.reminder))
        if reading.kind == "invalid":
            return step.with_(observation=Observation("refused", reading.content))
        answers.append(reading.content)
        if self.right(reading.content):
            return step.with_(kind="answer")
        return step.with_(observation=self._observed("refused", self.said["incorrect"], reading.reminder))

    def _observed(self, status: Any, text: str, reminder: str) -> Observation:
        return Observation(status, f"{text}{self.said['reminder']}{reminder}" if reminder else text)

    def _header(self, sampling: Sampling) -> dict[str, Any]:
        job = self.bench.job
        words: str = job.case.data["prompts"][job.action]
        return make_header(
            model=self.bench.model.describe(),
            sampling=sampling,
            system="",
            agent={
                "name": "codeact-kernel: m3tooleval, paper protocol",
                "version": __version__,
                "format": job.action,
            },
            template=f"m3tooleval@sha256:{sha256(words)}",
            policy={"approval": "auto", "max_steps": TURNS},
            kernel=self.bench.executor.describe(),
            origin={"notebook": None, "cell_id": None, "task": job.case.task},
        )


def printed(ran: Execution) -> str:
    """Return what their code gave for an action: the magic prints nothing else; its own error is shown."""
    text = "".join("".join(one["text"]) for one in ran.outputs if one.get("name") == "stdout")
    if ran.status == "ok" or ran.error is None:
        return text
    return f"{text}{ran.error.ename}: {ran.error.evalue}"

"""The loop: ask, read, approve, run, observe, record; round again until there is an answer.

It takes its parts as objects (a model, an executor, a recorder, a view) and knows of their modules only the two
protocols. What ends a task is decided here: an answer, a limit, a stop, or the same thing too often.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from codeact_kernel.agent import context, formats, observation, prompt, risk, summary
from codeact_kernel.agent.approval import decide
from codeact_kernel.agent.check import FINAL
from codeact_kernel.agent.formats import code as code_format
from codeact_kernel.agent.handles import outputs_for
from codeact_kernel.agent.redaction import Redaction
from codeact_kernel.agent.verdicts import (
    Evidence,
    Repeats,
    announced_complaint,
    echo_complaint,
    grounding_complaint,
    is_question,
    remarks,
    syntax_observation,
)
from codeact_kernel.agent.watch import CellWatch
from codeact_kernel.errors import CodeActError, ExecutionError, ModelError, StoppedError
from codeact_kernel.models.base import Chunk, Model, complete
from codeact_kernel.terminal import clip
from codeact_kernel.types import (
    Action,
    Approval,
    Completion,
    Execution,
    Observation,
    Outcome,
    Request,
    Sampling,
    Snapshot,
    Step,
    TaskTurn,
    Told,
    Usage,
    now,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from codeact_kernel.agent.approval import Asker
    from codeact_kernel.agent.conversation import Conversation, Limits
    from codeact_kernel.agent.listeners import Recorder, View
    from codeact_kernel.agent.stop import Stop
    from codeact_kernel.execute.base import Executor
    from codeact_kernel.types import Message

MOST_COMPLAINTS = 3
REDRAWS = 2
EARLIER_CELLS = 20
RESTATED_CHARS = 400
"""Of the task, after each step: a small model that has just seen an output forgets what was asked."""


class _LimitError(CodeActError):
    """A limit ended the task."""


@dataclass
class Agent:
    """One task's worth of rounds over a conversation that may be longer."""

    conversation: Conversation
    model: Model
    executor: Executor
    recorder: Recorder
    view: View
    limits: Limits
    sampling: Sampling
    stop: Stop
    approval: str = "ask-if-risky"
    asker: Asker | None = None
    check: Callable[[str], Awaitable[str]] | None = None
    allowed: set[str] = field(default_factory=set)
    usage: Usage = field(default_factory=Usage)
    redaction: Redaction = field(default_factory=Redaction)
    _task: str = ""
    _theirs: frozenset[str] = frozenset()
    _steps: int = 0
    _complaints: int = 0
    _bounced: set[bool] = field(default_factory=set)
    _asked: bool = False
    _repeats: Repeats = field(default_factory=Repeats)
    _cells: CellWatch = field(init=False)
    _deadline: float = float("inf")

    async def run(self, task: str, snapshot: Snapshot) -> Outcome:
        """Carry out one task and return how it ended; what it learns is kept in the conversation.

        `snapshot` is the namespace as it is now.
        Never raises for what a model, a cell or a person did.
        """
        if self.limits.seconds:
            self._deadline = time.monotonic() + self.limits.seconds
        self._cells = CellWatch(self.executor, self.limits, self.asker)
        outcome = Outcome("failed", cause="An unexpected error ended the task.")
        self.redaction.refresh(getattr(self.model, "secrets", ()))
        try:
            self._begin(task, self.redaction.snapshot(snapshot))
            while True:
                step = await self._round()
                if step.answer is not None:
                    outcome = Outcome("done", answer=step.answer, by_value=step.kind == "action")
                    break
                if self.approval == "plan" and step.kind == "rejected":
                    outcome = Outcome("done", answer=prompt.words("planned"))
                    break
        except StoppedError:
            outcome = Outcome("interrupted", cause="Stopped; the steps so far are kept.")
        except _LimitError as limit:
            outcome = Outcome("limit", cause=str(limit))
        except CodeActError as error:
            outcome = Outcome("failed", cause=str(error))
        finally:
            cause = self.redaction.text(outcome.cause)
            outcome = replace(outcome, cause=cause, steps=self._steps, usage=self.usage)
            self.recorder.end(outcome)
        return outcome

    def _begin(self, task: str, snapshot: Snapshot) -> None:
        functions = (text.removeprefix("class ").partition("(")[0] for text in snapshot.functions)
        self._theirs = frozenset((*snapshot.names, *functions)) - self.conversation.made
        talk, self._task = self.conversation, clip(" ".join(task.split()), RESTATED_CHARS)[0]
        about = context.describe(snapshot) if talk.snapshot is None else context.changes(talk.snapshot, snapshot)
        about, talk.note = "\n".join(filter(None, (talk.note, about))), ""
        turn = self.redaction.task(TaskTurn(task, prompt.task_content(task, about), now()))
        talk.snapshot = snapshot
        talk.turns.append(turn)
        self.recorder.task(turn)

    async def _round(self) -> Step:
        self._check_limits()
        talk = self.conversation
        step = await self._draw(talk.steps + 1)
        self._steps += 1
        talk.steps += 1
        action = self._parse(step)
        step = step.with_(thought=action.thought, code=action.code, repairs=action.repairs)
        if action.code is not None:
            step = step.with_(kind="action")
        self.recorder.completion(self.redaction.step(step))
        step = await (self._read_prose(step, action) if action.code is None else self._act(step, action.code))
        step = self.redaction.step(formats.named(talk.action).worded(step))
        talk.turns.append(step)
        talk.summary = None
        self.recorder.step(step)
        self.view.finished(step)
        self._judge(step)
        return step

    def _parse(self, step: Step) -> Action:
        return formats.named(self.conversation.action).parse(step.completion.text, step.completion.finish)

    async def _draw(self, index: int) -> Step:
        """Ask for a reply; one that goes round, or repeats what failed, is drawn again, warmer, before it counts.

        Its code in the conversation once more would make the next repetition likelier still.
        """
        step = await self._ask(index, self._repeats.sampling(self.sampling))
        drafts: list[str] = []
        while len(drafts) < REDRAWS and self._repeats.repeats(self._parse(step).code, step.completion.finish):
            drafts.append(step.completion.text)
            self.view.chunk(Chunk(restart=True, notice="the model repeats itself; asking again"))
            step = await self._ask(index, self._repeats.warmer(self.sampling, len(drafts)))
        return step.with_(drafts=tuple(drafts))

    async def _ask(self, index: int, sampling: Sampling) -> Step:
        """Send the messages and return a step that holds the reply and nothing else yet."""
        talk, images = self.conversation, self.model.sees_images
        self.view.asking(index)
        before, talk.view = (
            talk.view,
            prompt.fit(
                talk.system,
                talk.turns,
                talk.view,
                self.limits.context_tokens,
                chars_per_token=talk.chars_per_token,
                images=images,
            ),
        )
        if self.limits.summaries and summary.due(before, talk.view):
            await self._summarize(before)
        messages = prompt.build(talk.system, talk.turns, talk.view, images=images, summary=talk.summary)
        request = Request(prompt.digest_of(messages), len(messages), dict(talk.view) or None, talk.summary)
        heard = self.redaction.listener(self.view.chunk)
        return Step(index, "note", await self._complete(messages, sampling, heard), request)

    async def _complete(
        self, messages: list[Message], sampling: Sampling, heard: Callable[[Chunk], None]
    ) -> Completion:
        left = self._deadline - time.monotonic()
        try:
            async with asyncio.timeout(None if left == float("inf") else max(left, 0.0)):
                completion = await complete(self.model, messages, sampling, self.stop, heard)
        except TimeoutError:
            raise _LimitError(self._time_is_up()) from None
        if completion.usage.input > 50:
            chars = sum(len(message.content) for message in messages)
            self.conversation.chars_per_token = min(5.0, max(1.5, chars / completion.usage.input))
        self.usage = self.usage + completion.usage
        return completion

    async def _summarize(self, before: dict[str, int]) -> None:
        """Ask for notes on what is left out from now on; without them the task goes on as well."""
        talk = self.conversation
        self.view.chunk(Chunk(notice="the conversation is long; the model notes what it should keep"))
        asked = summary.question(talk, before, images=self.model.sees_images)
        with suppress(ModelError):
            reply = await self._complete(asked, summary.bounded(self.sampling), lambda _: None)
            noted = summary.read(reply, talk)
            talk.summary = replace(noted, text=self.redaction.text(noted.text)) if noted else None

    async def _act(self, step: Step, code: str) -> Step:
        """Check, approve, run and observe one action."""
        error = code_format.syntax_error(code)
        if error is not None:
            return self._repeats.note(step.with_(observation=syntax_observation(error, code)))
        risks = self._risks(code)
        step = step.with_(risk=tuple(label.kind for label in risks))
        self.view.proposed(self.redaction.step(step), risks)
        try:
            approval, code = await self.stop.guard(decide(self.approval, code, risks, self.asker, self.allowed))
        except StoppedError:
            approval = Approval("stop", "user")
        step = step.with_(code=code, approval=approval)
        if approval.decision == "stop":
            self.stop.set()
        if approval.decision in {"reject", "stop"}:
            return self._repeats.note(step.with_(kind="rejected", observation=self._refusal(approval)))
        self.view.running(self.redaction.step(step))
        await self._provide(code)
        execution = await self._execute(code)
        told = await self._held(FINAL) if execution.final is not None and execution.status == "ok" else None
        step = step.with_(execution=execution, told=told)
        seen = self._observe(step)
        if approval.decision == "modify":
            seen = replace(seen, text=f"The user changed the cell to:\n```python\n{code}\n```\n\n{seen.text}")
        return self._repeats.note(step.with_(observation=seen))

    async def _provide(self, code: str) -> None:
        """Let `out(7)` in a cell know what step 7 gave."""
        known = outputs_for(code, self.conversation)
        if known:
            with suppress(ExecutionError):  # the name is a variable of the user's
                await self.stop.guard(self.executor.evaluate(f"out.provide({known!r})"))

    async def _held(self, answer: str) -> Told | None:
        """Return what the user's check says against an answer, None where it holds; `answer` is an expression."""
        why = await self.stop.guard(self.check(answer)) if self.check is not None else ""
        return Told("check", why) if why else None

    def _risks(self, code: str) -> tuple[risk.Risk, ...]:
        """Label a cell in the light of the folder it runs in and of the cells that ran before it."""
        talk = self.conversation
        cwd = talk.snapshot.cwd if talk.snapshot is not None and talk.snapshot.cwd else None
        steps = [turn for turn in talk.turns if isinstance(turn, Step) and turn.execution is not None]
        earlier = [step.code for step in steps[-EARLIER_CELLS:] if step.code]
        return risk.labels(code, cwd=cwd, names=self._theirs, earlier=earlier)

    async def _execute(self, code: str) -> Execution:
        self.stop.check()
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()

        def interrupt() -> None:
            loop.call_soon_threadsafe(lambda: tasks.add(loop.create_task(self.executor.interrupt())))

        left = max(0.001, self._deadline - time.monotonic())
        bounds = [
            seconds for seconds in (self.limits.cell_seconds or float("inf"), left) if seconds < float("inf")
        ]
        forget = self.stop.on_set(interrupt)
        try:
            execution = await self._cells.run(code, self.conversation.steps, min(bounds, default=None))
            self.redaction.refresh()
            return self.redaction.execution(execution)
        finally:
            forget()
            for task in tasks:
                await asyncio.wait({task}, timeout=1.0)

    def _observe(self, step: Step) -> Observation:
        execution = step.execution
        assert execution is not None
        before, after = self.conversation.snapshot, execution.snapshot
        seen = observation.observe(
            execution,
            limit=self.limits.observation_chars,
            images=self.model.sees_images,
            changes=context.changes(before, after) if after is not None else "",
        )
        self.conversation.snapshot = after or before
        if before is not None and after is not None:
            self.conversation.made |= after.names.keys() - before.names.keys()
        if step.answer is not None:
            return seen
        if step.told is not None:
            return _guided(seen, prompt.words("check-failed").replace("{why}", step.told.text))
        last = self.limits.steps and self._steps == self.limits.steps - 1
        name = "last-step" if last else "after-error" if seen.status != "ok" else "after-step"
        guide = prompt.words(name).replace("{task}", self._task)
        if name == "after-step":
            guide = f"{remarks(self._task, execution, seen.text)}\n{guide}".lstrip("\n")
        return _guided(seen, guide)

    def _refusal(self, approval: Approval) -> Observation:
        who = "The user did not allow this cell" if approval.by == "user" else "This cell was not run"
        reason = f": {approval.reason.rstrip('.')}" if approval.reason else ""
        return Observation("refused", f"{who}{reason}. Do it another way, or answer without it.")

    async def _read_prose(self, step: Step, action: Action) -> Step:
        """Take a reply without code as the answer, put its question to the user, or send it back."""
        talk, answer = self.conversation, action.thought
        has_data = talk.snapshot is not None and bool(talk.snapshot.names or talk.snapshot.files)
        evidence = Evidence.of(talk.turns)
        complaint = action.complaint or echo_complaint(answer) or announced_complaint(answer, evidence)
        if complaint is None and (reply := await self._reply_to(answer)) is not None:
            text = f"The user answers: {reply}" if reply else prompt.words("no-answer")
            return step.with_(kind="note", told=Told("user", reply), observation=Observation("ok", text))
        if complaint is not None:
            self._complaints += 1
        elif (looked := evidence.last is not None) not in self._bounced and not self._at_limit():
            complaint = grounding_complaint(self._task, answer, evidence, has_data=has_data)
            self._bounced |= {looked} if self._repeats.doubt(complaint) else set()
        told = await self._held(repr(answer)) if complaint is None else None
        if told is not None:
            complaint = prompt.words("check-failed").replace("{why}", told.text)
        if complaint is None:
            return step.with_(kind="answer")
        return step.with_(kind="note", told=told, observation=Observation("refused", complaint))

    async def _reply_to(self, answer: str) -> str | None:
        """Ask the user what the model asks, once a task; "" is no answer, None that nobody was asked."""
        if self._asked or self.asker is None or not is_question(answer):
            return None
        self._asked = True
        try:
            return " ".join((await self.stop.guard(self.asker.reply(answer))).split())
        except StoppedError:
            raise
        except Exception:  # nobody is there any more: the question is the answer
            return None

    def _judge(self, step: Step) -> None:
        """End the task where going on makes no sense."""
        if step.kind == "action":
            self._complaints = 0
        if self._complaints >= MOST_COMPLAINTS and step.kind == "note" and step.observation is not None:
            raise CodeActError(
                f"The model's replies could not be used {MOST_COMPLAINTS} times in a row "
                f"({step.observation.text.split('.')[0]}); try another model or other words."
            )
        status = step.execution.status if step.execution is not None else None
        if status == "interrupted" or self.stop.is_set():
            raise StoppedError("Stopped.")
        if status == "dead":
            raise CodeActError("The kernel died while it ran this step; the steps so far are kept.")
        cause = self._repeats.verdict()
        if cause is not None:
            raise CodeActError(cause)

    def _at_limit(self) -> bool:
        return bool(self.limits.steps) and self._steps >= self.limits.steps

    def _check_limits(self) -> None:
        self.stop.check()
        if self._at_limit():
            raise _LimitError(f"No answer after {self._steps} steps; raise --max-steps or ask a smaller question.")
        used = self.usage.input + self.usage.output
        if self.limits.tokens and used >= self.limits.tokens:
            raise _LimitError(f"No answer within {self.limits.tokens:,} tokens; raise CodeAct.max_total_tokens.")
        if self.limits.output_bytes and self._cells.output > self.limits.output_bytes:
            raise _LimitError(
                f"The steps put out {self._cells.output:,} bytes, {self.limits.output_bytes:,} are allowed; "
                "ask for less, or raise CodeAct.max_output_bytes."
            )
        if time.monotonic() >= self._deadline:
            raise _LimitError(self._time_is_up())

    def _time_is_up(self) -> str:
        return f"No answer within {self.limits.seconds:g} s; raise CodeAct.max_seconds."


def _guided(seen: Observation, guide: str) -> Observation:
    return replace(seen, text=f"{seen.text}\n\n{guide}", guide=f"\n\n{guide}")

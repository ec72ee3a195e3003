"""Rehearse: run the whole loop again with the recorded replies and executions, and see that it says the same.

No model and no kernel is needed. What is checked is ours: the prompt, the parser, the observations, the loop. A
tape gives each recorded reply only to the very messages that it was given to, and a step must come out as it
was recorded. What was trimmed is taken from the record, since the budget is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent import formats, prompt
from codeact_kernel.agent.approval import NOBODY
from codeact_kernel.agent.conversation import Conversation, Limits
from codeact_kernel.agent.listeners import NoView
from codeact_kernel.agent.loop import Agent
from codeact_kernel.agent.stop import Stop
from codeact_kernel.episode import chat
from codeact_kernel.episode.plain import unescape
from codeact_kernel.errors import CodeActError, EpisodeError
from codeact_kernel.models.tape import Take, TapeModel, differing, short_diff
from codeact_kernel.replay.rebuild import Rebuilt, rebuild
from codeact_kernel.types import Approval, Completion, NameInfo, Sampling, Snapshot, Step, TaskTurn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from codeact_kernel.agent.risk import Risk
    from codeact_kernel.types import Execution, Message, Observation, Outcome, Turn

OBSERVATION_CHARS = 4000
"""What an observation may take where the episode does not say."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How a rehearsal went. `steps` came out as recorded, of `of`; `notes` say what could not be checked.

    `problem` is one sentence, "" where all is as recorded; `difference` shows the first message that differs.
    """

    path: Path | str
    steps: int
    of: int
    problem: str = ""
    difference: str = ""
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 where all is as recorded, else 1."""
        return int(bool(self.problem))


async def rehearse(notebook: dict[str, Any], path: Path | str = "This episode") -> Rehearsal:
    """Run the loop of this version over an episode's recorded replies and executions.

    Raises:
        EpisodeError: the notebook is no episode, was damaged, or holds nothing to rehearse.
    """
    system, turns = chat.conversation(notebook)
    header = unescape(notebook["metadata"]["codeact"])
    steps = [turn for turn in turns if isinstance(turn, Step)]
    if turns and not isinstance(turns[0], TaskTurn):
        raise EpisodeError(f"{path} begins with a step; its task was deleted, so there is nothing to rehearse.")
    if not any(step.request.digest for step in steps):
        raise EpisodeError(f"{path} does not say what its model was sent; there is nothing to rehearse.")
    action, own = formats.named(chat.action_of(notebook)), prompt.words("system-codeactagent")
    talk = Conversation(own if system == own else prompt.words(action.system), action=action.name)
    notes: list[str] = []
    matched, problem, difference = 0, "", ""
    for number, (first, end) in enumerate(_tasks(turns)):
        task = _Task(system, turns, first, end, header, number, talk, notes)
        try:
            await task.run()
        except _DifferenceError as found:
            problem, difference = str(found), found.difference
        matched += task.at - first - 1 if task.at > first else 0
        if problem:
            break
    if not problem and matched and system != talk.system:
        notes.append("The system prompt in the header is not the one that was sent: the header was changed.")
    return Rehearsal(path, matched, len(steps), problem, difference, tuple(notes))


class _DifferenceError(CodeActError):
    """The loop says or does something else than it did; `difference` shows it."""

    def __init__(self, message: str, difference: str) -> None:
        super().__init__(message)
        self.difference = difference


@dataclass
class _Task:
    """One task of the episode, turns `first` to `end`: recorder, asker and view of the loop that is rehearsed.

    `at` is the turn that comes next.
    """

    system: str
    turns: Sequence[Turn]
    first: int
    end_at: int
    header: dict[str, Any]
    number: int
    talk: Conversation
    notes: list[str]
    at: int = 0
    found: _DifferenceError | None = None
    made: Rebuilt | None = None

    def __post_init__(self) -> None:
        """Make the loop's parts."""
        self.at = self.first
        steps = [turn for turn in self.turns[self.first : self.end_at] if isinstance(turn, Step)]
        seeing = any(step.observation is not None and step.observation.images for step in steps)
        self.tape = TapeModel(self._takes(), sees_images=seeing)
        self.limits = self._bounds(len(steps))

    async def run(self) -> None:
        """Run the loop over the task.

        Raises:
            _DifferenceError: at the first difference.
        """
        turn = self.turns[self.first]
        assert isinstance(turn, TaskTurn)
        snapshot = self._snapshot()
        about = turn.content.removesuffix(f"Task: {turn.text}").removesuffix("\n\n")
        self.talk.note, self.talk.snapshot = about, snapshot
        self.agent = Agent(
            conversation=self.talk,
            model=self.tape,
            executor=_Recorded(self),
            recorder=self,
            view=NoView(),
            limits=self.limits,
            sampling=Sampling(),
            stop=Stop(),
            approval="ask",
            asker=self,
            check=self.held,
        )
        outcome = await self.agent.run(turn.text, snapshot)
        if self.found is not None:
            raise self.found
        if self.tape.error is not None:
            raise _DifferenceError(str(self.tape.error), self.tape.error.difference)
        if self.at < self.end_at:
            raise _DifferenceError(
                f"The task ends before {self._name()} ({outcome.status}); the episode goes on.", outcome.cause
            )

    # -- the recorder

    def task(self, turn: TaskTurn) -> None:
        """See that the task's message is the recorded one."""
        recorded = self.turns[self.at]
        assert isinstance(recorded, TaskTurn)
        if turn.content != recorded.content:
            diff = short_diff(recorded.content, turn.content)
            self._fail("The message of the task is made in another way.", f"The task's message differs:\n{diff}")
        self._go_on()

    def completion(self, step: Step) -> None:
        """See that the parser reads the reply as it did."""
        recorded = self._here()
        decided = recorded.approval
        proposed = decided.proposed if decided is not None and decided.proposed is not None else recorded.code
        number = recorded.request.count + 1
        for name, old, new in (("code", proposed, step.code), ("thought", recorded.thought, step.thought)):
            if old != new:
                shown = short_diff("(none)" if old is None else old, "(none)" if new is None else new)
                self._fail(
                    f"The parser reads the reply of {self._name()} in another way: its {name} differs.",
                    f"Message {number} (assistant) gives another {name}:\n{shown}",
                )
        if step.repairs != recorded.repairs:
            shown = short_diff("\n".join(recorded.repairs), "\n".join(step.repairs))
            self._fail(
                f"The parser mends the reply of {self._name()} in another way.",
                f"Message {number} (assistant) is mended in another way:\n{shown}",
            )
        by_policy = decided is not None and decided.by == "policy" and decided.decision == "reject"
        self.agent.approval = "plan" if by_policy and decided and decided.reason != NOBODY else "ask"

    def step(self, step: Step) -> None:
        """See that the step came out as recorded."""
        recorded = self._here()
        if not _same(recorded.observation, step.observation) and not self._excused(step):
            old = prompt.build(self.system, self.turns[: self.at + 1])
            new = prompt.build(self.system, [*self.turns[: self.at], step])
            self._fail(f"The observation of {self._name()} is made in another way.", differing(old, new))
        if step.kind != recorded.kind:
            self._fail(
                f"The loop takes the reply of {self._name()} as another kind of step.",
                f"recorded: {recorded.kind}\nnow: {step.kind}",
            )
        self._go_on()

    def end(self, outcome: Outcome) -> None:
        """Do nothing: how the task ended is looked at when it has."""

    # -- the asker

    async def ask(self, code: str, risks: tuple[Risk, ...], reason: str) -> tuple[Approval, str]:
        """Answer as was answered then."""
        del risks, reason
        recorded = self._here()
        decided = recorded.approval
        if decided is None or decided.reason == NOBODY:
            raise EOFError
        if decided.decision == "auto":
            return Approval("approve", "user"), code
        return decided, recorded.code or code

    async def reply(self, question: str, choices: tuple[str, ...] = ()) -> str:
        """Answer the model's question as was answered then; nobody waits for cells here."""
        del question, choices
        told = self._here().told
        if told is None or told.by != "user":
            raise EOFError
        return told.text

    async def held(self, answer: str) -> str:
        """Say of an answer what the user's check said then."""
        del answer
        told = self._here().told
        return told.text if told is not None and told.by == "check" else ""

    # -- inside

    def execute(self, code: str) -> Execution:
        """Return what the recorded code gave; other code is not run."""
        recorded = self._here()
        if recorded.execution is None or recorded.code != code:
            shown = short_diff(recorded.code or "(none)", code)
            self._fail(f"Code is to run in {self._name()} that did not run then.", shown)
        self.made = rebuild(recorded, limit=self.limits.observation_chars, images=self.tape.sees_images)
        self.talk.snapshot = self.made.before
        return self.made.execution

    def _excused(self, step: Step) -> bool:
        """Say whether an observation differs because the record does not hold all that it was made of."""
        made, recorded = self.made, self._here()
        if made is None or recorded.observation is None or step.observation is None:
            return False
        unlisted = made.verified and made.execution.snapshot is None
        guides = {recorded.observation.guide, step.observation.guide}
        if not made.doubt and not (unlisted and (len(guides) == 1 or not recorded.observation.guide)):
            return False
        why = made.doubt or "its list of changes was cut"
        self.notes.append(f"The observation of {self._name()} was not wholly checked: {why}.")
        return True

    def _go_on(self) -> None:
        """Take the recorded turn as said, and what was trimmed for the next reply from the record."""
        self.talk.turns[-1] = self.turns[self.at]
        self.made = None
        self.at += 1
        following = self.turns[self.at] if self.at < self.end_at else None
        if isinstance(following, Step):
            self.talk.view = dict(following.request.view or {})
            self.talk.summary = following.request.summary

    def _here(self) -> Step:
        turn = self.turns[self.at] if self.at < self.end_at else None
        if not isinstance(turn, Step):
            self._fail("The loop goes on after the last recorded step.", "")
        assert isinstance(turn, Step)
        return turn

    def _fail(self, sentence: str, shown: str) -> None:
        """End the loop at the first difference; the loop catches the error, so it is kept too."""
        self.found = self.found or _DifferenceError(sentence, shown)
        raise self.found

    def _name(self) -> str:
        turn = self.turns[self.at]
        return f"step {turn.index}" if isinstance(turn, Step) else "the task"

    def _takes(self) -> Iterator[Take]:
        """Yield the recorded replies; those that were drawn again first, since they were given first."""
        for index in range(self.first + 1, self.end_at):
            step = self.turns[index]
            assert isinstance(step, Step)

            def messages(index: int = index) -> Sequence[Message] | None:
                try:
                    return chat.messages_before(self.system, self.turns, index)
                except EpisodeError:
                    return None

            for text in (*step.drafts, None):
                said = step.completion if text is None else Completion(text, "stop")
                yield Take(said, step.request.digest, f"step {step.index}", messages)

    def _bounds(self, steps: int) -> Limits:
        """Return the bounds of the task; where it has none of its own, the header's, which are the last task's."""
        tasks = self.header.get("tasks") or []
        known = tasks[self.number] if self.number < len(tasks) and isinstance(tasks[self.number], dict) else {}
        bounds = {**(self.header.get("policy") or {}), **known}
        chars, most = bounds.get("observation_chars"), bounds.get("max_steps")
        if "max_steps" not in known and known.get("status") == "limit":
            most = steps
        return Limits(
            steps=most if isinstance(most, int) and most >= steps else 0,
            observation_chars=chars if isinstance(chars, int) and chars > 0 else OBSERVATION_CHARS,
        )

    def _snapshot(self) -> Snapshot:
        """Return the namespace at the task as far as the header has it: names without values, files."""
        names = (self.header.get("kernel") or {}).get("names")
        files = self.header.get("files") or {}
        sizes = {name: file.get("size") for name, file in files.items() if isinstance(file, dict)}
        return Snapshot(
            names={name: NameInfo(str(kind), "", "") for name, kind in names.items()}
            if isinstance(names, dict)
            else {},
            files={name: size if isinstance(size, int) else 0 for name, size in sizes.items()},
        )


class _Recorded:
    """The executor of a rehearsal: gives recorded executions, runs nothing."""

    def __init__(self, task: _Task) -> None:
        self._task = task

    async def run(self, code: str, *, timeout: float | None = None) -> Execution:
        """Return the recorded execution."""
        del timeout
        return self._task.execute(code)

    async def inspect(self) -> Snapshot:
        """Return an empty namespace."""
        return Snapshot()

    async def evaluate(self, expression: str) -> str:
        """Do nothing: what a cell asked for with `out` is in what it gave."""
        del expression
        return ""

    async def interrupt(self) -> None:
        """Do nothing."""

    kill = interrupt

    async def memory(self) -> int:
        """Return nothing: no kernel is there."""
        return 0

    def describe(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    async def close(self) -> None:
        """Do nothing."""


def _tasks(turns: Sequence[Turn]) -> Iterator[tuple[int, int]]:
    """Yield where each task begins and ends in the turns."""
    begins = [number for number, turn in enumerate(turns) if isinstance(turn, TaskTurn)]
    yield from zip(begins, [*begins[1:], len(turns)], strict=True)


def _same(old: Observation | None, new: Observation | None) -> bool:
    if old is None or new is None:
        return old is new
    pictures = [[image.sha256 for _, image in seen.images] for seen in (old, new)]
    return (old.status, old.text, pictures[0]) == (new.status, new.text, pictures[1])

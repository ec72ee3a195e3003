"""What the loop says to a model that repeats itself, writes broken code or answers out of the air."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from codeact_kernel.agent import prompt
from codeact_kernel.agent.grounding import unshown, unused
from codeact_kernel.types import Execution, ExecutionStatus, Finish, Observation, Sampling, Step, TaskTurn, Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_FAILURES = 3
MOST_REPEATS = 4
OWN_WORDS = (
    "after-step",
    "after-error",
    "after-syntax-error",
    "last-step",
    "repeated-failure",
    "repeated-success",
    "repeated-call",
    "answer-after-failure",
    "answer-announced",
    "answer-guessed",
    "answer-guessed-figures",
    "answer-not-shown",
    "answer-left-out",
    "answer-without-figure",
    "after-warning",
    "final-answer",
    "check-failed",
    "no-answer",
    "many-values",
)
QUANTITY = re.compile(
    r"\bhow (?:many|much)\b"
    r"|\bwhat (?:is|was|are) the (?:\w+ )?(?:total|sum|mean|average|median|number|share|percentage)\b",
    re.IGNORECASE,
)
ANNOUNCING = re.compile(
    r"^\s*(?:[-*\d.]+\s+)?(?:(?:first|then|next|now|finally),?\s+)?(?:i(?:'ll| will| need to| am going to)?\s"
    r"(?!am\b|was\b|can|could|do not|don't|think|have\b|had\b|did\b|found\b)|let(?:'s| me| us)\b)",
    re.IGNORECASE,
)
OFFER = re.compile(
    r"\b(?:would you like|do you want|shall i|should i (?:also|go on)|can i help|may i help|anything else|"
    r"any other|want me to|let me know|need (?:any|more|further))\b",
    re.IGNORECASE,
)
"""What polite models put under an answer."""
MOST_NUMBERS = 3
"""A reply with more of them states figures: it is an answer, whatever it asks at its end."""
NUMERAL = re.compile(r"\b(?:no|none|zero|one|two|three|four|five|six|seven|eight|nine|ten|all)\b", re.IGNORECASE)
WARNING = re.compile(r"\b\w*(?:Warning|ChainedAssignmentError)\b:")
CHAINED = re.compile(
    r"^\s*(?P<column>[A-Za-z_]\w*\[[^\]\n]+\])\.(?P<call>\w+\([^\n]*?),?\s*inplace\s*=\s*True\)\s*$", re.MULTILINE
)
"""What pandas 3 quotes under its warning: `df["a"].fillna(0, inplace=True)`."""
MANY = re.compile(
    r"^(?:New|Changed): (?P<name>\w*(?:total|sum|mean|average|count)(?!\w*_(?:by|per)_)\w*) \(pandas\.Series\): "
    r"(?P<rows>\d[\d,]+) rows",
    re.MULTILINE,
)
"""A Series in a name that promises one figure."""
EXAMPLE = re.compile(r"(?:\be\.\s?g\.|\bfor (?:example|instance)\b)[^)\n]*", re.IGNORECASE)
"""What a task says of the form of an answer, "(e.g., 12.34)", is no evidence of its value."""
SHAKE = 0.7
"""Temperature of the reply after a repeated action: greedy decoding would repeat it once more."""


def shape(code: str) -> str:
    """Return a cell without comments and layout, so that the same action looks the same."""
    try:
        return ast.dump(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return " ".join(code.split())


@dataclass
class Repeats:
    """Counts how often each action was tried, and failed, in one task."""

    failures: dict[str, int] = field(default_factory=dict)
    successes: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    _last: str = ""

    def note(self, step: Step) -> Step:
        """Count a step that acted; return it with a word to the model if the action is not new."""
        observation = step.observation
        if observation is None or step.code is None:
            return step
        self._last = shape(step.code)
        failed = observation.status != "ok" or (step.execution is not None and ineffective(step.execution))
        counts = self.failures if failed else self.successes
        counts[self._last] = counts.get(self._last, 0) + 1
        if counts[self._last] < 2:
            self.repeated = 0
            return step
        self.repeated += 1
        again = "repeated-call" if bare_call(step.code) else "repeated-success"
        words = prompt.words("repeated-failure" if failed else again)
        said = f"\n\n{words}"
        return step.with_(
            observation=replace(observation, text=observation.text + said, guide=observation.guide + said)
        )

    def repeats(self, code: str | None, finish: Finish) -> bool:
        """Say whether a reply goes round, or its action failed before or was said to be a repetition."""
        if code is None:
            return finish == "cancelled"
        key = shape(code)
        return self.failures.get(key, 0) >= 1 or self.successes.get(key, 0) >= 2

    def doubt(self, complaint: str | None) -> bool:
        """Say whether an answer is sent back; the last action did not show it, and would not if it ran again."""
        if complaint is not None and self._last:
            self.failures[self._last] = max(1, self.failures.get(self._last, 0))
        return complaint is not None

    def verdict(self) -> str | None:
        """Return why the task must end, if the last action was tried too often."""
        if self.failures.get(self._last, 0) >= MOST_FAILURES:
            return f"The model ran the same failing code {MOST_FAILURES} times; try other words or another model."
        if self.successes.get(self._last, 0) >= MOST_REPEATS:
            return f"The model ran the same code {MOST_REPEATS} times without answering; try other words."
        return None

    def sampling(self, usual: Sampling) -> Sampling:
        """Return the sampling for the next reply: warmer right after a repeated action, with a fixed seed."""
        return self.warmer(usual, self.repeated) if self.repeated else usual

    def warmer(self, usual: Sampling, draw: int) -> Sampling:
        """Return the sampling for another draw of a reply; `draw` makes the seed where none is set."""
        seed = (usual.seed or 0) + draw
        return replace(usual, temperature=max(usual.temperature, SHAKE), seed=seed)


def bare_call(code: str) -> bool:
    """Say whether a cell is one call of a function by its name, printed or not: a look at something."""
    try:
        cell = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    call = cell[0].value if len(cell) == 1 and isinstance(cell[0], ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print" and call.args:
        call = call.args[0]
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id != "print"


def ineffective(execution: Execution) -> bool:
    """Say whether pandas warned that an assignment had no effect: the code is then as good as failed."""
    return "ChainedAssignmentError" in _stderr(execution)


def warning_words(execution: Execution) -> str:
    """Return what to say of the warnings that a cell wrote to stderr; "" if there were none."""
    text = _stderr(execution)
    chained = CHAINED.search(text) if ineffective(execution) else None
    if chained:
        line = f"`{chained['column']} = {chained['column']}.{chained['call']})`"
        return prompt.words("after-chained-assignment").replace("{line}", line)
    return prompt.words("after-warning") if WARNING.search(text) else ""


def remarks(task: str, execution: Execution, seen: str) -> str:
    """Return what else to say of a cell that ran: of its warnings, and of many values where one is asked for."""
    many = MANY.search(seen) if QUANTITY.search(task) else None
    words = prompt.words("many-values").format(**many.groupdict()) if many else ""
    return f"{warning_words(execution)}\n{words}".strip("\n")


def syntax_observation(error: SyntaxError, code: str) -> Observation:
    """Return what the model sees of code that does not parse: the error, its line and a caret; nothing was run."""
    text = f"Output:\n{type(error).__name__}: {error.msg}"
    lines = code.split("\n")
    if error.lineno is not None and 1 <= error.lineno <= len(lines):
        line = lines[error.lineno - 1].rstrip()
        text += f"\n  line {error.lineno}: {line.strip()[:200]}"
        indent = len(line) - len(line.lstrip())
        if error.offset is not None and 0 < error.offset - indent <= 200:
            text += "\n" + " " * (len(f"  line {error.lineno}: ") + error.offset - indent - 1) + "^"
    guide = f"\n\n{prompt.words('after-syntax-error')}"
    return Observation("error", text + guide, guide=guide)


def echo_complaint(answer: str) -> str | None:
    """Return what to say to an answer that only gives our own words back; small models do that."""
    said = " ".join(answer.split())
    for name in OWN_WORDS:
        sentences = re.split(r"(?<=[.:)])\s+|\n", prompt.words(name))
        if any(len(sentence) > 30 and "{" not in sentence and sentence in said for sentence in sentences):
            return prompt.words("answer-echoed")
    return None


def is_question(text: str) -> bool:
    """Say whether a reply asks the user something that the task hangs on: an answer with an offer does not."""
    last = re.split(r"(?<=[.!?])\s+", text.strip())[-1]
    return last.endswith("?") and not OFFER.search(last) and len(re.findall(r"\d[\d.,]*", text)) <= MOST_NUMBERS


def figure_missing(task: str, answer: str) -> bool:
    """Say whether a task asks for a figure and the answer states none."""
    return bool(QUANTITY.search(task)) and not re.search(r"\d", answer) and not NUMERAL.search(answer)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an answer can lean on: the `texts` that were shown, and how the last cell of this task ended.

    `last` is None when no code ran in this task yet; `acted` says whether any ran in the conversation; `undone`
    is what to say of a last cell whose assignment had no effect; `codes` is all code that ran, `outputs` what it
    gave; `asked` is the task as the user wrote it, without its examples.
    """

    texts: tuple[str, ...] = ()
    last: ExecutionStatus | None = None
    acted: bool = False
    undone: str = ""
    codes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    asked: str = ""

    @classmethod
    def of(cls, turns: Sequence[Turn]) -> Evidence:
        """Gather it. The prompt is none, nor is an example in a task, nor what we say under an output.

        The figures of an example are the first that a small model copies.
        """
        texts, codes, outputs = list[str](), list[str](), list[str]()
        last: ExecutionStatus | None = None
        acted, undone, asked = False, "", ""
        for turn in turns:
            if isinstance(turn, TaskTurn):
                context = turn.content.removesuffix(turn.text)
                asked = EXAMPLE.sub("", turn.text)
                texts.append(context + asked if context != turn.content else context)
                last, undone = None, ""
            elif turn.told is not None and turn.told.by == "user":
                texts.append(turn.told.text)
            elif turn.observation is not None and turn.kind != "note":
                outputs.append(turn.observation.text.removesuffix(turn.observation.guide))
                texts.append(outputs[-1])
                last, acted, ran = turn.observation.status, True, turn.execution
                codes.append(turn.code or "")
                undone = warning_words(ran) if ran is not None and ineffective(ran) else ""
        return cls(tuple(texts), last, acted, undone, tuple(codes), tuple(outputs), asked)


def announced_complaint(answer: str, evidence: Evidence) -> str | None:
    """Return what to say to a reply that tells what it will do before any code ran: a plan is no answer."""
    lines = [line for line in answer.splitlines() if line.strip()]
    plan = bool(lines) and evidence.last is None and all(ANNOUNCING.match(line) for line in lines)
    return prompt.words("answer-announced") if plan else None


def grounding_complaint(task: str, answer: str, evidence: Evidence, *, has_data: bool) -> str | None:
    """Return what to say to an answer that was not shown, or None.

    The loop sends one back before code ran in the task and one after: a guess that was refused comes again.
    The last code failed, or changed nothing that it meant to; figures or names were never shown; the task asks
    for a figure and none is stated; there is data and no code has looked at it yet; or no code ever used a figure
    that the task states.
    """
    if evidence.last not in {None, "ok", "refused"}:
        return prompt.words("answer-after-failure")
    if evidence.undone:
        return evidence.undone
    if evidence.last == "ok" and figure_missing(task, answer):
        return prompt.words("answer-without-figure")
    figures = unshown(answer, evidence.texts)
    guessed = has_data and not evidence.acted
    if not figures and guessed:
        return prompt.words("answer-guessed")
    if not figures:
        left = unused(evidence.asked, evidence.codes, evidence.outputs) if evidence.last == "ok" else []
        return _filled("answer-left-out", left, task) if left else None
    return _filled("answer-guessed-figures" if guessed else "answer-not-shown", figures, task)


def _filled(name: str, figures: Sequence[str], task: str) -> str:
    return prompt.words(name).replace("{figures}", ", ".join(figures[:5])).replace("{task}", task)


def _stderr(execution: Execution) -> str:
    return "".join("".join(output["text"]) for output in execution.outputs if output.get("name") == "stderr")

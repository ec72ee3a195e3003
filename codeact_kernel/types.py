"""The nouns of the flow, as plain data: what a task, a message, a step and an execution are.

Nothing here imports another module of ours, does I/O or holds behaviour beyond arithmetic on its own fields.
Times are ISO-8601 strings in UTC with milliseconds (`now()`): browsers and collaborative editing change
numbers, never strings.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

Role: TypeAlias = Literal["system", "user", "assistant"]
Finish: TypeAlias = Literal["stop", "length", "stop_sequence", "tool", "cancelled"]
ExecutionStatus: TypeAlias = Literal["ok", "error", "timeout", "interrupted", "dead", "refused"]
EpisodeStatus: TypeAlias = Literal["running", "done", "failed", "interrupted", "limit", "recovered"]
Decision: TypeAlias = Literal["auto", "approve", "modify", "reject", "stop"]
ToldBy: TypeAlias = Literal["user", "check"]
StepKind: TypeAlias = Literal["action", "rejected", "note", "answer"]
NbOutput: TypeAlias = dict[str, Any]
"""One nbformat v4 output: a dict with `output_type` in stream, display_data, execute_result, error."""


def now() -> str:
    """Return the present time in UTC as ISO-8601 with milliseconds, e.g. `2026-11-23T09:30:00.123Z`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Image:
    """A picture for a model that can see: `data` is base64 of the bytes, `sha256` is of the bytes."""

    mime: str
    data: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message. `images` follow the text."""

    role: Role
    content: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of model calls. `input` counts the whole prompt, `cached` the part of it not evaluated again."""

    input: int = 0
    output: int = 0
    cached: int = 0
    calls: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Sum field by field."""
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.calls + other.calls,
        )


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn. `temperature` 0 is greedy; `max_tokens` bounds one reply; `stop` ends it."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """One whole model reply: it exists only if a finish reason *and* the end of the stream were seen.

    `text` is the reply byte for byte; `asked`, `first_token` and `answered` are times (see `now`).
    """

    text: str
    finish: Finish
    usage: Usage = Usage()
    reasoning: str | None = None
    asked: str = ""
    first_token: str = ""
    answered: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """What a reply asks for. `code` is None when the reply is an answer to the user.

    `complaint` is one sentence to the model when the reply cannot be used at all (then `code` is None);
    `repairs` names what was mended without asking, for the record.
    """

    thought: str
    code: str | None = None
    complaint: str | None = None
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """Whether a cell may run: `proposed` is the code before an edit, `by` is "policy" or "user"."""

    decision: Decision
    by: Literal["user", "policy"] = "policy"
    proposed: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NameInfo:
    """One variable of the user's namespace: its type and a bounded one-line (or few-line) summary.

    `stamp` changes when the variable was rebound or visibly changed (id, shape, columns, short content).
    """

    type: str
    summary: str
    stamp: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What lives in the kernel at one moment: names, files of the working folder (name -> bytes), folder.

    `heads` holds the first lines of the first data files, or the tables of a database.
    `left_out` counts older variables that are not in `names`.
    """

    names: dict[str, NameInfo] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    cwd: str = ""
    modules: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    left_out: int = 0
    heads: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """An exception as the model should read it: no ANSI, the user's frames only.

    `frames` are `(where, line number, source line)`; `hints` are near-miss names and the like, one sentence each.
    """

    ename: str
    evalue: str
    frames: tuple[tuple[str, int, str], ...] = ()
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Execution:
    """One cell that ran (or could not).

    `outputs` are nbformat outputs in order; `result` is a short typed summary of the cell's last expression
    (None when there was none); `final` is the text of what it gave to `final_answer`; `snapshot` is the
    namespace after the cell; `stdin` lists `{"prompt": ..., "answer": ...}` for every `input()` that was
    answered; `notes` are sentences on what the cell did to names that the user protected. `started` and `finished`
    are when its code did, without the look at the namespace around it.
    """

    status: ExecutionStatus
    outputs: tuple[NbOutput, ...] = ()
    execution_count: int | None = None
    started: str = ""
    finished: str = ""
    error: ErrorReport | None = None
    result: str | None = None
    final: str | None = None
    snapshot: Snapshot | None = None
    stdin: tuple[dict[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observation:
    """What the model sees next. `text` is the exact string; `images` are `(output index, Image)`.

    `dropped_chars` and `dropped_images` say how much was left out; `guide` is the end of `text`, which tells
    the model what to do next and is no part of what the cell gave.
    """

    status: ExecutionStatus
    text: str
    images: tuple[tuple[int, Image], ...] = ()
    dropped_chars: int = 0
    dropped_images: int = 0
    guide: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """What the model noted of the turns up to index `upto` before they were left out; `usage` is what it cost."""

    text: str
    upto: int
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Request:
    """What was sent: `digest` of the canonical messages, their `count`, and the `view` (what was trimmed).

    `view` maps the index of a turn to the number of characters its observation was shortened to; None when
    nothing was. `summary` was made for this request; it stands in later ones, too, until there is a newer one.
    """

    digest: str
    count: int
    view: dict[str, int] | None = None
    summary: Summary | None = None


@dataclass(frozen=True, slots=True)
class TaskTurn:
    """A task as a turn of the conversation: the user's `text`, and the exact `content` sent (with context)."""

    text: str
    content: str
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What was said to a reply from outside.

    By "user": an answer to its question, "" for none. By "check": why the user's check of the answer does not
    hold.
    """

    by: ToldBy
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One round: a reply, and what came of it.

    kind: "action" (code that ran, or that did not parse), "rejected" (refused code), "note" (a reply that was
    sent back: no usable code, or an answer that was not grounded), "answer" (the reply is for the user).
    `drafts` are replies that were drawn again because they repeated what had failed; they were never sent back.
    `told` is what somebody outside the loop said to the reply.
    """

    index: int
    kind: StepKind
    completion: Completion
    request: Request
    thought: str = ""
    code: str | None = None
    approval: Approval | None = None
    risk: tuple[str, ...] = ()
    execution: Execution | None = None
    observation: Observation | None = None
    repairs: tuple[str, ...] = ()
    drafts: tuple[str, ...] = ()
    told: Told | None = None

    @property
    def answer(self) -> str | None:
        """What the step answers the task with: a reply for the user, or the text of a final value; else None."""
        if self.kind == "answer":
            return self.thought or self.completion.text
        ran = self.execution
        return ran.final if ran is not None and ran.status == "ok" and self.told is None else None

    def with_(self, **changes: Any) -> Step:
        """Return a copy with the given fields changed."""
        return replace(self, **changes)


Turn: TypeAlias = TaskTurn | Step
"""A conversation is a system prompt and a list of turns; messages are a pure function of these."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended: `answer` for the user, or `cause`, one sentence on why there is none.

    `by_value`: the answer is the text of a value, which the kernel's `final_answer` keeps.
    """

    status: EpisodeStatus
    answer: str = ""
    cause: str = ""
    steps: int = 0
    usage: Usage = Usage()
    episode: str | None = None
    model: str = ""
    by_value: bool = False

"""The choke point: what came from the kernel, the model and the user loses its secrets before anything keeps it.

What passes here is what the conversation, the prompt, the episode, its journal, the widget and the panel hold.
Code itself is not changed: what is judged, asked about and run is what the model wrote; what is kept is redacted.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from codeact_kernel.models.base import Chunk
from codeact_kernel.redactor import Redactor
from codeact_kernel.types import (
    Approval,
    Completion,
    ErrorReport,
    Execution,
    NbOutput,
    Observation,
    Snapshot,
    Step,
    TaskTurn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MODEL_KEY = "MODEL_KEY"
"""What stands for a key that a model was given and no variable names."""


@dataclass
class Redaction:
    """Takes secrets out of the nouns of the flow; what holds none comes back as it is."""

    redactor: Redactor = field(default_factory=Redactor)

    def refresh(self, keys: Iterable[str] = ()) -> None:
        """Look for what the environment holds by now, and for the keys of the model."""
        self.redactor.refresh()
        for key in keys:
            self.redactor.watch(MODEL_KEY, key)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        return self.redactor.text(text) if text else text

    def task(self, turn: TaskTurn) -> TaskTurn:
        """Return a task without secrets, in the user's words and in what is sent with them."""
        return replace(turn, text=self.text(turn.text), content=self.text(turn.content))

    def step(self, step: Step) -> Step:
        """Return a step without secrets; its code is what ran, but for them. `execution` is left as it is."""
        return step.with_(
            completion=self._completion(step.completion),
            thought=self.text(step.thought),
            code=self._maybe(step.code),
            approval=self._approval(step.approval),
            observation=self._observation(step.observation) if step.observation is not None else None,
            drafts=tuple(self.text(draft) for draft in step.drafts),
            told=replace(step.told, text=self.text(step.told.text)) if step.told is not None else None,
        )

    def execution(self, execution: Execution) -> Execution:
        """Return an execution without secrets in outputs, error, result, answers to `input()` and namespace."""
        return replace(
            execution,
            outputs=tuple(self._output(output) for output in execution.outputs),
            error=self._error(execution.error),
            result=self._maybe(execution.result),
            final=self._maybe(execution.final),
            snapshot=self.snapshot(execution.snapshot) if execution.snapshot is not None else None,
            stdin=tuple({name: self.text(text) for name, text in asked.items()} for asked in execution.stdin),
            notes=tuple(self.text(note) for note in execution.notes),
        )

    def snapshot(self, snapshot: Snapshot) -> Snapshot:
        """Return a namespace whose summaries, file names and heads hold no secrets."""
        names = {
            self.text(name): replace(info, summary=self.text(info.summary), stamp=self.text(info.stamp))
            for name, info in snapshot.names.items()
        }
        return replace(
            snapshot,
            names=names,
            files={self.text(name): size for name, size in snapshot.files.items()},
            functions=tuple(self.text(text) for text in snapshot.functions),
            heads={self.text(name): [self.text(line) for line in lines] for name, lines in snapshot.heads.items()},
        )

    def listener(self, listener: Callable[[Chunk], None]) -> Callable[[Chunk], None]:
        """Return a listener of a reply's pieces that passes on what holds no secret, once that is certain."""
        return _Stream(self.redactor.quiet(), listener).hear

    def _completion(self, reply: Completion) -> Completion:
        return replace(reply, text=self.text(reply.text), reasoning=self._maybe(reply.reasoning))

    def _approval(self, approval: Approval | None) -> Approval | None:
        if approval is None:
            return None
        return replace(approval, proposed=self._maybe(approval.proposed), reason=self.text(approval.reason))

    def _observation(self, seen: Observation) -> Observation:
        body, guide = seen.text.removesuffix(seen.guide), self.text(seen.guide)
        return replace(seen, text=self.text(body) + guide, guide=guide)

    def _error(self, error: ErrorReport | None) -> ErrorReport | None:
        if error is None:
            return None
        frames = tuple((self.text(where), number, self.text(line)) for where, number, line in error.frames)
        return ErrorReport(
            self.text(error.ename), self.text(error.evalue), frames, tuple(self.text(hint) for hint in error.hints)
        )

    def _output(self, output: NbOutput) -> NbOutput:
        """Return an output without secrets; the bytes of pictures are not looked at, as they hold no text."""
        data = output.get("data")
        if not isinstance(data, dict):
            return {key: self._field(key, value) for key, value in output.items()}
        fields = {key: self._field(key, value) for key, value in output.items() if key != "data"}
        rest: dict[str, Any] = self.redactor.value({mime: data[mime] for mime in data if not _is_picture(mime)})
        return {**fields, "data": {mime: data[mime] for mime in data if _is_picture(mime)} | rest}

    def _field(self, key: str, value: Any) -> Any:
        return value if key == "name" and value in {"stdout", "stderr"} else self.redactor.value(value, key)

    def _maybe(self, text: str | None) -> str | None:
        return self.text(text) if text is not None else None


class _Stream:
    """Passes a reply on while it is written, but for an end that may be the beginning of a secret."""

    def __init__(self, redactor: Redactor, listener: Callable[[Chunk], None]) -> None:
        self._redactor = redactor
        self._listener = listener
        self._waiting = self._thinking = ""

    def hear(self, chunk: Chunk) -> None:
        """Hear one piece; with the finish reason, what was held back comes too."""
        if chunk.restart:
            self._waiting = self._thinking = ""
        over = chunk.finish is not None
        text, self._waiting = self._take(self._waiting + chunk.text, over=over)
        reasoning, self._thinking = self._take(self._thinking + chunk.reasoning, over=over)
        if chunk.text and not text and chunk == Chunk(text=chunk.text):
            return
        self._listener(replace(chunk, text=text, reasoning=reasoning))

    def _take(self, text: str, *, over: bool) -> tuple[str, str]:
        """Return what may be shown by now, and what waits."""
        certain = len(text) if over or not text else len(text) - self._redactor.held(text)
        return self._redactor.text(text[:certain]), text[certain:]


def _is_picture(mime: str) -> bool:
    return mime.startswith(("image/", "video/", "audio/")) and mime != "image/svg+xml"

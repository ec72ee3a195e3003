"""Rows that other programs wrote -> a system prompt and turns; nothing is executed.

What a model said stays byte for byte, and so does what it was told: messages built again from the turns are those
of the row, neighbours of one role joined. Code and thoughts are read from it.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.formats import code as code_format
from codeact_kernel.agent.prompt import build, digest_of
from codeact_kernel.canonical import sha256
from codeact_kernel.errors import EpisodeError
from codeact_kernel.types import (
    Completion,
    Execution,
    ExecutionStatus,
    Image,
    NbOutput,
    Observation,
    Request,
    Step,
    StepKind,
    TaskTurn,
    Turn,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_MESSAGES = 1000
Row = dict[str, Any]

_EXECUTE = re.compile(r"<execute>(.*?)(?:</execute>|\Z)", re.DOTALL)
_SOLUTION = re.compile(r"<solution>(.*?)(?:</solution>|\Z)", re.DOTALL)
_OBSERVED = re.compile(r"(?:Observation|Execution Output):[ \t]*\n?")
_COUNTED = re.compile(
    r"\n?You have \d+ steps? left and \d+ chances? to propose solution left\.(?:\nYou should take.*)?\Z"
)
_ERROR = re.compile(r"([A-Za-z_][\w.]{0,80}(?:Error|Exception|Interrupt|Exit|Warning))(?:: ?(.{0,2000}))?")
_DATA_URL = re.compile(r"data:(image/[\w.+-]{1,40});base64,")
_ROLES = {"system", "developer", "user", "assistant", "tool", "function"}


@dataclass(slots=True)
class Said:
    """One message: who, its text, its pictures, the code or answer that a tool was called with, pictures lost."""

    role: str
    text: str
    images: list[Image] = field(default_factory=list)
    code: str | None = None
    answer: str | None = None
    lost: int = 0


@dataclass(slots=True)
class Conversation:
    """What a row says: the system prompt, the turns, and how many pictures could not be kept."""

    system: str = ""
    turns: list[Turn] = field(default_factory=list)
    lost_images: int = 0


def format_of(row: Row) -> str:
    """Return the format of a row, known by its keys.

    Raises:
        EpisodeError: it is none of ours.
    """
    if row.get("format") == "codeact-messages":
        return "messages"
    if "conversations" in row:
        return "codeact-instruct"
    if "messages" in row:
        return "jupyter-agent" if "question" in row or "executor_type" in row else "openai"
    raise EpisodeError("It has neither messages nor conversations; its format is not known.")


def read(row: Row, form: str) -> Conversation:
    """Return the conversation of a row in one of the formats of others.

    Raises:
        EpisodeError: it is no conversation.
    """
    listed = row.get("conversations" if form == "codeact-instruct" else "messages")
    if not isinstance(listed, list) or not listed:
        raise EpisodeError("It has no messages.")
    if len(listed) > MOST_MESSAGES:
        raise EpisodeError(f"It has {len(listed)} messages; at most {MOST_MESSAGES} are read.")
    reader = _Reader(form)
    for said in _joined(_said(message, number) for number, message in enumerate(listed)):
        reader.take(said)
    return reader.finish()


class _Reader:
    """Takes one message after the other and makes turns of them."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._result = Conversation()
        self._images = False
        self._pending: Step | None = None

    def take(self, said: Said) -> None:
        self._result.lost_images += said.lost
        turns = self._result.turns
        if said.role in {"system", "developer"} and not turns and self._pending is None:
            self._result.system += ("\n\n" if self._result.system else "") + said.text
        elif said.role == "assistant":
            if not turns:
                raise EpisodeError("It begins with a reply; the task is missing.")
            self._close()
            self._pending = self._step(said)
        elif said.role in {"tool", "function"} and self._pending is None:
            raise EpisodeError("It has the output of a tool that was not called.")
        elif self._pending is not None and self._answers(said, self._pending):
            self._observe(said, self._pending)
        else:
            self._close()
            self._result.lost_images += len(said.images)
            words = said.text.removeprefix("Task:").strip() if said.text.startswith("Task:") else said.text
            turns.append(TaskTurn(words, said.text))

    def finish(self) -> Conversation:
        self._close()
        if not any(isinstance(turn, Step) for turn in self._result.turns):
            raise EpisodeError("It has no reply.")
        return self._result

    def _answers(self, said: Said, pending: Step) -> bool:
        """Say whether a message is what came of a reply; what follows an answer is a new task."""
        return said.role != "user" or pending.kind != "answer" or bool(_OBSERVED.match(said.text))

    def _step(self, said: Said) -> Step:
        thought, code, kind = self._parts(said)
        text = said.text
        if said.code is not None:
            text = f"{said.text}\n```python\n{said.code}\n```" if said.text else f"```python\n{said.code}\n```"
        elif said.answer is not None:
            text = said.answer
        messages = build(self._result.system, self._result.turns, images=self._images)
        reasoning = said.text if said.answer is not None and said.text else None
        return Step(
            index=1 + sum(isinstance(turn, Step) for turn in self._result.turns),
            kind=kind,
            completion=Completion(text, "stop", reasoning=reasoning),
            request=Request(digest_of(messages), len(messages)),
            thought=thought,
            code=code,
        )

    def _parts(self, said: Said) -> tuple[str, str | None, StepKind]:
        """Return a reply's thought and code, and the kind of its step as far as it is known yet."""
        if said.code is not None:
            return said.text, said.code, "action"
        if said.answer is not None:
            return said.answer, None, "answer"
        cells = [cell.strip("\n") for cell in _EXECUTE.findall(said.text)]
        if any(cell.strip() for cell in cells):
            return _EXECUTE.sub("", said.text).strip(), "\n\n".join(cells), "action"
        if self._form == "codeact-instruct":
            return _SOLUTION.sub(lambda found: found[1].strip(), said.text).strip(), None, "answer"
        action = code_format.parse(said.text)
        if action.code is not None:
            return action.thought, action.code, "action"
        return action.thought, None, "note" if action.complaint else "answer"

    def _observe(self, said: Said, pending: Step) -> None:
        outputs, status = _outputs(said)
        shown = [(number, image) for number, image in enumerate(said.images, len(outputs) - len(said.images))]
        observation = Observation(status, said.text, tuple(shown))
        changes: dict[str, Any] = {"observation": observation}
        if pending.code is not None:
            changes["execution"] = Execution(status, tuple(outputs), pending.index)
        elif pending.kind == "answer" and said.role == "user":
            changes["kind"] = "note"
        self._images = self._images or bool(said.images)
        self._result.turns.append(pending.with_(**changes))
        self._pending = None

    def _close(self) -> None:
        """Take a reply after which nothing was said to it: code without an output."""
        if self._pending is not None:
            if self._pending.code is not None:
                self._pending = self._pending.with_(execution=Execution("ok", (), self._pending.index))
            self._result.turns.append(self._pending)
            self._pending = None


def _outputs(said: Said) -> tuple[list[NbOutput], ExecutionStatus]:
    """Return what a cell is to show for a message, and how it seems to have ended."""
    text = _COUNTED.sub("", _OBSERVED.sub("", said.text, count=1))
    lines = text.rstrip().split("\n")
    failed = _ERROR.fullmatch(lines[-1][:2100].strip()) if lines else None
    outputs: list[NbOutput] = []
    if failed and ("Traceback" in text or len(lines) == 1 or "-----" in lines[0]):
        outputs.append({"output_type": "error", "ename": failed[1], "evalue": failed[2] or "", "traceback": lines})
    elif text:
        outputs.append({"output_type": "stream", "name": "stdout", "text": text})
        failed = None
    outputs += [
        {"output_type": "display_data", "data": {image.mime: image.data}, "metadata": {}} for image in said.images
    ]
    return outputs, "error" if failed else "ok"


def _joined(messages: Iterator[Said]) -> Iterator[Said]:
    """Yield messages with neighbours of one role joined, as `prompt.build` does."""
    last: Said | None = None
    for said in messages:
        plain = last is not None and last.code is last.answer is said.code is said.answer is None
        if last is not None and plain and last.role == said.role:
            last.text += "\n\n" + said.text
            last.images += said.images
            last.lost += said.lost
            continue
        if last is not None:
            yield last
        last = said
    if last is not None:
        yield last


def _said(message: Any, number: int) -> Said:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(role, str) or role not in _ROLES:
        raise EpisodeError(f"Message {number} has no role that is known.")
    content = message.get("content")
    said = Said(role, content if isinstance(content, str) else "")
    if isinstance(content, list):
        texts: list[str] = []
        for part in content:
            _take_part(part, said, texts, number)
        said.text = "\n".join(texts)
    elif content is not None and not isinstance(content, str):
        raise EpisodeError(f"The content of message {number} is no text.")
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        _take_call(call, said, number)
    return said


def _take_part(part: Any, said: Said, texts: list[str], number: int) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        texts.append(part["text"])
    elif kind == "image_url":
        link = part.get("image_url")
        url = link.get("url") if isinstance(link, dict) else link
        image = _image(url) if isinstance(url, str) else None
        if image is None:
            said.lost += 1
        else:
            said.images.append(image)
    else:
        raise EpisodeError(f"Message {number} has a part that is neither text nor picture.")


def _image(url: str) -> Image | None:
    """Return the picture of a data URL, None for any other: nothing is fetched."""
    found = _DATA_URL.match(url)
    if found is None:
        return None
    data = url[found.end() :]
    try:
        return Image(found[1], data, sha256(b64decode(data, validate=True)))
    except ValueError:
        return None


def _take_call(call: Any, said: Said, number: int) -> None:
    function = call.get("function") if isinstance(call, dict) else None
    arguments = function.get("arguments") if isinstance(function, dict) else None
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            raise EpisodeError(f"The arguments of the tool call in message {number} are no JSON.") from None
    code = arguments.get("code") if isinstance(arguments, dict) else None
    answer = arguments.get("answer") if isinstance(arguments, dict) else None
    if isinstance(code, str):
        said.code = code if said.code is None else f"{said.code}\n\n{code}"
    elif isinstance(answer, str):
        said.answer = answer
    else:
        raise EpisodeError(f"Message {number} calls a tool with neither code nor an answer; it cannot be read.")

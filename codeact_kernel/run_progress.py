"""One run as a person sees it: a view of the loop that keeps its steps as JSON, and asks what must be asked."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.approval import ALLOW_KINDS, allowable
from codeact_kernel.canonical import sha256
from codeact_kernel.errors import StoppedError
from codeact_kernel.execute.capture import safe_text
from codeact_kernel.terminal import clip, render
from codeact_kernel.types import Approval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from codeact_kernel.agent.risk import Risk
    from codeact_kernel.agent.stop import Stop
    from codeact_kernel.models.base import Chunk
    from codeact_kernel.types import Outcome, Step

FRAME = 0.05
"""Seconds between two `token` events."""
SUMMARY_CHARS = 400
TASK_CHARS = 60
"""Of a task, where it names who is at work."""


class RunProgress:
    """Keeps one run; every method may be called from any thread. It is a View and an Asker of the loop."""

    def __init__(self, name: str, facts: dict[str, Any], stop: Stop, emit: Callable[..., None]) -> None:
        self.name = name
        self.state = "idle"
        self.question: dict[str, Any] | None = None
        self.pending: dict[str, Any] | None = None
        self.cells: dict[str, dict[str, Any]] = {}
        self._stop = stop
        self._emit = emit
        self._lock = threading.RLock()
        self._steps: dict[int, dict[str, Any]] = {}
        self._at = 0
        self._asked = self._first = self._told = 0.0
        self._sent = 0
        self._pieces = 0
        self._reply: Callable[[dict[str, Any]], None] | None = None
        self._facts: dict[str, Any] = {
            "run": name,
            "task": "",
            "notebook": None,
            "cell_id": None,
            "model": "",
            "approval": "",
            "surface": "magic",
            "inline": True,
            "status": None,
            "answer": "",
            "cause": "",
            "episode": None,
            "usage": {"input": 0, "output": 0, "cached": 0},
            "started": time.time(),
            "ended": None,
        }
        self.update(**facts)

    # -- what is kept ------------------------------------------------------------------------------------------
    def update(self, **facts: Any) -> None:
        """Change fields of the run; listeners see them with the next event that carries the whole run."""
        with self._lock:
            self._facts |= {
                key: safe_text(value) if isinstance(value, str) else value for key, value in facts.items()
            }

    @property
    def over(self) -> bool:
        """Say whether the run has ended."""
        return self._facts["status"] is not None

    @property
    def owner(self) -> str:
        """Who is at work, for the one who has to wait."""
        where = "the side panel" if self._facts["surface"] == "panel" else "a %codeact cell"
        notebook = self._facts["notebook"]
        place = f" of {Path(notebook).name}" if notebook else ""
        return f"{where}{place}, with the task “{clip(self._facts['task'], TASK_CHARS)[0]}”"

    @property
    def inline(self) -> bool:
        """Say whether steps run under the magic's cell rather than as cells of their own."""
        return bool(self._facts["inline"])

    def json(self) -> dict[str, Any]:
        """Return the run as the protocol has it; a copy."""
        with self._lock:
            steps = [dict(step) for _, step in sorted(self._steps.items())]
            return {**self._facts, "state": self.state, "steps": steps}

    def step_json(self) -> dict[str, Any]:
        """Return the step that is under way, or was last; a copy."""
        with self._lock:
            return dict(self._steps.get(self._at) or _blank(self._at))

    def saved(self, episode: str | None) -> None:
        """Tell where the episode is, from its first moment on: a kernel may die before its end."""
        self.update(episode=episode)
        self._emit("begin", run=self.json())

    def set_state(self, state: str) -> None:
        """Say what the agent is doing now."""
        with self._lock:
            if state == self.state or (self.state == "stopping" and state != "idle"):
                return
            self.state = state
        self._emit("state", state=state, run=self.name)

    def change(self, index: int | None = None, **fields: Any) -> None:
        """Change fields of a step (by default the present one) and tell it."""
        with self._lock:
            number = self._at if index is None else index
            step = self._steps.setdefault(number, _blank(number))
            step |= fields
            told = dict(step)
        self._emit("step", run=self.name, step=told)

    def stopping(self) -> None:
        """Stop the run."""
        self.set_state("stopping")
        self._stop.set()

    # -- the loop's view ---------------------------------------------------------------------------------------
    def asking(self, step: int) -> None:
        """Begin a step, or the same one again."""
        self._at, self._asked, self._first, self._told = step, time.monotonic(), 0.0, 0.0
        self._sent = self._pieces = 0
        self.set_state("generating")
        self.change(**{**_blank(step), "status": "thinking"})

    def chunk(self, chunk: Chunk) -> None:
        """Keep a piece of the reply; it is told at most twenty times a second."""
        with self._lock:
            step = self._steps.setdefault(self._at, _blank(self._at))
            if chunk.restart:
                step["text"], self._sent, self._pieces, self._first = "", 0, 0, 0.0
            step["notice"] = safe_text(chunk.notice)
            if chunk.text:
                self._first = self._first or time.monotonic()
                self._pieces += 1
                step["text"] += safe_text(chunk.text)
                step["tokens"] = self._pieces
            whole = chunk.restart or bool(chunk.notice) or step["status"] != "writing"
            if chunk.text:
                step["status"] = "writing"
            step |= self._pace()
            now = time.monotonic()
            if not whole and now - self._told < FRAME:
                return
            self._told, offset, self._sent = now, self._sent, len(step["text"])
            told = dict(step)
        if whole:
            self._emit("step", run=self.name, step=told)
        else:
            piece = told["text"][offset:]
            self._emit("token", run=self.name, step=self._at, text=piece, offset=offset)

    def proposed(self, step: Step, risks: Sequence[Risk]) -> None:
        """Show code that may run, and what it may do, before anybody is asked."""
        shown = [{"kind": risk.kind, "words": risk.words} for risk in risks]
        self.change(**self._said(step), risks=shown)

    def running(self, step: Step) -> None:
        """Show the code that runs now; a cell of its own waits its turn first."""
        self.set_state("executing")
        self.change(**self._said(step), status="running" if self.inline else "queued")

    def finished(self, step: Step) -> None:
        """Keep how the step came out."""
        execution, seen = step.execution, step.observation
        status = "answer" if step.kind == "answer" else "sent-back" if step.kind == "note" else "ok"
        asked = step.told is not None and step.told.by == "user"
        if seen is not None and (step.kind != "note" or asked):
            status = seen.status
        summary = clip(safe_text(summary_of(step)), SUMMARY_CHARS)[0]
        fields: dict[str, Any] = {"status": status, "summary": summary, "seconds": self._seconds()}
        if execution is not None:
            fields["execution_count"] = execution.execution_count
            if self.inline:
                fields["outputs"] = list(execution.outputs)
        usage = step.completion.usage
        with self._lock:
            total = self._facts["usage"]
            self._facts["usage"] = {name: total[name] + getattr(usage, name) for name in total}
        self.change(**self._said(step), **fields)

    def warn(self, sentence: str) -> None:
        """Tell what the user must know."""
        self._emit("notice", run=self.name, sentence=safe_text(sentence))

    def close(self) -> None:
        """Nothing more will come from the loop; `done` says how it ended."""

    def done(self, outcome: Outcome, episode: str | None = None) -> None:
        """End the run; a second call does nothing."""
        with self._lock:
            if self.over:
                return
            self.update(
                status=outcome.status,
                answer=outcome.answer,
                cause=outcome.cause,
                episode=episode,
                model=outcome.model or self._facts["model"],
                ended=time.time(),
            )
            self.question = self.pending = None
            last = self._steps.get(self._at)
            if last is not None and last["status"] in _UNDER_WAY:
                last |= {"status": "interrupted", "seconds": self._seconds()}
            self.state = "idle"
        self._emit("state", state="idle", run=self.name)
        self._emit("done", run=self.json())

    def _said(self, step: Step) -> dict[str, Any]:
        approval = step.approval
        usage, pace = step.completion.usage, self._pace()
        asked = approval is not None and approval.by == "user"
        return {
            "thought": safe_text(step.thought),
            "code": safe_text(step.code) if step.code is not None else None,
            "text": "",
            "notice": "",
            "approval": {"decision": approval.decision, "by": approval.by, "reason": approval.reason}
            if approval is not None and (asked or approval.decision == "reject")
            else None,
            "edited": approval is not None and approval.decision == "modify",
            "tokens": usage.output or pace["tokens"],
            "tokens_per_second": pace["tokens_per_second"],
        }

    def _pace(self) -> dict[str, Any]:
        step = self._steps.get(self._at) or {}
        rate = step.get("tokens_per_second")
        if self._pieces > 3 and step.get("status") in {"thinking", "writing"}:
            rate = round(self._pieces / max(time.monotonic() - self._first, 1e-3), 1)
        return {"seconds": self._seconds(), "tokens_per_second": rate, "tokens": self._pieces}

    def _seconds(self) -> float:
        return round(time.monotonic() - self._asked, 2) if self._asked else 0.0

    # -- the loop's asker --------------------------------------------------------------------------------------
    async def ask(self, code: str, risks: tuple[Risk, ...], reason: str) -> tuple[Approval, str]:
        """Ask the front ends and return the decision and the code that may run; waits until someone answers."""
        shown = [{"kind": risk.kind, "words": risk.words} for risk in risks]
        question = {
            "step": self._at,
            "sha256": sha256(code),
            "code": code,
            "reason": reason.partition(":")[0],  # the kinds of risk stand beside it, in words
            "risks": shown,
            "allowable": sorted(allowable(risks)),
            "unsaved": self.step_json()["unsaved"],
            "text": "",
            "choices": [],
        }
        self.change(code=code, status="asking", risks=shown)
        return _decision(await self._answered(question), code)

    async def put(self, text: str, choices: tuple[str, ...] = ()) -> str:
        """Put a question of the model's to the front ends and return the reply; waits until someone replies.

        One with choices is ours, about a cell that runs and goes on running.

        Raises:
            StoppedError: the person stopped the task instead.
        """
        question = {
            "step": self._at,
            "sha256": sha256(text),
            "code": "",
            "reason": "it takes long" if choices else "the model asks you",
            "risks": [],
            "allowable": [],
            "unsaved": [],
            "text": safe_text(text),
            "choices": list(choices),
        }
        if not choices:
            self.change(text="", status="asking")
        message = await self._answered(question, waits=not choices)
        if message["decision"] == "stop":
            self.stopping()
            raise StoppedError("Stopped.")
        return str(message.get("reason") or "")

    async def _answered(self, question: dict[str, Any], *, waits: bool = True) -> dict[str, Any]:
        """Show a question until someone answers it, and return the answer."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[dict[str, Any]] = loop.create_future()

        def settle(message: dict[str, Any]) -> None:
            loop.call_soon_threadsafe(lambda: None if reply.done() else reply.set_result(message))

        with self._lock:
            self.question, self._reply = question, settle
        if waits:
            self.set_state("awaiting_approval")
        self._emit("question", run=self.name, question=question)
        try:
            return await reply
        finally:
            with self._lock:
                self.question = self._reply = None
            self._emit("question", run=self.name, question=None)

    def answer(self, message: dict[str, Any]) -> bool:
        """Take an answer; False when it is not about the question that is open."""
        with self._lock:
            question, reply = self.question, self._reply
            if question is None or reply is None or message.get("step") != question["step"]:
                return False
            if message.get("sha256") != question["sha256"] or message.get("decision") not in _decisions(question):
                return False
            self._reply = None
        reply(message)
        return True


def summary_of(step: Step) -> str:
    """Return what came of a step, in plain words for a person: the model reads `step.observation`."""
    execution, seen = step.execution, step.observation
    if execution is None:
        return seen.text.removesuffix(seen.guide).strip() if seen is not None else ""
    parts = list(execution.notes)
    for output in execution.outputs:
        data = output.get("data") or {}
        if output["output_type"] == "stream":
            parts.append(render(str(output.get("text", ""))).strip())
        elif any(mime.startswith("image/") for mime in data):
            parts.append("(a picture)")
        elif "text/plain" in data:
            parts.append(str(data["text/plain"]).strip())
    if execution.error is not None:
        parts.append(f"{execution.error.ename}: {execution.error.evalue}".rstrip(": "))
        parts += execution.error.hints
    return "\n".join(filter(None, parts)) or ("no output" if execution.status == "ok" else "")


_UNDER_WAY = {"thinking", "writing", "asking", "queued", "running"}


def _decisions(question: dict[str, Any]) -> set[str]:
    """Return what may be answered: a question of the model's is replied to, a cell decided about."""
    return {"reply", "stop"} if question["text"] else {"approve", "modify", "reject", "stop"}


def _decision(message: dict[str, Any], code: str) -> tuple[Approval, str]:
    decision, reason = message["decision"], str(message.get("reason") or "").strip()
    if decision == "modify":
        return Approval("modify", "user", proposed=code, reason=reason), str(message.get("code") or "")
    if decision == "approve" and message.get("allow") is True:
        reason = ALLOW_KINDS
    return Approval(decision, "user", reason=reason), code


def _blank(index: int) -> dict[str, Any]:
    return {
        "index": index,
        "status": "thinking",
        "thought": "",
        "code": None,
        "text": "",
        "risks": [],
        "approval": None,
        "edited": False,
        "cell_id": None,
        "execution_count": None,
        "summary": "",
        "outputs": [],
        "seconds": 0.0,
        "tokens": 0,
        "tokens_per_second": None,
        "unsaved": [],
        "undoable": False,
        "notice": "",
    }

"""The episode under a `%codeact` cell: each step's thought and code as they come, then its native outputs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from codeact_kernel import markdown
from codeact_kernel.execute.capture import safe_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from codeact_kernel.agent.risk import Risk
    from codeact_kernel.models.base import Chunk
    from codeact_kernel.types import Outcome, Step

FRAME = 0.1
"""Seconds between two redraws: what a person can follow, and what a browser can bear."""


class NotebookView:
    """Draws with display updates; `post` runs a function on the kernel's main thread, under the magic's cell.

    While `shown` says that a widget shows the same, only what runs and what came out is drawn, not the writing.
    """

    def __init__(
        self, post: Callable[[Callable[[], None]], object], shown: Callable[[], bool] | None = None
    ) -> None:
        self._post = post
        self._shown = shown or (lambda: False)
        self._slot = _Slot()
        self._text = ""
        self._notice = ""
        self._step = 0
        self._waiting = False
        self._began = self._first = self._drawn = 0.0
        self._pieces = 0

    def asking(self, step: int) -> None:
        """Begin a step."""
        self._step, self._text, self._notice, self._pieces = step, "", "", 0
        self._began, self._first, self._waiting = time.monotonic(), 0.0, True
        self._slot = _Slot()
        if not self._shown():
            self._show(_Card(self._head("thinking"), ""))

    def chunk(self, chunk: Chunk) -> None:
        """Draw what came, at most ten times a second."""
        if chunk.restart:
            self._text, self._pieces, self._first = "", 0, 0.0
        self._notice = chunk.notice
        if chunk.text:
            self._first = self._first or time.monotonic()
            self._pieces += 1
            self._text += chunk.text
        if self._shown() and not self._slot.used:
            return
        if chunk.notice or time.monotonic() - self._drawn >= FRAME:
            self._show(_Card(self._head(chunk.notice or "writing"), self._text))

    def proposed(self, step: Step, risks: Sequence[Risk]) -> None:
        """Show nothing yet: who is asked sees the cell, and what runs is shown when it does."""

    def running(self, step: Step) -> None:
        """Show the code that runs now, as it runs."""
        self._finish(step, "running")

    def finished(self, step: Step) -> None:
        """Leave the step as it came out; a reply that was sent back, or refused code, says why."""
        self._waiting = False
        if step.kind == "answer":
            if self._slot.used:
                self._show(_Card("", ""))
            return
        why = ""
        if step.execution is None and step.observation is not None:
            why = step.observation.text.removesuffix(step.observation.guide)
        self._finish(step, "not run" if why else "", why)

    def warn(self, sentence: str) -> None:
        """Show it in a place of its own, which stays."""

        def draw() -> None:
            from IPython.display import display  # noqa: PLC0415 - only where there is IPython

            text = safe_text(sentence)
            bundle = {"text/plain": text, "text/markdown": f"**CodeAct** · {markdown.safe(text)}"}
            display(bundle, raw=True)  # type: ignore[no-untyped-call]

        self._post(draw)

    def close(self) -> None:
        """Leave no step that still seems to think; the rest stays as it was drawn. On the main thread only."""
        if self._waiting and not (self._shown() and not self._slot.used):
            seconds = f"{time.monotonic() - self._began:.1f} s"
            self._post = lambda draw: draw()  # the magic's loop is gone by now
            self._show(_Card(f"step {self._step} · {seconds} · not finished", self._text))

    def _finish(self, step: Step, state: str, why: str = "") -> None:
        usage = step.completion.usage
        writing = max(time.monotonic() - self._first, 1e-3) if self._first else 0.0
        if not self._text and step.completion.text:
            self._text = step.completion.text
        parts = [f"step {self._step}", f"{time.monotonic() - self._began:.1f} s"]
        if usage.output and writing > 0.05:
            parts.append(f"{usage.output / writing:.1f} tokens/s")
        if state:
            parts.append(state)
        body = markdown.safe(step.thought)
        if step.code is not None:
            body = (body + "\n\n" if body else "") + markdown.fenced(step.code)
        if why:
            body += "\n\n" + "\n".join(f"> {line}" for line in markdown.safe(why).split("\n"))
        self._show(_Card(" · ".join(parts), body))

    def _head(self, state: str) -> str:
        parts = [f"step {self._step}", state, f"{time.monotonic() - self._began:.0f} s"]
        if self._pieces > 3:
            rate = self._pieces / max(time.monotonic() - self._first, 1e-3)
            parts.append(f"{rate:.1f} tokens/s")
        return " · ".join(parts)

    def _show(self, card: _Card) -> None:
        self._drawn = time.monotonic()
        slot, self._slot.used = self._slot, True
        self._post(lambda: slot.draw(card))


class _Slot:
    """Where one step is drawn; `used` from the moment that something is to be drawn there."""

    def __init__(self) -> None:
        self.used = False
        self._handle: Any = None

    def draw(self, card: _Card) -> None:
        """Draw a card in place of the one before. On the main thread only."""
        from IPython.display import display  # noqa: PLC0415 - only where there is IPython

        if self._handle is None:
            self._handle = display(card.bundle(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(card.bundle(), raw=True)


class _Card:
    """One step as a mime bundle."""

    def __init__(self, head: str, body: str) -> None:
        self._head, self._body = head, body

    def bundle(self) -> dict[str, str]:
        """Return Markdown, and plain text for front ends that show no Markdown."""
        if not self._head:
            return {"text/plain": "", "text/markdown": ""}
        head, body = safe_text(self._head), safe_text(self._body)  # a lone surrogate could not be sent
        return {
            "text/markdown": f"<small>**CodeAct** · {markdown.safe(head)}</small>\n\n{_half_open(body)}",
            "text/plain": f"CodeAct · {head}\n{body}",
        }


def _half_open(body: str) -> str:
    """Make streamed text safe, closing the fence that is still open."""
    if body.count("```") % 2:
        body += "\n```"
    return markdown.safe(body)


def answer_bundle(outcome: Outcome, *, saved: bool = False) -> dict[str, str]:
    """Return what stands under the cell at the end: the answer or the cause, and where the episode is."""
    path = outcome.episode or ""
    link = relative(path) if path and Path(path).is_file() else ""
    said = safe_text(outcome.answer if outcome.status == "done" else f"{outcome.status}: {outcome.cause}")
    facts = [f"{outcome.steps} step{'s' if outcome.steps != 1 else ''}"]
    if outcome.usage.input:
        facts.append(f"{outcome.usage.input + outcome.usage.output:,} tokens")
    if outcome.model:
        facts.append(outcome.model)
    if saved:
        facts = ["saved answer, the model was not called; to ask again: `%codeact --again ...`"]
    foot = " · ".join([*facts, f"[episode]({quote(link)})" if link else ""]).rstrip(" ·")
    mark = "" if outcome.status == "done" else "**CodeAct stopped** · "
    return {
        "text/markdown": f"{mark}{markdown.safe(said)}\n\n<small>{foot}</small>",
        "text/plain": f"{said}\n[{' · '.join(facts)}{' · ' + link if link else ''}]",
    }


def relative(path: str | Path) -> str:
    """Return a path as a link from the working folder, if it lies below it."""
    text = str(path)
    try:
        short = os.path.relpath(text)
    except (ValueError, OSError):
        return text
    return text if short.startswith("..") else short.replace(os.sep, "/")

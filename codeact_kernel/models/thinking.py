"""Reasoning that a server leaves in the reply, between `<think>` and `</think>` at its beginning.

Servers that were not told how a model thinks (Ollama, llama.cpp, vLLM without a parser) do that. The code in it is
a draft that must not run, and it is not sent back.
"""

from __future__ import annotations

OPEN, CLOSE = "<think>", "</think>"


class ThinkFilter:
    """Splits a reply as it comes: what stands in a leading `<think>` block is reasoning, the rest is text."""

    def __init__(self) -> None:
        self._held = ""
        self._state = "before"

    def feed(self, piece: str) -> tuple[str, str]:
        """Return (text, reasoning) that are certain by now."""
        if self._state == "text":
            return piece, ""
        self._held += piece
        if self._state == "before":
            start = self._held.lstrip()
            if OPEN.startswith(start):
                return "", ""
            if not start.startswith(OPEN):
                return self._release(), ""
            self._held, self._state = start.removeprefix(OPEN), "thinking"
        if self._state == "thinking":
            thought, closed, rest = self._held.partition(CLOSE)
            if not closed:
                keep = next((size for size in range(len(CLOSE) - 1, 0, -1) if thought.endswith(CLOSE[:size])), 0)
                ready, self._held = thought[: len(thought) - keep], thought[len(thought) - keep :]
                return "", ready
            self._held, self._state = rest.lstrip(), "after" if not rest.strip() else "text"
            text, self._held = self._held, ""
            return text, thought
        # Blank lines between the thought and the reply belong to neither.
        text = self._held.lstrip()
        self._held = ""
        if text:
            self._state = "text"
        return text, ""

    def flush(self) -> tuple[str, str]:
        """Return what was held back, once the reply has ended."""
        rest, self._held = self._held, ""
        return ("", rest) if self._state == "thinking" else (rest, "")

    def _release(self) -> str:
        text, self._held, self._state = self._held, "", "text"
        return text

"""The episode in a terminal: thought and code as they come, a line per step, outputs as the model saw them."""

from __future__ import annotations

import re
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, TextIO

from codeact_kernel.agent.listeners import NoView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeact_kernel.agent.risk import Risk
    from codeact_kernel.models.base import Chunk
    from codeact_kernel.types import Step

TICK = 0.2
MOST_OUTPUT_LINES = 25
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str, stream: TextIO) -> str:
    r"""Return text that the stream can take; what it cannot becomes `\xe9`, `\ud800` and so on.

    On a terminal control characters become visible too: a reply must not move the cursor or set the title.
    """
    if stream.isatty():
        text = _CONTROL.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding, "replace")


class QuietView(NoView):
    """Shows nothing but warnings, and these on stderr."""

    def warn(self, sentence: str) -> None:
        """Print it."""
        print(f"codeact: {printable(sentence, sys.stderr)}", file=sys.stderr, flush=True)


class Clock:
    """A waiting line that counts seconds on a terminal ("thinking 3 s") and is wiped when something happens."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._words = ""

    def start(self, words: str) -> None:
        """Show the words with the seconds that pass."""
        self.stop()
        self._words = words
        if self._live:
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._tick, args=(self._stop, time.monotonic()), daemon=True)
            self._thread.start()

    def say(self, words: str) -> None:
        """Change the words."""
        if not self._live and words != self._words:
            print(f"  {words}", file=self._stream, flush=True)
        self._words = words

    def stop(self) -> None:
        """Wipe the line."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join(timeout=1)
            self._thread = None
            print("\r\x1b[K", end="", file=self._stream, flush=True)

    def _tick(self, stop: threading.Event, began: float) -> None:
        while not stop.wait(TICK):
            seconds = time.monotonic() - began
            print(f"\r\x1b[K\x1b[2m{self._words} {seconds:.0f} s\x1b[0m", end="", file=self._stream, flush=True)


class TerminalView:
    """Prints an episode to a text stream; colours only on a terminal."""

    def __init__(self, stream: TextIO | None = None, *, outputs: bool = True) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._outputs = outputs
        self._clock = Clock(self._stream)
        self._began = 0.0
        self._pieces = 0
        self._first = 0.0

    def asking(self, step: int) -> None:
        """Begin a step."""
        self._print(f"step {step}", "1;34")
        self._began, self._first, self._pieces = time.monotonic(), 0.0, 0
        self._clock.start("thinking")

    def chunk(self, chunk: Chunk) -> None:
        """Print what came of the reply, or show a notice."""
        if chunk.notice:
            self._clock.say(chunk.notice)
        if chunk.restart and self._pieces:
            self._print("\n(the reply broke off; asking again)", "33")
        if chunk.text:
            self._clock.stop()
            self._first = self._first or time.monotonic()
            self._pieces += 1
            print(printable(chunk.text, self._stream), end="", file=self._stream, flush=True)

    def proposed(self, step: Step, risks: Sequence[Risk]) -> None:
        """Show nothing yet: who is asked sees the cell, and what runs is shown when it does."""

    def running(self, step: Step) -> None:
        """Say that the code runs."""
        self._summary(step)
        self._clock.start("running")

    def finished(self, step: Step) -> None:
        """Print what the step gave."""
        self._clock.stop()
        if step.execution is None:
            self._summary(step)
        if step.observation is not None and self._outputs:
            text = "\n".join(
                f"  {line}" for line in _first_lines(step.observation.text.removesuffix(step.observation.guide))
            )
            self._print(text, "31" if step.observation.status != "ok" else "2")

    def warn(self, sentence: str) -> None:
        """Print it on a line that stays."""
        self._clock.stop()
        self._print(sentence, "33")

    def close(self) -> None:
        """Leave no waiting line behind."""
        self._clock.stop()

    def _summary(self, step: Step) -> None:
        self._clock.stop()
        usage = step.completion.usage
        writing = time.monotonic() - (self._first or self._began)
        speed = f"{usage.output / writing:.1f} tokens/s" if writing > 0.05 and usage.output else ""
        seconds = time.monotonic() - self._began
        tokens = (
            f"{usage.input:,} tokens in ({usage.cached:,} cached), {usage.output:,} out" if usage.input else ""
        )
        self._print("\n" + " · ".join(part for part in (f"{seconds:.1f} s", tokens, speed) if part), "2")

    def _print(self, text: str, colour: str) -> None:
        text = printable(text, self._stream)
        styled: Any = f"\x1b[{colour}m{text}\x1b[0m" if self._stream.isatty() else text
        print(styled, file=self._stream, flush=True)


def _first_lines(text: str) -> list[str]:
    lines = text.split("\n")
    if len(lines) <= MOST_OUTPUT_LINES:
        return lines
    return [*lines[:MOST_OUTPUT_LINES], f"[{len(lines) - MOST_OUTPUT_LINES} more lines in the episode]"]

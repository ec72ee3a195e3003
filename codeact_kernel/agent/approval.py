"""May this cell run: the four modes, and how a person is asked.

A decision is bound to the exact text that was shown: what an approval lets run is that text, or the person's own.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Protocol, TypeVar

from codeact_kernel.agent.risk import SHOWN_ONLY
from codeact_kernel.config import APPROVAL_MODES
from codeact_kernel.errors import ConfigError, StoppedError
from codeact_kernel.types import Approval

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from codeact_kernel.agent.risk import Risk

T = TypeVar("T")

PLAN = "plan mode shows the code and never runs it"
NOBODY = "nobody is here to allow it; `--approve auto` runs cells without asking"
ALLOW_KINDS = "these kinds of risk are allowed for this episode"
"""The reason of an "approve" that also lets later cells with the same kinds of risk run unasked."""
NEVER_ALLOWED = frozenset({"unknown"})
"""Kinds that are asked about every time: nobody can allow what nobody could read."""
_MOST_QUESTIONS = 5


def allowable(risks: Collection[Risk]) -> list[str]:
    """Return the kinds of risk, sorted, that a person may allow for the rest of the episode."""
    return sorted({risk.kind for risk in risks} - NEVER_ALLOWED - SHOWN_ONLY)


class Asker(Protocol):
    """A surface that can ask a person."""

    async def ask(self, code: str, risks: tuple[Risk, ...], reason: str) -> tuple[Approval, str]:
        """Show a cell and return the decision and the code that may run.

        The decision is "approve" (with reason `ALLOW_KINDS` also for later cells), "modify" (the code returned is
        the person's own text), "reject" (its reason goes to the model) or "stop". `reason` says why one is asked.
        It may raise, EOFError for example, if there is nobody to ask.
        """

    async def reply(self, question: str, choices: tuple[str, ...] = ()) -> str:
        """Show a question of the model's and return what the person replies, "" for no reply.

        With `choices` it is a question of ours about a cell that runs, and the reply one of them or "".

        It may raise, EOFError for example, if there is nobody to ask.
        """


async def decide(
    mode: str, code: str, risks: tuple[Risk, ...], asker: Asker | None, allowed: set[str]
) -> tuple[Approval, str]:
    """Return whether a cell may run, and the text that may.

    Args:
        mode: one of `config.APPROVAL_MODES`.
        code: the cell that the model proposes.
        risks: what it may do; kinds in `SHOWN_ONLY` are shown, and no reason to ask.
        asker: who asks; None if nobody is there, and then what must be asked about is refused.
        allowed: kinds of risk that need no question any more in this episode; grows when a person says so.

    With "approve" and "auto" the text is `code` itself, whatever the asker returned; with "modify" it is the
    person's text and `proposed` keeps the model's; otherwise it is `code` and must not run.

    Raises:
        ConfigError: there is no such mode.
        StoppedError: the person stopped the task while being asked.
    """
    if mode not in APPROVAL_MODES:
        raise ConfigError(f"{mode!r} is not an approval mode; use {', '.join(APPROVAL_MODES)}.")
    if mode == "plan":
        return Approval("reject", "policy", reason=PLAN), code
    asked_about = [risk for risk in risks if risk.kind not in allowed | SHOWN_ONLY]
    if mode == "auto" or (mode == "ask-if-risky" and not asked_about):
        return Approval("auto"), code
    if asker is None:
        return Approval("reject", "policy", reason=NOBODY), code
    try:
        answer, text = await asker.ask(code, risks, _why(mode, asked_about))
    except StoppedError:
        raise
    except Exception:  # a closed terminal, a kernel without stdin, a page that went away
        return Approval("reject", "policy", reason=NOBODY), code
    return _bind(answer, text, code, risks, allowed)


def _why(mode: str, risks: list[Risk]) -> str:
    if mode == "ask":
        return "every cell is asked about"
    return f"it may be risky: {', '.join(dict.fromkeys(risk.kind for risk in risks))}"


def _bind(
    answer: Approval, text: str, code: str, risks: tuple[Risk, ...], allowed: set[str]
) -> tuple[Approval, str]:
    """Return the answer in the form that is kept, with the one text it is about."""
    if answer.decision == "modify" and text != code:
        if not text.strip():
            return Approval("reject", "user", reason=answer.reason or "the edited cell was empty"), code
        return Approval("modify", "user", proposed=code, reason=answer.reason), text
    if answer.decision in {"approve", "modify"}:
        if answer.reason == ALLOW_KINDS:
            allowed.update(allowable(risks))
        return Approval("approve", "user", reason=answer.reason), code
    if answer.decision == "stop":
        return Approval("stop", "user", reason=answer.reason or "stopped"), code
    return Approval("reject", "user", reason=answer.reason), code


class StdinAsker:
    """Asks with lines of text: `read(prompt)` returns one, or raises EOFError at the end; `write(text)` shows.

    `read` blocks; it runs in a thread of its own, so that Stop is heard meanwhile. `edit(code)`, if given, opens
    an editor and returns the new text; without it the new cell is typed in, up to a line with a single dot.
    """

    def __init__(
        self,
        read: Callable[[str], str],
        write: Callable[[str], object],
        edit: Callable[[str], str] | None = None,
    ) -> None:
        self.read = read
        self.write = write
        self.edit = edit

    async def ask(self, code: str, risks: tuple[Risk, ...], reason: str) -> tuple[Approval, str]:
        """Show the cell and its risks, and ask until there is a usable answer.

        Raises:
            EOFError: nobody answers, or five answers in a row were none of the choices.
        """
        self.write(question(code, risks, reason))
        kinds = allowable(risks)
        allow = f" / [a]llow {', '.join(kinds)} for this episode" if kinds else ""
        prompt = f"Run it? [y]es / [n]o and why / [e]dit{allow} / [s]top: "
        for _ in range(_MOST_QUESTIONS):
            choice, _, rest = (await in_thread(self.read, prompt)).strip().partition(" ")
            decision = _CHOICES.get(choice.lower())
            if decision == "reject":
                why = rest.strip() or (await in_thread(self.read, "Why not? (the model reads it): ")).strip()
                return Approval("reject", "user", reason=why), code
            if decision == "modify":
                return Approval("modify", "user", proposed=code), await self._edited(code)
            if decision == "allow" and kinds:
                return Approval("approve", "user", reason=ALLOW_KINDS), code
            if decision in {"approve", "stop"}:
                return Approval("approve" if decision == "approve" else "stop", "user"), code
            self.write("Please answer y, n, e, a or s.\n" if kinds else "Please answer y, n, e or s.\n")
        raise EOFError

    async def reply(self, question: str, choices: tuple[str, ...] = ()) -> str:
        """Show a question and read one line; one with choices is only shown, for the cell may be reading lines.

        Raises:
            EOFError: nobody answers.
        """
        if choices:
            self.write(f"{visible(question)} (Ctrl-C, or Jupyter's ■, interrupts.)\n")
            return ""
        self.write("\n".join(visible(line) for line in question.strip().split("\n")) + "\n")
        return (await in_thread(self.read, "Your answer: ")).strip()

    async def _edited(self, code: str) -> str:
        if self.edit is not None:
            return await in_thread(self.edit, code)
        self.write("Type the new cell; a line with a single dot ends it.\n")
        lines: list[str] = []
        while (line := await in_thread(self.read, "")) != ".":
            lines.append(line)
        return "\n".join(lines)


def reader_of(asker: Asker | None) -> Callable[[str], str] | None:
    """Return what answers `input()` in cells where this asker asks: the way it reads a line, None without one."""
    return asker.read if isinstance(asker, StdinAsker) else None


_CHOICES = {
    "y": "approve",
    "yes": "approve",
    "n": "reject",
    "no": "reject",
    "e": "modify",
    "edit": "modify",
    "a": "allow",
    "allow": "allow",
    "s": "stop",
    "stop": "stop",
}


def question(code: str, risks: tuple[Risk, ...], reason: str) -> str:
    """Return the text of a question: why it is asked, the code with a bar before each line, one line per risk."""
    lines = [f"The agent wants to run this cell ({visible(reason)}):"]
    lines += [f"  | {visible(line)}" for line in code.split("\n")]
    lines += [f"  ! {visible(risk.words)}" for risk in risks]
    return "\n".join(lines) + "\n"


def visible(text: str) -> str:
    r"""Return `text` with every character that a screen would act on, or hide, as an escape (`\x1b`, `\u202e`)."""
    return "".join(char if char.isprintable() or char == "\t" else ascii(char)[1:-1] for char in text)


async def in_thread(call: Callable[[str], T], argument: str) -> T:
    """Call something that blocks in a thread of its own, which nobody waits for if the await is cancelled.

    Not the loop's own pool: ending the loop would wait for a person who will not answer any more.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = call(argument)
        except KeyboardInterrupt:
            error = StoppedError("Stopped.")
        except StopIteration:  # a future cannot carry it
            error = EOFError("end of input")
        except BaseException as caught:
            error = caught
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            return  # the loop is closed: the question was cancelled long ago

    threading.Thread(target=run, name="codeact-ask", daemon=True).start()
    return await future

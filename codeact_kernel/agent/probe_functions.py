"""What code in a kernel of ours may call: `final_answer(value)`, `ask_user(question)`, `out(step)`.

They are builtins: a variable of the same name is the user's and goes before them, and nothing of ours stands
among the variables. Standard library only (Python >= 3.9): this goes to kernels that have nothing of ours, too.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.probe_values import base_of, harmless, label_of, plain, result_of

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_ANSWER = 20_000
"""Characters of the text of a final answer."""
NOBODY_ANSWERS = "Nobody is here to answer. Decide by yourself, and say in your answer what you took for granted."


class FinalAnswer:
    """`final_answer(value)` ends the task with a value; `value` keeps the last one."""

    def __init__(self) -> None:
        self.value: Any = None
        self._given = False

    def __call__(self, value: Any) -> None:
        """Take the answer of the task: any value; its text is what the user reads."""
        self.value, self._given = value, True

    def forget(self) -> None:
        """Take the answer that was given as none of ours."""
        self._given = False

    def __repr__(self) -> str:
        """Return how it is called."""
        return "final_answer(value): ends the task with that answer"

    def take(self, deadline: float) -> str | None:
        """Return the text of the answer that was given since the last call, None without one."""
        given, self._given = self._given, False
        return text_of(self.value, deadline) if given else None


class AskUser:
    """`ask_user(question)` returns what the person at the kernel answers."""

    def __call__(self, question: Any) -> str:
        """Ask in one line and return the answer.

        Raises:
            RuntimeError: nobody is there; the sentence says to go on without.
        """
        try:
            answer = input(f"{str(question).strip()} ")
        except KeyboardInterrupt:
            raise
        except Exception:
            raise RuntimeError(NOBODY_ANSWERS) from None
        if not answer.strip():
            raise RuntimeError("The user gave no answer. " + NOBODY_ANSWERS.partition(". ")[2])
        return answer

    def __repr__(self) -> str:
        """Return how it is called."""
        return "ask_user(question): returns what the user answers"


class Outputs:
    """`out(step)` returns what a step of the episode gave, in full."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, int | None]] = {}

    def __call__(self, step: int) -> Any:
        """Return the value of the step's last expression where it had one, else all the text of its output.

        Raises:
            KeyError: no output of that step is known here.
        """
        if step not in self._known:
            known = f"known are {_ranges(self._known)}" if self._known else "none is known here"
            raise KeyError(f"no output of a step {step!r}; {known}")
        text, count = self._known[step]
        shell = getattr(builtins, "get_ipython", lambda: None)()
        values = shell.user_ns.get("Out") if shell is not None else None
        return values[count] if type(values) is dict and count in values else text

    def provide(self, known: Mapping[int, tuple[str, int | None]]) -> None:
        """Know these outputs, by step: the text and the execution count of the cell (None for no value)."""
        self._known.update(known)

    def __getattr__(self, name: str) -> Any:
        """Say that there is no variable of that name: whoever asks for more than a call means one."""
        if name.startswith("__"):
            raise AttributeError(name)
        raise NameError("name 'out' is not defined; out(3) returns the output of step 3")

    def __getitem__(self, key: object) -> Any:
        """Say the same."""
        return self.__getattr__("item")

    def __iter__(self) -> Any:
        """Say the same."""
        return self.__getattr__("items")

    def __repr__(self) -> str:
        """Return how it is called."""
        return "out(step): returns the whole output of a step"


FUNCTIONS = {"final_answer": FinalAnswer, "ask_user": AskUser, "out": Outputs}


def install() -> None:
    """Put the functions among the builtins, where nobody else has these names."""
    for name, kind in FUNCTIONS.items():
        if not hasattr(builtins, name):
            setattr(builtins, name, kind())


def uninstall() -> None:
    """Take our functions out of the builtins."""
    for name, kind in FUNCTIONS.items():
        if type(getattr(builtins, name, None)) is kind:
            delattr(builtins, name)


def forget() -> None:
    """Forget a final answer that nobody took: a cell of the user's own gave it."""
    ours = getattr(builtins, "final_answer", None)
    if type(ours) is FinalAnswer:
        ours.forget()


def final_value() -> Any:
    """Return the value that `final_answer` was called with last, None without one."""
    ours = getattr(builtins, "final_answer", None)
    return ours.value if type(ours) is FinalAnswer else None


def taken(deadline: float) -> str | None:
    """Return the text of the final answer that was given since the last call, None without one."""
    ours = getattr(builtins, "final_answer", None)
    return ours.take(deadline) if type(ours) is FinalAnswer else None


def text_of(value: Any, deadline: float) -> str:
    """Return what a person reads of a value, bounded: a text as it is, others as their short text."""
    base = base_of(type(value))
    if base is str:
        return str.__getitem__(value, slice(0, MOST_ANSWER))
    if value is None or base is not None or harmless(value):
        return plain(value, 2000, 6)[:MOST_ANSWER]
    return (result_of(value, deadline) or f"<{label_of(type(value))}>")[:MOST_ANSWER]


def _ranges(numbers: Mapping[int, object]) -> str:
    """Return numbers as `1 to 7, 9`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in runs[:20])

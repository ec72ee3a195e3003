"""Rules of the user: regular expressions from a TOML file, run where they can be stopped."""

from __future__ import annotations

import json
import queue
import re
import subprocess
import sys
import threading
import tomllib
from typing import TYPE_CHECKING

from codeact_kernel.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

MOST_SECONDS = 5.0
"""How long all rules may take for one text."""
MOST_RULES = 200
_WORKER = """
import json, re, sys
rules = [(re.compile(pattern), new) for pattern, new in json.loads(sys.stdin.readline())]
for line in sys.stdin:
    text = json.loads(line)
    for number, (pattern, new) in enumerate(rules):
        print(number, flush=True)
        text = pattern.sub(new, text)
    print(json.dumps([text]), flush=True)
"""


class UserRules:
    """`pattern -> replacement` in order; the patterns run in a process of their own, which a time limit ends.

    `re` has no time limit, and a pattern such as `(a+)+$` may run for years while it holds the interpreter.
    """

    def __init__(self, rules: list[tuple[str, str]], source: str = "") -> None:
        self.rules = tuple(rules)
        self._source = source
        self._worker: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        self._seen: dict[str, str] = {}

    def apply(self, text: str) -> str:
        """Return the text after all rules.

        Raises:
            ConfigError: they take longer than MOST_SECONDS, or the replacement of one is wrong.
        """
        if not self.rules or not text:
            return text
        if text not in self._seen:
            if len(self._seen) > 100:
                self._seen.clear()
            self._seen[text] = self._asked(text)
        return self._seen[text]

    def close(self) -> None:
        """End the process; may be called again."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()
            worker.communicate()

    def __del__(self) -> None:
        worker = getattr(self, "_worker", None)
        if worker is not None:
            worker.kill()

    def _asked(self, text: str) -> str:
        if self._worker is None:
            self._start()
        threading.Thread(target=self._send, args=(json.dumps(text) + "\n",), daemon=True).start()
        at = 0
        while True:
            try:
                answer = self._answers.get(timeout=MOST_SECONDS)
            except queue.Empty:
                self.close()
                raise ConfigError(
                    f"The rule {self.rules[at][0]!r}{self._source} takes longer than {MOST_SECONDS:g} s "
                    "on an output; write it without repetitions inside repetitions."
                ) from None
            if answer.startswith("["):
                found: str = json.loads(answer)[0]
                return found
            if not answer:
                self.close()
                raise ConfigError(f"The rule {self.rules[at][0]!r}{self._source} cannot be applied to an output.")
            at = int(answer)

    def _start(self) -> None:
        self._answers = queue.Queue()
        self._worker = subprocess.Popen(  # noqa: S603 - our own interpreter and program
            [sys.executable, "-I", "-S", "-c", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        threading.Thread(target=_listen, args=(self._worker, self._answers), daemon=True).start()
        self._send(json.dumps(self.rules) + "\n")

    def _send(self, line: str) -> None:
        worker = self._worker
        if worker is None or worker.stdin is None:
            return
        try:
            worker.stdin.write(line)
            worker.stdin.flush()
        except (OSError, ValueError):
            return  # it ended; the listener says so


def _listen(worker: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
    assert worker.stdout is not None
    try:
        for line in worker.stdout:
            answers.put(line.rstrip("\n"))
    except ValueError:
        pass  # closed meanwhile
    answers.put("")


def load(path: Path) -> UserRules:
    r"""Return the rules of a TOML file: a table `[rules]` of `'pattern' = 'replacement'`, in order.

    Replacements may use `\1` and `\g<name>`, as in `re.sub`.

    Raises:
        ConfigError: the file cannot be read, is no such TOML, or holds a pattern or replacement that is none.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"The rules in {path} cannot be read: {error.strerror or error}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"The rules in {path} are not TOML: {error}.") from None
    table = content.get("rules")
    if not isinstance(table, dict) or set(content) != {"rules"}:
        raise ConfigError(f"The rules in {path} must be one table [rules] with lines 'pattern' = 'replacement'.")
    if len(table) > MOST_RULES:
        raise ConfigError(f"There are {len(table)} rules in {path}; at most {MOST_RULES} are taken.")
    for pattern, new in table.items():
        if not isinstance(new, str):
            raise ConfigError(f"The rule {pattern!r} in {path} needs a text as its replacement, not {new!r}.")
        _check(pattern, new, path)
    return UserRules(list(table.items()), f" in {path}")


def _check(pattern: str, new: str, path: Path) -> None:
    try:
        re.compile(pattern)
        re.compile(f"{pattern}\n|").sub(new, "")  # the replacement is looked at only where something matches
    except (re.error, RecursionError, OverflowError, IndexError) as error:
        raise ConfigError(f"The rule {pattern!r} in {path} is no regular expression: {error}.") from None

"""What the command line says of a task that ended."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from codeact_kernel.notebook_view import relative
from codeact_kernel.terminal_view import printable

if TYPE_CHECKING:
    from codeact_kernel.oneshot import Result

EXIT = {"done": 0, "failed": 1, "limit": 1, "interrupted": 130}


def report(result: Result, *, as_json: bool) -> int:
    """Print how a task ended, the answer on stdout and the rest on stderr, and return the exit code."""
    saved = result.episode.is_file()
    episode = relative(result.episode)
    if as_json:
        answer = result.answer if result.status == "done" else None
        print(
            json.dumps(
                {
                    "status": result.status,
                    "answer": answer,
                    "cause": result.cause or None,
                    "episode": episode if saved else None,
                    "steps": result.steps,
                    "usage": asdict(result.usage),
                }
            )
        )
        return EXIT.get(result.status, 1)
    if result.status == "done":
        print(printable(result.answer, sys.stdout))
    else:
        say(f"codeact: {result.status}: {result.cause}")
    lost = f"codeact: The episode could not be saved to {episode}; name another place with --out."
    say(f"episode: {episode}" if saved else lost)
    return EXIT.get(result.status, 1)


def say(line: str) -> None:
    """Print a line on stderr."""
    print(printable(line, sys.stderr), file=sys.stderr)

"""Which episodes were made on this machine: their ids with the digests of their ends, in a list of the user's.

It is no signature and goes nowhere; it only tells an episode of one's own from a stranger's, or a changed one.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import platformdirs

if TYPE_CHECKING:
    from pathlib import Path

MOST = 20_000
"""Lines that are kept; older ones go."""


def place() -> Path:
    """Return the file that holds the list."""
    return platformdirs.user_state_path("codeact-kernel") / "made-here.txt"


def note(header: dict[str, Any]) -> None:
    """Keep that an episode came to this end here; where that cannot be kept, it will count as a stranger's."""
    with contextlib.suppress(OSError):
        path = place()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("a", encoding="utf-8") as file:
            file.write(_line(header) + "\n")
        if path.stat().st_size > 2 * MOST * len(_line(header)):
            kept = path.read_text("utf-8").splitlines()[-MOST:]
            path.write_text("\n".join(kept) + "\n", "utf-8")


def made_here(header: dict[str, Any]) -> bool:
    """Say whether an episode with this header was made on this machine, and not changed since."""
    try:
        return _line(header) in place().read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False


def _line(header: dict[str, Any]) -> str:
    words = (header.get("episode"), header.get("digest"), header.get("prelude") or "-")
    return " ".join("".join(char for char in str(word) if char.isalnum() or char == "-") for word in words)

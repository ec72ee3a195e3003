"""General conversations: rows of chat that keep a model's other abilities while it learns to act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codeact_kernel.learn.sources import lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from codeact_kernel.episode.redact import Redactor

ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
"""The role words of both usual spellings: `{"role", "content"}` and ShareGPT's `{"from", "value"}`."""
Row = dict[str, Any]


def count_rows(path: Path) -> int:
    """Return how many conversations a file holds.

    Raises:
        ConfigError: it cannot be read.
    """
    return sum(conversation_of(row) is not None for _, row in lines_of(path))


def general_rows(path: Path, chosen: set[int], redactor: Redactor) -> Iterator[Row]:
    """Yield the chosen conversations (numbered from 0) as rows of train.jsonl: every reply is trained.

    Raises:
        ConfigError: it cannot be read.
    """
    number = -1
    for _, row in lines_of(path):
        said = conversation_of(row)
        if said is None or row is None:
            continue
        number += 1
        if number in chosen:
            messages = [
                {"role": role, "content": text, "trained": [[0, len(text)]] if role == "assistant" else []}
                for role, text in ((role, redactor.text(text)) for role, text in said)
            ]
            known = str(row.get("id") or f"{path.stem}-{number}")
            yield {"id": known, "source": "general", "family": "", "messages": messages}


def conversation_of(row: Row | None) -> list[tuple[str, str]] | None:
    """Return (role, text) of a row's messages, None where it is no conversation with a reply."""
    listed = (row or {}).get("messages") or (row or {}).get("conversations")
    if not isinstance(listed, list):
        return None
    said = []
    for message in listed:
        if not isinstance(message, dict):
            return None
        role = ROLES.get(str(message.get("role", message.get("from"))))
        text = message.get("content", message.get("value"))
        if role is None or not isinstance(text, str):
            return None
        said.append((role, text))
    return said if any(role == "assistant" and text for role, text in said) else None

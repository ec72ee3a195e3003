"""Model text as Markdown that can be shown: no HTML, no images, since both can load addresses and so leak data."""

from __future__ import annotations

import re

FENCED = re.compile(
    r"(^ {0,3}(?:`{3,}|~{3,}).*?(?:^ {0,3}(?:`{3,}|~{3,})[ \t]*$|\Z)|`[^`\n]*`)", re.MULTILINE | re.DOTALL
)


def safe(text: str) -> str:
    """Return the text with HTML and images outside code made literal."""
    parts = FENCED.split(text)
    for index in range(0, len(parts), 2):
        parts[index] = parts[index].replace("<", "&lt;").replace("![", "!\\[")
    return "".join(parts)


def fenced(code: str, language: str = "python") -> str:
    """Return the code in a fence longer than any it holds."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"

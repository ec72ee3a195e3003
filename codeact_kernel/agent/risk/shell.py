"""What a line of shell may do, by its words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codeact_kernel.agent.risk import tables

if TYPE_CHECKING:
    from collections.abc import Iterator


def install_only(line: str) -> bool:
    """Say whether a command line is one installation and nothing else."""
    text = line.strip()
    return bool(re.search(tables.SHELL_INSTALL, text)) and not re.search(tables.SHELL_COMPOUND, text)


def shell_risks(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, verb, target) for what a shell text may do; kind "write" for a path that it writes to."""
    line = " ".join(text.split())
    padded = text + "\n"
    if re.search(tables.SHELL_DELETE, padded):
        yield "delete", tables.DELETE, line
    if re.search(tables.SHELL_NETWORK, padded):
        yield "network", tables.NETWORK, line
    if re.search(tables.SHELL_INSTALL, padded):
        yield "install", tables.INSTALL, line
    if re.search(tables.SHELL_SECRETS, padded):
        yield "credentials", tables.SECRETS, line
    for match in re.finditer(tables.PRIVATE_FILE, padded):
        yield "credentials", tables.PRIVATE, match.group().strip(" \"'=\n")
    for match in re.finditer(tables.SHELL_REDIRECT, padded):
        yield "write", tables.OVERWRITE, (match.group(1) or match.group(2)).strip("\"'")

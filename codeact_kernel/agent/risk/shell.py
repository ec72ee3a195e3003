"""What a line of shell may do, by its words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeact_kernel.agent.risk import tables

if TYPE_CHECKING:
    from collections.abc import Iterator


def install_only(line: str) -> bool:
    """Say whether a command line is one installation and nothing else."""
    text = line.strip()
    return bool(tables.SHELL_INSTALL.search(text)) and not tables.SHELL_COMPOUND.search(text)


def shell_risks(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, verb, target) for what a shell text may do; kind "write" for a path that it writes to."""
    line = " ".join(text.split())
    padded = text + "\n"
    if tables.SHELL_DELETE.search(padded):
        yield "delete", tables.DELETE, line
    if tables.SHELL_NETWORK.search(padded):
        yield "network", tables.NETWORK, line
    if tables.SHELL_INSTALL.search(padded):
        yield "install", tables.INSTALL, line
    if tables.SHELL_SECRETS.search(padded):
        yield "credentials", tables.SECRETS, line
    for match in tables.PRIVATE_FILE.finditer(padded):
        yield "credentials", tables.PRIVATE, match.group().strip(" \"'=\n")
    for match in tables.SHELL_REDIRECT.finditer(padded):
        yield "write", tables.OVERWRITE, (match.group(1) or match.group(2)).strip("\"'")

"""Action spaces: what a model writes so that something happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeact_kernel.agent.formats import code, json, text

if TYPE_CHECKING:
    from codeact_kernel.agent.formats.base import Format

FORMATS: dict[str, Format] = {one.name: one for one in (code.FORMAT, json.FORMAT, text.FORMAT)}


def named(name: str) -> Format:
    """Return an action space by its name, that of code for one that is unknown (an episode of a later version)."""
    return FORMATS.get(name, code.FORMAT)

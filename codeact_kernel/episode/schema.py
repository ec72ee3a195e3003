"""The schema of episodes: one JSON Schema file is the single source; Python checks against it."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from codeact_kernel.episode.header import SCHEMA, VERSION, make_header
from codeact_kernel.errors import EpisodeError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SCHEMA", "VERSION", "check", "check_version", "load", "make_header"]

MAJOR, MINOR = (int(part) for part in VERSION.split("."))
MOST_PROBLEMS = 50


@cache
def load() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of an episode's notebook."""
    text = (resources.files("codeact_kernel.episode") / "codeact-episode.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def check(notebook: dict[str, Any]) -> list[str]:
    """Return what is wrong with an episode's metadata, one sentence each, at most `MOST_PROBLEMS`.

    Checks our metadata only; `nbformat.validate` checks the notebook. An episode of a later minor version may use
    words that this one does not know.

    Raises:
        EpisodeError: the episode is of a newer major version.
    """
    import jsonschema  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to import, needed only here

    metadata = notebook.get("metadata")
    header = metadata.get("codeact") if isinstance(metadata, dict) else None
    later = False
    if isinstance(header, dict):
        check_version(header)
        minor = str(header.get("version")).partition(".")[2]
        later = minor.isdecimal() and int(minor) > MINOR
    problems = []
    for error in jsonschema.Draft202012Validator(load()).iter_errors(notebook):
        if later and error.validator == "enum":
            continue
        where = "/".join(str(part) for part in error.absolute_path) or "the notebook"
        problems.append(f"{where}: {error.message[:200]}.")
        if len(problems) == MOST_PROBLEMS:
            break
    return problems


def check_version(header: dict[str, Any], path: Path | None = None) -> None:
    """Raise EpisodeError if the header is of a newer major version than this program reads; any minor will do."""
    version = str(header.get("version") or VERSION)
    major = version.partition(".")[0]
    if not major.isdecimal():
        raise EpisodeError(f"{path or 'This episode'} has no version that can be read ({version!r}).")
    if int(major) > MAJOR:
        raise EpisodeError(
            f"{path or 'This episode'} has version {version}, made by a newer codeact-kernel; "
            f"this one reads version {MAJOR}: upgrade it."
        )

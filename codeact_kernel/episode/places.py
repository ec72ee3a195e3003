"""Where an episode may lie: free names, names that belong to others, and the way to the working folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from codeact_kernel.episode.files import save_atomically
from codeact_kernel.episode.journal import belongs_to_others
from codeact_kernel.errors import BusyError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from codeact_kernel.episode.lock import Lock

SUFFIX = ".ipynb"


def named(path: Path) -> Path:
    """Return the file that a user's path means: symbolic links resolved, so that a save does not replace one."""
    return path.expanduser().resolve()


def check_new(path: Path) -> None:
    """Raise ConfigError, in one sentence, if a new episode cannot have the name that the user gave."""
    file = named(path)
    if file.exists():
        raise ConfigError(f"{path} exists already; name another file for the episode.")
    if file.suffix != SUFFIX:
        raise ConfigError(
            f"{path} is no name for an episode, which is a notebook; name a file that ends in {SUFFIX}."
        )
    if not file.parent.is_dir():
        raise ConfigError(f"The episode cannot be written to {path}: there is no folder {path.parent}.")
    journal = file.with_suffix(".jsonl")
    if belongs_to_others(journal):
        raise ConfigError(
            f"{path} would need {journal.name} for its journal, which is a file of yours; name another."
        )
    if journal.exists():
        raise ConfigError(f"{path} was left by a crash; run `codeact recover {path}`, or name another file.")


def claim(path: Path, lock: Lock, data: bytes) -> None:
    """Take a place that the user named: lock it and write the first bytes there.

    Raises:
        ConfigError: why that place cannot be taken.
    """
    try:
        check_new(path)
        lock.acquire()
        save_atomically(named(path), data)
    except BusyError as error:
        raise ConfigError(str(error)) from None
    except OSError as error:
        lock.release()
        raise ConfigError(f"The episode cannot be written to {path}: {error.strerror}.") from None


def free(folder: Path, stem: str) -> Iterator[Path]:
    """Yield the names in a folder that no episode and no other file has, `stem`, `stem-2` and so on."""
    for number in range(1, 1000):
        path = folder / f"{stem}{f'-{number}' if number > 1 else ''}{SUFFIX}"
        if not path.exists() and not path.with_suffix(".jsonl").exists():
            yield path


def way_to(folder: Path, notebook: Path) -> str:
    """Return a folder as it is reached from a notebook's folder, with `/`; absolute only where there is no way."""
    try:
        return os.path.relpath(folder.resolve(), notebook.parent.resolve()).replace(os.sep, "/")
    except ValueError:  # another drive
        return folder.as_posix()


def stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is written again; None for no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size

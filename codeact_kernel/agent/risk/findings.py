"""What was found in one cell, and what its paths mean for the files that are there now."""

from __future__ import annotations

import fnmatch
import functools
import itertools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codeact_kernel.agent.risk import tables
from codeact_kernel.agent.risk.names import HOLE
from codeact_kernel.secret_names import is_secret_file

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_SHOWN = 3
LONGEST_SHOWN = 80
MOST_ENTRIES = 2000
"""Entries of a folder that are compared with a pattern."""


@functools.cache
def _system_folders() -> tuple[Path, ...]:
    """Return the machine's folders; none that holds the user's home (root's own files are the user's)."""
    home = Path("~").expanduser()
    folders = [form for folder in tables.SYSTEM_FOLDERS for form in {Path(folder), Path(folder).resolve()}]
    return tuple(folder for folder in folders if not home.is_relative_to(folder))


@dataclass(frozen=True, slots=True)
class Risk:
    """One thing a cell may do: a `kind` of `KINDS`, and `words` for a person ("deletes files: out/*.csv")."""

    kind: str
    words: str


def is_secret_path(path: str) -> bool:
    """Say whether a path is named like a file of settings that holds a secret; `tokens.csv` is a table."""
    name = path.rpartition("/")[2]
    return HOLE not in name and bool(re.search(tables.SETTINGS_SUFFIX, name)) and is_secret_file(name)


class Findings:
    """Collects findings; those of the same kind and verb share one label."""

    def __init__(self, cwd: Path) -> None:
        self.root = cwd.resolve()
        self._found: dict[tuple[str, str], dict[str, None]] = {}

    def add(self, kind: str, verb: str, targets: Iterable[str] = ()) -> None:
        """Keep one finding and what it concerns."""
        kept = self._found.setdefault((kind, verb), {})
        for target in targets:
            line = " ".join(target.replace(HOLE, "…").split())
            kept[line if len(line) <= LONGEST_SHOWN else line[: LONGEST_SHOWN - 1] + "…"] = None

    def risks(self) -> tuple[Risk, ...]:
        """Return the findings as labels, in the order of `KINDS`."""
        found = []
        for (kind, verb), targets in self._found.items():
            shown = ", ".join(list(targets)[:MOST_SHOWN]) + (", …" if len(targets) > MOST_SHOWN else "")
            found.append(Risk(kind, f"{verb}: {shown}" if shown else verb))
        return tuple(sorted(found, key=lambda risk: tables.KINDS.index(risk.kind)))

    def lost(self, kind: str, verb: str, paths: list[str], shown: str) -> None:
        """Keep that files go away; `shown` stands for them where no path is known."""
        self.add(kind, verb, paths or [shown])
        self.placed(paths)

    def wrote(self, paths: list[str], shown: str = "") -> None:
        """Keep a write: "overwrite" if a file is or may be there now, "outside" if it is not in the folder.

        No path at all, or one whose last part is not known, may be any file; `shown` stands for it.
        """
        there = [path for path in paths if self._exists(path)]
        if there:
            self.add("overwrite", tables.OVERWRITE, there)
        if not paths or any(self._may_exist(path) for path in paths):
            self.add("overwrite", tables.MAY_OVERWRITE, [shown or ", ".join(paths)])
        self.placed(paths)

    def wrote_all(self, paths: list[str]) -> None:
        """Keep a write to each path; none is no write."""
        if paths:
            self.wrote(paths)

    def unpacked(self, folders: list[str], shown: str) -> None:
        """Keep that files of unknown names are put into folders: they may be there if the folder has files."""
        if not folders or any(HOLE not in folder and self._matches(self._full(folder), "*") for folder in folders):
            self.add("overwrite", tables.MAY_OVERWRITE, [shown])
        self.placed(folders)

    def placed(self, paths: list[str]) -> None:
        """Keep that something is put at, or done to, a path: "outside" if it is not in the folder."""
        out = [path for path in paths if path and not re.match(tables.URL, path) and self._is_outside(path)]
        if out:
            self.add("outside", tables.OUTSIDE, out)

    def looked(self, paths: list[str]) -> None:
        """Keep that something is read or listed: "outside" if it belongs to the machine, not to its user.

        A name of a file that keeps secrets counts as well.
        """
        private = [path for path in paths if is_secret_path(path)]
        if private:
            self.add("credentials", tables.PRIVATE, private)
        system = [path for path in paths if path and self._is_system(path)]
        if system:
            self.add("outside", tables.SYSTEM, system)

    def _is_system(self, path: str) -> bool:
        if path.startswith(HOLE) or not self._is_outside(path):
            return False
        full = self._full(path)
        return full is not None and any(full.is_relative_to(folder) for folder in _system_folders())

    def _full(self, path: str) -> Path | None:
        """Return the absolute path, None where nobody can tell (an unknown `~user`, a loop of links)."""
        try:
            return (self.root / Path(path.replace(HOLE, "x")).expanduser()).resolve()
        except (OSError, RuntimeError, ValueError):
            return None

    def _exists(self, path: str) -> bool:
        if not path or re.match(tables.URL, path) or path.startswith("/dev/"):
            return False
        folder, slash, base = path.rpartition("/")
        if HOLE not in path and "*" not in path:
            full = self._full(path)
            return full is not None and full.exists() and not full.is_dir()
        if "*" in path and HOLE not in path:
            return True  # the loop that gave this pattern goes over files that are there
        if HOLE in folder or "*" in folder or len(base.partition(HOLE)[0]) < 3:
            return False
        return self._matches(self._full(folder + slash), base.replace(HOLE, "*"))

    def _may_exist(self, path: str) -> bool:
        """Say whether a path that is not known in full may be a file that is there."""
        if HOLE not in path or re.match(tables.URL, path) or path.startswith("/dev/"):
            return False
        folder, slash, base = path.rpartition("/")
        if HOLE in folder:
            return not base.strip(HOLE) or self._matches(self.root, base.replace(HOLE, "*"))
        return not base.strip(HOLE) and self._matches(self._full(folder + slash), "*")

    @staticmethod
    def _matches(folder: Path | None, pattern: str) -> bool:
        try:
            with os.scandir(folder) as entries:
                return any(fnmatch.fnmatch(e.name, pattern) for e in itertools.islice(entries, MOST_ENTRIES))
        except OSError:
            return False

    def _is_outside(self, path: str) -> bool:
        if path.startswith((HOLE, "/dev/null", "/dev/std")):
            return False
        full = self._full(path)
        return full is None or not full.is_relative_to(self.root)

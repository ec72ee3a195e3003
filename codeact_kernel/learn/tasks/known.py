"""All families, and the tasks of a split."""

from __future__ import annotations

import json
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING

from codeact_kernel.errors import ConfigError
from codeact_kernel.learn.tasks import maths, programs, records, seek, tables, world
from codeact_kernel.learn.tasks.task import SPLITS, Family, Split, Task, from_json

if TYPE_CHECKING:
    from pathlib import Path

DOMAINS = (seek, maths, programs, tables, records, world)
EACH = 120
"""Tasks of a family: the train families together have some thousands."""


@cache
def families() -> tuple[Family, ...]:
    """Return all families, by domain."""
    return tuple(family for domain in DOMAINS for family in domain.families())


def tasks(split: Split, each: int = EACH) -> list[Task]:
    """Return `each` tasks of every family of a split, the families by turns, so that the first N are of all.

    A task that is the same as an earlier one of its family to the letter is left out.
    """
    by_family = []
    for family in families():
        if family.split == split:
            made = (family.task(number) for number in range(each))
            by_family.append(list({(task.text, task.setup): task for task in made}.values()))
    return [task for row in zip_longest(*by_family) for task in row if task is not None]


def read(path: Path, split: str) -> list[Task]:
    """Return the tasks of a split from a file with one JSON object a line.

    Raises:
        ConfigError: the file cannot be read, or a line is no task; the sentence names it.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"The tasks {path} cannot be read ({why}); give a JSONL file with --data.") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"Line {number} of {path.name}"
        try:
            entry = json.loads(line)
        except ValueError:
            raise ConfigError(f"{place} is not JSON; write one object a line.") from None
        if not isinstance(entry, dict):
            raise ConfigError(f"{place} is not a task; write one object a line.")
        task = from_json(entry, place)
        if task.split not in SPLITS:
            raise ConfigError(f"{place} has the split {task.split!r}; write {', '.join(SPLITS)}.")
        if task.split == split:
            found.append(task)
    if len({task.id for task in found}) < len(found):
        raise ConfigError(f"{path.name} names a task twice; give each its own id.")
    return found

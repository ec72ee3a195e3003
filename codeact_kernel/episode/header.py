"""The header of an episode: what ran, with what, where. Given data in, EPISODE.md's fields out."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

from codeact_kernel._version import __version__
from codeact_kernel.canonical import sha256
from codeact_kernel.episode.records import usage_to_json
from codeact_kernel.types import Snapshot, Usage, now

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from codeact_kernel.types import Sampling, TaskTurn

SCHEMA = "codeact-episode"
VERSION = "1.0"

MOST_HASHED_BYTES = 4 << 20
MOST_HASHED_FILES = 20
MOST_FILES = 100
MOST_SLUG_BYTES = 48

_SHA256 = re.compile("[0-9a-f]{64}")
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

_DISTRIBUTIONS = {
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
"""Modules whose distribution has another name. (`packages_distributions` would take 100 ms and more.)"""


def make_header(
    *,
    model: dict[str, Any],
    sampling: Sampling,
    system: str,
    kernel: dict[str, Any],
    agent: dict[str, Any] | None = None,
    action: str = "code",
    policy: dict[str, Any] | None = None,
    template: str = "",
    snapshot: Snapshot | None = None,
    folder: Path | None = None,
    origin: dict[str, Any] | None = None,
    parent: str | None = None,
    prelude_complete: bool = False,
    started: str | None = None,
) -> dict[str, Any]:
    """Return the header of a new episode: status "running", no steps, an id of its own.

    Args:
        model: the model's `describe()`; `kernel` is the executor's.
        sampling: how replies are drawn.
        system: the system prompt, verbatim; `template` names where it comes from.
        kernel: see `model`.
        agent: name, version and action format; None for this version and `action`.
        action: the action space: code, json or text.
        policy: approval mode and limits.
        template: see `system`.
        snapshot: the namespace before the task: its names, modules (for `packages`) and files are noted.
        folder: the working folder, whose files are noted; None notes none.
        origin: where the task was given: `notebook`, `cell_id`, and `task`, the user's words, kept as a digest.
        parent: the id of the episode that this one was forked from.
        prelude_complete: whether the prelude rebuilds the kernel's state as it was before the episode.
        started: a time (see `types.now`); None for now.
    """
    known = snapshot or Snapshot()
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "episode": ulid(),
        "parent": parent,
        "status": "running",
        "started": started or now(),
        "ended": None,
        "agent": dict(agent or {"name": "codeact-kernel", "version": __version__, "format": action}),
        "model": dict(model),
        "sampling": sampling_to_json(sampling),
        "prompt": {"system": system, "template": template, "tools": []},
        "policy": dict(policy or {}),
        "kernel": {**kernel, "names": {name: info.type for name, info in known.names.items()}},
        "packages": packages_of(known.modules),
        "files": files_of(folder, known.files or None) if folder is not None else {},
        "origin": origin_to_json(origin),
        "prelude_complete": prelude_complete,
        "usage": usage_to_json(Usage()),
        "steps": 0,
        "digest": None,
        "tasks": [],
        "redactions": [],
    }


def sampling_to_json(sampling: Sampling) -> dict[str, Any]:
    """Return how replies are drawn as JSON; the seed is a text, since browsers round large numbers."""
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "stop": list(sampling.stop),
        "seed": None if sampling.seed is None else str(sampling.seed),
    }


def origin_to_json(origin: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return where a task was given, the user's words (`task`) as their SHA-256."""
    if origin is None:
        return None
    task = str(origin.get("task") or "")
    return {**origin, "task": task if _SHA256.fullmatch(task) else sha256(task)}


def task_to_json(turn: TaskTurn, header: dict[str, Any]) -> dict[str, Any]:
    """Return the entry that a task has in `tasks` of a header while it runs: its words as their SHA-256.

    It keeps its bounds and its origin, for those in the header are of the newest task.
    """
    digest, policy = sha256(turn.text), header.get("policy") or {}
    made: dict[str, Any] = {"task": digest, "asked": turn.asked, "status": "running"}
    made |= {name: policy[name] for name in ("max_steps", "observation_chars", "preferences") if name in policy}
    if header.get("origin"):
        made["origin"] = {**header["origin"], "task": digest}
    return made


def ulid() -> str:
    """Return a new ULID: 26 letters, 48 bits of milliseconds since 1970 and 80 random bits, sortable by time."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def packages_of(modules: Iterable[str]) -> dict[str, str]:
    """Return distribution -> version for the top-level modules that come from an installed distribution."""
    found = {}
    for name in sorted({module.partition(".")[0] for module in modules}):
        if name in sys.stdlib_module_names:
            continue
        distribution = _DISTRIBUTIONS.get(name, name)
        try:
            found[distribution] = importlib.metadata.version(distribution)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            continue
    return found


def files_of(folder: Path, names: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """Return name -> size in bytes of the files of a folder, with their SHA-256 where they are few and small.

    None as `names` takes the visible files that lie directly in the folder.
    """
    found: dict[str, dict[str, Any]] = {}
    hashed = 0
    for name in sorted(_visible_files(folder) if names is None else names)[:MOST_FILES]:
        path = folder / name
        try:
            if not path.is_file():
                continue
            size = path.stat().st_size
            found[name] = {"size": size}
            if hashed < MOST_HASHED_FILES and size <= MOST_HASHED_BYTES:
                found[name]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
                hashed += 1
        except (OSError, ValueError):
            continue
    return found


def file_stem(title: str) -> str:
    """Return `YYYYMMDD-HHMMSS-slug-of-title` for a new episode, the time in UTC, the slug at most 48 bytes."""
    slug = ""
    for word in re.findall(r"[^\W_]+", title.casefold()):
        longer = f"{slug}-{word}" if slug else word
        if len(longer.encode()) > MOST_SLUG_BYTES:
            break
        slug = longer
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{slug or 'episode'}"


def _visible_files(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_file() and not entry.name.startswith(".")]
    except OSError:
        return []

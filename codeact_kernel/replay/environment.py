"""What an episode was recorded with, against what is here: kernel, packages, files."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from codeact_kernel.episode.plain import unescape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codeact_kernel.replay.plan import Plan

Installed: TypeAlias = "tuple[str, dict[str, str]]"
"""The version of a Python, "" where it is not known, and those of packages by their names."""
Kind: TypeAlias = Literal["kernel", "package", "file", "folder"]

MOST_HASHED_BYTES = 1 << 30
MOST_NAMES = 1000
ASK_SECONDS = 30.0
_ASK = (
    "import importlib.metadata as m, json, platform, sys\n"
    "found = {}\n"
    "for name in json.loads(sys.argv[1]):\n"
    "    try:\n"
    "        found[name] = m.version(name)\n"
    "    except Exception:\n"
    "        pass\n"
    "print(json.dumps([platform.python_version(), found]))\n"
)


@dataclass(frozen=True, slots=True)
class EnvironmentDifference:
    """One thing that is not as it was. `fatal` says that a replay cannot run so; `sentence` is for people."""

    kind: Kind
    name: str
    recorded: str
    present: str
    sentence: str
    fatal: bool = False


def compare(plan: Plan, folder: Path, *, here: Installed | None = None) -> list[EnvironmentDifference]:
    """Return what of an episode's header is not so here, what prevents a replay first; [] for other notebooks.

    `folder` is the notebook's. A file that is gone prevents a replay only where a cell names it. Packages are
    looked up in the Python of the kernel; `here` says what that has, where the kernel runs already.
    """
    found = [] if here is not None else kernel_differences(plan.kernel)
    header = unescape(plan.header)
    if header and not found:
        packages = packages_of(plan)
        found += _language(header, plan.kernel, packages, here or _installed(plan.kernel, packages))
        found += _files(header, working_folder(plan, folder), [cell.source for cell in plan.cells])
    return sorted(found, key=lambda difference: not difference.fatal)


def working_folder(plan: Plan, folder: Path) -> Path:
    """Return the folder in which the cells of a notebook ran, as it is reached from the notebook's own."""
    cwd = plan.header.get("cwd")
    return folder / cwd if isinstance(cwd, str) and "\0" not in cwd else folder


def start_folder(plan: Plan, folder: Path) -> Path:
    """Return where a replay's kernel starts: the notebook's folder, or the other one if no cell goes there."""
    there = working_folder(plan, folder)
    return there if not plan.enters and there.is_dir() else folder


def kernel_differences(name: str) -> list[EnvironmentDifference]:
    """Return a fatal difference if there is no such kernel here."""
    if _argv(name) is not None:
        return []
    sentence = (
        f"There is no kernel named {name!r} here; `jupyter kernelspec list` shows the installed ones, "
        "and --kernel names another."
    )
    return [EnvironmentDifference("kernel", name, name, "", sentence, fatal=True)]


def _argv(name: str) -> list[str] | None:
    """Return how a kernel is started, None where there is none of this name."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel  # noqa: PLC0415 - import time

    try:
        return list(KernelSpecManager().get_kernel_spec(name).argv)
    except (NoSuchKernel, ValueError, OSError):
        return None


def packages_of(plan: Plan) -> dict[str, str]:
    """Return the packages that an episode was recorded with, and their versions."""
    packages = unescape(plan.header).get("packages") or {}
    return {
        str(name): str(version)
        for name, version in list(packages.items())[:MOST_NAMES]
        if isinstance(version, str)
    }


def installed_here(names: Iterable[str]) -> Installed:
    """Return the version of this process's Python, and of those of these packages that it has."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            continue
    return ".".join(map(str, sys.version_info[:3])), found


def _language(
    header: dict[str, Any], kernel: str, packages: dict[str, str], here: Installed
) -> list[EnvironmentDifference]:
    """Return the differences of the language and of the packages."""
    language, present = here
    found = []
    recorded = str((header.get("kernel") or {}).get("language_version") or "")
    if recorded and language and recorded != language:
        sentence = f"The kernel's Python is {language}; the episode was recorded with {recorded}."
        found.append(EnvironmentDifference("kernel", kernel, recorded, language, sentence))
    for name, version in packages.items():
        other = present.get(name, "")
        if not other and language:
            sentence = f"The package {name} ({version}) is not installed here; install it, and replay again."
            found.append(EnvironmentDifference("package", name, version, "", sentence, fatal=True))
        elif other and other != version:
            sentence = f"{name} is {other} here; the episode was recorded with {version}."
            found.append(EnvironmentDifference("package", name, version, other, sentence))
    return found


def _installed(kernel: str, names: Iterable[str]) -> Installed:
    """Return the version of the kernel's Python, "" where it is not known, and of these packages."""
    argv = _argv(kernel) or [""]
    if Path(argv[0]) == Path(sys.executable) or argv[0] in ("python", "python3"):
        return installed_here(names)
    if "python" not in Path(argv[0]).name.lower():
        return "", {}
    try:
        asked = subprocess.run(  # noqa: S603 - the interpreter that the kernelspec starts anyway
            [argv[0], "-c", _ASK, json.dumps(list(names))],
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            check=True,
        )
        language, known = json.loads(asked.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return "", {}
    return str(language), dict(known)


def _files(header: dict[str, Any], folder: Path, sources: list[str]) -> list[EnvironmentDifference]:
    if not folder.is_dir():
        sentence = f"The working folder {folder} of the episode is not here; its cells run in the notebook's own."
        return [EnvironmentDifference("folder", str(header.get("cwd")), str(header.get("cwd")), "", sentence)]
    found = []
    for name, known in list((header.get("files") or {}).items())[:MOST_NAMES]:
        difference = _file(str(name), known, folder, sources)
        if difference is not None:
            found.append(difference)
    return found


def _file(name: str, known: dict[str, Any], folder: Path, sources: list[str]) -> EnvironmentDifference | None:
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or "\0" in name:
        return None  # no file of the working folder, whatever the header says
    path, recorded = folder / name, str(known.get("sha256") or known.get("size") or "")
    try:
        if not path.is_file():
            named = any(place.name in source for source in sources)
            cannot = "; put it back, and replay again" if named else ", and no cell names it"
            return EnvironmentDifference(
                "file", name, recorded, "", f"The file {name} is gone{cannot}.", fatal=named
            )
        size, wanted = path.stat().st_size, known.get("sha256")
        if not isinstance(wanted, str):
            same, present = known.get("size") in (None, size), str(size)
        elif size > MOST_HASHED_BYTES:
            return None
        else:
            with path.open("rb") as file:
                present = hashlib.file_digest(file, "sha256").hexdigest()
            same = present == wanted
    except OSError:
        return None
    if same:
        return None
    return EnvironmentDifference("file", name, recorded, present, f"The file {name} was changed since.")

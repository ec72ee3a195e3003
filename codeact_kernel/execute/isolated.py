"""Isolation: what of the machine a kernel inside bubblewrap can reach, and a plain word where that cannot be had.

The operating system enforces it (namespaces): no network, no home, no keys, no other process; one folder can be
written. Outputs that come back are filtered, see `isolated_outputs`. Nothing here falls back to something weaker.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import site
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from codeact_kernel.errors import ExecutionError
from codeact_kernel.secret_names import is_secret_file

if TYPE_CHECKING:
    from collections.abc import Iterable

MEMORY_BYTES = 4 << 30
PROCESSES = 200
COPIED_BYTES = 500_000_000
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = (
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "fonts", "mime.types"),
    *("ssl/certs", "pki/tls/certs", "ca-certificates"),
)
"""Of /etc: what programs need to start and to check certificates; no names, no hosts, no accounts."""
_BOOT = """
import os, resource, subprocess, sys
limit, processes, forward, port, connection = sys.argv[1:]
def least(kind, wanted):
    hard = resource.getrlimit(kind)[1]
    wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (wanted, wanted))
least(resource.RLIMIT_CORE, 0)
least(resource.RLIMIT_NPROC, int(processes))
least(resource.RLIMIT_FSIZE, int(limit))
if forward:
    subprocess.Popen([sys.executable, "-I", "-c", forward, port], start_new_session=True)
sys.argv = ["ipykernel_launcher", "-f", connection]
sys.path.insert(0, "")
from ipykernel import kernelapp
kernelapp.launch_new_instance()
"""
PROXY_PORT = 8118
PROXY_SOCKET = "hosts.sock"
_FORWARD = """
import socket, sys, threading
def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    finally:
        for end in (a, b):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
path, port = sys.argv[1].rsplit("|", 1)
server = socket.create_server(("127.0.0.1", int(port)))
while True:
    inner, _ = server.accept()
    outer = socket.socket(socket.AF_UNIX)
    try:
        outer.connect(path)
    except OSError:
        inner.close()
        continue
    for pair in ((inner, outer), (outer, inner)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""


@dataclass(frozen=True, slots=True)
class Isolation:
    """How a kernel is locked in.

    Attributes:
        hosts: `HOST` or `HOST:PORT` that may be reached over HTTP and HTTPS; without any, there is no network.
        memory: bytes that the kernel and its children may hold together, looked at twice a second.
        processes: how many they may be.
        files: with it, the working folder is a copy that holds these files of the real one, and what is written
            there is gone afterwards; None lets the kernel write in the real folder.
        start: the folder in which the kernel begins, where that is not the working folder; it is empty.
    """

    hosts: tuple[str, ...] = ()
    memory: int = MEMORY_BYTES
    processes: int = PROCESSES
    files: tuple[str, ...] | None = None
    start: str = ""


@dataclass(slots=True)
class Cell:
    """A prepared place for one kernel: `runtime` holds its connection file and sockets, `work` a copied folder."""

    isolation: Isolation
    cwd: Path
    runtime: Path
    work: Path | None = None
    env: dict[str, str] = field(default_factory=dict)
    shown: tuple[Path, ...] = ()
    """Folders that can be read inside, besides the interpreter's and the system's."""

    def command(self, connection: str) -> list[str]:
        """Return the command that starts the kernel."""
        forward = f"{self.runtime / PROXY_SOCKET}|{PROXY_PORT}" if self.isolation.hosts else ""
        boot = [str(self.isolation.memory), str(self.isolation.processes)]
        boot += [_FORWARD if forward else "", forward, connection]
        return [*self.wrapper(), sys.executable, "-c", _BOOT, *boot]

    def wrapper(self) -> list[str]:
        """Return bubblewrap and what it lets in."""
        given = [
            bubblewrap(),
            "--unshare-all",
            "--unshare-user",
            "--die-with-parent",
            "--new-session",
            "--clearenv",
        ]
        given += ["--cap-drop", "ALL", "--hostname", "isolated"]
        for folder in SYSTEM:
            given += _system(Path(folder))
        for name in _ETC:
            given += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        given += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 - a new one, in there
        for shown in (*interpreter_folders(), *map(str, self.shown)):
            given += ["--ro-bind", shown, shown]
        given += ["--bind", str(self.work or self.cwd), str(self.cwd)]
        for hidden in _secret_files(self.work or self.cwd):
            given += ["--ro-bind", "/dev/null", str(self.cwd / hidden)]
        given += ["--bind", str(self.runtime), str(self.runtime)]
        start = self.isolation.start or str(self.cwd)
        given += [*(["--dir", start] if self.isolation.start else []), "--chdir", start]
        for name, value in (_environment(self.isolation) | self.env).items():
            given += ["--setenv", name, value]
        return [*given, "--"]


def prepare(isolation: Isolation, cwd: Path, runtime: Path, env: dict[str, str] | None = None) -> Cell:
    """Return the place for a kernel in a working folder.

    Raises:
        ExecutionError: this machine cannot isolate, or the folder holds what must not be let in.
    """
    reason = why_not()
    if reason:
        raise ExecutionError(reason)
    folder, home = cwd.resolve(), Path.home().resolve()
    if home.is_relative_to(folder):
        raise ExecutionError(
            f"{folder} holds your home folder, which an isolated kernel must not see; work in a folder of its own."
        )
    cell = Cell(isolation, folder, runtime, env=dict(env or {}))
    if isolation.files is not None:
        cell.work = runtime / "work"
        cell.work.mkdir()
        _copy(folder, isolation.files, cell.work)
    return cell


@functools.cache
def why_not() -> str:
    """Return one sentence that says why nothing can be isolated here; "" where it can."""
    if sys.platform != "linux":
        return "Isolated mode needs Linux with bubblewrap; run without --isolated, or in a virtual machine."
    if shutil.which("bwrap") is None:
        return "Isolated mode needs bubblewrap, which is not here; on Debian: sudo apt-get install bubblewrap."
    trial = [
        bubblewrap(),
        "--unshare-all",
        "--unshare-user",
        "--die-with-parent",
        "--new-session",
        "--ro-bind",
        "/",
        "/",
    ]
    trial += ["--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev", "/bin/true"]
    try:
        done = subprocess.run(trial, capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"Isolated mode cannot be had: bubblewrap does not run here ({error})."
    if done.returncode:
        return (
            f"Isolated mode cannot be had: this machine does not let bubblewrap make namespaces "
            f"({' '.join(done.stderr.split()) or done.returncode}); allow unprivileged user namespaces."
        )
    return ""


def weigh(pid: int) -> tuple[int, int]:
    """Return how many processes descend from one, bubblewrap's own left out, and how many bytes they hold."""
    import psutil  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to import

    count = memory = 0
    try:
        for child in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                held = child.memory_info()
                memory += max(0, held.rss - held.shared)
                count += child.name() != "bwrap"
    except psutil.Error:
        return count, memory
    return count, memory


def bubblewrap() -> str:
    """Return the path of bubblewrap."""
    return shutil.which("bwrap") or "bwrap"


def interpreter_folders() -> list[str]:
    """Return the folders that Python runs from, each once, those inside the system's or one another left out."""
    wanted = {sys.prefix, sys.base_prefix, sys.exec_prefix, str(Path(sys.executable).resolve().parent.parent)}
    if site.ENABLE_USER_SITE:
        wanted.add(site.getusersitepackages())
    found: list[str] = []
    for folder in sorted(str(Path(folder).absolute()) for folder in wanted if Path(folder).is_dir()):
        path = Path(folder)
        inside = any(path.is_relative_to(other) for other in (*SYSTEM, *found))
        if not inside and not Path.home().is_relative_to(path):
            found.append(folder)
    return found


def _system(folder: Path) -> list[str]:
    if folder.is_symlink():
        return ["--symlink", str(folder.readlink()), str(folder)]
    return ["--ro-bind", str(folder), str(folder)] if folder.is_dir() else []


def _environment(isolation: Isolation) -> dict[str, str]:
    paths = [str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    named = {
        "PATH": os.pathsep.join(paths),
        "HOME": "/tmp",  # noqa: S108 - a new one, in there
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "CODEACT_ISOLATED": "1",
    }
    if isolation.hosts:
        proxy = f"http://127.0.0.1:{PROXY_PORT}"
        named |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy)
    return named


def _secret_files(folder: Path) -> list[str]:
    """Return the files of a folder that are named like secrets: they are there, and empty."""
    try:
        with os.scandir(folder) as entries:
            return [e.name for e in entries if e.is_file(follow_symlinks=False) and is_secret_file(e.name)]
    except OSError:
        return []


def _copy(folder: Path, names: Iterable[str], to: Path) -> None:
    """Copy the named files that lie directly in a folder and are no links; what is not there is left out."""
    total = 0
    for name in names:
        source = folder / name
        private = name.startswith(".") or is_secret_file(name)
        if Path(name).name != name or private or source.is_symlink() or not source.is_file():
            continue
        total += source.stat().st_size
        if total > COPIED_BYTES:
            raise ExecutionError(
                f"The files that this notebook names are larger than {COPIED_BYTES:,} bytes, too much to copy "
                "for an isolated replay; replay it with --no-isolation if you trust it."
            )
        shutil.copyfile(source, to / name)

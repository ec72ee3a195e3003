"""What an isolated kernel on this machine can and cannot reach, found out by trying it from inside one."""

from __future__ import annotations

import os
import socket
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from codeact_kernel.errors import ExecutionError
from codeact_kernel.execute import isolated
from codeact_kernel.execute.fresh import FreshExecutor
from codeact_kernel.execute.isolated import Isolation

if TYPE_CHECKING:
    from codeact_kernel.types import Execution

CANARY = "CODEACT_CHECK"
"""A variable of ours that must not be seen inside; not named like a secret, for those are never passed on."""
OUTSIDE, LEFT = "write outside the working folder", "out.txt"
"""What is looked at from outside: in there, an empty folder stands in its place."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing that is tried inside: `code` prints "reached" where it worked; `wanted` says whether it should."""

    what: str
    code: str
    wanted: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a probe; `said` is what it printed, or its error."""

    probe: Probe
    reached: bool
    said: str

    @property
    def right(self) -> bool:
        """Whether it is as it should be."""
        return self.reached == self.probe.wanted


def probes(folder: Path, port: int, pid: int) -> list[Probe]:
    """Return what is tried: `port` listens on this machine's loopback, `pid` is a process outside."""
    home = Path.home()
    return [
        Probe("read the working folder", "open('given.txt').read() and print('reached')", wanted=True),
        Probe("write in the working folder", "open('made.txt', 'w').write('x') and print('reached')", wanted=True),
        Probe(
            "start a program",
            "import subprocess\nsubprocess.run(['true']).returncode or print('reached')",
            wanted=True,
        ),
        Probe("read a file named like a secret", "print('reached' if open('prod.env').read() else '')"),
        Probe("read the home folder", f"import os\nprint('reached' if {_strangers(home)} else '')"),
        Probe(OUTSIDE, f"open({str(folder.parent / LEFT)!r}, 'w')"),
        Probe(
            "see a file beside the working folder",
            f"open({str(folder.parent / 'beside.txt')!r}) and print('reached')",
        ),
        Probe("read /etc/passwd", "open('/etc/passwd').read() and print('reached')"),
        Probe("change the interpreter", "import sys\nopen(sys.prefix + '/x', 'w') and print('reached')"),
        Probe("change the system", "open('/usr/x', 'w') and print('reached')"),
        Probe("see our environment", f"import os\nprint('reached' if {CANARY!r} in os.environ else '')"),
        Probe(
            "see our environment through /proc",
            f"import glob\nfor p in glob.glob('/proc/*/environ'):\n    {CANARY!r}.encode() in open(p, 'rb').read()"
            " and print('reached')",
        ),
        Probe("signal a process outside", f"import os\nos.kill({pid}, 0)\nprint('reached')"),
        Probe(
            "reach this machine's loopback",
            f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 3)\nprint('reached')",
        ),
        Probe(
            "reach an address of the internet",
            "import socket\nsocket.create_connection(('1.1.1.1', 443), 3)\nprint('reached')",
        ),
        Probe("look up a name", "import socket\nsocket.getaddrinfo('example.com', 443)\nprint('reached')"),
        Probe(
            "mount something",
            "import os\nos.system('mount -t tmpfs x /tmp') or print('reached')",
        ),
        Probe(
            "open a raw disk",
            "import glob\n[open(p, 'rb') for p in glob.glob('/dev/[svn][dv]*')] and print('reached')",
        ),
        Probe(
            "hand out a script",
            "from IPython.display import Javascript, display\ndisplay(Javascript('reached = 1'))",
        ),
    ]


def limit_probes() -> list[Probe]:
    """Return what is tried against the limits; each ends the kernel or fails."""
    return [
        Probe(
            "hold more memory than it may",
            "import time\nheld = [bytearray(50_000_000) for _ in range(12)]\ntime.sleep(4)\nprint('reached')",
        ),
        Probe(
            "start more processes than it may",
            "import subprocess, time\nall = [subprocess.Popen(['sleep', '9']) for _ in range(60)]\ntime.sleep(4)\n"
            "print('reached')",
        ),
    ]


async def check() -> list[Found]:
    """Try everything and return what came of it.

    Raises:
        ExecutionError: this machine cannot isolate; the sentence says why.
    """
    reason = isolated.why_not()
    if reason:
        raise ExecutionError(reason)
    found = []
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as server:
        folder = _folder(name)
        before = os.environ.get(CANARY)
        os.environ[CANARY] = "canary"
        try:
            found += await _try(probes(folder, server.getsockname()[1], os.getpid()), folder, Isolation())
        finally:
            os.environ.pop(CANARY) if before is None else os.environ.update({CANARY: before})
        if LEFT in {path.name for path in folder.parent.iterdir()}:
            found = [replace(one, reached=True) if one.probe.what == OUTSIDE else one for one in found]
        for probe in limit_probes():
            found += await _try([probe], folder, Isolation(memory=300_000_000, processes=40))
    return found


def _folder(name: str) -> Path:
    """Return a working folder with files in and beside it."""
    folder = Path(name).resolve() / "work"
    folder.mkdir()
    (folder / "given.txt").write_text("given")
    (folder / "prod.env").write_text("A_TOKEN=x")
    (folder.parent / "beside.txt").write_text("x")
    return folder


async def _try(wanted: list[Probe], folder: Path, isolation: Isolation) -> list[Found]:
    executor = FreshExecutor(cwd=folder, isolation=isolation, look=False)
    await executor.start()
    try:
        return [_found(probe, await executor.run(probe.code, timeout=20)) for probe in wanted]
    finally:
        await executor.close()


def _found(probe: Probe, execution: Execution) -> Found:
    """Return what came of a probe; something that a script could run in a page counts as reached."""
    said, reached = "", False
    for output in execution.outputs:
        data = output.get("data") or {}
        reached = reached or "application/javascript" in data
        said += str(output.get("text") or data.get("text/plain") or "")
    reached = reached or "reached" in said.split()
    error = execution.error
    return Found(probe, reached, f"{error.ename}: {error.evalue}" if error is not None else said.strip())


def _strangers(home: Path) -> str:
    """Return an expression for what of the home folder is seen that Python does not run from."""
    allowed = {Path(folder).relative_to(home).parts[0] for folder in _below(home)}
    return f"set(os.listdir({str(home)!r}) if os.path.isdir({str(home)!r}) else []) - {allowed or set()!r}"


def _below(home: Path) -> list[str]:
    return [folder for folder in isolated.interpreter_folders() if Path(folder).is_relative_to(home)]

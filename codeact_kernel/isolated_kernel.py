"""The kernel `CodeAct (isolated)` for Jupyter: this process starts it inside bubblewrap and stands before it.

    python -m codeact_kernel.isolated_kernel -f CONNECTION_FILE [--allow-host H] [--memory BYTES] [--processes N]

Out here are Jupyter's addresses, the model with its key, and the limits; inside are the user's code and the agent.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]

from codeact_kernel.config import CodeAct, from_environment
from codeact_kernel.errors import CodeActError
from codeact_kernel.execute import isolated
from codeact_kernel.execute.allowed_hosts import HostProxy
from codeact_kernel.execute.isolated import MEMORY_BYTES, PROCESSES, Isolation
from codeact_kernel.execute.process import WATCH_SECONDS
from codeact_kernel.execute.relay import CHANNELS, Relay
from codeact_kernel.models.broker import Broker
from codeact_kernel.models.select import BROKER
from codeact_kernel.secret_names import is_secret_variable
from codeact_kernel.worker import worker

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = "codeact-kernel-"
BROKER_SOCKET = "model.sock"
STAYS_OUT = frozenset({"CODEACT_MODEL", "CODEACT_BASE_URL", "CODEACT_EXTRA_BODY", BROKER})
"""Settings that concern the model, which is chosen out here."""
NO_PAGES = {"CODEACT_WIDGET": "False", "CODEACT_REAL_CELLS": "False"}
"""Widgets and the panel are programs for the page; what an isolated kernel puts out is none."""


class Jail:
    """One isolated kernel and what stands before it: relay, broker, proxy, limits."""

    def __init__(self, outer: dict[str, Any], isolation: Isolation, folder: Path) -> None:
        self.ended_by = ""
        self._stopping = False
        self._parent = os.getppid()
        self._runtime = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        self._isolation, self._outer = isolation, outer
        self._broker, self._proxy = Broker(from_environment(CodeAct())), HostProxy(isolation.hosts)
        self._relay: Relay | None = None
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._cell = isolated.prepare(isolation, folder, self._runtime, self._environment(folder))
            self._cell.shown = _package()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Start what stands before the kernel, then the kernel.

        Raises:
            OSError: an address or a program cannot be had.
        """
        worker().submit(self._broker.start(self._runtime / BROKER_SOCKET)).result()
        if self._isolation.hosts:
            worker().submit(self._proxy.start(self._runtime / isolated.PROXY_SOCKET)).result()
        inner = {name: self._outer[name] for name in ("key", "signature_scheme")}
        inner |= {f"{name}_port": number for number, name in enumerate(CHANNELS, 1)}
        inner |= {"transport": "ipc", "ip": str(self._runtime / "s")}
        connection = self._runtime / "kernel.json"
        connection.write_text(json.dumps(inner), "utf-8")
        self._relay = Relay(self._outer, inner)
        # In a session of its own: an interrupt is for the kernel, and would end bubblewrap.
        self._process = subprocess.Popen(  # noqa: S603
            self._cell.command(str(connection)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the file descriptor; what cells print goes another way
            start_new_session=True,
            env={"PATH": os.defpath},  # bubblewrap itself is seen inside, with its environment
        )
        threading.Thread(target=self._watch, name="codeact-limits", daemon=True).start()

    def serve(self) -> int:
        """Hand messages on until the kernel has ended, and return its exit code."""
        assert self._relay is not None
        assert self._process is not None
        self._relay.run(self._alive)
        return self._process.wait() if self._process.poll() is not None else 1

    def interrupt(self) -> None:
        """Send SIGINT to the kernel's process, which is the only one that may hear it."""
        assert self._process is not None
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self._process.pid).children(recursive=True):
                if child.name() != "bwrap":
                    child.send_signal(signal.SIGINT)
                    return

    def stop(self) -> None:
        """End the kernel soon; may be called by a signal handler."""
        self._stopping = True

    def close(self) -> None:
        """End all of it, and take its folder away."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._relay is not None:
            self._relay.close()
        for one in (self._broker, self._proxy):
            worker().submit(one.close()).result()
        shutil.rmtree(self._runtime, ignore_errors=True)

    def _alive(self) -> bool:
        orphan = os.getppid() != self._parent
        return not self._stopping and not orphan and self._process is not None and self._process.poll() is None

    def _watch(self) -> None:
        assert self._process is not None
        while self._process.poll() is None:
            processes, memory = isolated.weigh(self._process.pid)
            if processes > self._isolation.processes or memory > self._isolation.memory:
                print(  # noqa: T201 - Jupyter's log
                    f"codeact: the isolated kernel was ended: it had {processes} processes and held "
                    f"{memory / 1e9:.1f} GB, and may have {self._isolation.processes} and "
                    f"{self._isolation.memory / 1e9:.1f} GB.",
                    file=sys.stderr,
                )
                self._process.kill()
                return
            time.sleep(WATCH_SECONDS)

    def _environment(self, folder: Path) -> dict[str, str]:
        """Return what is set inside: settings of ours that are no secrets, the notebook's name, the broker."""
        given = {
            name: value
            for name, value in os.environ.items()
            if name.startswith("CODEACT_") and name not in STAYS_OUT and not is_secret_variable(name)
        }
        notebook = os.environ.get("JPY_SESSION_NAME", "")
        if notebook and Path(notebook).resolve().is_relative_to(folder.resolve()):
            given["JPY_SESSION_NAME"] = notebook
        parents = [str(path.parent) for path in _package()]
        given |= {"PYTHONPATH": parents[0]} if parents else {}
        return {**given, **NO_PAGES, BROKER: str(self._runtime / BROKER_SOCKET)}


def _package() -> tuple[Path, ...]:
    """Return our package's folder where it lies outside of the interpreter's, as in an editable install."""
    package = Path(__file__).resolve().parent
    known = (*isolated.interpreter_folders(), *isolated.SYSTEM)
    return () if any(package.is_relative_to(folder) for folder in known) else (package,)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the kernel until it ends, and return its exit code."""
    parser = argparse.ArgumentParser(prog="codeact_kernel.isolated_kernel")
    parser.add_argument("-f", dest="connection", type=Path, required=True)
    parser.add_argument("--allow-host", action="append", default=[])
    parser.add_argument("--memory", type=int, default=MEMORY_BYTES)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    args = parser.parse_args(argv)
    _sweep()
    outer = json.loads(args.connection.read_text("utf-8"))
    isolation = Isolation(tuple(args.allow_host), args.memory, args.processes)
    try:
        jail = Jail(outer, isolation, Path.cwd())
    except CodeActError as error:
        return refuse(args.connection, str(error))
    signal.signal(signal.SIGINT, lambda *_: jail.interrupt())
    signal.signal(signal.SIGTERM, lambda *_: jail.stop())
    try:
        jail.start()
        return jail.serve()
    finally:
        jail.close()


def refuse(connection: Path, sentence: str) -> int:
    """Be a kernel that runs nothing and says why: a process that ends at once tells the person nothing."""
    from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415 - import time
    from ipykernel.kernelbase import Kernel  # noqa: PLC0415

    class Refusing(Kernel):
        """Answers each cell with the reason."""

        implementation, implementation_version, banner = "codeact-refusing", "1", sentence
        language_info = {"name": "python", "mimetype": "text/x-python", "file_extension": ".py"}  # noqa: RUF012

        async def do_execute(self, *_args: Any, **_options: Any) -> dict[str, Any]:
            """Say why nothing runs here."""
            error = {"ename": "NotIsolated", "evalue": sentence, "traceback": [f"NotIsolated: {sentence}"]}
            self.send_response(self.iopub_socket, "error", error)  # type: ignore[no-untyped-call, unused-ignore]
            return {"status": "error", "execution_count": self.execution_count, **error}

    print(f"codeact: {sentence}", file=sys.stderr)  # noqa: T201 - Jupyter's log
    IPKernelApp.launch_instance(["-f", str(connection)], kernel_class=Refusing)
    return 1


def _sweep() -> None:
    """Take away the folders of such processes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

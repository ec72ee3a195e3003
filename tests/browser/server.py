"""Real Jupyter servers for the browser tests, each in folders of its own and with a port of its own.

`Server` starts JupyterLab, Notebook 7 or a kernel gateway with this interpreter's ipykernel, waits until it
answers, and ends it with all of its kernels. `panel_folder` gives the built side panel of this checkout.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "labextension"
BUILT = ROOT / "codeact_kernel" / "labextension"
APPS = {"lab": ("jupyterlab", "LabApp"), "notebook": ("notebook", "JupyterNotebookApp")}
PANEL = "codeact-kernel-labextension"
NEEDED = ("@jupyter-widgets/jupyterlab-manager", "anywidget", "@jupyter-notebook/lab-extension")
START_SECONDS = 60
STOP_SECONDS = 10


def wait_for(check: Callable[[], Any], what: str, *, timeout: float = 30.0) -> Any:
    """Return the first true result of `check`, asked every 50 ms.

    Raises:
        AssertionError: none came within `timeout` seconds.
    """
    end = time.monotonic() + timeout
    while not (result := check()):
        assert time.monotonic() < end, f"not within {timeout:g} s: {what}"
        time.sleep(0.05)
    return result


def stale() -> bool:
    """Say whether the built panel is missing or older than its sources."""
    built = BUILT / "package.json"
    if not built.is_file():
        return True
    inputs = [SOURCES / "package.json", SOURCES / "package-lock.json"]
    inputs += [path for name in ("src", "style", "schema") for path in (SOURCES / name).rglob("*")]
    return max(path.stat().st_mtime for path in inputs if path.is_file()) > built.stat().st_mtime


def panel_folder() -> Path | None:
    """Return the built panel, made with npm where it is missing or stale; None where there are no sources.

    PANEL_FOLDER in the environment names a panel that somebody else builds; it is taken as it is, and may be missing.

    Raises:
        RuntimeError: npm is not there, or the build failed.
    """
    if given := os.environ.get("PANEL_FOLDER"):
        return Path(given).resolve() if Path(given).is_dir() else None
    if not (SOURCES / "package.json").is_file():
        return BUILT if (BUILT / "package.json").is_file() else None
    if stale():
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("The side panel is not built and npm is not here: install Node 20 or later.")
        steps = [] if (SOURCES / "node_modules").is_dir() else [[npm, "ci", "--no-audit", "--no-fund"]]
        for step in [*steps, [npm, "run", "build"]]:
            done = subprocess.run(step, cwd=SOURCES, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{' '.join(step[1:])} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return BUILT


class Server:
    """One server process; use it as a context manager.

    `kind`: "lab", "notebook" or "gateway". `folder` gets its private Jupyter folders, its log and `files`, the
    folder that it serves. `gateway` is the URL of a kernel gateway that runs the kernels instead. Without `panel`
    its pages have no side panel.
    """

    def __init__(
        self, kind: str, folder: Path, *, base_url: str = "/", gateway: str | None = None, panel: bool = True
    ) -> None:
        self.kind, self.folder, self.base_url, self.gateway = kind, folder, base_url, gateway
        self.panel = panel and kind != "gateway"
        self.files = folder / "files"
        self.log = folder / "server.log"
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.files.mkdir(parents=True, exist_ok=True)
        env = self._environment()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(), cwd=self.files, env=env, stdout=log, stderr=log, start_new_session=True
            )
        try:
            port = wait_for(self._port, f"{self.kind} names its port\n{self.tail()}", timeout=START_SECONDS)
            self.url = f"http://127.0.0.1:{port}{self.base_url}"
            wait_for(self._answers, f"{self.kind} answers\n{self.tail()}", timeout=START_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):  # nobody is left
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def tail(self, chars: int = 3000) -> str:
        """Return the end of the log."""
        return self.log.read_text("utf-8", "replace")[-chars:] if self.log.exists() else ""

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        """Call the server's REST interface, e.g. `rest("GET", "sessions")`, and return the parsed JSON.

        Raises:
            OSError: the server does not answer, or not with success.
        """
        same = "0123456789abcdef" * 2  # the server compares the cookie with the header
        headers = {"Cookie": f"_xsrf={same}", "X-XSRFToken": same}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}api/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            reply = response.read()
        return json.loads(reply) if reply else None

    def end_kernels(self) -> None:
        """End every session and its kernel."""
        for session in self.rest("GET", "sessions"):
            with contextlib.suppress(urllib.error.HTTPError):  # it went with another session's kernel
                self.rest("DELETE", f"sessions/{session['id']}")

    def _environment(self) -> dict[str, str]:
        env = dict(os.environ)
        for name in ("config", "data", "runtime"):
            path = self.folder / name
            path.mkdir(parents=True, exist_ok=True)
            env[f"JUPYTER_{name.upper()}_DIR"] = str(path)
        env["JUPYTER_PREFER_ENV_PATH"] = "0"  # our kernel and our panel, not those of the environment
        env["JUPYTERLAB_SETTINGS_DIR"] = str(self.folder / "settings")
        env["JUPYTERLAB_WORKSPACES_DIR"] = str(self.folder / "workspaces")
        env.pop("JUPYTER_PATH", None)
        self._write_kernel()
        self._write_settings()
        self._write_extensions()
        panel = panel_folder() if self.panel else None
        if panel is not None:
            link = self.folder / "data" / "labextensions" / PANEL
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(panel, target_is_directory=True)
        return env

    def _write_kernel(self) -> None:
        spec = self.folder / "data" / "kernels" / "python3"
        spec.mkdir(parents=True, exist_ok=True)
        (spec / "kernel.json").write_text(
            json.dumps(
                {
                    "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                    "display_name": "Python 3 (ipykernel)",
                    "language": "python",
                    "metadata": {"debugger": False},
                }
            )
        )

    def _write_settings(self) -> None:
        """Ask for no news: that question would cover what the tests look at."""
        path = self.folder / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))

    def _write_extensions(self) -> None:
        """Switch off what else is installed in this environment: its noise is not ours.

        That may be an older panel, which JupyterLab passes over where it finds one in the user's folder.
        """
        folder = Path(sys.prefix, "share", "jupyter", "labextensions")
        found = [json.loads(path.read_text("utf-8"))["name"] for path in _manifests(folder)]
        path = self.folder / "config" / "labconfig" / "page_config.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        needed = {*NEEDED, PANEL} if self.panel else set(NEEDED)
        disabled = {name: name not in needed for name in found}
        # Two quick changes of the theme take the same splash screen away twice, which is an error in the console.
        disabled["@jupyterlab/apputils-extension:splash"] = True
        path.write_text(json.dumps({"disabledExtensions": disabled}))

    def _command(self) -> list[str]:
        if self.kind == "gateway":
            command = [sys.executable, "-m", "kernel_gateway", "--KernelGatewayApp.ip=127.0.0.1"]
            command += ["--JupyterWebsocketPersonality.list_kernels=True"]  # JupyterLab looks for its kernels
            return [*command, f"--KernelGatewayApp.port={_free_port()}"]
        module, app = APPS[self.kind]
        command = [sys.executable, "-m", module, "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
        command += ["--ServerApp.port=0", "--IdentityProvider.token=", "--ServerApp.terminals_enabled=False"]
        command += [f"--{app}.expose_app_in_browser=True", f"--ServerApp.base_url={self.base_url}"]
        command += [f"--ServerApp.root_dir={self.files}"]
        return command + ([f"--gateway-url={self.gateway}"] if self.gateway else [])

    def _port(self) -> int | None:
        process = self._process
        assert process is not None
        assert process.poll() is None, f"the server ended:\n{self.tail()}"
        if self.kind == "gateway":
            return int(process.args[-1].rpartition("=")[2])  # type: ignore[index, union-attr]
        for path in (self.folder / "runtime").glob("jpserver-*.json"):
            try:
                return int(json.loads(path.read_text("utf-8"))["port"]) or None
            except ValueError:  # half written
                return None
        return None

    def _answers(self) -> bool:
        try:
            self.rest("GET", "kernelspecs")
        except OSError:
            return False
        return True


def _manifests(folder: Path) -> list[Path]:
    return [*folder.glob("*/package.json"), *folder.glob("@*/*/package.json")]


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

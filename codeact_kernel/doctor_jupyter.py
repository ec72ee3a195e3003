"""What `codeact doctor` looks at in Jupyter: a kernel that starts and has us in it, and the side panel's files."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_core.paths import jupyter_config_path, jupyter_path

from codeact_kernel._version import __version__
from codeact_kernel.doctor import Check, wrong
from codeact_kernel.errors import CodeActError, ConfigError
from codeact_kernel.execute.fresh import FreshExecutor

if TYPE_CHECKING:
    from codeact_kernel.types import Execution

PANEL = "codeact-kernel-labextension"
PACKAGES = ("ipykernel", "ipython", "jupyter_client", "jupyterlab", "notebook", "ipywidgets")
LAB = (4, 6)
"""The first JupyterLab that the panel is built for; Notebook 7.6 stands on it."""
START_SECONDS = 60.0
LOOK = """
import json, sys
import IPython
IPython.get_ipython().run_line_magic("load_ext", "codeact_kernel")
import codeact_kernel
print(json.dumps({"python": sys.executable, "version": codeact_kernel.__version__}))
"""


def versions() -> dict[str, str | None]:
    """Return the versions of Jupyter's packages in this environment, None for those that are not there."""
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def examine_kernel() -> Check:
    """Start a kernel as Jupyter does and load the extension in it."""
    facts: dict[str, Any] = {
        name: found for name, found in versions().items() if name not in {"jupyterlab", "notebook"}
    }
    try:
        seconds, ran = asyncio.run(_try_kernel())
    except CodeActError as error:
        return wrong("kernel", error, **facts)
    facts["seconds"] = round(seconds, 1)
    if ran.error and ran.error.ename == ConfigError.__name__:
        said = (
            f"The kernel python3 starts; a setting keeps codeact-kernel from loading in it ({ran.error.evalue})."
        )
        return Check("kernel", "note", said, facts=facts)
    if ran.status != "ok":
        why = f"{ran.error.ename}: {ran.error.evalue}" if ran.error else ran.status
        said = f"The kernel python3 starts, but `%load_ext codeact_kernel` fails in it ({why})."
        fix = "Install codeact-kernel where that kernel runs: `jupyter kernelspec list` shows which Python it is."
        return Check("kernel", "wrong", said, fix, facts)
    facts |= _printed(ran)
    if facts.get("version") != __version__:
        said = f"The kernel python3 has codeact-kernel {facts.get('version')}, the command line {__version__}."
        return Check("kernel", "wrong", said, f"Install {__version__} for {facts.get('python')}.", facts)
    other = "" if facts.get("python") == sys.executable else f", with {facts.get('python')}"
    said = f"python3 starts in {seconds:.1f} s (ipykernel {facts['ipykernel']}{other}) and loads codeact-kernel."
    return Check("kernel", "ok", said, facts=facts)


async def _try_kernel() -> tuple[float, Execution]:
    executor = FreshExecutor(look=False)
    began = time.monotonic()
    try:
        await executor.start()
        seconds = time.monotonic() - began
        return seconds, await executor.run(LOOK, timeout=START_SECONDS)
    finally:
        await executor.close()


def _printed(ran: Execution) -> dict[str, Any]:
    text = "".join(output["text"] for output in ran.outputs if output["output_type"] == "stream")
    try:
        found = json.loads(text.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}


def examine_panel() -> Check:
    """Say whether this environment's JupyterLab has the side panel, of the same version, and switched on."""
    lab, notebook = (versions()[name] for name in ("jupyterlab", "notebook"))
    folder, built = _panel()
    facts: dict[str, Any] = {
        "jupyterlab": lab,
        "notebook": notebook,
        "labextension": str(folder) if folder else None,
        "version": built,
    }
    if lab is None:
        said = "JupyterLab is not installed here, so there is no side panel; `%codeact` works without it."
        return Check("panel", "note", said, facts=facts)
    if tuple(int(part) for part in lab.split(".")[:2] if part.isdigit()) < LAB:
        said = f"JupyterLab {lab} is older than the side panel is made for."
        return Check("panel", "wrong", said, "Run `pip install -U 'jupyterlab>=4.6,<5'`.", facts)
    if folder is None:
        said = f"JupyterLab {lab} is here, the side panel is not (no labextensions/{PANEL})."
        return Check("panel", "wrong", said, _how_to_install(), facts)
    if built != __version__:
        said = f"The side panel is of version {built}, the package of {__version__}."
        return Check("panel", "wrong", said, _how_to_install(), facts)
    off = _disabled()
    if off is not None:
        said = f"The side panel is installed but switched off in {off}."
        return Check("panel", "wrong", said, f"Run `jupyter labextension enable {PANEL}`.", facts)
    return Check("panel", "ok", f"The side panel {built} is installed for JupyterLab {lab}.", facts=facts)


def _panel() -> tuple[Path | None, str | None]:
    """Return the folder from which JupyterLab takes the panel, and its version."""
    for place in jupyter_path("labextensions"):
        folder = Path(place) / PANEL
        try:
            return folder, str(json.loads((folder / "package.json").read_text("utf-8")).get("version"))
        except (OSError, ValueError):
            continue
    return None, None


def _how_to_install() -> str:
    source = Path(__file__).resolve().parents[1] / "labextension" / "package.json"
    if source.is_file():
        return "Run `make panel` in the source folder, then `jupyter labextension develop --overwrite .` there."
    return "Run `pip install --force-reinstall --no-deps codeact-kernel`, then reload the page."


def _disabled() -> Path | None:
    """Return the file that switches the panel off, None when none does."""
    for place in jupyter_config_path():
        path = Path(place) / "labconfig" / "page_config.json"
        try:
            off = json.loads(path.read_text("utf-8")).get("disabledExtensions", {})
        except (OSError, ValueError, AttributeError):
            continue
        if PANEL in off and (not isinstance(off, dict) or off[PANEL]):
            return path
    return None

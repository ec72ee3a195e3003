"""Builds the JupyterLab side panel into wheels and source archives.

Without Node the Python part is built all the same, and one sentence says what is missing. An editable install
takes the panel as it is, built or not: it needs neither Node nor minutes.

CODEACT_BUILD_PANEL in the environment: 1 builds it in any case and fails if that fails, 0 never builds it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HOW = "install Node 20.19 or later, run `npm ci && npm run build:prod` in labextension/, and install again"
LOG_CHARS = 2000


class PanelError(RuntimeError):
    """The panel was asked for and could not be built."""


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs npm where it is there and needed, and adds the built panel to what is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the panel and add its files to `build_data`.

        Raises:
            PanelError: CODEACT_BUILD_PANEL is 1 and the panel cannot be built.
        """
        root = Path(self.root)
        panel = Panel(root)
        wish = os.environ.get("CODEACT_BUILD_PANEL", "")
        problem = ""
        if wish == "1" or (wish != "0" and version != "editable"):
            problem = panel.build()
        if problem and wish == "1":
            raise PanelError(problem)
        if not panel.built:
            if version != "editable":
                reason = problem or "it was not asked for"
                self.app.display_warning(f"The JupyterLab side panel was not built ({reason}): {HOW}.")
            return
        if self.target_name == "wheel":
            build_data["shared_data"].update(panel.shared())
        else:
            build_data["artifacts"].append("/codeact_kernel/labextension/")


class Panel:
    """The panel's sources and what npm makes of them."""

    def __init__(self, root: Path) -> None:
        self.sources = root / "labextension"
        self.target = root / "codeact_kernel" / "labextension"

    @property
    def built(self) -> bool:
        """Whether a panel is there, of whatever age."""
        return (self.target / "package.json").is_file()

    @property
    def fresh(self) -> bool:
        """Whether a panel is there that was built for release, from the sources as they are."""
        if not self.built or any(self.target.rglob("*.map")):
            return False
        files = [self.sources / name for name in ("package.json", "package-lock.json")]
        files += [path for name in ("src", "style", "schema") for path in (self.sources / name).rglob("*")]
        newest = max(path.stat().st_mtime for path in files if path.is_file())
        return newest <= (self.target / "package.json").stat().st_mtime

    def build(self) -> str:
        """Build the panel unless it is fresh; return what went wrong, or nothing."""
        if not (self.sources / "package.json").is_file() or self.fresh:
            return ""
        npm, node = shutil.which("npm"), shutil.which("node")
        if npm is None or node is None:
            return "Node is not installed"
        steps = [["run", "build:prod"]]
        if not self._installed():
            steps.insert(0, ["ci", "--no-audit", "--no-fund"])
        for step in steps:
            done = subprocess.run(  # noqa: S603 - npm, with our own arguments
                [npm, *step], cwd=self.sources, capture_output=True, text=True, check=False
            )
            if done.returncode:
                words = " ".join((done.stdout + done.stderr)[-LOG_CHARS:].split())
                return f"npm {' '.join(step)} failed: {words}"
        return ""

    def _installed(self) -> bool:
        """Whether npm has installed what the lock file names."""
        mark, lock = self.sources / "node_modules/.package-lock.json", self.sources / "package-lock.json"
        return mark.is_file() and mark.stat().st_mtime >= lock.stat().st_mtime

    def shared(self) -> dict[str, str]:
        """Return where each file of the panel is, and where it goes below the environment's root."""
        name = json.loads((self.target / "package.json").read_text("utf-8"))["name"]
        place = f"share/jupyter/labextensions/{name}"
        files = {
            str(path): f"{place}/{path.relative_to(self.target).as_posix()}"
            for path in sorted(self.target.rglob("*"))
            if path.is_file() and path.name != "build_log.json"  # names this machine's folders
        }
        return {**files, str(self.sources / "install.json"): f"{place}/install.json"}

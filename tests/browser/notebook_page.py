"""One notebook in one browser page, as the tests see it: open, run, look, stop.

Every wait is for a condition in the page's model. The kernel's status is never one of them: comm messages turn it
idle while a cell runs.
"""

from __future__ import annotations

import ast
import copy
import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from server import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page
    from server import Server

SCRIPT = Path(__file__).with_name("notebook_page.js").read_text("utf-8")
LOAD = "%load_ext codeact_kernel"
HOLD = "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.05)\n"
"""Code that runs until `NotebookPage.go`: no machine is too slow for what a test does meanwhile."""
NUMBERS = itertools.count(1)
# The toolbar's buttons carry the name of their item in both applications.
TOOLBAR = '[data-jp-item-name="{}"]'
IGNORED = (
    "favicon",  # the browser asks for it of servers under a base URL
    "Cannot read properties of undefined (reading 'schema')",  # Notebook 7.6.5 alone, as it loads its settings
    "Sent non-empty 'Sec-WebSocket-Protocol' header",  # gateways lack the newer one: tried first
    "Comm not found for comm id",  # JupyterLab hears of the comms of other pages when they close
    "/api/resolvePath",  # asked for the files of a traceback; the server does not know a gateway's
    "Cannot read properties of null (reading 'observe')",  # JupyterLab's, of cells in a notebook that is hidden
    "Cannot read properties of null (reading 'promise')",  # JupyterLab's, of a toolbar that is closed as it is shown
    "Canceled future for create_subshell_request",  # JupyterLab's, of comms that open while a notebook is closed
    "ResizeObserver loop",  # Chromium's note that a layout took two frames
)


class NotebookPage:
    """A notebook file in a folder of its own below the server's, opened in a page."""

    def __init__(
        self, page: Page, server: Server, *sources: str, name: str = "notebook.ipynb", shared: bool = False
    ) -> None:
        self.page, self.server, self.shared = page, server, shared
        self._workspace = workspace()
        folder = f"work{next(NUMBERS)}"
        self.folder = server.files / folder
        self.folder.mkdir()
        self.path = f"{folder}/{name}"
        self.file = server.files / self.path
        notebook = new_notebook(cells=[new_code_cell(source) for source in sources] or [new_code_cell("")])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.file)

    # opening

    @property
    def address(self) -> str:
        """The URL that shows this notebook."""
        place = "notebooks" if self.server.kind == "notebook" else f"{self._workspace}/tree"
        return f"{self.server.url}{place}/{quote(self.path)}"

    def open(self) -> NotebookPage:
        """Show the notebook and wait for its kernel; in a shared page, beside what that shows."""
        if self.shared:
            self.call("open", self.path)
            return self.wait_kernel()
        self.page.goto(self.address, wait_until="domcontentloaded")
        return self.wait_open()

    def open_on(self, kernel_id: str) -> NotebookPage:
        """Show the notebook on a kernel that another notebook has."""
        session = {"path": self.path, "name": self.file.name, "type": "notebook", "kernel": {"id": kernel_id}}
        self.server.rest("POST", "sessions", session)
        self.open()
        assert self.kernel_id() == kernel_id
        return self

    def again(self, page: Page) -> NotebookPage:
        """Return the same file for another page; open it there."""
        other = copy.copy(self)
        other.page, other.shared, other._workspace = page, False, workspace()
        return other

    def reload(self) -> NotebookPage:
        """Reload the page and wait for the kernel's connection."""
        assert not self.shared, "a notebook whose page is reloaded is opened with `fresh`"
        self.page.reload(wait_until="domcontentloaded")
        return self.wait_open()

    def wait_open(self) -> NotebookPage:
        """Wait until the notebook stands there and its kernel is connected."""
        wait_started(self.page)
        return self.wait_kernel()

    def wait_kernel(self) -> NotebookPage:
        """Wait until the notebook stands in the page and its kernel is connected."""
        self.page.wait_for_function("path => window.codeactTest.ready(path)", arg=self.path, timeout=60_000)
        return self

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function of `notebook_page.js`."""
        return self.page.evaluate("([name, rest]) => window.codeactTest[name](...rest)", [name, list(arguments)])

    # cells

    def cells(self) -> list[dict[str, Any]]:
        """Return the cells as nbformat has them, each with `id` and its execution `state`."""
        return list(self.call("cells", self.path))

    def cell(self, cell_id: str) -> dict[str, Any]:
        """Return one cell."""
        return next(cell for cell in self.cells() if cell["id"] == cell_id)

    def agent_cells(self) -> list[dict[str, Any]]:
        """Return the cells that are marked as the agent's."""
        return [cell for cell in self.cells() if "codeact" in cell["metadata"]]

    def box(self, index: int) -> Locator:
        """Return the element of the cell at an index."""
        return self.page.locator(".jp-Notebook:visible .jp-Cell").nth(index)

    def add(self, source: str, index: int | None = None) -> str:
        """Insert a code cell (at the end) through the model and return its id."""
        return str(self.call("insert", self.path, index, source, None))

    def begin(self, source: str, index: int | None = None) -> Run:
        """Insert a cell and begin to run it by the notebook's own command."""
        cell_id = self.add(source, index)
        return Run(self, cell_id, self.call("run", self.path, cell_id))

    def rerun(self, cell_id: str) -> Run:
        """Begin to run a cell that is there."""
        return Run(self, cell_id, self.call("run", self.path, cell_id))

    def run(self, source: str, index: int | None = None, *, timeout: float = 60) -> str:
        """Run a new cell to its end and return the text of its outputs."""
        return self.begin(source, index).wait(timeout=timeout)

    def type_and_run(self, source: str) -> None:
        """Type into the first empty code cell with the keyboard and press Shift+Enter."""
        index = next(at for at, cell in enumerate(self.cells()) if not cell["source"])
        self.box(index).locator(".cm-content").click()
        self.page.keyboard.insert_text(source)
        self.page.keyboard.press("Shift+Enter")

    def wait_cells(self, check: Callable[[list[dict[str, Any]]], Any], what: str, *, timeout: float = 30) -> Any:
        """Return the first true result of `check(cells)`."""
        return self.wait(lambda: check(self.cells()), what, timeout=timeout)

    def wait(self, check: Callable[[], Any], what: str, *, timeout: float = 30) -> Any:
        """Return the first true result of `check`; the page goes on in between."""
        end = time.monotonic() + timeout
        while not (result := check()):
            assert time.monotonic() < end, f"not within {timeout:g} s: {what}"
            self.page.wait_for_timeout(50)  # lets playwright hand out the page's events, which a sleep does not
        return result

    # the kernel

    def value(self, expression: str) -> Any:
        """Return an expression's value, which must have a literal's repr; no cell is made, but cells go before it."""
        run = self.call("ask", self.path, expression)
        shown = self.wait(lambda: self.call("answer", run), f"the kernel has time for {expression}")
        try:
            return ast.literal_eval(shown)
        except (ValueError, SyntaxError):
            return shown

    def kernel_id(self) -> str:
        """Return the id of the notebook's kernel."""
        return str(self.call("kernelId", self.path))

    def interrupt(self) -> None:
        """Click the toolbar's interrupt button."""
        self.page.locator(TOOLBAR.format("interrupt")).locator("visible=true").first.click()

    def restart(self) -> None:
        """Begin to restart the kernel by the menu's command; `restarted` of the script says when it is back."""
        self.call("restart", self.path)
        self.page.locator(".jp-Dialog .jp-mod-accept").click()

    def save(self) -> None:
        """Save the notebook's file."""
        self.call("save", self.path)

    def saved(self) -> Any:
        """Return the file as nbformat reads it, checked."""
        notebook = nbformat.read(self.file, as_version=4)
        nbformat.validate(notebook)
        return notebook

    def go(self) -> None:
        """Let a cell go on that HOLDs."""
        (self.folder / "go").touch()

    def episodes(self) -> list[Path]:
        """Return the episodes beside this notebook."""
        return sorted((self.folder / "episodes").glob("*.ipynb"))

    def theme(self, *, dark: bool) -> None:
        """Change the theme and wait for it."""
        name = "JupyterLab Dark" if dark else "JupyterLab Light"
        self.call("command", "apputils:change-theme", {"theme": name})
        self.page.wait_for_function(
            "name => document.body.dataset.jpThemeName === name && !document.querySelector('#jp-splash')",
            arg=name,
        )


def workspace() -> str:
    """Return the path of a workspace that no page had before: JupyterLab opens what the last one left open."""
    return f"lab/workspaces/page{next(NUMBERS)}"


def wait_started(page: Page) -> None:
    """Wait until Jupyter is there and knows its kernels (else it asks which one), and put our script into its page."""
    page.wait_for_function("() => window.jupyterapp?.shell && window.jupyterapp.started", timeout=60_000)
    page.wait_for_function("() => window.jupyterapp.serviceManager.kernelspecs.specs !== null", timeout=60_000)
    page.evaluate(SCRIPT)


class Run:
    """A cell that was begun."""

    def __init__(self, notebook: NotebookPage, cell_id: str, number: int) -> None:
        self.notebook, self.cell_id, self._number = notebook, cell_id, number
        self.began = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether the front end has the cell's end."""
        return bool(self.notebook.call("finished", self._number))

    def wait(self, *, timeout: float = 60) -> str:
        """Wait for the end and return the text of the outputs."""
        what = f"the cell ends: {self.cell['source'][:80]}"
        self.notebook.wait(lambda: self.done, what, timeout=timeout)
        return text_of(self.cell)

    @property
    def cell(self) -> dict[str, Any]:
        """The cell as it is now."""
        return self.notebook.cell(self.cell_id)

    @property
    def text(self) -> str:
        """The text of the outputs so far."""
        return text_of(self.cell)


def text_of(cell: dict[str, Any]) -> str:
    """Return a cell's outputs as plain text, in order."""
    texts = []
    for output in cell.get("outputs", []):
        if output["output_type"] == "stream":
            text = output["text"]
        elif output["output_type"] == "error":
            text = f"{output['ename']}: {output['evalue']}"
        else:
            text = output["data"].get("text/plain", "")
        texts.append(text if isinstance(text, str) else "".join(text))
    return "\n".join(texts)


def mimes(cell: dict[str, Any]) -> set[str]:
    """Return the mime types of a cell's outputs."""
    return {mime for output in cell.get("outputs", []) for mime in output.get("data", {})}


def console_errors(messages: list[str]) -> list[str]:
    """Return the messages of the console that nobody should see."""
    return [message for message in messages if not any(part in message for part in IGNORED)]


__all__ = ["HOLD", "LOAD", "NotebookPage", "Run", "console_errors", "mimes", "text_of", "wait_for"]

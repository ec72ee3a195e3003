"""Fixtures of the browser tests: real servers, Debian's chromium, a page for each test.

    pytest tests/browser                       what `make test` runs
    pytest tests/browser --browser-trace       keeps a trace of every test that fails
    pytest tests/browser --update-screenshots  puts the screenshots into docs/images

A failing test leaves screenshot.png, console.txt and server.txt in its pytest folder. Without chromium the tests are
skipped; BROWSER_TESTS=1 in the environment makes that an error.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kernel_client import write_script
from notebook_page import NotebookPage, console_errors, wait_started, workspace
from server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
]
EXPECT_MS = 20_000
FAILED = pytest.StashKey[bool]()
HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("browser tests")
    group.addoption("--browser-trace", action="store_true", help="keep a playwright trace of failing tests")
    group.addoption("--update-screenshots", action="store_true", help="put the screenshots into docs/images")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
    # Last, since playwright keeps an event loop running in the main thread, where other tests call `asyncio.run`.
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Return the one browser of the session."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    try:
        from playwright.sync_api import expect, sync_playwright
    except ModuleNotFoundError:
        path = None
    if path is None:
        (pytest.fail if os.environ.get("BROWSER_TESTS") else pytest.skip)(
            "the browser tests need chromium (apt-get install chromium) and the packages of '.[test]'"
        )
    with sync_playwright() as playwright:
        expect.set_options(timeout=EXPECT_MS)
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """Return the session's context: its cache spares each test the download of JupyterLab."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900}, color_scheme="light")
    context.set_default_timeout(20_000)
    yield context
    context.close()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Return a function that gives the running server of a kind, started when first asked for."""
    with ExitStack() as stack:
        running: dict[tuple[Any, ...], Server] = {}

        def get(kind: str, **more: Any) -> Server:
            key = (kind, *sorted(more.items()))
            if key not in running:
                running[key] = stack.enter_context(Server(kind, tmp_path_factory.mktemp(kind), **more))
            return running[key]

        yield get


@pytest.fixture(scope="session")
def lab(servers: Callable[..., Server]) -> Server:
    """Return JupyterLab."""
    return servers("lab")


@pytest.fixture(scope="session")
def notebook7(servers: Callable[..., Server]) -> Server:
    """Return Notebook 7."""
    return servers("notebook")


@pytest.fixture(scope="session")
def based(servers: Callable[..., Server]) -> Server:
    """Return JupyterLab under a base URL, as JupyterHub has it."""
    return servers("lab", base_url="/user/someone/")


@pytest.fixture(scope="session")
def gatewayed(servers: Callable[..., Server]) -> Server:
    """Return JupyterLab whose kernels run on a kernel gateway."""
    return servers("lab", gateway=servers("gateway").url)


class Pages:
    """What a test opens: pages whose consoles are read, and notebooks in them.

    A page of JupyterLab takes seconds to load, so the tests share one for each server (`shared`): what a test leaves in
    it is closed after the test. Tests that reload or close their page, or change its settings, open a `fresh` one.
    """

    def __init__(self, context: BrowserContext, shared: dict[Server, Page]) -> None:
        self.context = context
        self.console: list[str] = []
        self.notebooks: list[NotebookPage] = []
        self.pages: list[Page] = []
        self._shared = shared
        self._listeners: dict[Any, Any] = {
            "console": self._on_console,
            "pageerror": self._on_error,
            "dialog": lambda dialog: dialog.accept(),  # "leave this page?"
        }

    def page(self) -> Page:
        """Return a new page."""
        return self._watch(self.context.new_page())

    def open(self, server: Server, *sources: str, fresh: bool = False, **more: Any) -> NotebookPage:
        """Open a new notebook with these cells and wait for its kernel."""
        shared = not fresh and server.kind == "lab" and all(server is not one.server for one in self.notebooks)
        page = self._shared_page(server) if shared else self.page()
        notebook = NotebookPage(page, server, *sources, shared=shared, **more)
        self.notebooks.append(notebook)
        return notebook.open()

    def _shared_page(self, server: Server) -> Page:
        page = self._shared.pop(server, None)
        if page is not None:
            return self._watch(page)
        page = self.page()
        page.goto(f"{server.url}{workspace()}", wait_until="domcontentloaded")
        wait_started(page)
        return page

    def _watch(self, page: Page) -> Page:
        for event, listener in self._listeners.items():
            page.on(event, listener)
        self.pages.append(page)
        return page

    def close(self, *, failed: bool) -> None:
        """Close what was opened, and end its kernels; shared pages that are well stay for the next test."""
        kept = {}
        for notebook in self.notebooks:
            page = notebook.page
            if notebook.shared and not failed and not page.is_closed() and notebook.call("clear"):
                kept[page] = notebook.server
        for page in self.pages:
            if page not in kept:
                page.close()
        for server in {id(notebook.server): notebook.server for notebook in self.notebooks}.values():
            server.end_kernels()
        for page, server in kept.items():
            for event, listener in self._listeners.items():
                page.remove_listener(event, listener)
            self._shared[server] = page

    def another(self, notebook: NotebookPage) -> NotebookPage:
        """Open the notebook of another page in a page of its own; they share the kernel."""
        again = notebook.again(self.page())
        self.notebooks.append(again)
        return again.open()

    def beside(self, notebook: NotebookPage, *sources: str) -> NotebookPage:
        """Open a new notebook in a page of its own, on the kernel of another."""
        other = NotebookPage(self.page(), notebook.server, *sources, name="beside.ipynb")
        self.notebooks.append(other)
        return other.open_on(notebook.kernel_id())

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.console.append(f"{message.text} ({message.location.get('url', '')})")

    def _on_error(self, error: Error) -> None:
        self.console.append(f"{error.message}\n{error.stack}")

    def keep(self, folder: Path) -> None:
        """Leave what explains a failure."""
        for number, page in enumerate(self.pages):
            if not page.is_closed():
                page.screenshot(path=folder / f"screenshot{number or ''}.png")
        (folder / "console.txt").write_text("\n\n".join(self.console))
        for server in {id(notebook.server): notebook.server for notebook in self.notebooks}.values():
            (folder / f"server-{server.kind}.txt").write_text(server.tail(20_000))


@pytest.fixture(scope="session")
def shared_pages() -> dict[Server, Page]:
    """Return the pages that no test uses now, by server."""
    return {}


@pytest.fixture
def pages(
    context: BrowserContext, shared_pages: dict[Server, Page], request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Pages]:
    """Return the pages of a test; afterwards they are closed, their kernels ended, their consoles checked."""
    trace = request.config.getoption("--browser-trace", default=False)
    if trace:
        context.tracing.start(screenshots=True, snapshots=True)
    pages = Pages(context, shared_pages)
    yield pages
    failed = request.node.stash.get(FAILED, True)
    if failed:
        pages.keep(tmp_path)
    if trace:
        context.tracing.stop(path=tmp_path / "trace.zip" if failed else None)
    during = len(pages.console)
    pages.close(failed=failed)
    if not failed:
        # JupyterLab's own parts complain of a notebook that goes while they are at work on it; ours must not.
        found = console_errors(pages.console[:during])
        found += [words for words in console_errors(pages.console[during:]) if "codeact" in words]
        assert not found, "errors in the console:\n" + "\n\n".join(found)


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes a scripted model's replies and returns the model's name."""
    return lambda *replies: write_script(tmp_path, *replies)


@pytest.fixture(scope="session")
def pictures(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for screenshots: docs/images with --update-screenshots, else a temporary one."""
    if not request.config.getoption("--update-screenshots", default=False):
        return tmp_path_factory.mktemp("images")
    folder = HERE.parents[1] / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder

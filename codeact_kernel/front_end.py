"""The user's notebook as a place for cells: which page takes the next one on, and what became of each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from codeact_kernel.canonical import sha256
from codeact_kernel.execute.cells import CellsExecutor

if TYPE_CHECKING:
    from codeact_kernel.pages import Page, Pages
    from codeact_kernel.resident import Job, Resident
    from codeact_kernel.types import Execution

WAIT_SECONDS = 0.2


class Notebook:
    """Makes the executor of each run, and hands it what pages say of its cells."""

    def __init__(self, resident: Resident, pages: Pages) -> None:
        self._resident = resident
        self._pages = pages
        self._executor: CellsExecutor | None = None

    def available(self, notebook: str | None, cell_id: str | None) -> bool:
        """Say whether a page is there that can show a cell below this one."""
        return cell_id is not None and self._pages.showing(notebook) is not None

    def come_first(self, page: Page) -> None:
        """Let cells go to this page from now on: the user is at it."""
        self._pages.promote(page)

    def executor(self, job: Job, after: str | None) -> CellsExecutor:
        """Return what runs the job's actions as cells below the cell `after`."""
        resident = self._resident
        place = Place(resident, self._pages, job, after)
        self._executor = CellsExecutor(resident.cells, resident.shell, place, watch=resident.names)
        return self._executor

    def started(self, cell_id: str) -> None:
        """A page has sent this cell to the kernel."""
        current = self._resident.progress.current
        if current is not None and current.pending and current.pending["cell_id"] == cell_id:
            current.pending = None  # a page that comes now must not run it again
        if self._executor is not None:
            self._executor.started(cell_id)

    def deleted(self, cell_id: str) -> None:
        """The user deleted this cell before it ran."""
        if self._executor is not None:
            self._executor.deleted(cell_id)

    def not_run(self, cell_id: str) -> None:
        """A page did not run this cell."""
        if self._executor is not None:
            self._executor.not_run(cell_id)


class Place:
    """Where one run's cells go: each below the one before. It is the front end of `execute.cells`."""

    def __init__(self, resident: Resident, pages: Pages, job: Job, after: str | None) -> None:
        self._resident = resident
        self._pages = pages
        self._job = job
        self._after = after

    def _page(self) -> Page | None:
        return self._pages.showing(self._job.origin.notebook)

    async def present(self) -> bool:
        """Say whether a page is there; with the setting `when_closed="wait"`, wait for one."""
        people = self._resident.progress
        while self._page() is None and self._job.config.when_closed == "wait" and not self._job.stop.is_set():
            await asyncio.to_thread(people.wait_for_people, WAIT_SECONDS)
        return self._page() is not None

    def execute(self, cell_id: str, code: str) -> None:
        """Ask the page for a cell, and remember it for a page that loads again."""
        run, page = self._job.run, self._page()
        step = run.step_json()["index"]
        event = {
            "type": "execute",
            "run": run.name,
            "step": step,
            "cell_id": cell_id,
            "code": code,
            "sha256": sha256(code),
            "after": self._after,
            "metadata": {"codeact": {"run": f"{self._pages.boot}-{run.name}", "step": step, "role": "action"}},
        }
        run.pending = event
        run.cells[cell_id] = {
            "cell_id": cell_id,
            "step": step,
            "code": code,
            "outputs": [],
            "execution_count": None,
            "status": "queued",
            "after": self._after,
        }
        run.change(status="queued", cell_id=cell_id)
        if page is not None:
            self._pages.tell_one(page, event)

    def began(self, cell_id: str) -> None:
        """Say that the cell runs."""
        run = self._job.run
        run.pending = None
        run.cells.get(cell_id, {})["status"] = "running"
        run.change(status="running")

    def cancel(self, cell_id: str) -> None:
        """Take a cell back."""
        self._job.run.pending = None
        self._resident.progress.emit("cancel", cell_id=cell_id)

    def finished(self, cell_id: str, code: str, execution: Execution, *, own: bool) -> None:
        """Keep what came of a cell, so that a page can put it back that lost it."""
        run = self._job.run
        run.pending = None
        step = run.step_json()["index"]
        run.cells[cell_id] = {
            "cell_id": cell_id,
            "step": step,
            "code": code,
            "outputs": list(execution.outputs),
            "execution_count": execution.execution_count,
            "status": execution.status,
            "after": self._after,
        }
        self._after = cell_id
        run.change(cell_id=cell_id)
        if own:
            run.change(outputs=list(execution.outputs))

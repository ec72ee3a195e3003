"""The comm that front ends talk to the resident through: the side panel, and the pages that show real cells.

Messages are those of `protocol.schema.json`. They come on a subshell, so that Stop is heard while a cell runs;
what may take long is done elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
from time import monotonic
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import CodeActError
from codeact_kernel.execute.subshell import ensure_subshell, route
from codeact_kernel.front_end import Notebook
from codeact_kernel.pages import VERSION, Page, Pages
from codeact_kernel.panel_requests import Requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeact_kernel.resident import Resident

TARGET = "codeact_kernel"
HAIL_TOPIC = b"comm-codeact_kernel"
GREET_SECONDS = 1.0
"""How long after the hail a page may still be about to say hello."""
GREET_FRAME = 0.02


class Panel:
    """Serves the comm target of one kernel."""

    def __init__(self, resident: Resident) -> None:
        self.resident = resident
        self.pages = Pages()
        self.notebook = Notebook(resident, self.pages)
        self.requests = Requests(resident, self.notebook)
        self._forget: Callable[[], None] = lambda: None
        self._hailed = monotonic()

    def attach(self) -> None:
        """Register the target and hail the front end, which may have the panel and may not."""
        kernel = self.resident.kernel
        ensure_subshell(kernel, wait=0)
        kernel.comm_manager.register_target(TARGET, self._opened)
        self._forget = self.resident.progress.subscribe(self.pages.tell)
        self.resident.cells.install()
        self._hail()

    def detach(self) -> None:
        """Close every comm and unregister the target."""
        self._forget()
        self.resident.cells.uninstall()
        with contextlib.suppress(KeyError):
            self.resident.kernel.comm_manager.unregister_target(TARGET, self._opened)
        self.pages.close()

    async def available(self, notebook: str | None, cell_id: str | None) -> bool:
        """Say whether a page can show cells below this one; one that was hailed a moment ago is waited for."""
        while cell_id is not None and monotonic() - self._hailed < GREET_SECONDS:
            if self.notebook.available(notebook, cell_id):
                break
            await asyncio.sleep(GREET_FRAME)
        return self.notebook.available(notebook, cell_id)

    def _hail(self) -> None:
        """Tell the front end that an agent is here, by a message of a comm that nobody opened.

        Front ends drop those in silence, where a comm of a target that they do not know would be an error to them.
        The panel listens for this one, and opens a comm of its own.
        """
        kernel = self.resident.kernel
        data = {"v": VERSION, "type": "hail", "boot": self.pages.boot}
        content = {"comm_id": TARGET, "data": data}
        self._hailed = monotonic()
        kernel.session.send(kernel.iopub_socket, "comm_msg", content, parent=kernel.get_parent(), ident=HAIL_TOPIC)

    # -- comms -------------------------------------------------------------------------------------------------
    def _opened(self, comm: Any, message: dict[str, Any]) -> None:
        page = self._add(comm)
        data = (message.get("content") or {}).get("data") or {}
        if isinstance(data, dict) and data.get("type"):
            self._received(page, data)

    def _add(self, comm: Any) -> Page:
        route(comm)
        page = Page(comm)
        comm.on_msg(lambda message: self._received(page, (message.get("content") or {}).get("data")))
        comm.on_close(lambda _: self.pages.gone(page))
        self.pages.add(page)
        return page

    def _received(self, page: Page, data: Any) -> None:
        if not isinstance(data, dict):
            return
        if data.get("type") == "hello":
            self._hello(page, data)
            return
        ident = data.get("id")
        try:
            reply = self.requests.handle(page, data)
        except CodeActError as error:
            page.send({"type": "error", "re": str(ident or ""), "sentence": str(error)})
        except Exception as error:  # a message that nobody foresaw must not end the subshell
            sentence = f"The kernel could not do that ({type(error).__name__}: {error})."
            page.send({"type": "error", "re": str(ident or ""), "sentence": sentence})
        else:
            if ident is not None and reply is not None:
                page.send({"type": "reply", "re": ident, **reply})

    def _hello(self, page: Page, data: dict[str, Any]) -> None:
        page.name, page.notebook = str(data.get("client") or ""), data.get("notebook") or None
        progress = self.resident.progress
        self.pages.greet(page, progress.snapshot, progress.attend)

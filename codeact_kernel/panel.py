"""The comm that front ends talk to the resident through: the side panel, and the pages that show real cells.

Messages are those of `protocol.schema.json`. They come on a subshell, so that Stop is heard while a cell runs;
what may take long is done elsewhere.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import CodeActError
from codeact_kernel.execute.subshell import ensure_subshell, route
from codeact_kernel.front_end import Notebook
from codeact_kernel.panel_requests import Requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeact_kernel.resident import Resident

TARGET = "codeact_kernel"
VERSION = 1


@dataclass(eq=False)
class Client:
    """One page's end of a comm. It counts as a person once it has said hello."""

    comm: Any
    name: str = ""
    notebook: str | None = None
    leave: Callable[[], None] = field(default=lambda: None)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; a comm that is closed takes none."""
        with contextlib.suppress(Exception):
            self.comm.send({"v": VERSION, **message})


class Panel:
    """Serves the comm target of one kernel."""

    def __init__(self, resident: Resident) -> None:
        self.resident = resident
        self.boot = secrets.token_hex(8)
        self.notebook = Notebook(self)
        self._requests = Requests(resident, self)
        self._clients: list[Client] = []
        self._lock = threading.RLock()
        self._seq = 0
        self._forget: Callable[[], None] = lambda: None
        self._hailing: Any = None

    def attach(self) -> None:
        """Register the target and hail the front end, which may have the panel and may not."""
        kernel = self.resident.kernel
        ensure_subshell(kernel, wait=0)
        kernel.comm_manager.register_target(TARGET, self._opened)
        self._forget = self.resident.progress.subscribe(self._tell)
        self.resident.cells.install()
        self._hail()

    def detach(self) -> None:
        """Close every comm and unregister the target."""
        self._forget()
        self.resident.cells.uninstall()
        with contextlib.suppress(KeyError):
            self.resident.kernel.comm_manager.unregister_target(TARGET, self._opened)
        with self._lock:
            clients, self._clients = self._clients, []
        for client in clients:
            client.leave()
            with contextlib.suppress(Exception):
                client.comm.close()

    def _hail(self) -> None:
        """Open a comm to the front end; one without the panel closes it, or knows no comms at all."""
        from comm import create_comm  # noqa: PLC0415 - import time; ipykernel has it

        comm = create_comm(target_name=TARGET, data={"v": VERSION, "type": "hail", "boot": self.boot})
        self._add(comm)

    # -- comms -------------------------------------------------------------------------------------------------
    def _opened(self, comm: Any, message: dict[str, Any]) -> None:
        client = self._add(comm)
        data = (message.get("content") or {}).get("data") or {}
        if isinstance(data, dict) and data.get("type"):
            self._received(client, data)

    def _add(self, comm: Any) -> Client:
        route(comm)
        client = Client(comm)
        comm.on_msg(lambda message: self._received(client, (message.get("content") or {}).get("data")))
        comm.on_close(lambda _: self.gone(client))
        with self._lock:
            self._clients.append(client)
        return client

    def gone(self, client: Client) -> None:
        """Forget a page that closed its comm or does not answer; what runs goes on."""
        client.leave()
        with self._lock:
            if client in self._clients:
                self._clients.remove(client)

    def _received(self, client: Client, data: Any) -> None:
        if not isinstance(data, dict):
            return
        if data.get("type") == "hello":
            self._hello(client, data)
            return
        ident = data.get("id")
        try:
            reply = self._requests.handle(client, data)
        except CodeActError as error:
            client.send({"type": "error", "re": ident, "sentence": str(error)})
        except Exception as error:  # a message that nobody foresaw must not end the subshell
            sentence = f"The kernel could not do that ({type(error).__name__}: {error})."
            client.send({"type": "error", "re": ident, "sentence": sentence})
        else:
            if ident is not None and reply is not None:
                client.send({"type": "reply", "re": ident, **reply})

    def reply(self, client: Client, ident: Any, reply: dict[str, Any]) -> None:
        """Answer a request that took its time."""
        client.send({"type": "reply", "re": ident, **reply})

    def fail(self, client: Client, ident: Any, sentence: str) -> None:
        """Answer a request that took its time and failed."""
        client.send({"type": "error", "re": ident, "sentence": sentence})

    def _hello(self, client: Client, data: dict[str, Any]) -> None:
        client.name, client.notebook = str(data.get("client") or ""), data.get("notebook") or None
        with self._lock:
            for other in [one for one in self._clients if one is not client and one.name == client.name]:
                self.gone(other)  # the same page, with a new comm
            if client in self._clients:  # newest last: it is the one that runs cells
                self._clients.remove(client)
            self._clients.append(client)
            client.leave()
            client.leave = self.resident.progress.attend(client)
            snapshot = self.resident.progress.snapshot()
            client.send({"type": "hello", "boot": self.boot, "seq": self._seq, "snapshot": snapshot})

    # -- events ------------------------------------------------------------------------------------------------
    def _tell(self, event: dict[str, Any]) -> None:
        """Send an event to every page."""
        with self._lock:
            self._seq += 1
            for client in self._clients:
                if client.name:
                    client.send({**event, "seq": self._seq})

    def tell_one(self, client: Client, event: dict[str, Any]) -> None:
        """Send an event to one page only."""
        with self._lock:
            self._seq += 1
            client.send({**event, "seq": self._seq})

    def page_of(self, notebook: str | None) -> Client | None:
        """Return the newest page that shows this notebook, else the newest page at all; None without any."""
        with self._lock:
            pages = [client for client in self._clients if client.name]
            alike = [client for client in pages if notebook and same_notebook(client.notebook, notebook)]
            found = alike or pages
            return found[-1] if found else None


def same_notebook(path: str | None, other: str) -> bool:
    """Say whether a path as a page knows it and one as the kernel does are of one notebook."""
    if not path:
        return False
    here, there = path.strip("/"), other.strip("/")
    return here == there or there.endswith(f"/{here}") or here.endswith(f"/{there}")

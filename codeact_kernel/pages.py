"""The pages that are connected to this kernel, and what they are told."""

from __future__ import annotations

import contextlib
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = 1


@dataclass(eq=False)
class Page:
    """One page's end of a comm. It counts as a person once it has said hello."""

    comm: Any
    name: str = ""
    notebook: str | None = None
    leave: Callable[[], None] = field(default=lambda: None)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; a comm that is closed takes none."""
        with contextlib.suppress(Exception):
            self.comm.send({"v": VERSION, **message})


class Pages:
    """The connected pages, the newest last. Events are numbered: `boot` names this kernel process's numbers."""

    def __init__(self) -> None:
        self.boot = secrets.token_hex(8)
        self._pages: list[Page] = []
        self._lock = threading.RLock()
        self._seq = 0

    def add(self, page: Page) -> None:
        """Connect a page, which is told nothing before it has said hello."""
        with self._lock:
            self._pages.append(page)

    def greet(
        self, page: Page, snapshot: Callable[[], dict[str, Any]], attend: Callable[[object], Callable[[], None]]
    ) -> None:
        """Answer a page's hello; from now on it is the newest one, and is told everything."""
        with self._lock:
            for other in [one for one in self._pages if one is not page and one.name == page.name]:
                self.gone(other)  # the same page, with a new comm
            if page in self._pages:
                self._pages.remove(page)
            self._pages.append(page)
            page.leave()
            page.leave = attend(page)
            found = snapshot()
            if found["execute"] is not None:
                found["execute"] |= {"v": VERSION, "seq": self._seq}
            page.send({"type": "hello", "boot": self.boot, "seq": self._seq, "snapshot": found})

    def promote(self, page: Page) -> None:
        """Make a page the newest one."""
        with self._lock:
            if page in self._pages:
                self._pages.remove(page)
                self._pages.append(page)

    def gone(self, page: Page) -> None:
        """Forget a page that closed its comm or does not answer; what runs goes on."""
        page.leave()
        with self._lock:
            if page in self._pages:
                self._pages.remove(page)

    def close(self) -> None:
        """Close every comm."""
        with self._lock:
            pages, self._pages = self._pages, []
        for page in pages:
            page.leave()
            with contextlib.suppress(Exception):
                page.comm.close()

    def tell(self, event: dict[str, Any]) -> None:
        """Send an event to every page."""
        with self._lock:
            self._seq += 1
            for page in self._pages:
                if page.name:
                    page.send({**event, "seq": self._seq})

    def tell_one(self, page: Page, event: dict[str, Any]) -> None:
        """Send an event to one page only."""
        with self._lock:
            self._seq += 1
            page.send({**event, "seq": self._seq})

    def showing(self, notebook: str | None) -> Page | None:
        """Return the newest page that shows this notebook, else the newest page at all; None without any."""
        with self._lock:
            pages = [page for page in self._pages if page.name]
            alike = [page for page in pages if notebook and same_notebook(page.notebook, notebook)]
            found = alike or pages
            return found[-1] if found else None


def same_notebook(path: str | None, other: str) -> bool:
    """Say whether a path as a page knows it and one as the kernel does are of one notebook."""
    if not path:
        return False
    here, there = path.strip("/"), other.strip("/")
    return here == there or there.endswith(f"/{here}") or here.endswith(f"/{there}")

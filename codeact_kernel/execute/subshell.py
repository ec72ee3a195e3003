"""Comms that are heard while the main shell is busy: one subshell of our own, and the way to it.

ipykernel 7.4 hands a comm's messages to the shell that last *sent* on it, so a comm that a cell has written to is
deaf until that cell ends. What is routed here is handled on a subshell that the kernel makes for itself: it needs
no front end that knows subshells, and no widget of the user's with a slow callback can hold it up.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from contextvars import copy_context
from typing import Any

WAIT_SECONDS = 0.5
"""How long `ensure_subshell` waits by default; making one takes some milliseconds."""
RETRY_SECONDS = 0.02
"""An extension named in a configuration file is loaded before the kernel listens: it is tried again this often."""
LAST_MAJOR = 7
"""The version of ipykernel whose insides these are."""

COMMS = logging.getLogger("Comm")
"""Where the package `comm` says that there is no such comm."""

TASKS = logging.getLogger("asyncio")
"""Where ipykernel's tasks are heard of that failed."""

logger = logging.getLogger(__name__)
_lock = threading.Lock()
_own: _Own | None = None


class _Own:
    """The subshell of one kernel. Made and dropped on the kernel's shell channel thread, as ipykernel asks."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        self.pid = os.getpid()
        self.made = threading.Event()
        self._channel = kernel.shell_channel_thread
        self._ident: str | None = None
        self._dropped = False
        self._parent: tuple[Any, Any] | None = None
        self._parent_lock = threading.Lock()
        self._events = kernel.shell.events
        self._events.register("pre_execute", self.note)
        COMMS.addFilter(self._matters)
        TASKS.addFilter(_not_of_a_subshell_that_went)
        self.note()
        self._channel.io_loop.add_callback(self._make)

    def _make(self) -> None:
        if self._dropped:
            return
        manager = self._channel._manager  # noqa: SLF001 - the property may only be asked on the main thread
        if not hasattr(manager, "_on_recv_callback"):
            self._channel.io_loop.call_later(RETRY_SECONDS, self._make)
            return
        try:
            self._ident = manager._create_subshell()  # noqa: SLF001 - there is no public way from inside
        except Exception:
            logger.warning("The kernel made no subshell; comms wait for the running cell.", exc_info=True)
        self.made.set()

    def drop(self) -> None:
        """End the subshell, soon; from any thread, also its own."""
        with suppress(ValueError):
            self._events.unregister("pre_execute", self.note)
        COMMS.removeFilter(self._matters)
        TASKS.removeFilter(_not_of_a_subshell_that_went)
        self._channel.io_loop.add_callback(self._drop)

    def _drop(self) -> None:
        ident, self._ident, self._dropped = self._ident, None, True
        self.made.set()
        if ident is not None:
            with suppress(Exception):  # a client may have deleted it
                self._channel.manager._delete_subshell(ident)  # noqa: SLF001

    def _matters(self, record: logging.LogRecord) -> bool:
        """Say whether a warning about comms is one: for the thread that hands messages on, many a comm is to come.

        It asks for the comm of each message before the shell that makes it has seen `comm_open`, and its warnings
        would stand in the outputs of whatever cell runs. The shell that gets the message warns if it must.
        """
        return bool(record.thread != self._channel.ident)

    def ident(self) -> str | None:
        """Return the subshell's id, None while there is none (yet, or any more)."""
        ident = self._ident
        return ident if ident is not None and self.knows(ident) else None

    def gone(self) -> bool:
        """Say whether it was made, but a client deleted it since."""
        return self.made.is_set() and self.ident() is None

    def knows(self, ident: str) -> bool:
        """Say whether the kernel has this subshell, ours or a client's."""
        return ident in self._channel.manager.list_subshell()

    def wait(self, seconds: float) -> None:
        """Wait until it is made, but never where that would keep it from being made."""
        early = not hasattr(self._channel._manager, "_on_recv_callback")  # noqa: SLF001
        if not early and threading.current_thread() is not self._channel:
            self.made.wait(seconds)

    def note(self) -> None:
        """Remember whose output the main shell makes now. Called before each cell."""
        if threading.current_thread() is not self._channel.parent_thread:
            return
        parent = self.kernel.get_parent("shell") or {}
        if parent.get("header", {}).get("msg_type") != "execute_request":
            return  # the comms of others fire this event as well
        with self._parent_lock:
            self._parent = (self.kernel._parent_ident["shell"], parent)  # noqa: SLF001 - what set_parent takes
            self._give_back()

    def restore(self) -> None:
        """Give the user's threads their cell back: they print under the newest message of whatever shell."""
        with self._parent_lock:
            if self._parent is not None:
                self._give_back()

    def _give_back(self) -> None:
        assert self._parent is not None
        # In a copy: in our own context the parent stays, or the status of this message would be the cell's.
        ident, parent = self._parent
        copy_context().run(self.kernel.set_parent, ident, parent, "shell")


def ensure_subshell(kernel: Any, *, wait: float = WAIT_SECONDS) -> str | None:
    """Return the id of the kernel's own subshell, made on first use; None where there is none (yet).

    Waits at most `wait` seconds for a new one; after that it is still being made, and comms find it when it is
    there. From any thread. None for kernels that have no subshells: there comms work as they do in stock.
    """
    global _own
    if not _has_subshells(kernel):
        return None
    with _lock:
        if _own is None or _own.kernel is not kernel or _own.pid != os.getpid() or _own.gone():
            before, _own = _own, _Own(kernel)
            if before is not None and before.pid == os.getpid():
                before.drop()
        own = _own
    own.wait(wait)
    return own.ident()


def forget_subshell() -> None:
    """End the subshell, if there is one, without waiting; routed comms work as in stock from then on."""
    global _own
    with _lock:
        own, _own = _own, None
    if own is not None and own.pid == os.getpid():
        own.drop()


def route(comm: Any) -> None:
    """Have a comm of ours handled on our subshell; call it before the front end can answer.

    Also where there is no subshell, its messages do not fire IPython's `post_execute` any more: that would flush
    figures which a cell is still drawing, and show them nowhere (ipykernel #1564).

    A comm that the front end opened stays on the front end's own subshell if it has one: what follows `comm_open`
    at once is there already, and must not be overtaken. Only `comm_close`, which alone has no data, comes to ours:
    a front end that goes deletes its subshell right behind it, and what is still in there is lost.
    """

    def pick(data: Any, default: str | None) -> str | None:
        own = _own
        if own is None or own.pid != os.getpid():
            return default
        ident = own.ident()
        if not data and ident is not None:
            return ident
        if default is not None and own.knows(default) and not (comm.primary and ident):
            return default
        return ident

    def handle(message: Any) -> None:
        own = _own
        if own is not None and threading.current_thread() is not threading.main_thread():
            own.restore()
        callback = comm._msg_callback  # noqa: SLF001 - all that handle_msg does but for the events
        if callback:
            callback(message)

    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = pick  # noqa: SLF001 - the hook of ipykernel 7.4
    if hasattr(comm, "_msg_callback"):
        comm.handle_msg = handle


def _not_of_a_subshell_that_went(record: logging.LogRecord) -> bool:
    """Drop what ipykernel says of a message whose subshell was deleted meanwhile: its page was reloaded."""
    error = record.exc_info[0] if record.exc_info else None
    return error is None or error.__name__ != "UnknownSubshellError"


def _has_subshells(kernel: Any) -> bool:
    """Say whether this is an ipykernel whose subshells we know how to make."""
    if getattr(kernel, "shell_channel_thread", None) is None or getattr(kernel, "shell", None) is None:
        return False
    from ipykernel._version import __version__  # noqa: PLC0415 - loaded already: there is a kernel

    major = int(__version__.partition(".")[0])
    return bool(getattr(kernel, "_supports_kernel_subshells", False)) and major <= LAST_MAJOR

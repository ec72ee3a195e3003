"""Asking the person at the other end: through the kernel's stdin, or through this terminal."""

from __future__ import annotations

import os
import select
import sys
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.approval import StdinAsker

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from codeact_kernel.agent.approval import Asker
    from codeact_kernel.agent.stop import Stop

POLL_MS = 50


class KernelReader:
    """Reads a line through the kernel's stdin channel from the agent's thread, and gives up when the task stops.

    `kernel.raw_input` would hold the main thread, so that Stop is not heard, or, from another thread, never end.
    Made on the main thread, inside the magic's cell: the question goes to the client that sent that cell.
    """

    def __init__(self, kernel: Any, stop: Stop) -> None:
        self._kernel = kernel
        self._stop = stop
        self._parent = kernel.get_parent("shell")
        self._ident = kernel._parent_ident["shell"]  # noqa: SLF001 - what raw_input uses

    def __call__(self, prompt: str) -> str:
        """Ask and return the answer.

        Raises:
            EOFError: the task was stopped, or the person ended the input.
        """
        session, socket = self._kernel.session, self._kernel.stdin_socket
        while socket.poll(0):
            socket.recv_multipart()
        content = {"prompt": prompt, "password": False}
        session.send(socket, "input_request", content, self._parent, ident=self._ident)
        while not self._stop.is_set():
            if socket.poll(POLL_MS):
                _, reply = session.recv(socket)
                value = str((reply or {}).get("content", {}).get("value", "\x04"))
                if value == "\x04":
                    break
                return value
        raise EOFError("nobody answered")


def asker_for(shell: InteractiveShell, stop: Stop) -> Asker | None:
    """Return who can be asked in this shell; None where the front end takes no input."""
    kernel: Any = getattr(shell, "kernel", None)
    if kernel is None:
        return terminal_asker(stop)
    if not takes_input(kernel):
        return None
    return StdinAsker(KernelReader(kernel, stop), _write)


def takes_input(kernel: Any) -> bool:
    """Say whether the front end of this cell takes input; nbclient and its like do not, for nobody is there."""
    return bool(getattr(kernel, "_allow_stdin", False))


def terminal_asker(stop: Stop | None = None) -> Asker | None:
    """Return an asker on this terminal; None where there is nobody at it."""
    if not sys.stdin.isatty():
        return None
    return StdinAsker(TerminalReader(stop), lambda text: _write_error(f"\n{text}"))


class TerminalReader:
    """Reads a line from the terminal in the agent's thread, and gives up when the task stops.

    `input` would go on: it would take the line that the user types next, and keep IPython from its prompt.
    """

    def __init__(self, stop: Stop | None) -> None:
        self._stop = stop

    def __call__(self, prompt: str) -> str:
        """Ask on stderr and return the answer.

        Raises:
            EOFError: the task was stopped, or the person ended the input.
        """
        if os.name == "nt":  # where a console cannot be polled
            return input(prompt)
        _write_error(prompt)
        terminal = sys.stdin.fileno()
        while not select.select([terminal], [], [], POLL_MS / 1000)[0]:
            if self._stop is not None and self._stop.is_set():
                raise EOFError("the task was stopped")
        line = os.read(terminal, 1 << 16)  # one line: terminals hand out whole ones
        if not line:
            raise EOFError("end of input")
        return line.decode("utf-8", "replace").rstrip("\r\n")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _write_error(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()

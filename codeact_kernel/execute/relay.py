"""Between Jupyter and an isolated kernel: hands messages on, and what comes out passes the filter first.

Jupyter connects to the addresses of its connection file; the kernel, which has no network, to socket files. What a
kernel sends is let through by kind: comms (widgets, the side panel) are programs for the page and stay inside.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from codeact_kernel.execute.isolated_outputs import passed

if TYPE_CHECKING:
    from collections.abc import Callable

CHANNELS = ("control", "shell", "stdin", "iopub", "hb")
DELIMITER = b"<IDS|MSG>"
AS_THEY_ARE = frozenset(
    {
        *("status", "stream", "error", "execute_input", "clear_output", "iopub_welcome", "input_request"),
        *("complete_reply", "is_complete_reply", "history_reply", "connect_reply", "comm_info_reply"),
        *("interrupt_reply", "shutdown_reply", "debug_reply", "debug_event", "usage_reply"),
        *("create_subshell_reply", "delete_subshell_reply", "list_subshell_reply"),
    }
)
FILTERED = frozenset({"display_data", "update_display_data", "execute_result", "inspect_reply"})
TICK_MS = 200
WAITING = 10_000
"""Messages that may wait for a slow page, or for us; what is more is lost, as it is without isolation."""


class Relay:
    """The sockets of both sides; used from one thread.

    Args:
        outer: Jupyter's connection file.
        inner: the kernel's own, over socket files (`ipc`).

    Raises:
        OSError: an address of the outer one is taken.
    """

    def __init__(self, outer: dict[str, Any], inner: dict[str, Any]) -> None:
        import zmq  # noqa: PLC0415 - import time
        from jupyter_client.session import Session  # noqa: PLC0415

        self._zmq = zmq
        self._session = Session(key=str(outer["key"]).encode(), signature_scheme=outer["signature_scheme"])
        self._context = zmq.Context()
        self._pairs: list[tuple[Any, Any]] = []
        try:
            for name in CHANNELS:
                self._pairs.append(self._pair(name, outer, inner))
        except zmq.ZMQError as error:
            self.close()
            raise OSError(error.errno, f"the address for {name} cannot be used: {error}") from None

    def _pair(self, name: str, outer: dict[str, Any], inner: dict[str, Any]) -> tuple[Any, Any]:
        """Return the sockets for one channel, towards Jupyter and towards the kernel."""
        zmq = self._zmq
        publishes = name == "iopub"
        front = self._context.socket(zmq.XPUB if publishes else zmq.ROUTER)
        back = self._context.socket(zmq.XSUB if publishes else zmq.DEALER)
        for socket in (front, back):
            socket.linger = 500
            socket.set_hwm(WAITING)
        if publishes:
            front.setsockopt(zmq.XPUB_VERBOSE, 1)
        else:
            front.setsockopt(zmq.ROUTER_HANDOVER, 1)
            back.setsockopt(zmq.IDENTITY, b"relay")  # the same everywhere: questions find the way by it
        if outer.get("curve_secretkey"):
            front.curve_server = True
            front.curve_secretkey = outer["curve_secretkey"].encode()
            front.curve_publickey = outer["curve_publickey"].encode()
        front.bind(_address(outer, name))
        back.connect(_address(inner, name))
        return front, back

    def run(self, alive: Callable[[], bool]) -> None:
        """Hand messages on until `alive`, which is asked several times a second, says no."""
        zmq = self._zmq
        poller = zmq.Poller()
        for pair in self._pairs:
            for socket in pair:
                poller.register(socket, zmq.POLLIN)
        while alive():
            ready = dict(poller.poll(TICK_MS))
            for front, back in self._pairs:
                if front in ready:
                    _send(back, front.recv_multipart())
                if back in ready:
                    self._out(front, back)
        for front, back in self._pairs:  # its last words
            while back.poll(0):
                self._out(front, back)

    def _out(self, front: Any, back: Any) -> None:
        """Hand one message of the kernel's on, or what may leave of it; a heartbeat is none."""
        frames = back.recv_multipart()
        kept: list[bytes] | None = frames if (front, back) == self._pairs[-1] else self.let_out(frames)
        if kept is not None:
            _send(front, kept)

    def let_out(self, frames: list[bytes]) -> list[bytes] | None:
        """Return what may leave of a message that the kernel sent; None for nothing."""
        try:
            at = frames.index(DELIMITER)
            _signature, header, parent, metadata, content = frames[at + 1 : at + 6]
            kind = json.loads(header)["msg_type"]
            if kind in AS_THEY_ARE:
                return frames
            found = json.loads(content)
            clean = FILTERS[kind](found) if kind in FILTERS else None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        if clean is None:
            return None
        parts = [header, parent, b"{}" if kind in FILTERED else metadata, json.dumps(clean).encode()]
        return [*frames[: at + 1], self._session.sign(parts), *parts]

    def close(self) -> None:
        """Close the sockets; what was handed on is still sent."""
        for pair in self._pairs:
            for socket in pair:
                socket.close()
        with contextlib.suppress(self._zmq.ZMQError):
            self._context.term()


def _address(info: dict[str, Any], name: str) -> str:
    between = ":" if info["transport"] == "tcp" else "-"
    return f"{info['transport']}://{info['ip']}{between}{info[f'{name}_port']}"


def _send(socket: Any, frames: list[bytes]) -> None:
    """Send without waiting: a side that takes nothing must not hold up the other channels."""
    import zmq  # noqa: PLC0415 - import time

    with contextlib.suppress(zmq.ZMQError):
        socket.send_multipart(frames, zmq.NOBLOCK)


def _reply(content: dict[str, Any]) -> dict[str, Any]:
    """Return an execute_reply; of its payloads, the text of a pager and of the next cell pass."""
    kept: list[dict[str, Any]] = []
    for payload in content.get("payload") or ():
        if payload.get("source") == "page":
            kept.append({"source": "page", "start": 0, "data": passed({"data": payload["data"]})["data"]})
        elif payload.get("source") == "set_next_input":
            kept.append({"source": "set_next_input", "text": str(payload["text"]), "replace": False})
        elif payload.get("source") == "ask_exit":
            kept.append({"source": "ask_exit", "keepkernel": bool(payload.get("keepkernel"))})
    found = {**content, "payload": kept}
    if isinstance(content.get("user_expressions"), dict):
        found["user_expressions"] = {name: passed(one) for name, one in content["user_expressions"].items()}
    return found


def _hello(content: dict[str, Any]) -> dict[str, Any]:
    """Return a kernel_info_reply without addresses that a page would make links of."""
    return {**content, "help_links": []}


FILTERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    **dict.fromkeys(FILTERED, passed),
    "execute_reply": _reply,
    "kernel_info_reply": _hello,
}

"""A chat endpoint on the loopback that plays faults from a script: what real servers and networks do wrong.

    with FaultServer([Reply(status=429, headers={"Retry-After": "1"}), chat("hello")]) as server:
        ...  # point a client at server.url; server.requests holds what was asked

`chat` and `delta` speak OpenAI's chat completions, `message` and `piece` Anthropic's messages. Each request takes the next reply; the last one repeats. The server has a thread and a loop of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

REASONS = {
    529: "Overloaded",
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
}


@dataclass(frozen=True)
class Reply:
    """One scripted answer.

    `pieces` are sent in order; a number among them is a pause in seconds. `framing`: "chunked", "length"
    (Content-Length) or "close" (the end of the connection is the end of the body). `end`: "clean" ends the
    body as its framing demands, "cut" closes the connection without that, "reset" aborts it (RST), "hang"
    keeps it open, and "ping" keeps it open and sends a comment every 50 ms. `wait` seconds pass before the head.
    """

    status: int = 200
    pieces: tuple[bytes | float, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    framing: Literal["chunked", "length", "close"] = "chunked"
    end: Literal["clean", "cut", "reset", "hang", "ping"] = "clean"
    wait: float = 0.0

    def but(self, **changes: Any) -> Reply:
        """Return a copy with the given fields changed."""
        return replace(self, **changes)


def event(value: Any) -> bytes:
    """Return one server-sent event."""
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def delta(finish: str | None = None, **fields: Any) -> bytes:
    """Return one chat chunk, e.g. `delta(content="x")` or `delta("stop")`."""
    return event({"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]})


USAGE = event(
    {
        "choices": [],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 7}},
    }
)
DONE = event(b"[DONE]")


def chat(*texts: str, finish: str | None = "stop") -> Reply:
    """Return a whole, well-formed streamed reply."""
    pieces = [delta(role="assistant", content=""), *(delta(content=text) for text in texts)]
    pieces += [delta(finish), USAGE, DONE] if finish else [USAGE, DONE]
    return Reply(pieces=tuple(pieces))


def named(kind: str, **fields: Any) -> bytes:
    """Return one of Anthropic's events: its name stands in the event and in the data."""
    return f"event: {kind}\n".encode() + event({"type": kind, **fields})


def piece(text: str = "", **delta: Any) -> bytes:
    """Return a piece of a message, e.g. `piece("x")` or `piece(type="thinking_delta", thinking="hm")`."""
    return named("content_block_delta", index=0, delta=delta or {"type": "text_delta", "text": text})


def started(**usage: int) -> bytes:
    """Return the event that begins a message."""
    counts = {
        "input_tokens": 3,
        "cache_read_input_tokens": 7,
        "cache_creation_input_tokens": 1,
        "output_tokens": 1,
    }
    return named(
        "message_start", message={"id": "msg_1", "role": "assistant", "content": [], "usage": counts | usage}
    )


def ended(reason: str | None, **usage: int) -> bytes:
    """Return the event that tells why a message ends."""
    return named("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 4} | usage)


PING = named("ping")
LAST = named("message_stop")


def message(*texts: str, reason: str | None = "end_turn") -> Reply:
    """Return a whole, well-formed streamed message of Anthropic's."""
    begin = named("content_block_start", index=0, content_block={"type": "text", "text": ""})
    end = named("content_block_stop", index=0)
    return Reply(pieces=(started(), begin, PING, *(piece(text) for text in texts), end, ended(reason), LAST))


def refused(status: int, message: str, kind: str = "invalid_request_error", **headers: str) -> Reply:
    """Return one of Anthropic's errors as JSON."""
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
    return Reply(status, (body,), {"Content-Type": "application/json", **headers}, "length")


def error(status: int, message: str, **fields: Any) -> Reply:
    """Return an error as JSON."""
    body = json.dumps({"error": {"message": message, **fields}}).encode()
    return Reply(status, (body,), {"Content-Type": "application/json"}, "length")


class FaultServer:
    """The server; see the module. `open` counts the connections that are open now."""

    def __init__(self, script: Sequence[Reply]) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.paths: list[str] = []
        self.open = 0
        self.url = ""
        self._script = list(script)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fault-server")

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._closing = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        self._ready.set()
        await self._closing.wait()
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._read(reader)
                reply = self._script.pop(0) if len(self._script) > 1 else self._script[0]
                # A client that goes away is noticed at once, also during a pause.
                playing = asyncio.create_task(self._play(reply, writer))
                gone = asyncio.create_task(reader.read())
                await asyncio.wait({playing, gone}, return_when=asyncio.FIRST_COMPLETED)
                for task in (playing, gone):
                    task.cancel()
                await asyncio.gather(playing, gone, return_exceptions=True)
        finally:
            self.open -= 1
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.keys.append(headers.get("authorization") or headers.get("x-api-key", ""))
        self.paths.append(head.split(" ", 2)[1])
        self.requests.append(json.loads(body or b"null"))

    async def _play(self, reply: Reply, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(reply.wait)
        length = sum(len(piece) for piece in reply.pieces if isinstance(piece, bytes))
        headers = {"Content-Type": "text/event-stream", "Connection": "close", **reply.headers}
        headers |= {
            "chunked": {"Transfer-Encoding": "chunked"},
            # A body that will be cut announces more than it sends.
            "length": {"Content-Length": str(length + (reply.end != "clean"))},
            "close": {},
        }[reply.framing]
        head = f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Status')}\r\n"
        writer.write((head + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n").encode())
        for piece in reply.pieces:
            if isinstance(piece, bytes):
                await self._send(writer, piece, reply)
            else:
                await asyncio.sleep(piece)
        if reply.end == "clean" and reply.framing == "chunked":
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        while reply.end == "ping":
            await self._send(writer, b": keep-alive\n\n", reply)
            await asyncio.sleep(0.05)
        if reply.end == "hang":
            await asyncio.sleep(3600)
        if reply.end == "reset":
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _send(self, writer: asyncio.StreamWriter, piece: bytes, reply: Reply) -> None:
        if piece:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if reply.framing == "chunked" else piece)
            await writer.drain()

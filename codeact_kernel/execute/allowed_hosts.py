"""A proxy outside of an isolated kernel that lets it reach named hosts over HTTP and HTTPS, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from codeact_kernel.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PORTS = (80, 443)
HEAD_BYTES = 65536
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class HostProxy:
    """Listens on a socket file; speaks CONNECT, and plain HTTP by absolute addresses."""

    def __init__(self, hosts: Iterable[str]) -> None:
        """Allow each `HOST` (ports 80 and 443) or `HOST:PORT`.

        Raises:
            ConfigError: one of them is neither.
        """
        self._allowed: set[tuple[str, int]] = set()
        for text in hosts:
            name, colon, port = text.lower().strip().rpartition(":")
            if not colon:
                name, port = text.lower().strip(), ""
            if not name or "/" in name or (port and not port.isdigit()):
                raise ConfigError(f"{text!r} is no host that may be allowed; write HOST or HOST:PORT.")
            self._allowed |= {(name, int(port))} if port else {(name, known) for known in PORTS}
        self._server: asyncio.AbstractServer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, path: Path) -> None:
        """Begin to listen on a socket file."""
        self._server = await asyncio.start_unix_server(self._connected, str(path), limit=HEAD_BYTES)

    async def close(self) -> None:
        """Stop listening and end what is under way."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, _, rest = head.partition(b"\r\n")
        method, target, version = first.decode("latin-1").split(" ", 2)
        tunnel = method == "CONNECT"
        parts = urlsplit(f"//{target}" if tunnel else target)
        host, port = (parts.hostname or "").lower(), parts.port or (443 if tunnel else 80)
        address = await self._address(host, port)
        if address is None or (not tunnel and parts.scheme != "http"):
            writer.write(REFUSED)
            await writer.drain()
            return
        to_reader, to_writer = await asyncio.open_connection(address, port)
        try:
            if tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                lines = [
                    line
                    for line in rest.split(b"\r\n")
                    if not line.lower().startswith((b"proxy-", b"connection:"))
                ]
                to_writer.write(
                    f"{method} {path} {version}\r\nConnection: close\r\n".encode("latin-1") + b"\r\n".join(lines)
                )
            await asyncio.gather(_pump(reader, to_writer), _pump(to_reader, writer))
        finally:
            to_writer.close()

    async def _address(self, host: str, port: int) -> str | None:
        """Return where an allowed host is; None for others, and for names that lead into this network."""
        if (host, port) not in self._allowed:
            return None
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        address = str(found[0][4][0])
        named_so = host in {address, "localhost"}
        return address if named_so or ipaddress.ip_address(address.partition("%")[0]).is_global else None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

"""Server-sent events: bytes as they come off a connection -> whole events. Comments are not events."""

from __future__ import annotations

from dataclasses import dataclass

LAST = "[DONE]"
"""The data of a chat stream's last event; it needs no blank line, for some servers close right after it."""
MAX_EVENT_BYTES = 16 << 20
"""One event of a chat stream has some hundred bytes; a server that never ends a line must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its `name` ("" for the usual kind) and its `data` lines joined with newlines."""

    name: str
    data: str


class Decoder:
    """Collects bytes until an event is whole, which is when its blank line has come."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, block: bytes) -> list[Event]:
        """Return the events that `block` completes, in order.

        Raises:
            ValueError: an event is not UTF-8, or larger than `MAX_EVENT_BYTES`.
        """
        *lines, self._rest = (self._rest + block).split(b"\n")
        if len(self._rest) > MAX_EVENT_BYTES:
            raise ValueError("an event without an end")
        return [event for line in lines if (event := self._line(line.removesuffix(b"\r"))) is not None]

    @property
    def pending(self) -> bool:
        """Say whether a part of an event has come that is not whole yet."""
        return bool(self._rest.strip() or self._data)

    def _line(self, line: bytes) -> Event | None:
        if not line:
            event = Event(self._name, "\n".join(self._data)) if self._data else None
            self._name, self._data, self._size = "", [], 0
            return event
        field, _, value = line.decode("utf-8").partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._size += len(line)
            if self._size > MAX_EVENT_BYTES:
                raise ValueError("an event without an end")
            if value == LAST and not self._data:
                return Event(self._name, value)
            self._data.append(value)
        elif field == "event":
            self._name = value
        return None

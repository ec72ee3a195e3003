"""IOPub messages to nbformat v4 outputs, with bounded memory; and the tee that sees a live kernel's messages."""

from __future__ import annotations

import contextlib
import math
import re
import sys
import threading
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from codeact_kernel.execute import kernelside
from codeact_kernel.execute.bounded import BoundedList, BoundedStream
from codeact_kernel.terminal import clip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from codeact_kernel.types import NbOutput

RICH_TYPES = frozenset({"display_data", "update_display_data", "execute_result"})
OUTPUT_TYPES = RICH_TYPES | {"stream", "error", "clear_output"}
SETTLE_SECONDS, WATCHER_SECONDS = 0.05, 0.005
"""See `kernelside.settle`; shorter here, since it is waited for in the user's own kernel after every cell."""
_UNSAFE = re.compile("[\x00\ud800-\udfff]")
_DEEPEST = 60


def safe_text(text: str) -> str:
    r"""Return text that every JSON reader takes: NUL and lone surrogates become `\x00`, `\udc80` and so on."""
    if text.isascii() and "\x00" not in text:
        return text
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def safe_json(value: Any, depth: int = 0) -> Any:
    """Return a deep copy that strict JSON can hold.

    NaN and infinities become their names, as ipykernel sends them; bytes become base64; keys become text;
    what is not JSON at all becomes its `str`.
    """
    clean: Any = value
    if isinstance(value, float):
        clean = float(value) if math.isfinite(value) else repr(float(value))
    elif isinstance(value, int):
        clean = value if isinstance(value, bool) else int(value)
    elif isinstance(value, bytes):
        clean = b64encode(value).decode("ascii")
    elif isinstance(value, (dict, list, tuple, set, frozenset)) and depth > _DEEPEST:
        clean = "..."
    elif isinstance(value, dict):
        clean = {safe_text(str(key)): safe_json(item, depth + 1) for key, item in value.items()}
    elif isinstance(value, (list, tuple, set, frozenset)):
        clean = [safe_json(item, depth + 1) for item in value]
    elif value is not None:
        clean = safe_text(str(value))
    return clean


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one cell's output is kept.

    `chars` of stdout and stderr together, half each; `displays` are rich outputs and errors; `bundle_chars`
    bounds one MIME value, `display_chars` all of them together; `error_chars` one traceback.
    """

    chars: int = 1_000_000
    displays: int = 200
    bundle_chars: int = 20_000_000
    display_chars: int = 60_000_000
    error_chars: int = 200_000


@dataclass(slots=True)
class _Display:
    output: NbOutput
    display_id: str | None
    size: int


class OutputReducer:
    """Feeds on IOPub messages of one cell and yields what a notebook would hold after them.

    Any thread may feed. Memory is bounded by `limits`, whatever the cell prints: head and tail are kept and a
    line says what was left out.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._clear_on_next = False
        self._reset()

    def _reset(self) -> None:
        half = self._limits.chars // 2
        self._order = 0
        self._last: str | None = None
        self._streams = {"stdout": BoundedStream(half), "stderr": BoundedStream(half)}
        self._displays: BoundedList[_Display] = BoundedList(self._limits.displays)
        self._display_chars = 0
        self._by_id: dict[str, list[_Display]] = {}

    def feed(self, message: Mapping[str, Any]) -> None:
        """Take one message: `{"header": {"msg_type": ...}, "content": {...}}`. Other types are ignored."""
        self.add(message["header"]["msg_type"], message["content"])

    def add(self, kind: str, content: Mapping[str, Any]) -> None:
        """Take one message by its type and content."""
        if kind not in OUTPUT_TYPES:
            return
        with self._lock:
            if kind == "clear_output":
                if content.get("wait"):
                    self._clear_on_next = True
                else:
                    self._clear_on_next = False
                    self._reset()
            elif kind == "update_display_data":
                self._update(content)
            else:
                if self._clear_on_next:
                    self._clear_on_next = False
                    self._reset()
                if kind == "stream":
                    self._stream(content)
                else:
                    self._display(kind, content)

    def _stream(self, content: Mapping[str, Any]) -> None:
        name = "stderr" if content.get("name") == "stderr" else "stdout"
        text = safe_text(str(content.get("text", "")))
        if not text:
            return
        if self._last != name:
            self._order += 1
            self._last = name
        self._streams[name].append(text, self._order)

    def _display(self, kind: str, content: Mapping[str, Any]) -> None:
        self._order += 1
        self._last = None
        if kind == "error":
            self._keep(_Display(self._error(content), None, 0))
            return
        output, size = self._rich(kind, content)
        display_id = (content.get("transient") or {}).get("display_id")
        if display_id is not None:
            self._update(content)
        self._keep(_Display(output, display_id, size))

    def _keep(self, display: _Display) -> None:
        if self._display_chars + display.size > self._limits.display_chars:
            note = f"[{display.size:,} characters left out: the outputs of this cell are larger than is kept]"
            display.output["data"] = {"text/plain": note}
            display.size = len(note)
        self._display_chars += display.size
        if display.display_id is not None:
            self._by_id.setdefault(display.display_id, []).append(display)
        gone = self._displays.append(display, self._order)
        if gone is not None:
            self._display_chars -= gone.size
            if gone.display_id is not None:
                alike = self._by_id[gone.display_id]
                alike[:] = [other for other in alike if other is not gone]
                if not alike:
                    del self._by_id[gone.display_id]

    def _error(self, content: Mapping[str, Any]) -> NbOutput:
        limit = self._limits.error_chars
        lines = [clip(safe_text(str(line)), limit)[0] for line in content.get("traceback") or ()]
        if sum(map(len, lines)) > limit:
            lines = clip("\n".join(lines), limit, head=0.5)[0].split("\n")
        return {
            "output_type": "error",
            "ename": safe_text(str(content.get("ename", ""))),
            "evalue": clip(safe_text(str(content.get("evalue", ""))), limit)[0],
            "traceback": lines,
        }

    def _rich(self, kind: str, content: Mapping[str, Any]) -> tuple[NbOutput, int]:
        data, size = self._bundle(content.get("data") or {})
        output: NbOutput = {
            "output_type": kind,
            "data": data,
            "metadata": safe_json(content.get("metadata") or {}),
        }
        if kind == "execute_result":
            output["execution_count"] = content.get("execution_count")
        return output, size

    def _bundle(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        kept: dict[str, Any] = {}
        total = 0
        for mime, value in data.items():
            clean = safe_json(value)
            size = _size(clean)
            if size > self._limits.bundle_chars:
                kept.setdefault("text/plain", f"[{mime}: {size:,} characters left out]")
            else:
                kept[mime] = clean
                total += size
        return kept, total

    def _update(self, content: Mapping[str, Any]) -> None:
        display_id = (content.get("transient") or {}).get("display_id")
        for display in self._by_id.get(display_id, ()) if display_id is not None else ():
            data, size = self._bundle(content.get("data") or {})
            self._display_chars += size - display.size
            display.size = size
            display.output["data"] = data
            display.output["metadata"] = safe_json(content.get("metadata") or {})

    def outputs(self) -> tuple[NbOutput, ...]:
        """Return the outputs so far as nbformat v4 dicts (copies), in order."""
        with self._lock:
            found: list[tuple[int, int, NbOutput]] = []
            for name, stream in self._streams.items():
                for order, text in stream.runs(name):
                    found.append((order, len(found), {"output_type": "stream", "name": name, "text": text}))
            gap = self._displays.gap
            for order, display in self._displays.items():
                if order == gap:
                    note = f"[... {self._displays.left_out:,} outputs left out ...]\n"
                    found.append((order, -1, {"output_type": "stream", "name": "stdout", "text": note}))
                found.append((order, len(found), safe_json(display.output)))
        found.sort(key=lambda entry: entry[:2])
        return tuple(_merged(output for _, _, output in found))


def _size(value: Any) -> int:
    """Return roughly how many characters a JSON value takes."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(len(key) + _size(item) for key, item in value.items())
    if isinstance(value, list):
        return sum(map(_size, value))
    return 8


def _merged(outputs: Iterator[NbOutput]) -> Iterator[NbOutput]:
    """Join neighbours of the same stream."""
    pending: NbOutput | None = None
    for output in outputs:
        same = pending is not None and output["output_type"] == "stream" and output["name"] == pending["name"]
        if pending is not None and same:
            pending["text"] += output["text"]
            continue
        if pending is not None:
            yield pending
        pending = output if output["output_type"] == "stream" else None
        if pending is None:
            yield output
    if pending is not None:
        yield pending


class Capture(Protocol):
    """What an executor needs of a tee while a cell runs."""

    def muted(self) -> contextlib.AbstractContextManager[None]:
        """Ignore what the calling thread displays meanwhile."""


class Patch:
    """A method of one object replaced, until `undo` makes it exactly what it was."""

    def __init__(self, owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self._owner, self._name = owner, name
        self._before = vars(owner).get(name)
        self._ours = make(getattr(owner, name))
        setattr(owner, name, self._ours)

    def undo(self) -> None:
        """Put the method back; where someone wrapped it after us, leave theirs."""
        if vars(self._owner).get(self._name) is not self._ours:
            return
        if self._before is None:
            delattr(self._owner, self._name)
        else:
            setattr(self._owner, self._name, self._before)


class Tee:
    """While entered, feeds a reducer with all that an ipykernel sends on IOPub, from any thread.

    What the client sees is untouched, but for lone surrogates, which cannot be sent. May be nested; on exit
    everything is exactly what it was. Messages of forked children reach the client as bytes, past the session;
    they are seen at the IOPub thread.
    """

    def __init__(self, kernel: Any, reducer: OutputReducer) -> None:
        self._session = kernel.session
        self._thread = getattr(kernel, "iopub_thread", None)
        self._sockets = (kernel.iopub_socket, self._thread)
        self._reducer = reducer
        self._muted: int | None = None
        self._active = False
        self._here = threading.local()
        self._patches: list[Patch] = []

    def __enter__(self) -> Self:
        """Flush what was printed before, then listen."""
        flush_streams()
        self._active = True
        self._patches = [Patch(self._session, "send", self._sending)]
        if hasattr(self._thread, "send_multipart"):
            self._patches.append(Patch(self._thread, "send_multipart", self._passing))
        return self

    def _sending(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def send(stream: Any, msg_or_type: Any, content: Any = None, *args: Any, **kwargs: Any) -> Any:
            if self._active and any(stream is socket for socket in self._sockets if socket is not None):
                with contextlib.suppress(Exception):
                    self._see(msg_or_type, content)
            self._here.sending = True
            try:
                return original(stream, msg_or_type, content, *args, **kwargs)
            except UnicodeEncodeError:  # a lone surrogate, for which ipykernel would print a traceback
                return original(stream, _sendable(msg_or_type), safe_json(content), *args, **kwargs)
            finally:
                self._here.sending = False

        return send

    def _passing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def send_multipart(frames: Any, *args: Any, **kwargs: Any) -> Any:
            if self._active and not getattr(self._here, "sending", False):
                with contextlib.suppress(Exception):
                    _, (_, header, _, _, content, *_) = self._session.feed_identities(frames)
                    self._see(self._session.unpack(header)["msg_type"], self._session.unpack(content))
            return original(frames, *args, **kwargs)

        return send_multipart

    def _see(self, msg_or_type: Any, content: Any) -> None:
        if self._muted == threading.get_ident():
            return
        if isinstance(msg_or_type, str):
            self._reducer.add(msg_or_type, content or {})
        else:
            self._reducer.feed(msg_or_type)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is on its way, then stop listening."""
        kernelside.settle(SETTLE_SECONDS, WATCHER_SECONDS)
        flush_streams()
        self._active = False
        for patch in reversed(self._patches):
            patch.undo()

    @contextlib.contextmanager
    def muted(self) -> Iterator[None]:
        """Ignore what the calling thread displays meanwhile (printed text is not held back: display it)."""
        before, self._muted = self._muted, threading.get_ident()
        try:
            yield
        finally:
            self._muted = before


def _sendable(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    return {**message, "content": safe_json(message.get("content"))}


def flush_streams() -> None:
    """Flush stdout and stderr; a stream that cannot be flushed is left alone."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()

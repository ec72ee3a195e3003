"""IPython in a terminal: no kernel, no messages; outputs are seen at display hook, publisher and streams."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Any, Self

from codeact_kernel.execute.live import LiveExecutor
from codeact_kernel.execute.serving import ServingExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codeact_kernel.execute.around import Watch
    from codeact_kernel.execute.capture import OutputReducer


class TerminalExecutor(ServingExecutor):
    """Runs cells in a terminal's IPython shell; the user sees them as always.

    See ServingExecutor for `serve`, `run`, `inspect`, `interrupt`, `post`, `describe` and `close`.
    """

    @contextlib.contextmanager
    def _capture(self, reducer: OutputReducer) -> Iterator[TerminalTee]:
        with TerminalTee(self._shell, reducer) as tee:
            yield tee


class StreamTee:
    """Stands in for sys.stdout or sys.stderr: writes through and feeds a reducer."""

    def __init__(self, stream: Any, name: str, reducer: OutputReducer, quiet: Callable[[], bool]) -> None:
        self._stream = stream
        self._name = name
        self._reducer = reducer
        self._quiet = quiet

    def write(self, text: str) -> int:
        """Write through; return the number of characters."""
        written: int = self._stream.write(text)
        if not self._quiet():
            self._reducer.add("stream", {"name": self._name, "text": text})
        return written

    def writelines(self, lines: list[str]) -> None:
        """Write every line."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the stream's own."""
        return getattr(self._stream, name)


class TerminalTee:
    """While entered, feeds a reducer with what the shell shows; puts everything back on exit."""

    def __init__(self, shell: Any, reducer: OutputReducer) -> None:
        self._shell = shell
        self._reducer = reducer
        self._muted: set[int] = set()
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Begin to listen."""
        shell, hook, publisher = self._shell, self._shell.displayhook, self._shell.display_pub
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            self._set(sys, name, StreamTee(stream, name, self._reducer, self._quiet))
        self._set(publisher, "publish", self._publishing(publisher.publish))
        self._set(publisher, "clear_output", self._clearing(publisher.clear_output))
        self._set(hook, "write_output_prompt", self._silently(hook.write_output_prompt))
        self._set(hook, "write_format_data", self._writing(hook.write_format_data))
        self._set(hook, "finish_displayhook", self._silently(hook.finish_displayhook))
        self._set(shell, "_showtraceback", self._failing(shell._showtraceback))  # noqa: SLF001
        self._set(shell, "system", shell.system_piped)  # a child that writes to the terminal itself is not seen
        return self

    def __exit__(self, *exc: object) -> None:
        """Put everything back."""
        self._undo.close()

    def _set(self, owner: Any, name: str, value: Any) -> None:
        there, before = name in vars(owner), vars(owner).get(name)

        def undo() -> None:
            if there:
                setattr(owner, name, before)
            else:
                delattr(owner, name)

        setattr(owner, name, value)
        self._undo.callback(undo)

    def _quiet(self) -> bool:
        return threading.get_ident() in self._muted

    @contextlib.contextmanager
    def muted(self) -> Iterator[None]:
        """Ignore what the calling thread shows meanwhile."""
        ident = threading.get_ident()
        if ident in self._muted:
            yield
            return
        self._muted.add(ident)
        try:
            yield
        finally:
            self._muted.discard(ident)

    def _silently(self, show: Callable[..., Any]) -> Callable[..., Any]:
        def silently(*args: Any, **kwargs: Any) -> Any:
            with self.muted():
                return show(*args, **kwargs)

        return silently

    def _publishing(self, publish: Callable[..., Any]) -> Callable[..., Any]:
        def publishing(data: Any, metadata: Any = None, *args: Any, **kwargs: Any) -> None:
            transient = kwargs.get("transient") or {}
            kind = "update_display_data" if kwargs.get("update") else "display_data"
            if not self._quiet():
                self._reducer.add(kind, {"data": data, "metadata": metadata, "transient": transient})
            with self.muted():
                publish(data, metadata, *args, **kwargs)

        return publishing

    def _clearing(self, clear: Callable[..., Any]) -> Callable[..., Any]:
        def clearing(wait: bool = False) -> None:  # noqa: FBT001, FBT002 - IPython's signature
            if not self._quiet():
                self._reducer.add("clear_output", {"wait": wait})
            with self.muted():
                clear(wait)

        return clearing

    def _writing(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def writing(data: Any, metadata: Any = None) -> None:
            count = self._shell.displayhook.prompt_count
            content = {"data": data, "metadata": metadata, "execution_count": count}
            self._reducer.add("execute_result", content)
            with self.muted():
                write(data, metadata)

        return writing

    def _failing(self, show: Callable[..., Any]) -> Callable[..., Any]:
        def failing(kind: type[BaseException], error: BaseException, lines: list[str]) -> None:
            self._reducer.add("error", {"ename": kind.__name__, "evalue": str(error), "traceback": lines})
            with self.muted():
                show(kind, error, lines)

        return failing


def executor_for(shell: Any, on_interrupt: Callable[[], None], watch: Watch | None = None) -> ServingExecutor:
    """Return the executor for this shell: LiveExecutor in a kernel, TerminalExecutor without one."""
    if getattr(shell, "kernel", None) is not None:
        return LiveExecutor(shell, on_interrupt=on_interrupt, watch=watch)
    return TerminalExecutor(shell, on_interrupt=on_interrupt, watch=watch)

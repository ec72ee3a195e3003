"""Any Python function as a model: `codeact_kernel.run(task, model=function)`, or `callable:NAME`."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
import threading
from collections.abc import AsyncIterable, Awaitable, Iterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeAlias

from codeact_kernel.canonical import sha256
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ConfigError, ModelError
from codeact_kernel.models.base import Chunk
from codeact_kernel.models.calls import Clock
from codeact_kernel.models.wire import StopFilter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from codeact_kernel.agent.stop import Stop
    from codeact_kernel.types import Finish, Message, Sampling, Usage

Piece: TypeAlias = str | Chunk
Said: TypeAlias = Piece | Iterable[Piece] | AsyncIterable[Piece]
Function: TypeAlias = "Callable[[list[dict[str, str]]], Said | Awaitable[Said]]"
MESSAGES = "[{'role': ..., 'content': ...}]"
MOST_WORDS = 200


class CallableModel:
    """A function that takes the messages, a list of `{"role", "content"}`, and says the reply.

    It returns the reply as a text, or yields it in pieces; it may be asynchronous. A piece may also be a `Chunk`,
    for reasoning, usage or a finish reason. A function that returns has ended its reply. One that is not
    asynchronous runs in a thread of its own: after Stop or a deadline nothing more is taken from it, but a call
    that it waits for cannot be cut off.
    """

    def __init__(self, function: Function, config: CodeAct | None = None) -> None:
        self._function = function
        self._config = config or CodeAct()
        own = getattr(function, "__qualname__", None) or type(function).__qualname__
        module = getattr(function, "__module__", None) or "__main__"
        self._name = own if module == "__main__" else f"{module}:{own}"

    @property
    def id(self) -> str:
        """The function's name, with its module."""
        return self._name

    @property
    def backend(self) -> str:
        """Always "callable"."""
        return "callable"

    @property
    def sees_images(self) -> bool:
        """Messages are texts."""
        return False

    @property
    def window(self) -> int | None:
        """Not known."""
        return None

    def describe(self) -> dict[str, Any]:
        """Return id, backend and, where the source can be found, its digest as revision."""
        found = {"id": self.id, "backend": self.backend}
        try:
            source = inspect.getsource(self._function)
        except (OSError, TypeError):
            return found
        return {**found, "revision": f"sha256:{sha256(source)}"}

    async def close(self) -> None:
        """Do nothing."""

    async def stream(self, messages: Sequence[Message], sampling: Sampling, stop: Stop) -> AsyncGenerator[Chunk]:
        """Stream a reply; see `models.base.Model.stream`. Stop strings end it here.

        Raises:
            ModelError: the function raised something, or what it said is no text.
        """
        stop.check()
        plain = [{"role": message.role, "content": message.content} for message in messages]
        guard, clock = StopFilter(sampling.stop), Clock(self._config, self.id)
        finish: Finish | None = None
        usage: Usage | None = None
        async with aclosing(self._pieces(plain)) as pieces:
            while not guard.matched and (piece := await clock.limit(anext(pieces, None))) is not None:
                clock.token()
                finish, usage = piece.finish or finish, piece.usage or usage
                yield Chunk(guard.feed(piece.text), piece.reasoning, notice=piece.notice)
        yield Chunk(guard.flush(), finish="stop_sequence" if guard.matched else finish or "stop", usage=usage)

    async def _pieces(self, messages: list[dict[str, str]]) -> AsyncGenerator[Chunk]:
        """Call the function and yield what it says; what it raises becomes one sentence."""
        try:
            if inspect.iscoroutinefunction(self._function) or inspect.isasyncgenfunction(self._function):
                said = _awaited(self._function(messages))
            else:
                said = _in_thread(self._function, messages)
            async with aclosing(said) as pieces:
                async for piece in pieces:
                    yield self._chunk(piece)
        except ModelError:
            raise
        except Exception as error:
            words = " ".join(str(error).split())[:MOST_WORDS].rstrip(".")
            what = f"{type(error).__name__}: {words}" if words else type(error).__name__
            raise ModelError(f"The function {self.id} that is the model failed ({what}).") from error

    def _chunk(self, piece: Any) -> Chunk:
        if isinstance(piece, Chunk):
            return piece
        if isinstance(piece, str):
            return Chunk(piece)
        raise ModelError(
            f"The function {self.id} that is the model gave a {type(piece).__name__}; it must give texts."
        )


def _in_pieces(said: Any) -> bool:
    return isinstance(said, Iterable) and not isinstance(said, str | bytes | Mapping)


async def _awaited(said: Any) -> AsyncGenerator[Any]:
    """Yield the pieces of what an asynchronous function gave."""
    if isinstance(said, Awaitable):
        said = await said
    if isinstance(said, AsyncIterable):
        try:
            async for piece in said:
                yield piece
        finally:
            closing = getattr(said, "aclose", None)
            if closing is not None:
                await closing()
        return
    for piece in said if _in_pieces(said) else (said,):
        yield piece


async def _in_thread(function: Any, messages: list[dict[str, str]]) -> AsyncGenerator[Any]:
    """Call a function and go through what it returns in a thread that keeps no interpreter from ending."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    over = threading.Event()

    def put(kind: str, value: Any = None) -> None:
        if not over.is_set():
            loop.call_soon_threadsafe(queue.put_nowait, (kind, value))

    def work() -> None:
        try:
            said = function(messages)
            for piece in said if _in_pieces(said) else (said,):
                if over.is_set():
                    return
                put("piece", piece)
            put("end")
        except BaseException as error:
            put("error", error if isinstance(error, Exception) else RuntimeError(repr(error)))

    threading.Thread(target=work, name="codeact-model-function", daemon=True).start()
    try:
        while (entry := await queue.get())[0] != "end":
            kind, value = entry
            if kind == "error":
                raise value
            # A plain function may hand on what an asynchronous one gave.
            async with aclosing(_awaited(value)) as pieces:
                async for piece in pieces:
                    yield piece
    finally:
        over.set()


def find(name: str) -> Function:
    """Return the function that `callable:NAME` means: `package.module:function`, or a name of the notebook's own.

    Raises:
        ConfigError: there is none.
    """
    module, _, path = name.rpartition(":")
    try:
        found: Any = importlib.import_module(module) if module else sys.modules["__main__"]
    except Exception as error:
        raise ConfigError(f"callable:{name} cannot be used: {module} cannot be imported ({error}).") from None
    for part in path.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        where = module or "this notebook or script"
        raise ConfigError(
            f"There is no function {path!r} in {where}; callable:NAME takes {MESSAGES} and returns a text."
        )
    function: Function = found
    return function

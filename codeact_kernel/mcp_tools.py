"""The tools of MCP servers as Python functions in the kernel: `tools.search("words")`, `tools.NAME(...)`.

The official SDK talks to the servers, from a thread of its own; `pip install 'codeact-kernel[mcp]'`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import json
import keyword
import re
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent import tools as stubs
from codeact_kernel.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "tools"
"""The variable that holds them."""
CONNECT_SECONDS = 30.0
POLL_SECONDS = 0.1
SHOWN_CHARS = 1200
"""Stubs that take no more stand in the prompt; of more tools the model is told how to find them."""
NAMED_CHARS = 600
"""Characters of names that the model is told where it has to search."""
TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
    "null": "None",
}


class ToolError(Exception):
    """A tool of an MCP server said that it failed; the message is what it said."""


class Stubs(str):
    """Text that shows as itself, also as the result of a cell."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the text."""
        return str(self)


@dataclass(frozen=True, slots=True)
class _Found:
    """One tool of a server."""

    server: str
    name: str
    description: str
    schema: dict[str, Any]
    returns: str
    wraps: bool


class Tools:
    """The tools of some servers. Each is an attribute, a plain function with a signature and a docstring."""

    def __init__(self, servers: dict[str, Any]) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="codeact-mcp", daemon=True).start()
        self._clients: dict[str, Any] = {}
        self._closed = asyncio.Event()
        self._functions: dict[str, Callable[..., Any]] = {}
        try:
            for server, spec in servers.items():
                for found in self._wait(self._enter(server, spec)):
                    self._add(found)
        except BaseException:
            self.close()
            raise

    def search(self, words: str, k: int = 5) -> Stubs:
        """Return the stubs of the `k` tools that fit some words best."""
        wanted = set(_words(words))
        scored = sorted(
            ((_score(wanted, name, function), name) for name, function in self._functions.items()),
            key=lambda pair: (-pair[0], pair[1]),
        )
        found = [name for score, name in scored[: max(1, k)] if score > 0]
        if not found:
            return Stubs(f"No tool fits {words!r}. All names: {', '.join(sorted(self._functions))}")
        return Stubs("\n\n".join(stubs.stub(f"tools.{name}", self._functions[name]) for name in found))

    def describe(self) -> str:
        """Return what the model is told: all stubs where they are short, else how to find them."""
        whole = stubs.offer((f"tools.{name}", function) for name, function in self._functions.items())
        if len(whole) <= SHOWN_CHARS:
            return whole
        names = ", ".join(sorted(self._functions))
        if len(names) > NAMED_CHARS:
            names = names[:NAMED_CHARS].rsplit(", ", 1)[0] + ", ..."
        return (
            f"`tools` has {len(self._functions)} functions: {names}. Before you call one, print its stub: "
            '`tools.search("a few words")`; then call it: `tools.NAME(...)`.'
        )

    def close(self) -> None:
        """End the connections and the servers that were started."""
        self._loop.call_soon_threadsafe(self._closed.set)

    def __dir__(self) -> list[str]:
        return ["close", "describe", "search", *self._functions]

    def __repr__(self) -> str:
        return (
            f"<{len(self._functions)} tools of {', '.join(self._clients) or 'no server'}; tools.search('words')>"
        )

    # -- servers -----------------------------------------------------------------------------------------------
    def _wait(self, work: Any) -> Any:
        """Await something on the servers' loop; an interrupt gives it up."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        while True:
            try:
                return future.result(timeout=POLL_SECONDS)
            except concurrent.futures.TimeoutError:
                if future.done():
                    raise
            except BaseException:
                future.cancel()
                raise

    async def _enter(self, server: str, spec: dict[str, Any]) -> list[_Found]:
        """Connect to a server, in a task of its own that lives until `close`, and list its tools."""
        ready: asyncio.Future[list[_Found]] = self._loop.create_future()
        task = self._loop.create_task(self._hold(server, spec, ready))
        both: set[asyncio.Future[Any]] = {ready, task}
        done, _ = await asyncio.wait(both, timeout=CONNECT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if ready in done:
            return ready.result()
        task.cancel()
        error = task.exception() if task in done and not task.cancelled() else None
        why = f"{_reason(error)}" if error is not None else f"it did not answer within {CONNECT_SECONDS:.0f} s"
        raise ConfigError(f"The MCP server {server!r} cannot be used: {why}.")

    async def _hold(self, server: str, spec: dict[str, Any], ready: asyncio.Future[list[_Found]]) -> None:
        with tempfile.TemporaryFile("w+") as said:  # what servers log would stand between the user's outputs
            try:
                await self._list(server, _client(server, spec, said), ready)
            except Exception as error:
                raise ConfigError(f"{_reason(error)}{_last_words(said)}") from None

    async def _list(self, server: str, connection: Any, ready: asyncio.Future[list[_Found]]) -> None:
        async with connection as client:
            found, cursor = [], None
            while True:
                page = await client.list_tools(cursor=cursor)
                found += [_of(server, tool) for tool in page.tools]
                cursor = page.next_cursor
                if not cursor:
                    break
            self._clients[server] = client
            ready.set_result(found)
            await self._closed.wait()

    # -- tools -------------------------------------------------------------------------------------------------
    def _add(self, found: _Found) -> None:
        name = _identifier(found.name)
        if name in self._functions or hasattr(type(self), name):
            name = _identifier(f"{found.server}_{found.name}")
        function = self._function(name, found)
        self._functions[name] = function
        setattr(self, name, function)

    def _function(self, name: str, found: _Found) -> Callable[..., Any]:
        signature, originals = _signature(found.schema, found.returns)

        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                given = signature.bind(*args, **kwargs).arguments
            except TypeError as error:
                raise TypeError(f"{error}. Call it as: {stubs.heading(f'tools.{name}', call)}") from None
            arguments = {originals[key]: value for key, value in given.items()}
            result = self._wait(self._clients[found.server].call_tool(found.name, arguments))
            return _value(result, wraps=found.wraps)

        call.__name__ = call.__qualname__ = name
        call.__doc__ = found.description
        call.__signature__ = signature  # type: ignore[attr-defined]
        return call


def connect(config: str | Path) -> Tools:
    """Connect to the MCP servers of a configuration file and return their tools.

    The file is JSON as other clients have it: `{"mcpServers": {"NAME": {"command": ..., "args": [...]}}}`, where a
    server may also have "env" and "cwd", or only a "url" if it listens.

    Raises:
        ConfigError: the file cannot be read, the SDK is not installed, or a server does not answer.
    """
    path = Path(config).expanduser()
    try:
        servers = json.loads(path.read_text("utf-8")).get("mcpServers")
    except OSError as error:
        raise ConfigError(f"The MCP configuration {config} cannot be read: {error.strerror}.") from None
    except (ValueError, AttributeError) as error:
        raise ConfigError(f"The MCP configuration {config} is no JSON object: {error}.") from None
    if not isinstance(servers, dict) or not servers or not all(isinstance(one, dict) for one in servers.values()):
        raise ConfigError(
            f'The MCP configuration {config} names no server; it needs {{"mcpServers": {{"NAME": {{...}}}}}}.'
        )
    return Tools(servers)


def code_of(config: str) -> str:
    """Return the cell that connects: what a replay runs."""
    return f"from codeact_kernel.mcp_tools import connect\n\n{NAME} = connect({config!r})"


def _client(server: str, spec: dict[str, Any], said: Any) -> Any:
    try:
        from mcp import Client, StdioServerParameters  # noqa: PLC0415 - an extra
        from mcp.client.stdio import stdio_client  # noqa: PLC0415
    except ImportError:
        raise ConfigError("MCP servers need the official SDK: pip install 'codeact-kernel[mcp]'.") from None
    if isinstance(spec.get("url"), str):
        return Client(spec["url"])
    if not isinstance(spec.get("command"), str):
        raise ConfigError(f'The MCP server {server!r} needs a "command" or a "url".')
    args, env = [str(one) for one in spec.get("args") or ()], spec.get("env")
    parameters = StdioServerParameters(command=spec["command"], args=args, env=env, cwd=spec.get("cwd"))
    return Client(stdio_client(parameters, errlog=said))


def _of(server: str, tool: Any) -> _Found:
    output = tool.output_schema or {}
    properties = output.get("properties") or {}
    wraps = list(properties) == ["result"]
    returns = _type(properties["result"]) if wraps else "dict" if output else "str"
    return _Found(server, tool.name, tool.description or tool.title or "", tool.input_schema or {}, returns, wraps)


def _signature(schema: dict[str, Any], returns: str) -> tuple[inspect.Signature, dict[str, str]]:
    """Return the signature of a schema's properties, the required ones first, and what they are called there."""
    properties: dict[str, Any] = schema.get("properties") or {}
    required = [name for name in schema.get("required") or () if name in properties]
    rest = [name for name in properties if name not in required]
    parameters, originals = [], {}
    for name in (*required, *rest):
        python = _identifier(name)
        originals[python] = name
        default = inspect.Parameter.empty if name in required else properties[name].get("default")
        parameters.append(
            inspect.Parameter(
                python,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=default,
                annotation=stubs.Bare(_type(properties[name])),
            )
        )
    returned = stubs.Bare(returns) if returns else inspect.Signature.empty
    return inspect.Signature(parameters, return_annotation=returned), originals


def _type(schema: Any) -> str:
    if not isinstance(schema, dict):
        return "object"
    if isinstance(schema.get("enum"), list):
        return f"Literal[{', '.join(map(repr, schema['enum'][:8]))}]"
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            return " | ".join(dict.fromkeys(map(_type, schema[key][:4])))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(TYPES.get(str(one), "object") for one in kind)
    if kind == "array" and isinstance(schema.get("items"), dict):
        return f"list[{_type(schema['items'])}]"
    return TYPES.get(str(kind), "object")


def _value(result: Any, *, wraps: bool) -> Any:
    """Return a result as Python has it: structured content, else text, else the blocks as dictionaries."""
    texts = [block.text for block in result.content if getattr(block, "type", "") == "text"]
    if result.is_error:
        raise ToolError("\n".join(texts) or "the tool failed and did not say why")
    if result.structured_content is not None:
        return result.structured_content["result"] if wraps else result.structured_content
    if len(texts) == len(result.content):
        return "\n".join(texts)
    return [block.model_dump(mode="json", exclude_none=True) for block in result.content]


def _identifier(name: str) -> str:
    made = re.sub(r"\W", "_", name) or "tool"
    made = f"_{made}" if made[0].isdigit() else made
    return f"{made}_" if keyword.iskeyword(made) else made


def _words(text: str) -> list[str]:
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text)
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]


def _score(wanted: set[str], name: str, function: Callable[..., Any]) -> float:
    """Return how well a tool fits: words of its name count more than those of its description."""
    of_name, of_text = set(_words(name)), set(_words(function.__doc__ or ""))
    score = 0.0
    for word in wanted:
        if word in of_name:
            score += 3
        elif any(other.startswith(word[:5]) for other in of_name if len(word) > 3):
            score += 2
        elif word in of_text:
            score += 1
        elif any(other.startswith(word[:5]) for other in of_text if len(word) > 3):
            score += 0.5
    return score


def _last_words(said: Any) -> str:
    """Return the last line that a server wrote to its stderr."""
    said.seek(0)
    lines = said.read().strip().splitlines()
    return f" ({lines[-1].strip()[:300]})" if lines else ""


def _reason(error: BaseException) -> str:
    """Return the innermost reason of an error that task groups wrapped."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return str(error).rstrip(".") or type(error).__name__

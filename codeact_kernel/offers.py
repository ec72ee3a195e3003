"""What the model is offered to call in a live kernel: functions of the user's, tools of MCP servers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel import mcp_tools
from codeact_kernel.agent.tools import is_tool, offer
from codeact_kernel.errors import ConfigError
from codeact_kernel.mcp_tools import NAME, code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from codeact_kernel.history import History
    from codeact_kernel.session import Session


class Offers:
    """Tells the model, once a conversation, which functions are there for it."""

    def __init__(self, namespace: dict[str, Any], session: Session, history: History) -> None:
        self._namespace = namespace
        self._session = session
        self._history = history
        self._told: set[str] = set()
        self._servers: tuple[str, mcp_tools.Tools] | None = None

    def offer(self, names: Iterable[str] = ()) -> None:
        """Offer these functions of the user's namespace, and those that were decorated with `tool`.

        Raises:
            ConfigError: one of them is no function.
        """
        if self._session.conversation is None:
            self._told.clear()
        wanted = [name.strip() for name in names if name.strip()]
        for name in wanted:
            if not callable(self._namespace.get(name)):
                raise ConfigError(f"There is no function {name!r} to offer; define it first, or leave it out.")
        wanted += [name for name, value in list(self._namespace.items()) if name[:1] != "_" and is_tool(value)]
        fresh: dict[str, Callable[..., Any]] = {
            name: self._namespace[name] for name in wanted if name not in self._told
        }
        self._told |= fresh.keys()
        if fresh:
            self._session.tell(offer(fresh.items()))

    def connect(self, config: str) -> None:
        """Put the tools of MCP servers into the namespace, as `tools`, and tell the model.

        Raises:
            ConfigError: see `mcp_tools.connect`; also where the user has a variable of that name.
        """
        path = str(Path(config).expanduser().resolve())
        known = self._servers
        if known is None or known[0] != path:
            if NAME in self._namespace and not isinstance(self._namespace[NAME], mcp_tools.Tools):
                raise ConfigError(
                    f"The name `{NAME}` is taken by a variable of yours; rename it, and connect again."
                )
            if known is not None:
                known[1].close()
            self._servers = known = path, mcp_tools.connect(path)
            self._told.discard(NAME)
            self._history.gave(code_of(path))
        self._namespace[NAME] = known[1]
        if self._session.conversation is None or NAME not in self._told:
            self._told.add(NAME)
            self._session.tell(known[1].describe())

    def close(self) -> None:
        """End the connections."""
        if self._servers is not None:
            self._servers[1].close()
            self._servers = None

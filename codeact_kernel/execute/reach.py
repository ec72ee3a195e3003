"""Which names of the user a cell may change: those that it mentions, and all that hang together with them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codeact_kernel.execute.graph import Graph
from codeact_kernel.execute.mentions import mentions

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

_IPYTHONS = re.compile(r"_+|_i+|_ih|_oh|_dh|_i?\d+|__\w+|_exit_code|In|Out|exit|quit|get_ipython")


@dataclass(frozen=True, slots=True)
class Reach:
    """What a cell may change.

    `names`: names that exist and may change. `creates`: names that do not exist and that the cell may bind.
    `open_ended`: it may bind others as well. `sizes`: name -> bytes at least, as far as known.
    `groups`: name -> the name that stands for all that share objects with it. `shared`: see Graph.
    """

    names: frozenset[str]
    creates: frozenset[str]
    open_ended: bool
    sizes: dict[str, int]
    groups: dict[str, str]
    shared: frozenset[int]


def is_ipythons(name: str) -> bool:
    """Say whether a name is one that IPython itself binds (`_`, `_i3`, `Out`, `__name__`, `exit` ...)."""
    return _IPYTHONS.fullmatch(name) is not None


def reach(namespace: dict[str, Any], code: str, *, hidden: Container[str] = (), until: float) -> Reach:
    """Return what a cell may change.

    Where the walk ends early (at `until` by the monotonic clock, or at a bound), more names are taken, not fewer.

    Args:
        namespace: the user's names.
        code: the cell, with magics.
        hidden: names that are not the user's own; they count only where the cell mentions them.
        until: when to stop looking, seconds of `time.monotonic`.
    """
    said = mentions(code)
    users = [name for name in list(namespace) if isinstance(name, str) and not is_ipythons(name)]
    users = [name for name in users if name not in hidden]
    graph = Graph(namespace, until)
    mentioned = {name for name in said.names if name in namespace}
    found = _called(graph, namespace, mentioned | set(users) if said.everything else mentioned)
    everything, binds = said.everything or graph.dynamic, said.binds | graph.binds
    if everything or found & graph.unread:
        found |= set(users)
    for name in users:
        if name not in graph.sizes:
            graph.walk(name)
    groups = {graph.group(name) for name in found}
    found |= {name for name in users if graph.group(name) in groups or name in graph.unread}
    creates = frozenset(name for name in binds if name not in namespace)
    return Reach(frozenset(found), creates, everything, graph.sizes, _groups(graph, found), graph.shared)


def reach_of(namespace: dict[str, Any], names: Iterable[str], *, until: float) -> Reach:
    """Return the reach of a change to just these names; those that do not exist are the ones to be created."""
    graph = Graph(namespace, until)
    wanted = frozenset(names)
    found = frozenset(name for name in wanted if name in namespace)
    for name in sorted(found):
        graph.walk(name)
    return Reach(found, wanted - found, False, graph.sizes, _groups(graph, found), graph.shared)  # noqa: FBT003


def _groups(graph: Graph, names: Iterable[str]) -> dict[str, str]:
    """Return the groups of names; those that were not walked to their end are in one."""
    first = min(graph.unread, default="")
    return {name: graph.group(first if name in graph.unread else name) for name in names}


def _called(graph: Graph, namespace: dict[str, Any], names: Iterable[str]) -> set[str]:
    """Walk names, and those that the functions in them use, and so on."""
    todo, found = sorted(names), set[str]()
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        graph.walk(name)
        todo += sorted(other for other in graph.calls if other in namespace and other not in found)
        graph.calls = set()
    return found

"""Loops that nothing in their own text ends."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeact_kernel.agent.risk.names import Names

_ENDING_CALLS = frozenset({"input", "sys.exit", "exit", "quit", "os._exit", "raw_input"})


def is_endless(node: ast.While | ast.For, names: Names) -> bool:
    """Say whether a loop has no end in sight: always true, and no break, return, raise, await, yield or input."""
    if isinstance(node, ast.For):
        endless = names.dotted(node.iter) in {"itertools.count()", "itertools.cycle()"}
    else:
        test = node.test
        endless = isinstance(test, ast.Constant) and bool(test.value)
    return endless and not any(_ends(part, own, names) for part, own in _parts(node.body, own=True))


def _parts(body: list[ast.stmt], *, own: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every node that runs in the loop; False for those in which `break` ends an inner loop only."""
    stack: list[tuple[ast.AST, bool]] = [(statement, own) for statement in body]
    while stack:
        node, mine = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        yield node, mine
        inner = isinstance(node, ast.For | ast.AsyncFor | ast.While)
        late = {id(child) for child in getattr(node, "orelse", ())} if inner else set()
        stack += [(child, mine and (not inner or id(child) in late)) for child in ast.iter_child_nodes(node)]


def _ends(node: ast.AST, own: bool, names: Names) -> bool:  # noqa: FBT001
    if isinstance(node, ast.Break):
        return own
    if isinstance(
        node, ast.Return | ast.Raise | ast.Await | ast.Yield | ast.YieldFrom | ast.AsyncFor | ast.AsyncWith
    ):
        return True
    return isinstance(node, ast.Call) and names.dotted(node.func) in _ENDING_CALLS

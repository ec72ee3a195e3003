"""Which of the user's names a cell binds anew, or deletes."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_NAMESPACES = frozenset({"globals", "locals", "vars"})
_TOP, _COMPREHENSION, _INNER = range(3)


def rebound(tree: ast.Module) -> dict[str, bool]:
    """Return the names of the user's namespace that running a cell binds or deletes; True for a deletion.

    Those that a function declares `global` count, and what `globals()["name"] = ...` names.
    """
    found: dict[str, bool] = {}
    stack: list[tuple[ast.AST, int]] = [(tree, _TOP)]
    while stack:
        node, place = stack.pop()
        for name, deleted in _of(node, place):
            found[name] = deleted and found.get(name, True)
        if isinstance(node, _FUNCTIONS):
            place = _INNER
        elif isinstance(node, _COMPREHENSIONS) and place == _TOP:
            place = _COMPREHENSION
        stack += [(child, place) for child in ast.iter_child_nodes(node)]
    return found


def _of(node: ast.AST, place: int) -> Iterator[tuple[str, bool]]:
    """Yield what one node binds or deletes."""
    if isinstance(node, ast.Global):
        yield from ((name, False) for name in node.names)
    elif isinstance(node, ast.Subscript | ast.Call):
        yield from _through_namespace(node)
    elif isinstance(node, ast.NamedExpr) and place == _COMPREHENSION:
        yield node.target.id, False
    elif place == _TOP:
        yield from _at_top(node)


def _at_top(node: ast.AST) -> Iterator[tuple[str, bool]]:
    if isinstance(node, ast.Name):
        if not isinstance(node.ctx, ast.Load):
            yield node.id, isinstance(node.ctx, ast.Del)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name, False
    elif isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0], False
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name, False
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest, False


def _is_namespace(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in _NAMESPACES and not node.args
    return isinstance(node, ast.Attribute) and node.attr == "user_ns"


def _through_namespace(node: ast.Subscript | ast.Call) -> Iterator[tuple[str, bool]]:
    """Yield the names of `globals()["a"] = ...`, `del globals()["a"]`, `globals().update(a=...)`, `.pop("a")`."""
    if isinstance(node, ast.Subscript):
        if not isinstance(node.ctx, ast.Load) and _is_namespace(node.value):
            yield from ((name, isinstance(node.ctx, ast.Del)) for name in _texts([node.slice]))
    elif isinstance(node.func, ast.Attribute) and _is_namespace(node.func.value):
        if node.func.attr == "update":
            keys = [key for arg in node.args if isinstance(arg, ast.Dict) for key in arg.keys if key]
            yield from ((name, False) for name in [*_texts(keys), *(k.arg for k in node.keywords if k.arg)])
        elif node.func.attr in {"pop", "__setitem__", "__delitem__"}:
            yield from ((name, node.func.attr != "__setitem__") for name in _texts(node.args[:1]))


def _texts(nodes: list[ast.expr]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]

"""Loops and waits that nothing in their own text ends."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

from codeact_kernel.agent.risk.tables import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeact_kernel.agent.risk.names import Names

_ENDING_CALLS = frozenset({"input", "sys.exit", "exit", "quit", "os._exit", "raw_input"})
_FOREVER = frozenset({"itertools.count()", "itertools.cycle()"})
_PASS_ON = frozenset({"enumerate", "iter", "reversed", "filter", "itertools.chain", "itertools.accumulate"})
_CONSUMERS = words("list tuple set frozenset sum max min sorted dict collections.Counter collections.deque")
_WAITS = frozenset({"threading.Event().wait", "asyncio.Event().wait", "signal.pause", "queue.Queue().get"})
_SERVERS = frozenset({"serve_forever", "run_forever"})
_SIMPLE = (ast.Name, ast.Constant, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp)
_READERS = words(
    "print len str repr format range int float bool abs round max min sum sorted type isinstance id display"
)
"""Functions that leave what they are given as it is."""


def endless_loop(node: ast.While | ast.For, names: Names) -> str:
    """Return what of a loop has no end in sight ("while True without break"); "" where there is one."""
    if isinstance(node, ast.For):
        if not _is_infinite(node.iter, names):
            return ""
        said = f"for {ast.unparse(node.target)} in {ast.unparse(node.iter)} without break"
    elif isinstance(node.test, ast.Constant):
        if not node.test.value:
            return ""
        said = f"while {node.test.value!r} without break"
    else:
        stuck = _stuck(node, names)
        if not stuck:
            return ""
        said = f"while {ast.unparse(node.test)}, and nothing in the loop changes {', '.join(stuck)}"
    return "" if any(_ends(part, own, names) for part, own in _parts(node.body, own=True)) else said


def endless_call(node: ast.Call, name: str, method: str, names: Names) -> str:
    """Return what of a call has no end in sight: a wait without a limit, a list of all numbers; "" otherwise."""
    if method in _SERVERS or (name in _WAITS and not node.args and not node.keywords):
        return ast.unparse(node)
    consumes = (name in _CONSUMERS and len(node.args) == 1) or method == "join"
    limited = any(keyword.arg == "maxlen" for keyword in node.keywords)
    if consumes and not limited and node.args and _is_infinite(node.args[0], names):
        return ast.unparse(node)
    return ""


def _is_infinite(node: ast.expr, names: Names) -> bool:  # noqa: PLR0911 - one return for each kind of node
    """Say whether going over an expression never ends by itself."""
    if names.dotted(node) in _FOREVER:
        return True
    if isinstance(node, ast.GeneratorExp | ast.ListComp | ast.SetComp):
        return _is_infinite(node.generators[0].iter, names)
    if not isinstance(node, ast.Call):
        return False
    name, args = names.dotted(node.func), node.args
    if name == "itertools.repeat":
        return len(args) + len(node.keywords) == 1
    if name == "iter" and len(args) == 2:  # `int()` is 0 each time
        empty = names.dotted(args[0]) in {"int", "float", "str"}
        return empty and isinstance(args[1], ast.Constant) and bool(args[1].value)
    several = args[1:] if name == "map" else args if name == "zip" else []
    if several:
        return all(_is_infinite(arg, names) for arg in several)
    return name in _PASS_ON and any(_is_infinite(arg, names) for arg in args)


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


def _stuck(node: ast.While, names: Names) -> list[str]:
    """Return the names of a condition that nothing in the loop can change; none where one may change.

    A condition that calls, or looks into an object, may change by itself. A function of the user's own, which may
    set a `global`, and a name that is handed on to a function may change it too.
    """
    parts = [part for part in ast.walk(node.test) if isinstance(part, ast.expr)]
    watched = {part.id for part in parts if isinstance(part, ast.Name)}
    if not watched or not all(isinstance(part, _SIMPLE) for part in parts):
        return []
    changes = any(_may_change(part, watched, names) for statement in node.body for part in ast.walk(statement))
    return [] if changes else sorted(watched)


def _may_change(node: ast.AST, watched: set[str], names: Names) -> bool:
    if isinstance(node, ast.Name):
        return node.id in watched and not isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Attribute | ast.Subscript):
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute | ast.Subscript):
            inner = inner.value
        return isinstance(inner, ast.Name) and inner.id in watched
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name):
        function = node.func.id
        if function in _READERS:
            return False
        if function not in names.imports and not hasattr(builtins, function):
            return True
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    return any(isinstance(arg, ast.Name) and arg.id in watched for arg in given)

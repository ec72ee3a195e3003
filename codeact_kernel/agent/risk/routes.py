"""Roundabout ways to a name: a module's module, the module below it, what a `match` statement takes out."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from codeact_kernel.agent.risk.tables import CALLS

if TYPE_CHECKING:
    from collections.abc import Iterator

_BELOW = {"posix": "os", "nt": "os"}
_ROOTS = frozenset(name.partition(".")[0] for name in CALLS if "." in name) | _BELOW.keys()
_BINDERS = frozenset(
    {
        *(
            ast.Import,
            ast.ImportFrom,
            ast.FunctionDef,
            ast.AsyncFunctionDef,
            ast.ClassDef,
            ast.Assign,
            ast.AnnAssign,
        ),
        *(ast.NamedExpr, ast.For, ast.AsyncFor, ast.comprehension, ast.withitem, ast.Match),
    }
)


def binds(node: ast.AST) -> bool:
    """Say whether a node may give a name a meaning."""
    return type(node) in _BINDERS


def canonical(name: str) -> str:
    """Return `os.remove` for `pathlib.os.remove`, `tempfile._os.remove` and `posix.remove`; others as they are.

    Only what leads to a function that is known by name: a column may be called `os`.
    """
    parts = name.split(".")
    for at in range(len(parts) - 1):
        root = parts[at].lstrip("_")
        if root in _ROOTS and (at or root in _BELOW or root != parts[at]):
            short = ".".join((_BELOW.get(root, root), *parts[at + 1 :]))
            if short in CALLS or short.startswith(("os.environ", "os.getenv")):
                return short
    return name


def captures(node: ast.Match) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield the names that a `match` statement binds, and what to: `case C(remove=f)` is `f = subject.remove`."""
    for case in node.cases:
        yield from _captures(case.pattern, node.subject)


def _captures(pattern: ast.pattern, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(pattern, ast.MatchAs) and pattern.name is not None:
        yield ast.Name(pattern.name, ast.Store()), value
    for part, its_value in _inside(pattern, value):
        yield from _captures(part, its_value)


def _inside(pattern: ast.pattern, value: ast.expr) -> list[tuple[ast.pattern, ast.expr]]:
    """Return the patterns inside of one, each with what it is held against."""
    found: list[tuple[ast.pattern, ast.expr]] = []
    if isinstance(pattern, ast.MatchAs) and pattern.pattern is not None:
        found = [(pattern.pattern, value)]
    elif isinstance(pattern, ast.MatchClass):
        owned = (ast.Attribute(value, name, ast.Load()) for name in pattern.kwd_attrs)
        found = list(zip(pattern.kwd_patterns, owned, strict=True))
    elif isinstance(pattern, ast.MatchOr):
        found = [(part, value) for part in pattern.patterns]
    elif isinstance(pattern, ast.MatchMapping):
        items = (ast.Subscript(value, key, ast.Load()) for key in pattern.keys)
        found = list(zip(pattern.patterns, items, strict=True))
    elif isinstance(pattern, ast.MatchSequence) and isinstance(value, ast.List | ast.Tuple):
        found = list(zip(pattern.patterns, value.elts, strict=False))
    return found

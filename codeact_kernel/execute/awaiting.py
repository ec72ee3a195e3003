"""Rewrites a cell so that `%codeact` is awaited: the magic returns a coroutine, the cell waits for it.

The rewriting works on the text after IPython's own transformations, because ipykernel and IPython decide from
that text whether a cell is asynchronous at all.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = "codeact"
_CALLS = frozenset({"run_line_magic", "run_cell_magic"})
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.GeneratorExp)


class AwaitMagic:
    """An entry of IPython's `input_transformers_post`: `(await get_ipython().run_line_magic('codeact', ...))`.

    Calls inside def, class, lambda and generator expressions stay as they are, and so does a call that is
    awaited already.
    """

    has_side_effects = False

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def __call__(self, lines: list[str]) -> list[str]:
        """Return the lines with every such call awaited."""
        text = "".join(lines)
        if MAGIC not in text or not getattr(self._shell, "autoawait", False):
            return lines
        return awaited(text).splitlines(keepends=True)


def awaited(text: str) -> str:
    """Return Python source with its top-level codeact magic calls awaited; unparsable source as it is."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return text
    edits: list[tuple[int, int, bytes]] = []
    for call in _calls(tree):
        edits.append((call.lineno, call.col_offset, b"(await "))
        edits.append((call.end_lineno or call.lineno, call.end_col_offset or 0, b")"))
    if not edits:
        return text
    rows = text.encode("utf-8", "surrogatepass").split(b"\n")
    for line, column, piece in sorted(edits, reverse=True):
        row = rows[line - 1]
        rows[line - 1] = row[:column] + piece + row[column:]
    return b"\n".join(rows).decode("utf-8", "surrogatepass")


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _SCOPES):
            continue
        if isinstance(child, ast.Await) and _is_magic(child.value):
            continue
        if isinstance(child, ast.Call) and _is_magic(child):
            yield child
        else:
            yield from _calls(child)


def _is_magic(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _CALLS
        and isinstance(node.func.value, ast.Call)
        and isinstance(node.func.value.func, ast.Name)
        and node.func.value.func.id == "get_ipython"
        and bool(node.args)
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value == MAGIC
    )


def install(shell: Any) -> None:
    """Await `%codeact` and `%%codeact` in every cell of this shell from now on; a second call does nothing."""
    if not any(isinstance(entry, AwaitMagic) for entry in shell.input_transformers_post):
        shell.input_transformers_post.append(AwaitMagic(shell))


def uninstall(shell: Any) -> None:
    """Take `install` back."""
    shell.input_transformers_post[:] = [
        entry for entry in shell.input_transformers_post if not isinstance(entry, AwaitMagic)
    ]

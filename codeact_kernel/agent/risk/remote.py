"""What a call may do elsewhere: over the network, in a database."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from codeact_kernel.agent.risk import tables

if TYPE_CHECKING:
    from codeact_kernel.agent.risk.findings import Findings
    from codeact_kernel.agent.risk.names import Names

_TEXT_MAKERS = frozenset({"text", "SQL", "dedent", "literal_column"})
_CURSORS = frozenset({"cursor", "connect", "begin", "execute"})


def remote(node: ast.Call, name: str, names: Names, findings: Findings) -> None:
    """Label a call that reads or writes an address."""
    if not re.search(tables.URL_READERS, name) and name.rpartition(".")[2] not in tables.WRITING_METHODS:
        return
    for arg in [*node.args[:2], *(keyword.value for keyword in node.keywords)]:
        for text in names.paths(arg):
            if re.match(tables.URL, text):
                findings.add("network", tables.NETWORK, [text])


def database(node: ast.Call, method: str, names: Names, findings: Findings) -> None:
    """Label a statement that loses or changes rows, or reads an address."""
    if method in tables.SQL_METHODS and node.args:
        _statement(node, names, findings)
    elif method == "to_sql" and any(
        k.arg == "if_exists" and isinstance(k.value, ast.Constant) and k.value.value == "replace"
        for k in node.keywords
    ):
        table = names.paths(node.args[0]) if node.args else []
        findings.add("overwrite", "replaces a database table", table or [ast.unparse(node)])


def _statement(node: ast.Call, names: Names, findings: Findings) -> None:
    goal = node.args[0]
    for choice in names.choices(goal):
        made = choice.func if isinstance(choice, ast.Call) else None
        last = made.attr if isinstance(made, ast.Attribute) else getattr(made, "id", "")
        inner = choice.args[0] if isinstance(choice, ast.Call) and choice.args and last in _TEXT_MAKERS else choice
        for text in names.paths(inner):
            if re.search(tables.SQL_URL, text):
                findings.add("network", tables.NETWORK, [text])
            deletes = re.search(tables.SQL_LOSS, text)
            if not deletes and not re.search(tables.SQL_CHANGE, text):
                continue
            if isinstance(node.func, ast.Attribute) and _in_memory(node.func.value, names):
                continue
            kind, verb = ("delete", tables.SQL_DELETE) if deletes else ("overwrite", tables.SQL_OVERWRITE)
            findings.add(kind, verb, [text])


def _in_memory(owner: ast.expr, names: Names) -> bool:
    """Say whether a database is surely one that lives in memory only."""
    choices = names.choices(owner)
    return bool(choices) and all(_connects_to_memory(choice, names) for choice in choices)


def _connects_to_memory(node: ast.expr, names: Names) -> bool:
    if not isinstance(node, ast.Call):
        return False
    if names.dotted(node.func) in {"sqlite3.connect", "duckdb.connect"}:
        return bool(node.args) and names.paths(node.args[0]) == [":memory:"]
    if isinstance(node.func, ast.Attribute) and node.func.attr in _CURSORS:
        return _in_memory(node.func.value, names)
    return False

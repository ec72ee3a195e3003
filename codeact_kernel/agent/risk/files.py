"""What a call does to files: opens, writes, moves, unpacks, lists."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from codeact_kernel.agent.risk import tables
from codeact_kernel.agent.risk.names import Names

if TYPE_CHECKING:
    from codeact_kernel.agent.risk.findings import Findings


class Files:
    """Labels calls that touch files; `names` is what the cell's names mean while it is read."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.names = Names(())
        self._call: ast.Call | None = None

    def call(self, node: ast.Call, name: str, method: str) -> None:
        """Label one call, by the full name of its function and by its method's."""
        self._call = node
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if name in tables.LOOKERS:
            self.findings.looked(self._target(node, tables.LOOKERS[name]))
        elif owner is not None and method in tables.PATH_LOOKERS:
            self.findings.looked(self.names.paths(owner))
        if name in tables.OPENERS:
            mode, place = tables.OPENERS[name]
            self._opened(_mode(node, place, mode), self._goal(node, 0))
        elif name in tables.WRITERS:
            self._wrote(node, tables.WRITERS[name])
        elif name in tables.PLACERS:
            self.findings.placed(self._target(node, tables.PLACERS[name]))
        elif name in tables.IN_PLACE:
            self._in_place(node)
        elif owner is not None:
            self._method(node, owner, method)

    def _method(self, node: ast.Call, owner: ast.expr, method: str) -> None:
        if method in tables.PATH_WRITERS:
            self._written(owner)
        elif method in {"extractall", "extract"} and self._is_archive(owner):
            self._unpacked(node, method)
        elif method in tables.WRITING_METHODS:
            self._wrote(node, 0)
        elif self.names.is_path(owner):
            self._path_method(node, owner, method)
        elif method == "open" and re.fullmatch(tables.WRITING_MODE, _mode(node, 0, "r")):
            self._written(owner)

    def _is_archive(self, owner: ast.expr) -> bool:
        return bool(re.search(tables.ARCHIVES, self.names.dotted(owner)))

    def _unpacked(self, node: ast.Call, method: str) -> None:
        place = 0 if method == "extractall" else 1
        goal = self._goal(node, place)
        folders = self.names.paths(goal) if goal is not None else ["."]
        members = self.names.paths(node.args[0]) if place and node.args else []
        if members:
            self.findings.wrote([f"{folder}/{member}" for folder in folders for member in members])
        else:
            self.findings.unpacked(folders, ast.unparse(node))

    def _in_place(self, node: ast.Call) -> None:
        if any(
            k.arg == "inplace" and not (isinstance(k.value, ast.Constant) and not k.value.value)
            for k in node.keywords
        ):
            self.findings.wrote(self.names.paths(node.args[0] if node.args else None), ast.unparse(node))

    def _path_method(self, node: ast.Call, owner: ast.expr, method: str) -> None:
        paths = self.names.paths(owner)
        if method == "open":
            self._opened(_mode(node, 0, "r"), owner)
        elif method in {"rename", "replace", "move"}:
            self.findings.lost("overwrite", tables.MOVE, paths + self._target(node, 0), ast.unparse(owner))
        elif method in tables.PATH_PLACERS:
            self.findings.placed(paths)

    def _target(self, node: ast.Call, place: int) -> list[str]:
        return self.names.paths(self._goal(node, place))

    def _goal(self, node: ast.Call, place: int) -> ast.expr | None:
        """Return the argument that says which file; None where the call names none, as `df.to_csv()`."""
        if len(node.args) > place:
            return node.args[place]
        return next((k.value for k in node.keywords if k.arg in tables.PATH_KEYWORDS), None)

    def _wrote(self, node: ast.Call, place: int) -> None:
        goal = self._goal(node, place)
        if goal is not None:
            self._written(goal)

    def _written(self, goal: ast.expr) -> None:
        """Keep a write to whatever file the expression stands for."""
        shown = ast.unparse(self._call) if self._call is not None else ""
        for choice in self.names.choices(goal):
            maker = self.names.dotted(choice)
            if isinstance(choice, ast.Constant) and not isinstance(choice.value, str) and choice is goal:
                continue  # `df.to_csv(None)` returns a text, a number is a file that is open
            if not re.search(tables.NO_FILE, maker):
                self.findings.wrote(self.names.paths(choice), shown)

    def _opened(self, mode: str, goal: ast.expr | None) -> None:
        paths = self.names.paths(goal)
        if set(mode) & set("w+"):
            if goal is not None:
                self._written(goal)
        elif set(mode) & set("ax"):
            self.findings.placed(paths)
        else:
            self.findings.looked(paths)


def _mode(node: ast.Call, place: int, default: str) -> str:
    values = [k.value for k in node.keywords if k.arg == "mode"] or node.args[place : place + 1]
    if not values:
        return default
    value = values[0]
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else default

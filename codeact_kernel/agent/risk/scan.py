"""One reading of one cell: every node of its tree, against what is known by name."""

from __future__ import annotations

import ast
import functools
import re
import warnings
from typing import TYPE_CHECKING

from codeact_kernel.agent.risk import tables
from codeact_kernel.agent.risk.loops import is_endless
from codeact_kernel.agent.risk.magics import Magics
from codeact_kernel.agent.risk.names import HOLE, Names, binds, bound_names
from codeact_kernel.agent.risk.shell import install_only
from codeact_kernel.secret_names import is_secret_variable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from IPython.core.inputtransformer2 import TransformerManager

    from codeact_kernel.agent.risk.findings import Findings

LONGEST_CELL = 50_000
"""Characters; a longer cell is not read, it is "unknown"."""
DEEPEST_MAGIC = 3
_READ = frozenset(
    {ast.Call, ast.Attribute, ast.Name, ast.Subscript, ast.Compare, ast.Constant, ast.While, ast.For}
)


@functools.cache
def _transformer() -> TransformerManager:
    from IPython.core.inputtransformer2 import TransformerManager  # noqa: PLC0415

    return TransformerManager()  # type: ignore[no-untyped-call]


@functools.lru_cache(maxsize=256)
def _binders(code: str) -> tuple[ast.AST, ...]:
    """Return what binds names in a cell that ran, also below `%%time`; nothing if it cannot be read."""
    head, _, body = code.partition("\n")
    if head.startswith("%%") and head[2:].split(" ")[0].strip() in tables.PYTHON_MAGICS:
        code = body
    if len(code) > LONGEST_CELL:
        return ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tuple(node for node in ast.walk(ast.parse(_transformer().transform_cell(code))) if binds(node))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()


def _known_after(cells: Sequence[str]) -> Names:
    """Return the names that cells leave behind which ran one after another."""
    known = Names(())
    for code in cells:
        names = Names(_binders(code))
        names.inherit(known)
        known = names
    return known


class Scan:
    """Reads texts of the kernel's language and adds what they may do to `findings`."""

    def __init__(self, findings: Findings, protected: frozenset[str], earlier: Sequence[str] = ()) -> None:
        self.findings = findings
        self.add = findings.add
        self.protected = protected
        self.names = Names(())
        self.before = _known_after(earlier)
        self.magics = Magics(findings, self._again)
        self.seen: set[ast.AST] = set()
        self.depth = 0

    def read(self, code: str) -> None:
        """Read one text."""
        if len(code) > LONGEST_CELL or self.depth > DEEPEST_MAGIC:
            self.add("unknown", f"{tables.UNREADABLE}: it is longer or deeper than is read")
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(_transformer().transform_cell(code))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            detail = error.msg if isinstance(error, SyntaxError) else type(error).__name__
            self.add("unknown", f"{tables.UNREADABLE} as Python", [str(detail)])
            return
        nodes = list(ast.walk(tree))
        self.names = Names(nodes)
        self.names.inherit(self.before)
        self._rebinds(tree)
        for statement in tree.body:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Name):
                self._autocall(statement.value.id)
        for node in nodes:
            if type(node) in _READ:
                self._node(node)

    def _again(self, code: str) -> None:
        """Read a text inside the cell; its names are its own while it is read."""
        names = self.names
        self.depth += 1
        self.read(code)
        self.depth -= 1
        self.names = names

    def _node(self, node: ast.AST) -> None:
        if isinstance(node, ast.Call):
            self._call(node)
        elif isinstance(node, ast.Attribute | ast.Name):
            if node not in self.seen:
                self._mention(node)
        elif isinstance(node, ast.Subscript):
            self._subscript(node)
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            self.seen.add(node.comparators[0])  # `"KEY" in os.environ` tells nobody the key
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            self._private(node.value)
        elif isinstance(node, ast.While | ast.For) and is_endless(node, self.names):
            head = "while" if isinstance(node, ast.While) else "for"
            self.add("endless", tables.ENDLESS, [f"{head} loop on line {node.lineno}"])

    # -- names and constants

    def _mention(self, node: ast.Attribute | ast.Name) -> None:
        """Label a function that is handed on (`map(os.remove, files)`) or the environment taken whole."""
        if isinstance(node, ast.Attribute) and node.attr in tables.DUNDERS:
            self.add("dynamic", tables.DYNAMIC, [node.attr])
        if not isinstance(node.ctx, ast.Load):
            return
        name = self._full(node)
        if name == "os.environ":
            self.add("credentials", tables.SECRETS, ["the whole environment"])
        elif name in tables.CALLS and not (isinstance(node, ast.Name) and name in {"exit", "quit"}):
            kind, verb = tables.CALLS[name]
            self.add(kind, verb, [name])
        elif isinstance(node, ast.Name) and node.id == "__builtins__":
            self.add("dynamic", tables.DYNAMIC, [node.id])

    def _full(self, node: ast.AST) -> str:
        name = self.names.dotted(node)
        if self.names.stars and name and "." not in name:
            for module in self.names.stars:
                if f"{module}.{name}" in tables.CALLS:
                    return f"{module}.{name}"
        return name

    def _subscript(self, node: ast.Subscript) -> None:
        if self.names.dotted(node.value) == "os.environ":
            self.seen.add(node.value)
            if isinstance(node.ctx, ast.Load):
                self._environment(node.slice)

    def _environment(self, key: ast.expr | None) -> None:
        texts = self.names.paths(key)
        secret = [text for text in texts if is_secret_variable(text) or HOLE in text]
        if secret or not texts:
            self.add("credentials", tables.SECRETS, secret or ["a variable of the environment"])

    def _private(self, text: str) -> None:
        if len(text) < 500 and (match := re.search(tables.PRIVATE_FILE, text)):
            self.add("credentials", tables.PRIVATE, [text if " " not in text else match.group().strip(" \"'=")])

    def _rebinds(self, tree: ast.Module) -> None:
        hit = sorted(bound_names(tree) & self.protected) if self.protected else []
        if hit:
            self.add("rebind", tables.REBIND, hit)

    def _autocall(self, name: str) -> None:
        if name in {"exit", "quit"}:
            self.add("subprocess", tables.EXIT, [name])

    # -- calls

    def _call(self, node: ast.Call) -> None:
        self.seen.add(node.func)
        name = self._full(node.func)
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name.startswith("get_ipython()."):
            self.magics.call(node, method)
            return
        if name.startswith("os.environ.") or name == "os.getenv":
            self._environ_call(node, method)
            return
        if name in tables.CALLS:
            self._known_call(node, name)
        elif rule := next((r for p, r in tables.CALL_PREFIXES.items() if name.startswith(p)), None):
            self.add(*rule, [name])
        elif method in tables.METHODS:
            kind, verb = tables.METHODS[method]
            paths = self.names.paths(node.func.value) if isinstance(node.func, ast.Attribute) else []
            if kind == "delete":
                self.findings.lost(kind, verb, paths, ast.unparse(node.func))
            else:
                self.add(kind, verb, [ast.unparse(node.func)])
        self._dynamic(node, name)
        self._reads(node, name, method)
        self._writes(node, name, method)
        self._remote(node, name or method)
        self._database(node, method)

    def _known_call(self, node: ast.Call, name: str) -> None:
        kind, verb = tables.CALLS[name]
        if name in {"yaml.load", "yaml.full_load"} and "SafeLoader" in ast.unparse(node):
            return
        if verb in {tables.DELETE, tables.MOVE, tables.OVERWRITE}:
            paths = [text for arg in node.args[:2] for text in self.names.paths(arg)]
            self.findings.lost(kind, verb, paths, ast.unparse(node))
        elif verb == tables.PROCESS:
            texts = self.names.paths(node.args[0]) if node.args else []
            line = " ".join(text.replace(HOLE, "…") for text in texts)
            if install_only(line):
                self.add("install", tables.INSTALL, [line])
                return
            self.add(kind, verb, [line or name])
            self.magics.shell(line)
        else:
            self.add(kind, verb, [name])

    def _environ_call(self, node: ast.Call, method: str) -> None:
        if isinstance(node.func, ast.Attribute):
            self.seen.add(node.func.value)
        if method in {"get", "pop", "getenv", "__getitem__", ""}:
            self._environment(node.args[0] if node.args else None)
        elif method not in {"setdefault", "update", "clear", "keys", "__contains__"}:
            self.add("credentials", tables.SECRETS, ["the whole environment"])

    def _dynamic(self, node: ast.Call, name: str) -> None:
        named = {"getattr": 1, "importlib.import_module": 0}.get(name)
        if named is not None and not any(isinstance(arg, ast.Constant) for arg in node.args[named : named + 1]):
            self.add("dynamic", tables.DYNAMIC, [ast.unparse(node)])
        elif name == "numpy.load" and any(k.arg == "allow_pickle" and _truth(k.value) for k in node.keywords):
            self.add("dynamic", tables.UNPICKLE, [name])
        elif isinstance(node.func, ast.Subscript) and self.names.dotted(node.func.value) in {
            "globals()",
            "locals()",
            "vars()",
        }:
            self.add("dynamic", tables.DYNAMIC, [ast.unparse(node.func)])

    # -- files

    def _reads(self, node: ast.Call, name: str, method: str) -> None:
        if name in tables.LOOKERS:
            self.findings.looked(self._target(node, tables.LOOKERS[name]))
        elif method in tables.PATH_LOOKERS and isinstance(node.func, ast.Attribute):
            self.findings.looked(self.names.paths(node.func.value))

    def _writes(self, node: ast.Call, name: str, method: str) -> None:
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if name in tables.OPENERS:
            mode, place = tables.OPENERS[name]
            self._opened(_mode(node, place, mode), self._goal(node, 0))
        elif name in tables.WRITERS:
            self._wrote(node, tables.WRITERS[name])
        elif name in tables.PLACERS:
            self.findings.placed(self._target(node, tables.PLACERS[name]))
        elif owner is None:
            return
        elif method in tables.PATH_WRITERS:
            self._written(owner)
        elif method in {"extractall", "extract"}:
            self.findings.placed(self._target(node, 0 if method == "extractall" else 1))
        elif method in tables.WRITING_METHODS:
            self._wrote(node, 0)
        elif self.names.is_path(owner):
            self._path_method(node, owner, method)
        elif method == "open" and re.fullmatch(tables.WRITING_MODE, _mode(node, 0, "r")):
            self._written(owner)

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
        for choice in self.names.choices(goal):
            maker = self.names.dotted(choice)
            if isinstance(choice, ast.Constant) and not isinstance(choice.value, str) and choice is goal:
                continue  # `df.to_csv(None)` returns a text, a number is a file that is open
            if not re.search(tables.NO_FILE, maker):
                self.findings.wrote(self.names.paths(choice))

    def _opened(self, mode: str, goal: ast.expr | None) -> None:
        paths = self.names.paths(goal)
        if set(mode) & set("w+"):
            if goal is not None:
                self._written(goal)
        elif set(mode) & set("ax"):
            self.findings.placed(paths)
        else:
            self.findings.looked(paths)

    # -- network, databases

    def _remote(self, node: ast.Call, name: str) -> None:
        if not re.search(tables.URL_READERS, name) and not (tables.WRITING_METHODS & {name.rpartition(".")[2]}):
            return
        for arg in [*node.args[:2], *(keyword.value for keyword in node.keywords)]:
            for text in self.names.paths(arg):
                if re.match(tables.URL, text):
                    self.add("network", tables.NETWORK, [text])

    def _database(self, node: ast.Call, method: str) -> None:
        if method in {"execute", "executescript", "executemany", "sql"} and node.args:
            lost = [text for text in self.names.paths(node.args[0]) if re.match(tables.SQL_LOSS, text)]
            if lost:
                self.add("delete", "deletes from a database", lost)
        elif method == "to_sql" and any(
            k.arg == "if_exists" and isinstance(k.value, ast.Constant) and k.value.value == "replace"
            for k in node.keywords
        ):
            self.add("overwrite", "replaces a database table", self._target(node, 0))


def _mode(node: ast.Call, place: int, default: str) -> str:
    values = [k.value for k in node.keywords if k.arg == "mode"] or node.args[place : place + 1]
    if not values:
        return default
    value = values[0]
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else default


def _truth(node: ast.expr) -> bool:
    return not (isinstance(node, ast.Constant) and not node.value)

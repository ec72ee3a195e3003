"""One reading of one cell: every node of its tree, against what is known by name."""

from __future__ import annotations

import ast
import functools
import re
import warnings
from typing import TYPE_CHECKING

from codeact_kernel.agent.risk import reflection, tables
from codeact_kernel.agent.risk.files import Files
from codeact_kernel.agent.risk.findings import MOST_SHOWN
from codeact_kernel.agent.risk.loops import endless_call, endless_loop
from codeact_kernel.agent.risk.magics import Magics
from codeact_kernel.agent.risk.names import HOLE, Names
from codeact_kernel.agent.risk.packages import STAR_NAMES, package_rules
from codeact_kernel.agent.risk.rebinds import rebound
from codeact_kernel.agent.risk.remote import database, remote
from codeact_kernel.agent.risk.routes import binds
from codeact_kernel.agent.risk.shell import install_only, install_verb
from codeact_kernel.secret_names import is_secret_variable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from IPython.core.inputtransformer2 import TransformerManager

    from codeact_kernel.agent.risk.findings import Findings

LONGEST_CELL = 50_000
"""Characters; a longer cell is not read, it is "unknown"."""
DEEPEST_MAGIC = 3
_NAMESPACES = frozenset({"globals()", "locals()", "vars()"})
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
        self.magics = Magics(findings, self._again, self._rebinds)
        self.files = Files(findings)
        self.seen: set[ast.AST] = set()
        self.depth = 0

    def read(self, code: str) -> None:
        """Read one text."""
        if len(code) > LONGEST_CELL or self.depth > DEEPEST_MAGIC:
            self.add("unknown", f"{tables.UNREADABLE}: it is longer or deeper than is read")
            return
        reflection.agent_itself(code, self.findings)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(_transformer().transform_cell(code))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            detail = error.msg if isinstance(error, SyntaxError) else type(error).__name__
            self.add("unknown", f"{tables.UNREADABLE} as Python", [str(detail)])
            return
        nodes = list(ast.walk(tree))
        self._know(Names(nodes))
        self.names.inherit(self.before)
        if self.protected:
            self._rebinds(rebound(tree))
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
        self._know(names)

    def _know(self, names: Names) -> None:
        self.names = self.files.names = names

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
        elif isinstance(node, ast.While | ast.For) and (words := endless_loop(node, self.names)):
            self.add("endless", tables.ENDLESS, [words])

    # -- names and constants

    def _mention(self, node: ast.Attribute | ast.Name) -> None:
        """Label a function that is handed on (`map(os.remove, files)`) or the environment taken whole."""
        if isinstance(node, ast.Attribute) and node.attr in tables.DUNDERS:
            self.add("dynamic", tables.DYNAMIC, [node.attr])
        if not isinstance(node.ctx, ast.Load):
            return
        name = self._full(node)
        reflection.mention(node, name, self.findings)
        if name == "os.environ":
            self.add("credentials", tables.SECRETS, [tables.WHOLE_ENVIRONMENT])
        elif name in tables.CALLS and not (isinstance(node, ast.Name) and name in {"exit", "quit"}):
            kind, verb = tables.CALLS[name]
            self.add(kind, verb, [name])
        elif isinstance(node, ast.Name) and node.id == "__builtins__":
            self.add("dynamic", tables.DYNAMIC, [node.id])

    def _full(self, node: ast.AST) -> str:
        name = self.names.dotted(node)
        if self.names.stars and name and "." not in name:
            for module in self.names.stars:
                if f"{module}.{name}" in tables.CALLS or name in STAR_NAMES.get(module, ()):
                    return f"{module}.{name}"
        return name

    def _subscript(self, node: ast.Subscript) -> None:
        reflection.subscript(node, self.names, self.findings)
        if self.names.dotted(node.value) == "os.environ":
            self.seen.add(node.value)
            if isinstance(node.ctx, ast.Load):
                self._environment(node.slice, "os.environ[{}]", node)

    def _environment(self, key: ast.expr | None, form: str, node: ast.expr) -> None:
        """Label the reading of a variable; `form` shows one whose name is known, `node` stands for another."""
        texts = self.names.paths(key)
        secret = [text for text in texts if is_secret_variable(text) or HOLE in text]
        if secret or not texts:
            known = [form.format(repr(text)) for text in secret if HOLE not in text]
            self.add("credentials", tables.SECRETS, known or [ast.unparse(node)])

    def _private(self, text: str) -> None:
        if len(text) < 500 and (match := re.search(tables.PRIVATE_FILE, text)):
            self.add("credentials", tables.PRIVATE, [text if " " not in text else match.group().strip(" \"'=")])

    def _rebinds(self, bound: dict[str, bool]) -> None:
        """Label those of the user's names that are bound anew (False) or deleted (True)."""
        for verb, gone in ((tables.REBIND, False), (tables.FORGET, True)):
            hit = sorted(name for name, deleted in bound.items() if deleted is gone and name in self.protected)
            if hit:
                more = ", …" if len(hit) > MOST_SHOWN else ""
                self.add("rebind", f"{verb} name{'s' * (len(hit) > 1)} {', '.join(hit[:MOST_SHOWN])}{more}")

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
        elif rules := package_rules(name):
            for kind, verb in rules:
                self.add(kind, verb, [name.partition("()")[0]])
        elif method in tables.METHODS:
            self._known_method(node, method)
        elif method in tables.PROCESS_METHODS and name.startswith("psutil.Process()."):
            self.add("subprocess", tables.KILL, [ast.unparse(node)])
        self._keywords(node, name or method)
        if words := endless_call(node, name, method, self.names):
            self.add("endless", tables.ENDLESS, [words])
        self._dynamic(node, name)
        reflection.call(node, name, self.names, self.findings)
        self.files.call(node, name, method)
        remote(node, name or method, self.names, self.findings)
        database(node, method, self.names, self.findings)

    def _keywords(self, node: ast.Call, name: str) -> None:
        for keyword in node.keywords:
            if keyword.arg in tables.KEYWORDS and _truth(keyword.value):
                self.add(*tables.KEYWORDS[keyword.arg], [f"{name}({keyword.arg}={ast.unparse(keyword.value)})"])

    def _known_method(self, node: ast.Call, method: str) -> None:
        kind, verb = tables.METHODS[method]
        paths = self.names.paths(node.func.value) if isinstance(node.func, ast.Attribute) else []
        if kind == "delete":
            self.findings.lost(kind, verb, paths, ast.unparse(node.func))
        else:
            self.add(kind, verb, [ast.unparse(node.func)])

    def _known_call(self, node: ast.Call, name: str) -> None:
        kind, verb = tables.CALLS[name]
        if name in {"yaml.load", "yaml.full_load"} and "SafeLoader" in ast.unparse(node):
            return
        if name == "torch.load" and any(k.arg == "weights_only" and _truth(k.value) for k in node.keywords):
            return
        if name in tables.ALSO:
            self.add(*tables.ALSO[name], [name])
        if verb in {tables.DELETE, tables.MOVE, tables.OVERWRITE}:
            paths = [text for arg in node.args[:2] for text in self.names.paths(arg)]
            self.findings.lost(kind, verb, paths, ast.unparse(node))
        elif verb == tables.PROCESS:
            texts = self.names.paths(node.args[0]) if node.args else []
            line = " ".join(text.replace(HOLE, "…") for text in texts)
            if install_only(line):
                self.add("install", install_verb(line), [line])
                return
            self.add(kind, verb, [ast.unparse(node)])
            self.magics.shell(line)
        else:
            self.add(kind, verb, [name])

    def _environ_call(self, node: ast.Call, method: str) -> None:
        if isinstance(node.func, ast.Attribute):
            self.seen.add(node.func.value)
        if method in {"get", "pop", "getenv", "__getitem__", ""}:
            form = "os.getenv({})" if method in {"getenv", ""} else f"os.environ.{method}({{}})"
            self._environment(node.args[0] if node.args else None, form, node)
        elif method not in {"setdefault", "update", "clear", "keys", "__contains__"}:
            self.add("credentials", tables.SECRETS, [tables.WHOLE_ENVIRONMENT])

    def _dynamic(self, node: ast.Call, name: str) -> None:
        named = {"getattr": 1, "importlib.import_module": 0}.get(name)
        if named is not None and len(node.args) > named:
            self._named_at_run_time(node, node.args[named])
        elif name == "numpy.load" and any(k.arg == "allow_pickle" and _truth(k.value) for k in node.keywords):
            self.add("dynamic", tables.UNPICKLE, [name])
        elif name in tables.PARSERS and node.args and not isinstance(node.args[0], ast.Constant):
            self.add("dynamic", tables.DYNAMIC, [ast.unparse(node)])
        for choice in self.names.choices(node.func):
            if isinstance(choice, ast.Subscript) and self.names.dotted(choice.value) in _NAMESPACES:
                self.add("dynamic", tables.DYNAMIC, [ast.unparse(choice)])

    def _named_at_run_time(self, node: ast.Call, key: ast.expr) -> None:
        """Label `getattr(owner, key)`: what it stands for where every key is known, else that nobody can tell."""
        texts = self.names.texts(key)
        if texts is None:
            self.add("dynamic", tables.DYNAMIC, [ast.unparse(node)])
            return
        owner = self.names.dotted(node.args[0])
        for text in texts if not isinstance(key, ast.Constant) else []:
            full = f"{owner}.{text}"
            kind, verb = tables.CALLS.get(full) or tables.METHODS.get(text) or ("", "")
            if kind:
                self.add(kind, verb, [full])


def _truth(node: ast.expr) -> bool:
    return not (isinstance(node, ast.Constant) and not node.value)

"""Protected names: which cells would plainly change one; `fingerprints` finds what is changed all the same."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from codeact_kernel.execute.mentions import read_cell, shell_method

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_SETS = frozenset({"add", "discard", "difference_update", "intersection_update", "symmetric_difference_update"})
_IN_PLACE = frozenset(
    {"append", "extend", "insert", "remove", "clear", "sort", "reverse", "pop", "popitem", "update", "setdefault"}
    | {"appendleft", "extendleft", "popleft", "rotate", "move_to_end", "isetitem", "fill", "resize", "partition"}
    | {"put", "itemset", "setflags", "setfield", "write", "frombytes", "fromlist", "discard"}
    | {"__setitem__", "__delitem__", "__setattr__", "__delattr__", "__iadd__", "__ior__"}
) | (_SETS - {"add"})
"""Methods that change what they are called on; `add` only where it is a set's."""
_GIVE_NEW = frozenset({"columns", "index", "str", "dt", "cat", "sparse", "T", "dtypes"})
"""Attributes of frames whose methods of these names give something new."""
_CHANGE_FIRST = frozenset(
    {"shuffle", "heappush", "heappop", "heapify", "heapreplace", "heappushpop", "insort", "insort_left"}
    | {"insort_right", "place", "putmask", "copyto", "fill_diagonal", "setattr", "delattr", "setitem", "delitem"}
)
"""Functions that change their first argument."""
_NAMESPACES = frozenset({"globals", "locals", "vars"})
_WORDS = {"bind": "bind it to something else", "delete": "delete it", "change": "change it in place"}
_FORGETTING = frozenset({"reset", "reset_selective"})


def forbidden(
    code: str, protected: Collection[str], namespace: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    """Return a sentence to the model for each protected name that a cell plainly rebinds, deletes or changes.

    What a function of another cell does, or a change through another name, is not seen here: see Fingerprints.

    Args:
        code: the cell, with magics.
        protected: names.
        namespace: the user's names; with it, `x.add(...)` counts where `x` is a set.
    """
    found: dict[str, str] = {}
    if not protected:
        return ()
    cell = read_cell(code)
    reader = _Reader(frozenset(protected), namespace or {})
    for tree in cell.trees:
        reader.visit(tree)
    for name, (verb, line) in reader.found.items():
        found[name] = f"{_WORDS[verb]} (line {line})"
    for name in cell.binds & reader.protected:
        found.setdefault(name, f"{_WORDS['bind']} with a magic")
    return tuple(
        f"{name} is protected, and this cell would {found[name]}. It was not run. "
        f"Work on a copy under another name instead, and leave {name} as it is."
        for name in sorted(found)
    )


class _Reader(ast.NodeVisitor):
    """Walks a cell and notes in `found` what happens first to each protected name."""

    def __init__(self, protected: frozenset[str], namespace: Mapping[str, Any]) -> None:
        self.protected = protected
        self.found: dict[str, tuple[str, int]] = {}
        self._namespace = namespace
        self._local: frozenset[str] = frozenset()

    def _note(self, names: Iterable[str], verb: str, node: ast.AST) -> None:
        for name in names:
            if name in self.protected and name not in self._local:
                self.found.setdefault(name, (verb, getattr(node, "lineno", 1)))

    # -- scopes ------------------------------------------------------------------------------------------------
    def _scope(self, node: ast.AST, local: set[str], inside: Iterable[ast.AST]) -> None:
        outer, self._local = self._local, (self._local | local) - _declared(node)
        for part in inside:
            self.visit(part)
        self._local = outer

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._note([node.name], "bind", node)
        for part in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(part)
        self._scope(node, _parameters(node.args) | set(_assigned(node.body)), node.body)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._scope(node, _parameters(node.args), [node.body])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._note([node.name], "bind", node)
        for part in (*node.bases, *node.keywords, *node.decorator_list):
            self.visit(part)
        self._scope(node, set(_assigned(node.body)), node.body)

    def _comprehension(self, node: Any) -> None:
        targets = {name for part in node.generators for name in _names(part.target)}
        self._scope(node, targets, list(ast.iter_child_nodes(node)))

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815

    # -- what binds, deletes, changes --------------------------------------------------------------------------
    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._note([node.id], "bind", node)
        elif isinstance(node.ctx, ast.Del):
            self._note([node.id], "delete", node)

    def _place(self, node: ast.Subscript | ast.Attribute) -> None:
        if not isinstance(node.ctx, ast.Load):
            entry = _entry(node)
            verb = "delete" if isinstance(node.ctx, ast.Del) else "bind"
            self._note([entry] if entry else [_root(node)], verb if entry else "change", node)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._place(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._place(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._note([_root(node.target)], "change", node)
        self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        """Note names that are plain strings in the tree (imports, `except ... as`, patterns)."""
        if isinstance(node, ast.Import | ast.ImportFrom):
            self._note([alias.asname or alias.name.partition(".")[0] for alias in node.names], "bind", node)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            self._note([node.name], "bind", node)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            self._note([node.rest], "bind", node)
        super().generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if shell_method(node):
            self._magic(node)
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if isinstance(function, ast.Attribute):
            self._method(node, function)
        if name in _CHANGE_FIRST and node.args:
            self._note([_root(node.args[0])], "change", node)
        if name in {"exec", "eval"} and node.args and isinstance(node.args[0], ast.Constant):
            for tree in read_cell(str(node.args[0].value)).trees:
                self.visit(tree)
        for keyword in node.keywords:
            if keyword.arg == "out":
                self._note([_root(keyword.value)], "change", node)
        self.generic_visit(node)

    def _method(self, node: ast.Call, function: ast.Attribute) -> None:
        """Note a method that changes what it is called on."""
        if _is_namespace(function.value):
            texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            keys = [key.value for arg in node.args if isinstance(arg, ast.Dict) for key in arg.keys if _text(key)]  # type: ignore[union-attr]
            words = [keyword.arg for keyword in node.keywords if keyword.arg]
            named = {"pop": texts, "__delitem__": texts, "__setitem__": texts[:1], "update": [*keys, *words]}
            names = self.protected if function.attr == "clear" else named.get(function.attr, [])
            self._note(map(str, names), "delete" if function.attr in {"pop", "clear"} else "bind", node)
            return
        root = _root(function.value)
        in_place = any(word.arg == "inplace" and not _is_false(word.value) for word in node.keywords)
        if in_place or function.attr in self._mutators(function.value, root):
            self._note([root], "change", node)

    def _mutators(self, receiver: ast.expr, root: str) -> frozenset[str]:
        if isinstance(receiver, ast.Attribute) and receiver.attr in _GIVE_NEW:
            return frozenset()
        a_set = isinstance(receiver, ast.Name) and isinstance(self._namespace.get(root), set)
        return _IN_PLACE | _SETS if a_set else _IN_PLACE

    def _magic(self, node: ast.Call) -> None:
        words = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if words and words[0] in _FORGETTING:
            self._note(self.protected, "delete", node)
        elif words and words[0] in {"xdel", "store"}:
            self._note(" ".join(words[1:]).split(), "delete" if words[0] == "xdel" else "bind", node)


def _root(node: ast.expr) -> str:
    """Return the name that a place belongs to: `df` of `df.loc[0]["x"]`; "" where it is something new."""
    while isinstance(node, ast.Subscript | ast.Attribute | ast.Starred):
        entry = _entry(node)
        if entry:
            return entry
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _entry(node: ast.expr) -> str:
    """Return `df` of `globals()["df"]`, or ""."""
    if isinstance(node, ast.Subscript) and _is_namespace(node.value) and _text(node.slice):
        return str(node.slice.value)  # type: ignore[attr-defined]
    return ""


def _is_namespace(node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in {"user_ns", "user_global_ns"}
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _NAMESPACES


def _text(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def _names(target: ast.expr) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            yield node.id


def _parameters(arguments: ast.arguments) -> set[str]:
    return {node.arg for node in ast.walk(arguments) if isinstance(node, ast.arg)}


def _assigned(body: Iterable[ast.AST]) -> Iterator[str]:
    """Give the names that a function or class body binds itself."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            continue
        if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        yield from _assigned(ast.iter_child_nodes(node))


def _declared(scope: ast.AST) -> set[str]:
    """Return what a function declares global."""
    body = getattr(scope, "body", [])
    nodes = body if isinstance(body, list) else [body]
    return {
        name for part in nodes for node in ast.walk(part) if isinstance(node, ast.Global) for name in node.names
    }

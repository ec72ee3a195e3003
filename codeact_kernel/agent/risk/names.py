"""What an expression of a cell would be, as far as reading can tell: a function's full name, a file's paths.

Nothing is run. A name that a cell binds more than once keeps every meaning; what cannot be told is "" or no path.
"""

from __future__ import annotations

import ast
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeAlias

from codeact_kernel.agent.risk.routes import binds, canonical, captures
from codeact_kernel.agent.risk.tables import ALIASES

if TYPE_CHECKING:
    from collections.abc import Iterable

Binding: TypeAlias = tuple[ast.expr, bool]
"""A value that a name is bound to; True if the name is each element of it in turn (a loop)."""

HOLE = "\0"
"""Stands for the part of a path that only the run will tell."""
DEEPEST = 12
MOST_PATHS = 8
MOST_STEPS = 300_000
"""Names that are looked up for one cell; one that needs more is "unknown". It takes about a microsecond each."""

_PATH = (
    r"pathlib\.(?:Pure)?(?:Posix|Windows)?Path(?:\(\)|\.home\(\)|\.cwd\(\))"
    r"(?:\.parent|\.(?:joinpath|with_suffix|with_name|with_stem|resolve|absolute|expanduser|relative_to)\(\))*"
)
_PATHS = _PATH + r"\.(?:glob|rglob|iterdir)\(\)"
_KEEPS_PATH = frozenset(
    {
        "str",
        "os.fspath",
        *(f"os.path.{f}" for f in ("abspath", "realpath", "expanduser", "normpath", "expandvars")),
    }
)
_WRAPPERS = frozenset({"sorted", "list", "tuple", "set", "reversed"})
_SAME_PATH_METHODS = frozenset({"resolve", "absolute", "expanduser", "as_posix", "strip"})
_CHANGES_PATH = frozenset({"with_suffix", "with_name", "with_stem", "replace"})
_CONSTANTS = {"pardir": "..", "curdir": ".", "sep": "/", "devnull": "/dev/null"}
_TABLE = "sys.modules.get"
_GETTERS = frozenset({"__getattribute__", "__getattr__"})
_PATH_MODULES = frozenset({"os", "os.path"})
_FORMAT_FIELD = r"%[-+ #0]*\d*(?:\.\d+)?[sdfgxr]|\{[^{}]*\}"


class TangledError(Exception):
    """What a cell's names mean cannot be told in time."""


class Names:
    """The names that a cell imports and binds, and what they mean."""

    def __init__(self, nodes: Iterable[ast.AST]) -> None:
        self.imports: dict[str, str] = {}
        self.stars: list[str] = []
        self.defined: set[str] = set()
        self.bound: dict[str, list[Binding]] = {}
        self._meanings: dict[str, str] = {}
        self._open: set[str] = set()
        self._open_paths: list[str] = []
        self._cuts = 0
        self._steps = 0
        for node in nodes:
            if binds(node):
                self._read(node)

    def inherit(self, before: Names) -> None:
        """Know also what earlier cells imported and bound, where this one does not say otherwise."""
        self._meanings.clear()
        own = self.imports.keys() | self.bound.keys() | self.defined
        self.imports |= {name: full for name, full in before.imports.items() if name not in own}
        self.bound |= {name: values for name, values in before.bound.items() if name not in own}
        self.defined |= before.defined - own
        self.stars = [*before.stars, *self.stars]

    def _read(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            self._import(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self.defined.add(node.name)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind(target, node.value, each=False)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            self._bind(node.target, node.value, each=False)
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            self._bind(node.target, node.iter, each=True)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            self._bind(node.optional_vars, node.context_expr, each=False)
        elif isinstance(node, ast.Match):
            for target, value in captures(node):
                self._bind(target, value, each=False)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for name in node.names:
            root = name.name.partition(".")[0]
            if isinstance(node, ast.Import):
                self.imports[name.asname or root] = name.name if name.asname else root
            elif name.name == "*":
                self.stars.append(node.module or "")
            else:
                self.imports[name.asname or name.name] = f"{node.module or ''}.{name.name}"

    def _bind(self, target: ast.expr, value: ast.expr, *, each: bool) -> None:
        if isinstance(target, ast.Name):
            self.bound.setdefault(target.id, []).append((value, each))
        elif isinstance(target, ast.Tuple | ast.List):
            parts: list[ast.expr] = value.elts if isinstance(value, ast.Tuple | ast.List) and not each else []
            if len(parts) != len(target.elts):
                parts = [ast.Constant(None)] * len(target.elts)
            for part, its_value in zip(target.elts, parts, strict=True):
                self._bind(part, its_value, each=False)

    def dotted(self, node: ast.AST, depth: int = 0) -> str:
        """Return the full name of an expression (`os.remove`, `pathlib.Path().unlink`); "" where it has none."""
        tail: list[str] = []
        while True:
            if isinstance(node, ast.Attribute):
                tail.append(node.attr)
                node = node.value
            elif isinstance(node, ast.Call) and not self._base_of_call(node):
                tail.append("()")
                node = node.func
            else:
                break
        base = self._base(node, depth)
        if not base:
            return ""
        name = ".".join([base, *reversed(tail)]).replace(".()", "()")
        return canonical(name.removeprefix("builtins.") if name.count(".") == 1 else name)

    def _base_of_call(self, node: ast.Call) -> str:
        """Return what `__import__("os")`, `import_module("os")` and `getattr(os, "remove")` stand for."""
        function = node.func
        last = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        words = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args[:2]]
        if last in {"__import__", "import_module"} and words and isinstance(words[0], str):
            return words[0]
        if last == "get" and words and isinstance(words[0], str) and self.dotted(function, DEEPEST - 1) == _TABLE:
            return words[0]
        if (
            last in _GETTERS
            and isinstance(function, ast.Attribute)
            and len(words) == 1
            and isinstance(words[0], str)
        ):
            owner = self.dotted(function.value, DEEPEST - 1)
            return f"{owner}.{words[0]}" if owner else ""
        if last in {"getattr", *_GETTERS} and len(words) >= 2 and isinstance(words[1], str):
            owner = self.dotted(node.args[0], DEEPEST - 1)
            return f"{owner}.{words[1]}" if owner else ""
        return ""

    def _base(self, node: ast.AST, depth: int) -> str:  # noqa: PLR0911 - one return for each kind of node
        if depth >= DEEPEST:
            self._cuts += 1
            return ""
        if isinstance(node, ast.Name):
            return self._name(node.id, depth)
        if isinstance(node, ast.Call):
            return self._base_of_call(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            left = self.dotted(node.left, depth + 1)
            return "pathlib.Path()" if re.fullmatch(_PATH, left) else ""
        if isinstance(node, ast.NamedExpr | ast.Await):
            return self.dotted(node.value, depth + 1)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            owner, key = self.dotted(node.value, depth + 1), str(node.slice.value)
            if owner == "sys.modules":
                return key
            if owner.endswith(".__dict__"):
                return f"{owner.removesuffix('.__dict__')}.{key}"
        return ""

    def _name(self, name: str, depth: int) -> str:
        """Return the first meaning of a name that is known.

        Each name is looked up once, and never inside itself (`df = df.dropna()`, again and again): else the work
        would grow with the power of the bindings. What was cut short on the way is not kept.
        """
        if name in self.imports:
            return self.imports[name]
        if name in self._meanings:
            return self._meanings[name]
        if name in self._open:
            self._cuts += 1
            return ""
        self._step()
        self._open.add(name)
        cuts = self._cuts
        try:
            found = self._meaning(name, depth)
        finally:
            self._open.discard(name)
        if cuts == self._cuts or not (depth or self._open):
            self._meanings[name] = found
        return found

    def _meaning(self, name: str, depth: int) -> str:
        bound = [
            (value, each)
            for value, each in self.bound.get(name, ())
            if not (isinstance(value, ast.Name) and value.id == name)
        ]
        for value, each in bound:
            meaning = self._element(value, depth) if each else self.dotted(value, depth + 1)
            if meaning:
                return meaning
        if bound:
            return ""
        if name in ALIASES and name not in self.defined:
            return ALIASES[name]
        return name

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise TangledError

    def _element(self, node: ast.expr, depth: int) -> str:
        while isinstance(node, ast.Call) and node.args and self.dotted(node.func, depth + 1) in _WRAPPERS:
            node = node.args[0]
        name = self.dotted(node, depth + 1)
        if name == "psutil.process_iter()":
            return "psutil.Process()"
        return "pathlib.Path()" if re.fullmatch(_PATHS, name) else ""

    def is_path(self, node: ast.AST) -> bool:
        """Say whether an expression is a `pathlib` path."""
        return bool(re.fullmatch(_PATH, self.dotted(node)))

    def paths(self, node: ast.AST | None, depth: int = 0) -> list[str]:  # noqa: PLR0911 - one return for each kind
        """Return the texts an expression may be, `HOLE` where a part is not known; none where nothing is known."""
        if node is None or depth >= DEEPEST:
            return []
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else []
        if isinstance(node, ast.JoinedStr):
            parts = [str(p.value) if isinstance(p, ast.Constant) else self._piece(p, depth) for p in node.values]
            return ["".join(parts)]
        if isinstance(node, ast.Name):
            return self._named_paths(node.id, depth)
        if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.IfExp):
            items = [node.body, node.orelse] if isinstance(node, ast.IfExp) else node.elts
            return [text for item in items[:MOST_PATHS] for text in self.paths(item, depth + 1)][:MOST_PATHS]
        if isinstance(node, ast.BinOp):
            return self._joined(node, depth)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, depth)
        if isinstance(node, ast.Call):
            return self._called(node, depth)
        return []

    def _named_paths(self, name: str, depth: int) -> list[str]:
        """Return the texts a name may be; once within itself, for `path = path + "/a.csv"`."""
        if self._open_paths.count(name) > 1:
            return []
        self._open_paths.append(name)
        found: list[str] = []
        try:
            for value, each in self.bound.get(name, ()):
                self._step()
                found += self._elements(value, depth + 1) if each else self.paths(value, depth + 1)
                if len(found) >= MOST_PATHS:
                    break
        finally:
            self._open_paths.pop()
        return found[:MOST_PATHS]

    def _attribute(self, node: ast.Attribute, depth: int) -> list[str]:
        if node.attr == "parent":
            return [f"{text}/.." for text in self.paths(node.value, depth + 1)]
        known = node.attr in _CONSTANTS and self.dotted(node.value) in _PATH_MODULES
        return [_CONSTANTS[node.attr]] if known else []

    def texts(self, node: ast.expr) -> list[str] | None:
        """Return every text that an expression may be; None where one of them is not known."""
        found: list[str] = []
        for choice in self.choices(node):
            loops = self.bound.get(choice.id, []) if isinstance(choice, ast.Name) else []
            values = [value for value, _ in loops if isinstance(value, ast.List | ast.Tuple | ast.Set)]
            items = [item for value in values for item in value.elts] if loops else [choice]
            if len(values) < len(loops):
                return None
            for item in items:
                if not isinstance(item, ast.Constant) or not isinstance(item.value, str):
                    return None
                found.append(item.value)
        return found

    def choices(self, node: ast.expr, inside: frozenset[str] = frozenset()) -> list[ast.expr]:
        """Return the expressions that one may stand for: the values of a name, both sides of a condition."""
        if isinstance(node, ast.IfExp):
            parts = [node.body, node.orelse]
        elif isinstance(node, ast.Name) and not any(each for _, each in self.bound.get(node.id, ())):
            parts = [value for value, _ in self.bound.get(node.id, ())]
        else:
            parts = []
        if isinstance(node, ast.Name):
            if node.id in inside or len(inside) >= DEEPEST:
                return [node]
            inside |= {node.id}
        found: list[ast.expr] = []
        for part in parts[:MOST_PATHS]:
            found += self.choices(part, inside)
            if len(found) >= MOST_PATHS:
                break
        return found[:MOST_PATHS] or [node]

    def _piece(self, part: ast.expr, depth: int) -> str:
        known = self.paths(part.value, depth + 1) if isinstance(part, ast.FormattedValue) else []
        return known[0] if len(known) == 1 else HOLE

    def _joined(self, node: ast.BinOp, depth: int) -> list[str]:
        left = self.paths(node.left, depth + 1)
        if isinstance(node.op, ast.Mod):
            return [re.sub(_FORMAT_FIELD, HOLE, text) for text in left]
        right = self.paths(node.right, depth + 1) or [HOLE]
        joint = "/" if isinstance(node.op, ast.Div) else ""
        if not isinstance(node.op, ast.Add | ast.Div):
            return []
        return [_join(a, b) if joint else a + b for a in left or [HOLE] for b in right][:MOST_PATHS]

    def _called(self, node: ast.Call, depth: int) -> list[str]:  # noqa: PLR0911 - one return for each kind of node
        name = self.dotted(node.func)
        if name == "os.path.join" or re.fullmatch(r"pathlib\.\w*Path", name):
            return self._chain([self.paths(arg, depth + 1) for arg in node.args] or [["."]])
        if name in _KEEPS_PATH:
            return self.paths(node.args[0] if node.args else None, depth + 1)
        if name.endswith("Path.home"):
            return ["~"]
        if name.endswith("Path.cwd") or name == "os.getcwd":
            return ["."]
        if name == "os.path.dirname":
            return [f"{text}/.." for text in self.paths(node.args[0] if node.args else None, depth + 1)]
        if not isinstance(node.func, ast.Attribute):
            return []
        owner = self.paths(node.func.value, depth + 1)
        if node.func.attr == "format":
            return [re.sub(_FORMAT_FIELD, HOLE, text) for text in owner]
        if node.func.attr == "joinpath":
            return self._chain([owner, *(self.paths(arg, depth + 1) for arg in node.args)])
        if node.func.attr in _CHANGES_PATH:
            return self._changed(node.func.attr, owner, [self.paths(arg, depth + 1) for arg in node.args])
        return owner if node.func.attr in _SAME_PATH_METHODS else []

    @staticmethod
    def _changed(method: str, owner: list[str], words: list[list[str]]) -> list[str]:
        """Return paths after `with_suffix` and the like, or texts after `replace`; unknown words give no path."""
        known = [word[0] for word in words if len(word) == 1]
        try:
            if method == "replace":
                return (
                    [text.replace(known[0], known[1]) for text in owner] if len(known) == len(words) == 2 else []
                )
            return [str(getattr(PurePath(text), method)(known[0] if known else HOLE)) for text in owner]
        except (TypeError, ValueError):
            return []

    def _chain(self, parts: list[list[str]]) -> list[str]:
        texts = parts[0] or [HOLE]
        for part in parts[1:]:
            texts = [_join(a, b) for a in texts for b in part or [HOLE]][:MOST_PATHS]
        return texts

    def _elements(self, node: ast.expr, depth: int) -> list[str]:
        """Return the texts that the elements of an expression may be, `*` where a folder tells."""
        if not isinstance(node, ast.Call):
            return self.paths(node, depth) if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Name) else []
        name = self.dotted(node.func)
        first = node.args[0] if node.args else None
        if name in _WRAPPERS:
            return self._elements(first, depth + 1) if first is not None and depth < DEEPEST else []
        if name in {"glob.glob", "glob.iglob"}:
            return self.paths(first, depth + 1)
        if name in {"os.listdir", "os.scandir"}:
            return [_join(text, "*") for text in self.paths(first, depth + 1) or ["."]]
        if isinstance(node.func, ast.Attribute) and self.is_path(node.func.value):
            inside = self.paths(first, depth + 1) if first is not None else ["*"]
            return self._chain([self.paths(node.func.value, depth + 1), inside])
        return []


def _join(left: str, right: str) -> str:
    if right.startswith(("/", "~")):
        return right
    return right if left in {"", "."} else f"{left.rstrip('/')}/{right}"

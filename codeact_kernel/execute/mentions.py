"""Which names a cell binds, deletes or mentions, as far as reading can tell."""

from __future__ import annotations

import ast
import dis
import re
import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

DYNAMIC = frozenset({"exec", "eval", "globals", "get_ipython", "__import__", "__main__", "execfile"})
"""A cell, or a function of the user, that has one of these may change any name."""
_DYNAMIC_HERE = DYNAMIC | {"locals", "vars"}
_DYNAMIC_ATTRIBUTES = frozenset(
    {"_getframe", "currentframe", "f_globals", "f_locals", "__globals__", "__builtins__", "modules", "user_ns"}
    | {"run_cell", "get_objects", "get_referents", "get_referrers"}
)
_BINDS_GLOBAL = (dis.opmap["STORE_GLOBAL"], dis.opmap["DELETE_GLOBAL"])
_PYTHON = frozenset({"time", "timeit", "prun", "memit", "mprun", "lprun", "capture", "debug"})
"""Magics whose text, or whose cell, is Python that runs in the namespace."""
_HARMLESS = frozenset(
    """
    ! alias autoreload bash bookmark cat cd cmd colors conda config cp dhist dirs doctest_mode env file
    gui hist history html javascript js latex less load_ext logstop ls lsmagic mamba man markdown
    matplotlib micromamba mkdir more mv notebook page pastebin pdef pdoc perl pfile pinfo pinfo2 pip
    popd precision psearch psource pushd pwd pycat pypy python python2 python3 quickref reload_ext rm
    rmdir ruby script set_env sh subshell svg sx system tb unalias unload_ext uv who who_ls whos
    writefile xmode
    """.split()  # noqa: SIM905 - read by people
)
"""Magics that bind no names, unless they are asked to keep what they print."""
_KEEPS_OUTPUT = re.compile(r"(?:^|\s)--(?:out|err|proc|bg)\b")
_NAMED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler | ast.MatchAs | ast.MatchStar
_OPTION = re.compile(r"-\S+\s*(?:\d+\s+)?")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as it can be read.

    `trees`: its own code, with calls for magics, and the Python inside its magics. `binds`: names that magics
    bind. `everything`: it, or something it runs, may change any name.
    """

    trees: tuple[ast.Module, ...] = ()
    binds: frozenset[str] = frozenset()
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Mentions:
    """`binds`: names that the cell may bind or delete; `names`: those and all that it mentions."""

    binds: frozenset[str]
    names: frozenset[str]
    everything: bool


def read_cell(code: str) -> Cell:
    """Read a cell of IPython; what cannot be parsed has no trees and may change everything."""
    from IPython.core import inputtransformer2  # noqa: PLC0415 - only where cells are read

    manager: Any = inputtransformer2.TransformerManager
    try:
        tree = _parsed(manager().transform_cell(code))
    except Exception:
        return Cell(everything=True)
    trees, bound, everything = [tree], set[str](), False
    for node in ast.walk(tree):
        method = shell_method(node)
        if not method:
            continue
        assert isinstance(node, ast.Call)
        words = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if method in {"system", "getoutput"}:
            continue
        inner = _magic(words) if method in {"run_line_magic", "run_cell_magic"} else Cell(everything=True)
        trees += inner.trees
        bound |= inner.binds
        everything |= inner.everything
    return Cell(tuple(trees), frozenset(bound), everything)


def shell_method(node: ast.AST) -> str:
    """Return METHOD of `get_ipython().METHOD(...)`, or ""."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return ""
    shell = node.func.value
    ours = isinstance(shell, ast.Call) and isinstance(shell.func, ast.Name) and shell.func.id == "get_ipython"
    return node.func.attr if ours else ""


def mentions(code: str) -> Mentions:
    """Return what a cell binds and mentions; locals of its functions are counted as well."""
    cell = read_cell(code)
    bound, named = set(cell.binds), set[str]()
    everything = cell.everything
    for tree in cell.trees:
        allowed = {id(node.func.value.func) for node in ast.walk(tree) if shell_method(node)}  # type: ignore[attr-defined]
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                (named if isinstance(node.ctx, ast.Load) else bound).add(node.id)
                everything |= node.id in _DYNAMIC_HERE and id(node) not in allowed
            elif isinstance(node, ast.Attribute):
                everything |= node.attr in _DYNAMIC_ATTRIBUTES
            elif isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                exported = _exported(node)
                bound |= exported or set()
                everything |= exported is None
            else:
                bound.update(_bound_by(node))
    everything |= "__main__" in bound
    return Mentions(frozenset(bound), frozenset(bound | named), everything)


def code_names(code: CodeType) -> tuple[set[str], set[str]]:
    """Return the globals and attributes that compiled code names, and the globals that it binds or deletes."""
    names, bound = set(code.co_names), set[str]()
    if any(flag in code.co_code[::2] for flag in _BINDS_GLOBAL):
        bound = {step.argval for step in dis.get_instructions(code) if step.opcode in _BINDS_GLOBAL}
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            inner, inner_bound = code_names(constant)
            names |= inner
            bound |= inner_bound
    return names, bound


def _parsed(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def _magic(words: list[str]) -> Cell:
    """Read the arguments of `run_line_magic` or `run_cell_magic`."""
    name, line, *body = [*words, ""][: max(2, len(words))]
    if name in _PYTHON:
        rest = line
        while found := _OPTION.match(rest):
            rest = rest[found.end() :]
        if name == "capture":
            inner, bound = read_cell("".join(body)), frozenset(rest.split()[:1])
        else:
            inner, bound = read_cell("\n".join([rest, *body])), frozenset()
        return Cell(inner.trees, inner.binds | bound, inner.everything)
    return Cell(everything=name not in _HARMLESS or bool(_KEEPS_OUTPUT.search(line)))


def _exported(node: ast.ImportFrom) -> set[str] | None:
    """Return what a star import binds, or None where the module is not loaded yet."""
    module = sys.modules.get(node.module or "") if not node.level else None
    if module is None:
        return None
    listed = getattr(module, "__all__", None)
    return set(listed) if listed is not None else {name for name in vars(module) if not name.startswith("_")}


def _bound_by(node: ast.AST) -> Iterator[str]:
    """Give the names that a node binds without an `ast.Name`."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            root = alias.name.partition(".")[0]
            if alias.name == "__main__" or getattr(node, "module", None) == "__main__":
                yield "__main__"
            yield alias.asname or root
    elif isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names
    elif isinstance(node, _NAMED) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest

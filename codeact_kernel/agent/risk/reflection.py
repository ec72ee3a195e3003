"""Ways around a name: frames, tables of modules, modules and functions that are handed on to be looked into."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from codeact_kernel.agent.risk import tables
from codeact_kernel.agent.risk.packages import package_rules

if TYPE_CHECKING:
    from codeact_kernel.agent.risk.findings import Findings
    from codeact_kernel.agent.risk.names import Names

_FRAMES = frozenset({"_getframe", "f_globals", "f_locals", "f_builtins", "gi_frame", "cr_frame", "tb_frame"})
_MODULES = frozenset(name.rpartition(".")[0] for name in tables.CALLS if "." in name) | {
    *("builtins", "urllib", "urllib.request", "requests", "httpx", "socket", "http.client", "ctypes", "importlib"),
    "codeact_kernel",
}
"""Modules whose functions are labelled by their names."""
_LOOKERS = frozenset(
    {
        *(
            "dir",
            "help",
            "print",
            "type",
            "id",
            "repr",
            "str",
            "isinstance",
            "hasattr",
            "getattr",
            "len",
            "display",
        ),
        *("inspect.getsource", "inspect.signature", "importlib.reload", "types.ModuleType"),
    }
)
"""Calls that may be handed a module without more."""
_OURS = (
    r"codeact_kernel|%%?codeact\b|\bCodeAct(?:Magics)?\b|CODEACT_|['\"]codeact_?|\bmagics_manager\b"
    r"|\b(?:ast|input)_transformers|\bgc\s*\.\s*get_(?:objects|referrers)\b|\bbuiltins\s*\.\s*\w+\s*=(?!=)"
)
"""What a cell writes that changes settings, code or objects of the agent, or what all code stands on."""
OURS = "reaches into the agent itself, or into what all code stands on"


def agent_itself(code: str, findings: Findings) -> None:
    """Label a text that names the agent's package, settings or magic: no task needs them."""
    found = re.search(_OURS, code)
    if found is not None:
        findings.add("dynamic", OURS, [found[0].strip()])


def mention(node: ast.Attribute | ast.Name, name: str, findings: Findings) -> None:
    """Label what reaches into frames, or hands `getattr` or a function of the network on."""
    if isinstance(node, ast.Attribute) and node.attr in _FRAMES:
        findings.add("dynamic", tables.DYNAMIC, [node.attr])
    elif name in {"getattr", "operator.attrgetter", "operator.methodcaller"}:
        findings.add("dynamic", tables.DYNAMIC, [f"{name}, handed on"])
    elif isinstance(node, ast.Attribute) and name == "urllib.request.urlopen":
        for kind, verb in package_rules(name):
            findings.add(kind, verb, [name])


def subscript(node: ast.Subscript, names: Names, findings: Findings) -> None:
    """Label `module.__dict__[key]`, where what the key names is not read as its own name."""
    owner = node.value
    table = isinstance(owner, ast.Attribute) and owner.attr == "__dict__"
    if not table or not isinstance(owner, ast.Attribute):
        return
    module = names.dotted(owner.value)
    if module == "builtins" or (module in _MODULES and not isinstance(node.slice, ast.Constant)):
        findings.add("dynamic", tables.DYNAMIC, [ast.unparse(node)])


def call(node: ast.Call, name: str, names: Names, findings: Findings) -> None:
    """Label a call that is handed a module whose functions would have been asked about."""
    if name in _LOOKERS:
        return
    for arg in node.args:
        if isinstance(arg, ast.Name | ast.Attribute) and names.dotted(arg) in _MODULES:
            findings.add("dynamic", tables.DYNAMIC, [ast.unparse(node)])
            return

"""What IPython's `!`, `%` and `%%` may do."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from codeact_kernel.agent.risk import tables
from codeact_kernel.agent.risk.names import HOLE
from codeact_kernel.agent.risk.shell import install_only, install_verb, shell_risks
from codeact_kernel.secret_names import is_secret_variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeact_kernel.agent.risk.findings import Findings

_EXPANDED = r"\{[^{}]*\}|\$\w+"
"""What IPython puts a variable in for."""
_EXPANDED_SHELL = r"\{\w[^{}\s,]*\}"
"""The same in a shell's text: `$NAME` stays, to tell which variables are read; `{a,b}` is the shell's."""
_OPTIONS_WITH_VALUE = {
    "timeit": "nrp",
    "prun": "lsTD",
    "lprun": "fmDTu",
    "mprun": "fT",
    "memit": "rt",
}
"""Options of a magic, by their letters, after which a word of their own comes."""


class Magics:
    """Labels calls on `get_ipython()`; `again` reads Python inside a magic, `bound` hears of names it binds."""

    def __init__(
        self, findings: Findings, again: Callable[[str], None], bound: Callable[[dict[str, bool]], None]
    ) -> None:
        self.findings = findings
        self.again = again
        self.bound = bound

    def call(self, node: ast.Call, method: str) -> None:
        """Label `get_ipython().METHOD(...)`."""
        words = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
        texts = [word for word in words if isinstance(word, str)]
        if method in tables.SHELL_METHODS:
            self.command(texts[0] if texts else "a command made at run time")
        elif method in tables.CODE_METHODS:
            self.findings.add("dynamic", tables.DYNAMIC, [method])
        elif method in {"run_line_magic", "run_cell_magic", "magic"}:
            if len(texts) < len(words) or not texts:
                self.findings.add("dynamic", tables.DYNAMIC, ["a magic made at run time"])
            elif method == "run_cell_magic":
                self._cell(texts[0], "".join(texts[1:2]), "".join(texts[2:3]))
            elif method == "run_line_magic":
                self._line(texts[0], "".join(texts[1:2]))
            else:
                name, _, line = texts[0].lstrip("%").partition(" ")
                self._line(name, line)

    def command(self, line: str) -> None:
        """Label a command line (`!ls`)."""
        if install_only(line):
            self.findings.add("install", install_verb(line), [line])
        else:
            self.findings.add("subprocess", tables.PROCESS, [f"!{line}"])
            self.shell(line)

    def shell(self, text: str) -> None:
        """Label what a shell text does, besides that it is one."""
        shell_risks(re.sub(_EXPANDED_SHELL, HOLE, text), self.findings)

    def _line(self, name: str, line: str) -> None:
        found, shown = self.findings, [f"%{name} {line}"]
        if name in tables.PYTHON_MAGICS:
            self.again(_without_options(line, name))
        elif name in tables.SHELL_MAGICS or name in tables.INSTALL_MAGICS:
            self.command(line if name in {"system", "sx", "sc"} else f"{name} {line}")
        elif name in tables.CODE_MAGICS:
            found.add("dynamic", tables.DYNAMIC, shown)
        elif name in tables.FORGETTING_MAGICS:
            found.add("delete", "deletes variables", shown)
            self.bound(dict.fromkeys(line.split(), True))
        elif name in {"env", "set_env"}:
            self._environment(line)
        elif name == "cd":
            found.placed([line.strip().rpartition(" ")[2].strip("\"'") or "~"])
        elif name in {"save", "logstart", "notebook"}:
            found.wrote([_without_options(line).partition(" ")[0]])
        elif name not in tables.CALM_MAGICS:
            found.add("unknown", "runs a magic that is not known", [f"%{name}"])

    def _environment(self, line: str) -> None:
        words = line.replace("=", " ").split()
        if not words or (len(words) == 1 and is_secret_variable(words[0])):
            self.findings.add(
                "credentials", tables.SECRETS, [f"%env {words[0]}"] if words else [tables.WHOLE_ENVIRONMENT]
            )

    def _cell(self, name: str, line: str, body: str) -> None:
        found, shown = self.findings, [f"%%{name}"]
        if name in tables.PYTHON_MAGICS:
            first = _without_options(line, name) if name in {"time", "timeit", "prun"} else ""
            if name == "capture":
                self.bound({word: False for word in line.split() if not word.startswith("-")})
            self.again(f"{first}\n{body}")
        elif name in {"writefile", "file"}:
            self._file(line)
        elif name in tables.SHELL_MAGICS:
            found.add("subprocess", tables.PROCESS, [f"%%{name} {body}"])
            self.shell(body)
            if name.startswith(("python", "pypy")):
                self.again(body)
        elif name in tables.TEXT_MAGICS:
            if "<script" in body.lower() or "javascript:" in body.lower():
                found.add("dynamic", tables.DYNAMIC, shown)
        elif name in tables.CODE_MAGICS:
            found.add("dynamic", tables.DYNAMIC, shown)
        elif name.startswith("cython"):
            found.add("native", tables.NATIVE, shown)
        else:
            found.add("unknown", "runs a magic that is not known", shown)

    def _file(self, line: str) -> None:
        path = re.sub(_EXPANDED, HOLE, _without_options(line).strip("\"' "))
        if line.lstrip().startswith("-a"):
            self.findings.placed([path])
        else:
            self.findings.wrote([path], _without_options(line))


def _without_options(line: str, magic: str = "") -> str:
    with_value = {f"-{letter}" for letter in _OPTIONS_WITH_VALUE.get(magic, "")}
    words = line.split(" ")
    while words and (words[0].startswith("-") or not words[0]):
        if words.pop(0) in with_value and words:
            words.pop(0)
    return " ".join(words)

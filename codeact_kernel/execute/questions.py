"""Lets a `%codeact` task end in a question mark: IPython takes `%codeact which region?` for a call for help."""

from __future__ import annotations

import re
from typing import Any

LINE = re.compile(r"^(?P<before>\s*(?:[A-Za-z_][\w.\[\]'\"]*\s*=\s*)?)%codeact[ \t]+(?P<task>\S.*\?)\s*$")
TRIPLE = re.compile("'''|\"\"\"")


class KeepQuestions:
    """An entry of IPython's `input_transformers_cleanup`, which run before IPython looks for help."""

    has_side_effects = False

    def __call__(self, lines: list[str]) -> list[str]:
        """Return the lines with every `%codeact ...?` as the call it means; cell magics stay as they are."""
        if not lines or lines[0].lstrip().startswith("%%"):
            return lines
        kept: list[str] = []
        quotes = 0
        for line in lines:
            match = LINE.match(line) if quotes % 2 == 0 else None
            quotes += len(TRIPLE.findall(line))
            if match is None:
                kept.append(line)
            else:
                kept.append(f"{match['before']}get_ipython().run_line_magic('codeact', {match['task']!r})\n")
        return kept


def install(shell: Any) -> None:
    """Keep question marks in every cell of this shell from now on; a second call does nothing."""
    if not any(isinstance(entry, KeepQuestions) for entry in shell.input_transformers_cleanup):
        shell.input_transformers_cleanup.append(KeepQuestions())


def uninstall(shell: Any) -> None:
    """Take `install` back."""
    shell.input_transformers_cleanup[:] = [
        entry for entry in shell.input_transformers_cleanup if not isinstance(entry, KeepQuestions)
    ]

"""The words after `%codeact`: options first, then a subcommand or the task, verbatim."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from IPython.core.error import UsageError

from codeact_kernel.config import APPROVAL_MODES

OPTION = re.compile(r"\s*(?P<name>--?[A-Za-z][\w-]*)(?:=(?P<value>\S+))?(?=\s|$)")
SAVE = re.compile(r"save\s+(?P<path>\S+\.ipynb)")
UNDO = re.compile(r"(?P<verb>undo|redo)(?:\s+(?P<steps>[1-9]\d?))?")
VALUE = re.compile(r"\s*(?:\"([^\"]*)\"|'([^']*)'|(\S+))")

USAGE = """\
%codeact [options] TASK      carry out a task on what is in this kernel
%codeact and now by month    a further task goes on with the conversation

  %codeact fix       mend the last cell that failed
  %codeact undo [N]  put your variables back to before the last step (or N steps)
  %codeact redo [N]  take an undo back
  %codeact list      the episodes kept beside this notebook
  %codeact save F    go on with the episode in another file, F.ipynb
  %codeact reset     forget the conversation; the next task begins a new episode
  %codeact help      this text

Fields: {var}, {In[3]}, {Out[3]}, {Err[3]} in a task are filled from the kernel.
Settings: %config CodeAct; every option below has one."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; `%codeact help` lists the options.")


def parser_of() -> _Parser:
    """Return the parser of the options."""
    parser = _Parser(prog="%codeact", add_help=False, usage=argparse.SUPPRESS, allow_abbrev=False)
    parser.add_argument("-m", "--model", help="model for this task, e.g. llamacpp:qwen2.5-coder-0.5b")
    parser.add_argument("-o", "--output", metavar="VAR", help="put the answer into a variable")
    parser.add_argument("--max-steps", metavar="N", help="steps the task may take")
    parser.add_argument("--approve", choices=APPROVAL_MODES, help="what may run without asking")
    parser.add_argument("--protect", metavar="NAMES", help="variables no step may change, e.g. df,model")
    parser.add_argument("--inline", action="store_true", help="run the steps under this cell, not as cells below")
    parser.add_argument("--again", action="store_true", help="ask the model even if a saved answer is there")
    parser.add_argument("-h", "--help", action="store_true", help="this text")
    return parser


def split(text: str) -> tuple[argparse.Namespace, str]:
    """Split the words after `%codeact` into options, which come first, and the task, verbatim.

    Raises:
        UsageError: an option that does not exist or lacks its value.
    """
    parser = parser_of()
    flags = {"--again", "--inline", "-h", "--help"}
    options: list[str] = []
    at = 0
    while match := OPTION.match(text, at):
        at = match.end()
        options.append(match.group(0).strip())
        if match.group("value") is None and match.group("name") not in flags:
            value = VALUE.match(text, at)
            if value is not None and options[-1] in parser._option_string_actions:  # noqa: SLF001
                options.append(next(group for group in value.groups() if group is not None))
                at = value.end()
    rest = text[at:].strip()
    if rest.startswith("-- "):
        rest = rest[3:].strip()
    return parser.parse_args(options), rest

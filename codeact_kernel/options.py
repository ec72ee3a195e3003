"""The words after `%codeact`: options first, then a subcommand or the task, verbatim."""

from __future__ import annotations

import argparse
import re
import shlex
from typing import TYPE_CHECKING, Any, TypeVar, cast

from IPython.core.error import UsageError
from IPython.core.magic_arguments import argument, kwds, magic_arguments

from codeact_kernel.config import ACTIONS, APPROVAL_MODES

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.magic_arguments import MagicArgumentParser

REPLAYING = "codeact_kernel.replaying"
OPTION = re.compile(r"\s*(?P<name>--?[A-Za-z][\w-]*)(?:=(?P<value>\S+))?(?=\s|$)")
SAVE = re.compile(r"save\s+(?P<path>\S+\.ipynb)")
VERB = re.compile(r"(?P<verb>replay|rehearse|fork|resume)\s+(?P<rest>\S.*)")
UNDO = re.compile(r"(?P<verb>undo|redo)(?:\s+(?P<steps>[1-9]\d?))?")
VALUE = re.compile(r"\s*(?:\"([^\"]*)\"|'([^']*)'|(\S+))")

USAGE = """\
%codeact [options] TASK      carry out a task on what is in this kernel
%codeact and now by month    a further task goes on with the conversation

  %codeact fix       mend the last cell that failed
  %codeact undo [N]  put your variables back to before the last step (or N steps)
  %codeact redo [N]  take an undo back
  %codeact list      the episodes kept beside this notebook
  %codeact replay F  run a saved notebook's cells in this kernel and compare what they give; asks first
                     [--yes] [--report OUT.ipynb] [--rtol R] [--rules TOML] [--policy P] [--without-prelude]
  %codeact fork F --step K [-m M] [TASK]   go on from a step of an episode, here, with any model
  %codeact resume F [-m M] [TASK]          go on after its last complete step
  %codeact rehearse F                      check prompts, parser and observations against its record
  %codeact save F    go on with the episode in another file, F.ipynb
  %codeact reset     forget the conversation; the next task begins a new episode
  %codeact help      this text

Fields: {var}, {In[3]}, {Out[3]}, {Err[3]} in a task are filled from the kernel.
Settings: %config CodeAct; every option below has one."""


def _option(*names: str, **more: Any) -> Any:
    return argument(*names, **more)  # type: ignore[no-untyped-call, unused-ignore]


OPTIONS = (
    _option("-m", "--model", help="model for this task, e.g. llamacpp:qwen2.5-coder-0.5b"),
    _option(
        "-o",
        "--output",
        metavar="VAR",
        help="put the answer into a variable: the value, where the model gives one",
    ),
    _option("--check", metavar="EXPR", help='what must hold of `answer`, e.g. "answer > 0"'),
    _option("--max-steps", metavar="N", help="steps the task may take"),
    _option(
        "--approve",
        choices=APPROVAL_MODES,
        metavar="MODE",
        help=f"what may run without asking: {', '.join(APPROVAL_MODES)}",
    ),
    _option(
        "--action",
        choices=ACTIONS,
        metavar="SPACE",
        help="what the model writes to act: code, or json or text, which are one call a step",
    ),
    _option("--protect", metavar="NAMES", help="variables no step may change, e.g. df,model"),
    _option("--tools", metavar="NAMES", help="functions of yours to call, e.g. lookup,price"),
    _option("--mcp", metavar="FILE", help="MCP servers whose tools to call, as `tools`"),
    _option("--inline", action="store_true", help="run the steps under this cell, not as cells below"),
    _option("--again", action="store_true", help="ask the model even if a saved answer is there"),
    _option("-h", "--help", action="store_true", help="this text"),
)

F = TypeVar("F", bound="Callable[..., Any]")


def with_options(magic: F) -> F:
    """Give a magic the options: as its `parser`, and in the text that `%codeact?` shows."""
    described: Any = kwds(description=USAGE, usage=argparse.SUPPRESS)(magic)  # type: ignore[no-untyped-call, unused-ignore]
    for option in reversed(OPTIONS):
        described = option(described)
    described = magic_arguments()(described)  # type: ignore[no-untyped-call, unused-ignore]
    described.parser.allow_abbrev = False
    return cast("F", described)


def split(parser: MagicArgumentParser, text: str) -> tuple[argparse.Namespace, str]:
    """Split the words after `%codeact` into options, which come first, and the task, verbatim.

    Raises:
        UsageError: an option that does not exist or lacks its value.
    """
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
    try:
        return parser.parse_args(options), rest
    except UsageError as error:
        raise UsageError(f"{error}; `%codeact help` lists the options.") from None


def verb_of(task: str) -> tuple[str, list[str]] | None:
    """Return a verb about a saved notebook and its words; None for a task, which may begin with the same word.

    The word after the verb must name a notebook; what follows must be options, or more of the task to go on with.
    """
    found = VERB.fullmatch(task)
    try:
        words = shlex.split(found["rest"]) if found is not None else []
    except ValueError:
        return None
    if found is None or not words or not words[0].endswith(".ipynb"):
        return None
    verb = found["verb"]
    if verb == "replay" and len(words) > 1 and not words[1].startswith("-"):
        return None
    if verb == "rehearse" and not all(word.endswith(".ipynb") for word in words):
        return None
    return verb, words


def load_replaying(shell: InteractiveShell) -> None:
    """Load the part that runs saved notebooks again, if it is not there yet."""
    manager: Any = shell.extension_manager
    manager.load_extension(REPLAYING)


def unload_replaying(shell: InteractiveShell) -> None:
    """Unload it, if it is there."""
    manager: Any = shell.extension_manager
    manager.unload_extension(REPLAYING)

"""What a text of shell may do, by its commands and their words."""

from __future__ import annotations

import itertools
import posixpath
import re
import shlex
from typing import TYPE_CHECKING

from codeact_kernel.agent.risk import tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeact_kernel.agent.risk.findings import Findings

_SEPARATORS = frozenset(";&|()\n")
_BEFORE_A_COMMAND = tables.words("sudo env nohup time xargs command exec nice then do else if while !")
_DELETERS = frozenset({"rm", "rmdir", "unlink", "shred", "truncate"})
_PLACERS = frozenset({"mkdir", "touch", "chmod", "chown", "mkfifo"})
_COPIERS = frozenset({"cp", "ln", "install", "rsync"})
_OUTPUT_OPTIONS = {
    "curl": {"-o", "--output"},
    "wget": {"-O", "--output-document"},
    "sort": {"-o", "--output"},
}
_FOLDER_OPTIONS = {"tar": {"-C", "--directory"}, "unzip": {"-d"}}


def install_only(line: str) -> bool:
    """Say whether a command line is one installation and nothing else."""
    text = line.strip()
    return bool(re.search(tables.SHELL_INSTALL, text)) and not re.search(tables.SHELL_COMPOUND, text)


def install_verb(line: str) -> str:
    """Return how an installation is told: packages come, or they go."""
    return tables.UNINSTALL if re.search(r"\s(?:uninstall|remove)\b", line) else tables.INSTALL


def shell_risks(text: str, findings: Findings) -> None:
    """Label what a shell text does, besides that it is one."""
    line, padded = " ".join(text.split()), text + "\n"
    if re.search(tables.SHELL_NETWORK, padded):
        findings.add("network", tables.NETWORK, [line])
    if re.search(tables.SHELL_INSTALL, padded):
        findings.add("install", install_verb(padded), [line])
    if re.search(tables.SHELL_SECRETS, padded):
        findings.add("credentials", tables.SECRETS, [line])
    for match in re.finditer(tables.PRIVATE_FILE, padded):
        findings.add("credentials", tables.PRIVATE, [match.group().strip(" \"'=\n")])
    for match in re.finditer(tables.SHELL_REDIRECT, padded):
        appends, path = match.group(1) == ">>" or bool(match.group(3)), match.group(2) or match.group(4)
        (findings.placed if appends else findings.wrote)([path.strip("\"'")])
    deletes = bool(re.search(tables.SHELL_DELETE, padded))
    for words in _commands(text):
        deletes = not _deeds(words, line, findings) and deletes
    if deletes:
        findings.add("delete", tables.DELETE, [line])


def _commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command, without what may stand before one (`sudo`, `A=b`, `xargs`)."""
    for line in text.replace("\\\n", " ").split("\n"):
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        try:
            for word in lexer:
                if set(word) <= _SEPARATORS:
                    yield from _command(words)
                    words = []
                else:
                    words.append(word)
        except ValueError:  # a quote that nothing closes: the words before it still count
            pass
        yield from _command(words)


def _command(words: list[str]) -> Iterator[list[str]]:
    while words and (words[0] in _BEFORE_A_COMMAND or re.match(r"\w+=", words[0])):
        words = words[1:]
    if words:
        yield [posixpath.basename(words[0]), *words[1:]]


def _deeds(words: list[str], line: str, findings: Findings) -> bool:
    """Label what one command does to files; say whether it is a deletion that was labelled by its files."""
    name, *rest = words
    plain = [word for word in rest if not word.startswith("-") and not set(word) <= set("<>")]
    if name in _DELETERS and plain:
        findings.lost("delete", tables.DELETE, plain, line)
        return True
    if name == "mv":
        findings.lost("overwrite", tables.MOVE, plain, line)
    elif name in _COPIERS and len(plain) > 1:
        *sources, goal = plain
        findings.wrote([goal, *(posixpath.join(goal, posixpath.basename(source)) for source in sources)])
    elif name in _PLACERS:
        findings.placed(plain)
    elif name in {"cd", "pushd"}:
        findings.placed(plain or ["~"])
    elif name in {"sed", "perl"} and any(re.match(r"-\w*i|--in-place", word) for word in rest):
        findings.wrote(plain[1:] or plain)
    elif name == "git":
        _git(plain, rest, line, findings)
    elif name == "dd":
        findings.wrote([word[3:] for word in plain if word.startswith("of=")] or ["/dev/null"])
    findings.wrote_all(_after(rest, _OUTPUT_OPTIONS.get(name, set())))
    findings.placed(_after(rest, _FOLDER_OPTIONS.get(name, set())))
    return False


def _after(words: list[str], options: set[str]) -> list[str]:
    return [value for word, value in itertools.pairwise(words) if word in options]


def _git(plain: list[str], rest: list[str], line: str, findings: Findings) -> None:
    command = plain[0] if plain else ""
    if command in {"clean", "rm"}:
        findings.add("delete", tables.DELETE, [line])
    elif command in {"checkout", "restore", "stash", "pull", "merge", "rebase"} or "--hard" in rest:
        findings.add("overwrite", tables.OVERWRITE, [line])

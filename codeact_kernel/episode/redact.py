"""Secrets are taken out before an episode leaves: exact values of the environment, and patterns of vendors.

Every look at a text is a search for a literal, or a pattern that begins with one and is anchored to the left of
a run of letters: the time is linear in the text, whatever it holds.
"""

from __future__ import annotations

import base64
import copy
import html
import json
import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from codeact_kernel.agent.prompt import build, digest_of
from codeact_kernel.canonical import sha256
from codeact_kernel.episode import schema
from codeact_kernel.episode.cells import source_of
from codeact_kernel.episode.chat import conversation
from codeact_kernel.episode.integrity import prelude_digest
from codeact_kernel.episode.notebook import Episode, from_notebook
from codeact_kernel.episode.plain import escape, plain_text, unescape
from codeact_kernel.episode.records import Record, record_digest
from codeact_kernel.errors import EpisodeError
from codeact_kernel.secret_names import is_secret_variable
from codeact_kernel.types import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SHORTEST, ALL_FORMS_FROM = 4, 8
"""Characters: shorter values are not looked for; from the second on also encoded, and inside of words."""

TRIVIAL = {"true", "false", "none", "null", "auto", "default", "enabled", "disabled"}

_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
"""Not inside a run of letters and digits (a base64 picture), but after an escaped line end."""

PATTERNS: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (name, literal, re.compile(pattern))
    for name, literal, pattern in (
        ("private key", "PRIVATE KEY-----", r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[A-Za-z0-9+/=\s\\:,]*"),
        ("API key (sk-)", "sk-", _START + r"sk-[A-Za-z0-9_-]{20,}"),
        ("Stripe key", "k_", _START + r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
        ("AWS access key", "AKIA", _START + r"AKIA[0-9A-Z]{16}(?![0-9A-Za-z])"),
        ("AWS access key", "ASIA", _START + r"ASIA[0-9A-Z]{16}(?![0-9A-Za-z])"),
        ("GitHub token", "gh", _START + r"gh[pousr]_[A-Za-z0-9]{30,}"),
        ("GitHub token", "github_pat_", _START + r"github_pat_[A-Za-z0-9_]{22,}"),
        ("GitLab token", "glpat-", _START + r"glpat-[A-Za-z0-9_-]{20,}"),
        ("Hugging Face token", "hf_", _START + r"hf_[A-Za-z0-9]{30,}"),
        ("Google API key", "AIza", _START + r"AIza[A-Za-z0-9_-]{35}"),
        ("Slack token", "xox", _START + r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
        ("npm token", "npm_", _START + r"npm_[A-Za-z0-9]{36}"),
        ("PyPI token", "pypi-", _START + r"pypi-[A-Za-z0-9_-]{50,}"),
        (
            "JSON web token",
            "eyJ",
            _START + r"eyJ[A-Za-z0-9_-]{10,4096}\.eyJ[A-Za-z0-9_-]{10,8192}\.[A-Za-z0-9_-]{10,}",
        ),
        ("password in a URL", "://", r"(?<=://)[^\s/:@\"'<>]{0,128}:[^\s/@\"'<>]{1,128}(?=@)"),
        ("bearer token", "earer", r"(?<=[Bb]earer )[A-Za-z0-9._~+/-]{16,}=*"),
    )
)
"""What is found by its shape: its name, a literal that it must hold, and a pattern."""

STRUCTURE = {
    *("kind", "role", "status", "finish", "decision", "by", "schema", "cell_type", "output_type", "name", "type"),
    *("format", "tags"),
}
"""Keys whose texts, where they are words of the schema, make the episode what it is."""

_MIME = re.compile(r"[\w.+-]+/[\w.+-]+")
_NOTEBOOK_KEYS = {
    *("cells", "metadata", "nbformat", "nbformat_minor", "source", "outputs", "execution_count", "attachments"),
    *("data", "text", "name", "ename", "evalue", "traceback", "tags", "jupyter", "kernelspec", "language_info"),
    *("role", "content", "messages", "conversations", "tool_calls", "function", "arguments", "image_url", "url"),
    *("output_type", "cell_type", "display_name", "language", "codeact", "execution", "answer", "question"),
    *(
        "stdout",
        "stderr",
        "stream",
        "display_data",
        "execute_result",
        "error",
        "markdown",
        "code",
        "raw",
        "system",
    ),
    *("system", "user", "assistant", "tool", "python3", "python", "raises-exception", "skip-execution"),
}


class Redactor:
    """Takes secrets out of texts and counts what it took, by name and never by value."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Look for the values of the variables named like secrets; None takes this process's environment."""
        self.found: dict[str, int] = {}
        self._forms: list[tuple[str, str]] = []
        self._words: list[tuple[str, str, re.Pattern[str]]] = []
        for name, value in sorted((os.environ if environ is None else environ).items()):
            if is_secret_variable(name):
                self._watch(name, value)
        self._forms.sort(key=lambda form: len(form[1]), reverse=True)

    def text(self, text: str) -> str:
        """Return a text without secrets; `[redacted NAME]` stands in the place of each."""
        for name, form in self._forms:
            count = text.count(form)
            if count:
                self._count(name, count)
                text = text.replace(form, f"[redacted {name}]")
        for name, literal, pattern in (*self._words, *PATTERNS):
            if literal in text:
                text, count = pattern.subn(f"[redacted {name}]", text)
                self._count(name, count)
        return text

    def value(self, value: Any, key: str = "") -> Any:
        """Return a deep copy of a JSON value without secrets in its texts and in the names that data gave.

        A text that is stored as a list of lines is looked at as a whole.
        """
        if isinstance(value, str):
            return value if key in STRUCTURE and value in _vocabulary() else self.text(value)
        if isinstance(value, dict):
            return {self._key(name): self.value(item, name) for name, item in value.items()}
        if isinstance(value, list):
            if len(value) > 1 and all(isinstance(item, str) for item in value) and value[0].endswith("\n"):
                before = "".join(value)
                after = self.text(before)
                return list(value) if after == before else after.splitlines(keepends=True)
            return [self.value(item, key) for item in value]
        return value

    def summary(self) -> list[dict[str, Any]]:
        """Return what was taken out so far: `[{"what": name, "count": times}]`."""
        return [{"what": name, "count": count} for name, count in sorted(self.found.items())]

    def _watch(self, name: str, value: str) -> None:
        value = value.strip()
        if len(value) < SHORTEST or value.lower() in TRIVIAL or (value.isdigit() and len(value) < ALL_FORMS_FROM):
            return
        if len(value) < ALL_FORMS_FROM:
            pattern = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(value)}(?![A-Za-z0-9_])")
            self._words.append((name, value, pattern))
            return
        self._forms += [(name, form) for form in dict.fromkeys(forms(value))]

    def _key(self, name: str) -> str:
        return name if name in _vocabulary() or _MIME.fullmatch(name) else self.text(name)

    def _count(self, name: str, count: int) -> None:
        if count:
            self.found[name] = self.found.get(name, 0) + count


def forms(secret: str) -> Iterator[str]:
    """Yield the ways in which a secret of at least 8 characters may stand in a text.

    Plain, in JSON, HTML and URLs, in hex, and in base64 wherever it begins in what was encoded.
    """
    raw = secret.encode("utf-8", "surrogatepass")
    yield secret
    yield json.dumps(secret)[1:-1]
    yield repr(secret)[1:-1]
    yield html.escape(secret)
    for url in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield url
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), url)
    yield raw.hex()
    yield raw.hex().upper()
    for shift, first in ((0, 0), (1, 2), (2, 3)):
        # The letters of base64 that depend on the secret alone, when `shift` bytes (mod 3) stand before it.
        whole = base64.b64encode(b"\0" * shift + raw).decode()[first : 8 * (shift + len(raw)) // 6]
        if len(whole) >= ALL_FORMS_FROM:
            yield whole
            yield whole.replace("+", "-").replace("/", "_")


def redact_notebook(notebook: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    """Return an episode's notebook without secrets, a valid episode in itself; the same object if there are none.

    What was taken out is listed in the header. Digests are made again for what changed, so that none of them tells
    about a secret, and a chain or a request that did not fit before does not fit afterwards.

    Raises:
        EpisodeError: the notebook is no episode.
    """
    before = dict(redactor.found)
    changed = _redacted(notebook, redactor)
    found = {name: count - before.get(name, 0) for name, count in redactor.found.items()}
    listed = [{"what": name, "count": count} for name, count in sorted(found.items()) if count]
    if not listed:
        return notebook
    header = changed["metadata"]["codeact"]
    header["redactions"] = [*(header.get("redactions") or ()), *listed]
    _mend_requests(notebook, changed)
    _mend_chain(from_notebook(notebook), from_notebook(changed))
    return changed


def _redacted(notebook: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    """Return the notebook redacted text by text; records and header with their surrogates where they were."""

    def exact(value: Any) -> Any:
        return escape(redactor.value(unescape(value))) if isinstance(value, dict) else redactor.value(value)

    shell = copy.copy(notebook)
    metadata = dict(notebook["metadata"])
    header = metadata.pop("codeact", None)
    shell["metadata"] = {**redactor.value(metadata), "codeact": exact(header)}
    shell["cells"] = [_redacted_cell(cell, redactor, exact) for cell in notebook["cells"]]
    for number, (cell, redone) in enumerate(zip(notebook["cells"], shell["cells"], strict=True)):
        if cell.get("id") != redone.get("id"):
            redone["id"] = f"redacted-{number}"
    return shell


def _redacted_cell(cell: dict[str, Any], redactor: Redactor, exact: Callable[[Any], Any]) -> dict[str, Any]:
    mark = (cell.get("metadata") or {}).get("codeact")
    record = mark.get("record") if isinstance(mark, dict) else None
    if not isinstance(mark, dict) or not isinstance(record, dict):
        result: dict[str, Any] = redactor.value(cell)
        return result
    bare = {**cell, "metadata": {**cell["metadata"], "codeact": {**mark, "record": None}}}
    result = redactor.value(bare)
    result["metadata"]["codeact"]["record"] = exact(record)
    return result


def _mend_requests(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Give each step whose messages could be rebuilt the digest of those that can be rebuilt now."""
    try:
        system, turns = conversation(old)
        after, redone = conversation(new)
    except EpisodeError:
        return
    records = [entry.record for entry in from_notebook(new).entries if entry.kind in {"task", "step"}]
    for index, turn in enumerate(turns):
        record = records[index]
        if not isinstance(turn, Step) or record is None:
            continue
        for images in (False, True):
            if digest_of(build(system, turns[:index], turn.request.view, images=images)) == turn.request.digest:
                sent = build(after, redone[:index], turn.request.view, images=images)
                record["request"]["digest"] = digest_of(sent)
                break


def _mend_chain(old: Episode, new: Episode) -> None:
    """Put a new digest wherever an old one stood; what pointed nowhere still points nowhere."""
    digests: dict[Any, str] = {}
    for before, after in zip(old.entries, new.entries, strict=True):
        for cell, redone in zip(before.cells, after.cells, strict=True):
            digests[sha256(source_of(cell))] = sha256(source_of(redone))
        one, two = before.record, after.record
        if one is None or two is None:
            continue
        _note_texts(one, two, digests)
        two["prev"] = digests.get(one.get("prev"), one.get("prev"))
        if "source" in one:
            two["source"] = digests.get(one["source"], one["source"])
        digests[record_digest(one)] = record_digest(two)
    if isinstance(old.header.get("prelude"), str):
        digests[prelude_digest(old)] = str(prelude_digest(new))
    header = new.header
    for name in ("digest", "prelude"):
        if name in header:
            header[name] = digests.get(header[name], header[name])
    for task in header.get("tasks") or ():
        for place in (task, task.get("origin")):
            _replace_task(place, digests)
    _replace_task(header.get("origin"), digests)


def _note_texts(one: Record, two: Record, digests: dict[Any, str]) -> None:
    """Note what the digests of a record's own texts become: the task's words, code that did not run."""
    before, after = unescape(one), unescape(two)
    for name in ("code", "text"):
        if isinstance(before.get(name), str):
            digests[sha256(before[name])] = sha256(after[name])
            digests[sha256(plain_text(before[name]))] = sha256(plain_text(after[name]))


def _replace_task(place: Any, digests: dict[Any, str]) -> None:
    if isinstance(place, dict) and isinstance(place.get("task"), str):
        place["task"] = digests.get(place["task"], place["task"])


@cache
def _vocabulary() -> frozenset[str]:
    """Return the words that the schema of episodes and the notebook format give to things and kinds."""
    names = set(_NOTEBOOK_KEYS)
    waiting: list[Any] = [schema.load()]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            names |= set(value.get("properties") or ()) | {str(word) for word in value.get("enum") or ()}
            names.add(str(value.get("const")))
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return frozenset(names)

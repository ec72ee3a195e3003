"""Secrets are taken out of a whole notebook before it leaves, and its digests made anew; see `redactor`."""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING, Any

from codeact_kernel import redactor as texts
from codeact_kernel.agent.prompt import digest_of, sent
from codeact_kernel.canonical import sha256
from codeact_kernel.episode import schema
from codeact_kernel.episode.cells import source_of
from codeact_kernel.episode.chat import conversation
from codeact_kernel.episode.integrity import prelude_digest
from codeact_kernel.episode.notebook import Episode, from_notebook
from codeact_kernel.episode.plain import escape, plain_text, unescape
from codeact_kernel.episode.records import Record, record_digest
from codeact_kernel.errors import EpisodeError
from codeact_kernel.types import Step

if TYPE_CHECKING:
    from collections.abc import Callable

STRUCTURE = {
    *("kind", "role", "status", "finish", "decision", "by", "schema", "cell_type", "output_type", "name", "type"),
    *("format", "tags"),
}
"""Keys whose texts, where they are words of the schema, make the episode what it is."""

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


class Redactor(texts.Redactor):
    """Takes secrets out of whole notebooks and rows: the words of the formats stay."""

    def keeps(self, key: str, value: str) -> bool:
        """Say whether a text under this key makes the episode what it is."""
        return key in STRUCTURE and value in _vocabulary()

    def keeps_key(self, name: str) -> bool:
        """Say whether a key is a word of the formats."""
        return name in _vocabulary() or super().keeps_key(name)


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
            if digest_of(sent(system, turns, index, images=images)) == turn.request.digest:
                record["request"]["digest"] = digest_of(sent(after, redone, index, images=images))
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

"""An episode as one row of messages, and back, exactly.

A row of the format `messages` is one JSON object:

* `format` "codeact-messages", `version` "1.0", `id` (the episode's), `name` (its file's name).
* `messages`: `{"role", "content", "at"}` in the order of the conversation: the system prompt, and for each turn
  what was said; what the model saw of its code comes as the next `user` message. Neighbours of one role are not
  joined, and nothing is shortened. `at` is the JSON pointer (RFC 6901) of the place in `notebook` where the
  text belongs.
* `notebook`: the whole notebook, outputs, pictures and records included, with `null` at those places: each text is
  in the row once. Putting the texts back gives the notebook again, exactly.

A lone surrogate stands as U+FFFD in `content`, as it does in the notebook; the record's marks say which it was.
"""

from __future__ import annotations

import copy
from typing import Any

from codeact_kernel.episode.cells import mark_of
from codeact_kernel.episode.integrity import check_shape
from codeact_kernel.episode.notebook import from_notebook
from codeact_kernel.episode.schema import check_version
from codeact_kernel.errors import EpisodeError

FORMAT, VERSION = "codeact-messages", "1.0"
MAJOR = VERSION.partition(".")[0]


def row_of(notebook: dict[str, Any], name: str = "") -> dict[str, Any]:
    """Return the row of an episode's notebook (a dict of strict JSON, see `plain`); `name` is its file's name.

    Raises:
        EpisodeError: the notebook is no episode, or of a newer major version.
    """
    check_shape(notebook)
    shell = copy.deepcopy(notebook)
    episode = from_notebook(shell)
    check_version(episode.header)
    messages: list[dict[str, str]] = []

    def take(owner: Any, key: str, role: str, *way: object) -> None:
        if isinstance(owner, dict) and isinstance(owner.get(key), str):
            at = "/".join(["", *map(str, way), key])
            messages.append({"role": role, "content": owner[key], "at": at})
            owner[key] = None

    take(episode.header.get("prompt"), "system", "system", "metadata", "codeact", "prompt")
    places = {id(mark_of(cell)): number for number, cell in enumerate(shell["cells"])}
    for entry in episode.entries:
        for cell in entry.cells if entry.kind in {"task", "step"} else ():
            record = mark_of(cell).get("record")
            if not isinstance(record, dict):
                continue
            way = ("cells", places[id(mark_of(cell))], "metadata", "codeact", "record")
            if entry.kind == "task":
                take(record, "content", "user", *way)
            else:
                take(record, "text", "assistant", *way)
                take(record.get("observation"), "text", "user", *way, "observation")
    known = episode.header.get("episode")
    return {
        "format": FORMAT,
        "version": VERSION,
        "id": known,
        "name": name,
        "messages": messages,
        "notebook": shell,
    }


def notebook_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook of a row; the row is left as it is.

    Raises:
        EpisodeError: the row lacks something, or its texts do not belong where it says.
    """
    if str(row.get("version") or VERSION).partition(".")[0] != MAJOR:
        raise EpisodeError(
            f"It has version {row['version']} of the format, and this codeact-kernel reads {MAJOR}: upgrade it."
        )
    notebook = copy.deepcopy(row.get("notebook"))
    messages = row.get("messages")
    if not isinstance(notebook, dict) or not isinstance(messages, list):
        raise EpisodeError("It lacks its messages or its notebook.")
    for number, message in enumerate(messages):
        content = message.get("content") if isinstance(message, dict) else None
        at = message.get("at") if isinstance(message, dict) else None
        if not isinstance(content, str) or not isinstance(at, str):
            raise EpisodeError(f"Message {number} lacks its content or its place.")
        _put(notebook, at, content, number)
    check_shape(notebook)
    return notebook


def _put(notebook: dict[str, Any], at: str, content: str, number: int) -> None:
    *way, last = at.split("/")[1:] or [""]
    owner: Any = notebook
    for part in way:
        if isinstance(owner, list) and part.isdecimal() and len(part) < 10 and int(part) < len(owner):
            owner = owner[int(part)]
        else:
            owner = owner.get(part) if isinstance(owner, dict) else None
    if not isinstance(owner, dict) or last not in owner or owner[last] is not None:
        raise EpisodeError(f"Message {number} has no place in the notebook: there is none at {at[:200]!r}.")
    owner[last] = content

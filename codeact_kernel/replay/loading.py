"""A notebook from anywhere: read, and refused in one sentence where it is not what it should be.

Nothing of it is run or decoded here. What passes has the types that the rest of replay relies on.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

from codeact_kernel.episode.integrity import header_problem
from codeact_kernel.errors import EpisodeError
from codeact_kernel.replay.picture_size import pixels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_BYTES = 256_000_000
MOST_CELLS = 10_000
MOST_OUTPUTS = 10_000
MOST_SOURCE = 1_000_000
"""Characters of one cell's source."""
MOST_OUTPUT_CHARS = 64_000_000
"""Characters of one cell's outputs together."""
MOST_PIXELS = 64_000_000
"""Of one picture: 8,000 x 8,000."""
DEEPEST = 100
MOST_DIGITS = 1000
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp")
OUTPUT_KINDS = ("stream", "display_data", "execute_result", "error")
SCRIPT_TYPES = ("application/javascript", "text/javascript", "application/x-javascript")
MARKED_UP = ("text/html", "image/svg+xml", "text/markdown", "text/latex")
_SCRIPT = re.compile(
    r"<\s*(?:script|iframe|object|embed|frame|applet)\b|(?:=\s*[\"']?|\]\(\s*)(?:java|vb)script\s*:"
    r"|=\s*[\"']?data\s*:\s*text/html|<[a-z][^<>]{0,2000}?[\s/\"']on[a-z]{3,20}\s*=",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"<!\s*ENTITY", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")
_KERNEL = re.compile(r"[A-Za-z0-9._-]{1,200}")


def load(path: Path, *, trust: bool = False) -> dict[str, Any]:
    """Return the notebook at a path.

    `trust` lets outputs pass that hold scripts: no replay runs them, a report shows them as text.

    Raises:
        EpisodeError: it cannot be read, is no notebook of format 4, or holds what an honest one does not.
    """
    try:
        if path.is_file() and path.stat().st_size > MOST_BYTES:
            _refuse(path, f"it has more than {MOST_BYTES // 1_000_000:,} MB")
        data = path.read_bytes()
    except OSError as error:
        raise EpisodeError(f"{path} cannot be read: {error.strerror}.") from None
    return check(read(data, path), path, trust=trust)


def read(data: bytes, path: Path | str) -> dict[str, Any]:
    """Return the notebook in some bytes: strict JSON, not too deep.

    Raises:
        EpisodeError: it is not.
    """
    problem = ""

    def refuse(what: str) -> NoReturn:
        nonlocal problem
        problem = what
        raise ValueError(what)

    def whole(digits: str) -> int:
        return int(digits) if len(digits) <= MOST_DIGITS else refuse("it holds a number of too many digits")

    try:
        text = data.decode("utf-8-sig")
        notebook = json.loads(
            text, parse_constant=lambda name: refuse(f"it holds {name}, which JSON does not have"), parse_int=whole
        )
    except UnicodeDecodeError:
        _refuse(path, "it is not UTF-8 text")
    except RecursionError:
        _refuse(path, "it is nested too deeply")
    except ValueError:
        _refuse(path, problem or "it is not JSON, or it was cut off")
    if _too_deep(notebook):
        _refuse(path, "it is nested too deeply")
    if not isinstance(notebook, dict):
        _refuse(path, "it is no notebook")
    return notebook


def check(notebook: dict[str, Any], path: Path | str, *, trust: bool = False) -> dict[str, Any]:
    """Return the notebook if every part of it has its type and a size that can be borne.

    Raises:
        EpisodeError: one has not; see `load`.
    """
    if notebook.get("nbformat") != 4:
        _refuse(path, "it is no notebook of format 4; open and save it with a present Jupyter")
    cells, metadata = notebook.get("cells"), notebook.get("metadata")
    if not isinstance(cells, list):
        _refuse(path, "it is no notebook: it has no cells")
    if not isinstance(metadata, dict):
        _refuse(path, "its metadata is no object")
    if len(cells) > MOST_CELLS:
        _refuse(path, f"it has more than {MOST_CELLS:,} cells")
    for problem in _metadata_problems(metadata):
        _refuse(path, problem)
    for number, cell in enumerate(cells, 1):
        for problem in _cell_problems(cell):
            _refuse(path, f"cell {number} {problem}")
        for problem in _script_problems(cell) if not trust else ():
            _refuse(path, f"cell {number} {problem}; if you know where it is from, add --trust")
    return notebook


def joined(text: Any) -> str:
    """Return a text that nbformat may hold as a list of lines."""
    return "".join(text) if isinstance(text, list) else str(text or "")


def _refuse(path: Path | str, problem: str) -> NoReturn:
    raise EpisodeError(f"{path} is not replayed: {problem}.")


def _metadata_problems(metadata: dict[str, Any]) -> Iterator[str]:
    for name in ("kernelspec", "language_info", "codeact"):
        if not isinstance(metadata.get(name, {}), dict):
            yield f"its metadata.{name} is no object"
            return
    spec, header = metadata.get("kernelspec", {}), metadata.get("codeact", {})
    kernel = header.get("kernel")
    for name in (spec.get("name", "python3"), kernel.get("name", "python3") if isinstance(kernel, dict) else "x"):
        if not isinstance(name, str) or not _KERNEL.fullmatch(name):
            yield "its kernel has no name that a kernel can have"
    wrong = header_problem(header)
    if wrong:
        yield f"its header's {wrong} has the wrong type"


def _cell_problems(cell: Any) -> Iterator[str]:
    if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
        yield "is no cell"
        return
    if not isinstance(cell.get("metadata", {}), dict):
        yield "has metadata of the wrong type"
        return
    source = cell.get("source", "")
    if not _is_text(source):
        yield "has a source that is no text"
        return
    source = joined(source)
    if len(source) > MOST_SOURCE:
        yield f"has more than {MOST_SOURCE:,} characters"
    if "\0" in source or _SURROGATE.search(source):
        yield "holds characters that no program can have"
    yield from _mark_problems(cell.get("metadata", {}))
    if cell["cell_type"] == "code":
        yield from _outputs_problems(cell.get("outputs", []))


def _mark_problems(metadata: dict[str, Any]) -> Iterator[str]:
    mark, tags, timing = (metadata.get(name) for name in ("codeact", "tags", "execution"))
    if mark is not None and not isinstance(mark, dict):
        yield "has a codeact mark of the wrong type"
        return
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        yield "has tags of the wrong type"
    if timing is not None and not isinstance(timing, dict):
        yield "has timings of the wrong type"
    record = (mark or {}).get("record")
    if record is None:
        return
    if not isinstance(record, dict):
        yield "has a record of the wrong type"
        return
    for name in ("timing", "execution", "observation", "request", "approval", "usage"):
        if not isinstance(record.get(name) or {}, dict):
            yield f"has a record whose {name} has the wrong type"
    stdin = record.get("stdin") or []
    if not isinstance(stdin, list) or not all(
        isinstance(answer, dict) and all(isinstance(value, str) for value in answer.values()) for answer in stdin
    ):
        yield "has a record whose stdin has the wrong type"


def _outputs_problems(outputs: Any) -> Iterator[str]:
    if not isinstance(outputs, list):
        yield "has outputs of the wrong type"
        return
    if len(outputs) > MOST_OUTPUTS:
        yield f"has more than {MOST_OUTPUTS:,} outputs"
        return
    size = 0
    for output in outputs:
        problem = _output_problem(output)
        if problem:
            yield problem
            return
        size += sum(map(len, _texts(output)))
        if size > MOST_OUTPUT_CHARS:
            yield f"has more than {MOST_OUTPUT_CHARS:,} characters of outputs"
            return


def _output_problem(output: Any) -> str:
    if not isinstance(output, dict) or output.get("output_type") not in OUTPUT_KINDS:
        return "has an output of an unknown kind"
    kind = output["output_type"]
    wanted: dict[str, bool] = {}
    if kind == "stream":
        wanted = {"name": output.get("name") in ("stdout", "stderr"), "text": _is_text(output.get("text"))}
    elif kind == "error":
        traceback = output.get("traceback", [])
        wanted = {name: isinstance(output.get(name, ""), str) for name in ("ename", "evalue")}
        wanted["traceback"] = isinstance(traceback, list) and all(isinstance(line, str) for line in traceback)
    else:
        data = output.get("data")
        wanted = {"data": isinstance(data, dict), "metadata": isinstance(output.get("metadata", {}), dict)}
        for mime, value in data.items() if isinstance(data, dict) else ():
            wanted[mime] = mime.endswith("json") or _is_text(value)
    wrong = next((name for name, good in wanted.items() if not good), None)
    return f"has an output whose {wrong[:80]} has the wrong type" if wrong else _picture_problem(output)


def _picture_problem(output: dict[str, Any]) -> str:
    for mime in PICTURES:
        value = (output.get("data") or {}).get(mime)
        size = pixels(joined(value)) if value else None
        if size is not None and size > MOST_PIXELS:
            return f"has a picture of {size / 1e6:,.0f} million pixels"
    return ""


def _script_problems(cell: dict[str, Any]) -> Iterator[str]:
    for output in cell.get("outputs") or ():
        data = output.get("data") or {}
        if any(mime in data for mime in SCRIPT_TYPES):
            yield "has an output that is a script"
        for mime in MARKED_UP:
            text = joined(data.get(mime)) if mime in data else ""
            if text and (_ENTITY.search(text) or _SCRIPT.search(text)):
                yield f"has a script in its output ({mime})"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(part, str) for part in value))


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a value, in no order."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True

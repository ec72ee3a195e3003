"""What a step was observed from, made again from its record: the execution, and what it changed.

The record holds the exact observation; outputs are in the cell; snapshots are nowhere. What a step changed is
read back from the lines of its observation, so that rendering them again shows whether the renderer changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from codeact_kernel.agent import observation
from codeact_kernel.types import Execution, NameInfo, Snapshot, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MODIFIED = "The user changed the cell to:\n```python\n{code}\n```\n\n"
_VARIABLE = re.compile(
    r"(?P<what>New|Changed): (?P<name>[^\s()]+) \((?P<type>[^()\n]*)\)(?:(?P<joint>: | = )(?P<summary>.*))?"
)
_FILE = re.compile(r"(?P<what>New|Changed) file: (?P<name>.+) \((?P<size>[\d.]+) (?P<unit>bytes|kB|MB|GB)\)")
_FUNCTION = re.compile(r"New function: (?P<text>.+)")
_REMOVED = re.compile(r"Removed: (?P<names>.+)")
_MORE = re.compile(r"\.\.\. and \d+ more changes")
_SCALE = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}
_LAST_LINE = "Print what you need to see."
"""Under a silent cell's changes, in every version 1.0 so far."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """An execution as the loop gave it to the renderer, and the namespace before it.

    `doubt` says what of it the record does not hold, "" where it holds all: a difference may then come from that.
    `verified`: rendering it gives the recorded text, whatever `snapshot`s do.
    """

    execution: Execution
    before: Snapshot
    doubt: str = ""
    verified: bool = False


def rebuild(step: Step, *, limit: int, images: bool) -> Rebuilt:
    """Return what a step that ran was observed from; `limit` and `images` as in `observation.observe`."""
    ran, seen = step.execution, step.observation
    assert ran is not None
    if seen is None:
        return Rebuilt(ran, Snapshot(), "its observation was not recorded")
    verified, chosen = False, ""
    for body in _bodies(step):
        for changes in _changes(body):
            chosen = chosen or changes
            if observation.observe(ran, limit=limit, images=images, changes=changes).text == body:
                verified, chosen = True, changes
                break
        if verified:
            break
    pair = _snapshots(chosen.split("\n") if chosen else [])
    doubt = _doubt(step)
    if pair is None:
        return Rebuilt(ran, Snapshot(), doubt or "its list of changes was cut", verified)
    before, after = pair
    return Rebuilt(replace(ran, snapshot=after), before, doubt, verified)


def _bodies(step: Step) -> Iterator[str]:
    """Yield the observation without what stands around it; several where the record does not say where it ends."""
    seen = step.observation
    assert seen is not None
    text = seen.text
    if step.approval is not None and step.approval.decision == "modify":
        text = text.removeprefix(_MODIFIED.format(code=step.code))
    if seen.guide:
        yield text.removesuffix(seen.guide)
        return
    end = len(text)
    for _ in range(6):
        end = text.rfind("\n\n", 0, end)
        if end < 0:
            break
        yield text[:end]
    yield text


def _changes(body: str) -> Iterator[str]:
    """Yield what may be the list of changes at the end of a body, the longest first, the empty one last.

    What a program printed may look like a change, so every part of the list is tried.
    """
    lines = body.split("\n")
    if lines[-1] == _LAST_LINE:
        lines.pop()
    first = len(lines)
    while first and any(
        kind.fullmatch(lines[first - 1]) for kind in (_VARIABLE, _FILE, _FUNCTION, _REMOVED, _MORE)
    ):
        first -= 1
    for start in range(first, len(lines) + 1):
        yield "\n".join(lines[start:])


def _snapshots(lines: Sequence[str]) -> tuple[Snapshot, Snapshot] | None:
    """Return two namespaces between which just these changes lie; None where the lines do not say enough."""
    before, after = Snapshot(), Snapshot()
    functions: list[str] = []
    for line in lines:
        if found := _VARIABLE.fullmatch(line):
            info = NameInfo(found["type"], found["summary"] or "", "after")
            after.names[found["name"]] = info
            if found["what"] == "Changed":
                before.names[found["name"]] = replace(info, stamp="before")
        elif found := _FILE.fullmatch(line):
            after.files[found["name"]] = round(float(found["size"]) * _SCALE[found["unit"]])
            if found["what"] == "Changed":
                before.files[found["name"]] = -1
        elif found := _FUNCTION.fullmatch(line):
            functions.append(found["text"])
        elif found := _REMOVED.fullmatch(line):
            before.names.update((name, NameInfo("", "", "")) for name in found["names"].split(", "))
        else:
            return None
    return before, replace(after, functions=tuple(functions))


def _doubt(step: Step) -> str:
    """Return what the record lacks of what a step was observed from."""
    ran, seen = step.execution, step.observation
    assert ran is not None
    assert seen is not None
    printed = "Output:\n" in seen.text and not (ran.result and seen.text.startswith("Output:\nResult: "))
    if not ran.outputs and (seen.images or printed or "On stderr:\n" in seen.text):
        return "its outputs were cleared"
    if ran.status == "error" and ran.error is None:
        return "where its error happened was not recorded"
    if any(not image.data for _, image in seen.images):
        return "its pictures were cleared"
    return ""

"""Fork: the beginning of an episode as a new episode, from which any model can go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codeact_kernel.episode.cells import mark_of, number_in, turn_of
from codeact_kernel.episode.header import ulid
from codeact_kernel.episode.notebook import Episode, from_notebook
from codeact_kernel.episode.plain import escape, unescape
from codeact_kernel.episode.records import usage_from_json, usage_to_json
from codeact_kernel.errors import ConfigError
from codeact_kernel.types import Step, TaskTurn, Usage, now

if TYPE_CHECKING:
    from codeact_kernel.episode.cells import Entry


@dataclass(frozen=True, slots=True)
class Branch:
    """A new episode that ends with step `step` of another one; `task` is the task that step belongs to.

    `answered`: that step was the answer, so there is nothing left to do of the task.
    """

    episode: Episode
    step: int
    task: str
    answered: bool


def branch(notebook: dict[str, Any], step: int | None = None) -> Branch:
    """Return the episode up to a step, by its index, as a new episode; None takes the last complete step.

    Raises:
        ConfigError: there is no such step.
        EpisodeError: the notebook is no episode, or was damaged.
    """
    whole = from_notebook(notebook)
    steps = {_index(entry): entry for entry in whole.entries if entry.kind == "step"}
    if not steps:
        raise ConfigError("The episode has no complete step; nothing can be gone on with.")
    wanted = max(steps) if step is None else step
    if wanted not in steps:
        raise ConfigError(f"The episode has no step {wanted}; its steps are {_listed(sorted(steps))}.")
    last = steps[wanted].position
    entries = [entry for entry in whole.entries if 0 <= entry.position <= last]
    turns = [turn for entry in entries if (turn := turn_of(entry)) is not None]
    tasks = [turn for turn in turns if isinstance(turn, TaskTurn)]
    done = turns[-1]
    answered = isinstance(done, Step) and done.answer is not None
    header = _header(unescape(whole.header), entries, len(tasks), wanted, answered=answered)
    episode = Episode(header, entries, whole.metadata)
    header |= {"steps": episode.steps, "digest": episode.head}
    episode.header = escape(header)
    return Branch(episode, wanted, tasks[-1].text if tasks else "", answered)


def model_of(header: dict[str, Any]) -> str:
    """Return the setting that names an episode's own model, "" where its header does not say."""
    model = unescape(header).get("model") or {}
    backend, name = model.get("backend"), model.get("id")
    return f"{backend}:{name}" if isinstance(backend, str) and isinstance(name, str) and name else ""


def _header(
    header: dict[str, Any], entries: list[Entry], tasks: int, step: int, *, answered: bool
) -> dict[str, Any]:
    known = [dict(task) for task in (header.get("tasks") or [])[:tasks] if isinstance(task, dict)]
    if known:
        known[-1]["status"] = "done" if answered else "interrupted"
    usage = sum(
        (usage_from_json((entry.record or {}).get("usage")) for entry in entries if entry.kind == "step"), Usage()
    )
    return {
        **header,
        "episode": ulid(),
        "parent": header.get("episode"),
        "parent_step": step,
        "status": "done" if answered else "interrupted",
        "started": now(),
        "ended": now(),
        "tasks": known,
        "usage": usage_to_json(usage),
    }


def _index(entry: Entry) -> int:
    return max(number_in(mark_of(cell), "step", entry.position) for cell in entry.cells)


def _listed(numbers: list[int]) -> str:
    if len(numbers) > 3 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))

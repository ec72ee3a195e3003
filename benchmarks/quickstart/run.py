"""Run one task, or many, through the public interface and keep what came of each."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel import Result, run
from codeact_kernel.config import from_environment
from codeact_kernel.errors import CodeActError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.quickstart.task import Task

CLASSES = ("wrong answer", "step limit", "repeated action", "unusable replies", "error", "crash", "interrupted")
"""How a task can fail. The causes are told apart by the words that the loop ends a task with."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run: which model, bounds, and where episodes go. `reference` plays the reference solutions."""

    model: str
    out: Path
    max_steps: int | None = None
    seed: int | None = None
    jobs: int = 1
    reference: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One task's outcome. Tokens: `input` is the whole prompt, `evaluated` the part of it not cached.

    `failure` is "" or one of `CLASSES`; `problems` are the checker's sentences; `seconds` is wall time with the
    kernel's start; `episode` is relative to the output folder.
    """

    id: str
    half: str
    family: str
    ok: bool
    failure: str
    problems: list[str]
    status: str
    answer: str
    cause: str
    steps: int
    seconds: float
    input: int
    evaluated: int
    output: int
    calls: int
    episode: str


def run_all(tasks: Sequence[Task], settings: Settings) -> Iterator[Record]:
    """Run tasks and yield each record as it comes; one that the user interrupted is the last.

    With `jobs` above 1, that many kernels work side by side.
    """
    if settings.jobs == 1:
        for task in tasks:
            record = run_one(task, settings)
            yield record
            if record.failure == "interrupted":
                return
        return
    with ThreadPoolExecutor(settings.jobs) as pool:
        futures = [pool.submit(run_one, task, settings) for task in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


def run_one(task: Task, settings: Settings) -> Record:
    """Run a task in a fresh kernel and folder and judge what it left behind."""
    name = task.id.replace("/", "-")
    episode = settings.out / "episodes" / f"{name}.ipynb"
    episode.parent.mkdir(parents=True, exist_ok=True)
    for old in episode.parent.glob(f"{name}.*"):
        old.unlink()
    folder = Path(tempfile.mkdtemp(prefix="quickstart-"))
    began = time.monotonic()
    try:
        task.write(folder)
        result = _ask(task, settings, folder, episode)
        problems = task.judge(folder, result.answer, result.checks)
    except CodeActError as error:
        return _failed(task, "error", str(error), time.monotonic() - began)
    except Exception as error:
        return _failed(task, "crash", f"{type(error).__name__}: {error}", time.monotonic() - began)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _record(task, result, problems, settings.out)


def _ask(task: Task, settings: Settings, folder: Path, episode: Path) -> Result:
    model, script = settings.model, None
    if settings.reference:
        handle, script = tempfile.mkstemp(suffix=".jsonl", prefix="reference-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write("".join(json.dumps(reply) + "\n" for reply in reference_replies(task)))
        model = f"scripted:{script}"
    try:
        return run(
            task.text,
            model=model,
            cwd=folder,
            out=episode,
            max_steps=settings.max_steps,
            approve="auto",
            setup=task.setup,
            check=task.probe(),
            config=from_environment().updated(seed=settings.seed),
        )
    finally:
        if script is not None:
            Path(script).unlink()


def reference_replies(task: Task) -> list[str]:
    """Return the replies of a model that knows the solution: one action, then the answer."""
    return [f"I will run the solution.\n```python\n{task.right.code}\n```", task.right.answer]


def _record(task: Task, result: Result, problems: list[str], out: Path) -> Record:
    done = result.status == "done"
    try:
        episode = str(result.episode.resolve().relative_to(out.resolve()))
    except ValueError:
        episode = result.episode.name
    usage = result.usage
    return Record(
        id=task.id,
        half=task.half,
        family=task.family,
        ok=done and not problems,
        failure=failure(result.status, result.cause, problems),
        problems=problems if done else [],
        status=result.status,
        answer=result.answer,
        cause=result.cause,
        steps=result.steps,
        seconds=round(result.seconds, 2),
        input=usage.input,
        evaluated=usage.input - usage.cached,
        output=usage.output,
        calls=usage.calls,
        episode=episode,
    )


def failure(status: str, cause: str, problems: Sequence[str]) -> str:
    """Return the class of a failure, "" for a success. Only a task that ended in an answer can be one."""
    if status == "done":
        return "wrong answer" if problems else ""
    if status == "interrupted":
        return "interrupted"
    if status == "limit":
        return "step limit"
    words = cause.lower()
    if "kernel died" in words:
        return "crash"
    if "same code" in words or "same failing code" in words:
        return "repeated action"
    return "unusable replies" if "could not be used" in words else "error"


def _failed(task: Task, kind: str, cause: str, seconds: float) -> Record:
    return Record(
        id=task.id,
        half=task.half,
        family=task.family,
        ok=False,
        failure=kind,
        problems=[],
        status="failed",
        answer="",
        cause=cause,
        steps=0,
        seconds=round(seconds, 2),
        input=0,
        evaluated=0,
        output=0,
        calls=0,
        episode="",
    )


def read_records(path: Path) -> list[Record]:
    """Return the records of a results.json; none when there is no such file.

    Raises:
        ValueError: the file is there but is not ours.
    """
    if not path.is_file():
        return []
    try:
        return [Record(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))["tasks"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a results file ({error}); give another --out.") from None


def model_of(records: Sequence[Record], out: Path) -> dict[str, Any]:
    """Return the model's entry (id, backend, revision, weights) from the first episode that can be read."""
    for record in records:
        path = out / record.episode
        if not record.episode or not path.is_file():
            continue
        try:
            header = json.loads(path.read_text(encoding="utf-8"))["metadata"]["codeact"]
            return {**header["model"], "sampling": header.get("sampling", {}), "policy": header.get("policy", {})}
        except (KeyError, TypeError, ValueError):
            continue
    return {}


def as_json(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return records as JSON values."""
    return [asdict(record) for record in records]


def line_of(record: Record) -> str:
    """Return the live line of a task: id, ok or miss, steps, seconds, tokens; why only of development tasks."""
    said = record.failure == "wrong answer" and record.half == "dev"
    why = record.problems[0] if said else record.failure
    end = f"  {why}" if not record.ok else ""
    tokens = f"{record.input:>6,} in ({record.evaluated:,} evaluated) {record.output:>5,} out"
    word = "ok  " if record.ok else "miss"
    return f"{record.id:<22} {word} {record.steps:>2} steps {record.seconds:>6.1f} s {tokens}{end}"


def chosen(tasks: Sequence[Task], half: str, only: str, limit: int | None) -> list[Task]:
    """Return the tasks that `--half`, `--only` and `--limit` (per half) name.

    Raises:
        ValueError: `only` names a task that there is not.
    """
    picked = [task for task in tasks if half in {"both", task.half}]
    if only:
        wanted = [name.strip() for name in only.split(",") if name.strip()]
        unknown = [name for name in wanted if not any(_named(task, name) for task in tasks)]
        if unknown:
            raise ValueError(f"There is no task {unknown[0]!r}; the tasks are named like {tasks[0].id}.")
        picked = [task for task in picked if any(_named(task, name) for name in wanted)]
    if limit is None:
        return picked
    return [task for name in ("dev", "heldout") for task in [one for one in picked if one.half == name][:limit]]


def _named(task: Task, name: str) -> bool:
    return name in {task.id, task.slot}

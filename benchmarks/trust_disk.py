"""What the long forms of the fault suite do to episodes: writers killed, failing writes, random bytes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.formats.code import parse
from codeact_kernel.episode import files, journal
from codeact_kernel.episode.files import read_notebook
from codeact_kernel.episode.header import make_header
from codeact_kernel.episode.recover import recover
from codeact_kernel.episode.store import EpisodeWriter
from codeact_kernel.errors import CodeActError
from codeact_kernel.execute.capture import OutputReducer
from codeact_kernel.redactor import Redactor
from codeact_kernel.replay import loading
from codeact_kernel.types import (
    Approval,
    Completion,
    Execution,
    Observation,
    Outcome,
    Request,
    Sampling,
    Step,
    TaskTurn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KINDS = ("stream", "display_data", "update_display_data", "error", "clear_output", "execute_result")


def block(code: str) -> str:
    """Return a reply with this code."""
    return f"Look.\n```python\n{code}\n```"


def episode(folder: Path, chance: random.Random) -> tuple[EpisodeWriter, list[Step]]:
    """Return the writer of a new episode and the steps that it will hold."""
    header = make_header(
        model={"id": "m", "backend": "scripted"},
        sampling=Sampling(),
        system="s",
        kernel={"name": "python3", "implementation_version": "7", "language_version": "3"},
    )
    steps = []
    for index in range(1, chance.randint(3, 6)):
        text = "".join(chance.choice("abc \u00e9\ud83d\n\"'<`") for _ in range(chance.randint(0, 400)))
        ran = Execution("ok", ({"output_type": "stream", "name": "stdout", "text": text},), index)
        said = Completion(block(f"print({text!r})"), "stop")
        steps.append(
            Step(
                index, "action", said, Request("0" * 64, index), "Look.", f"print({text!r})", Approval("auto")
            ).with_(execution=ran, observation=Observation("ok", text))
        )
    return EpisodeWriter.create(folder, header=header, title="kill"), steps


def play(writer: EpisodeWriter, steps: Sequence[Step]) -> None:
    """Write an episode from its task to its end."""
    writer.task(TaskTurn("go", "Task: go", ""))
    for step in steps:
        writer.completion(step.with_(execution=None, observation=None))
        writer.step(step)
    writer.end(Outcome("done"))


def killed(folder: Path, seed: int, when: str, number: int) -> bool:
    """Write an episode in a child that dies at an event; return whether that event was reached."""
    pid = os.fork()
    if pid == 0:
        real, count = journal.Journal.append, [0]

        def append(self: journal.Journal, event: str, data: dict[str, Any]) -> None:
            count[0] += 1
            if (when, count[0]) == ("before", number):
                os.kill(os.getpid(), signal.SIGKILL)
            real(self, event, data)
            if (when, count[0]) == ("after", number):
                os.kill(os.getpid(), signal.SIGKILL)

        journal.Journal.append = append  # type: ignore[method-assign]
        play(*episode(folder, random.Random(seed)))
        os._exit(0)
    return os.waitpid(pid, 0)[1] == signal.SIGKILL


def kills(episodes: int) -> list[str]:
    """Kill writers at every event, fail every write; return what was lost."""
    tried = lost = broken = 0
    for seed in range(episodes):
        for when in ("before", "after"):
            number = 1
            while True:
                with tempfile.TemporaryDirectory() as name:
                    if not killed(Path(name), seed, when, number):
                        break
                    tried += 1
                    lost += lost_steps(Path(name))
                number += 1
    for seed in range(episodes):
        for code in (errno.ENOSPC, errno.EIO):
            with tempfile.TemporaryDirectory() as name:
                broken += failed_writes(Path(name), seed, code)
    return [
        f"SIGKILL before and after every journal event of {episodes} episodes: {tried} kills, {lost} steps lost.",
        f"ENOSPC and EIO at every single write of {episodes} episodes: {broken} writes failed, no step lost.",
    ]


def lost_steps(folder: Path) -> int:
    """Recover what a killed writer left, and return how many complete steps are not in it."""
    found = next(iter(folder.glob("*.jsonl")), None)
    if found is None:
        return 0
    complete: int = sum(event["event"] == "step" for event in journal.read_events(found.read_bytes()))
    try:
        notebook = read_notebook(recover(found))
    except CodeActError:
        return complete
    assert not list(folder.glob("*.jsonl"))
    return max(0, complete - int(notebook["metadata"]["codeact"]["steps"]))


def failed_writes(folder: Path, seed: int, code: int) -> int:
    """Let each write of an episode fail once; every time the episode must be whole in the end."""
    whole: Callable[..., int] = journal.write_all
    at = 1
    while True:
        count = 0

        def write(fd: int, data: bytes, at: int = at) -> int:
            nonlocal count
            count += 1
            if count == at:
                raise OSError(code, os.strerror(code))
            return whole(fd, data)

        with tempfile.TemporaryDirectory(dir=folder) as name:
            _replace(write)
            try:
                writer, steps = episode(Path(name), random.Random(seed))
                play(writer, steps)
                writer.close()
            finally:
                _replace(whole)
            if count < at:
                return at - 1
            stored = read_notebook(writer.path)["metadata"]["codeact"]
            assert stored["steps"] == len(steps), (seed, at, stored["steps"], len(steps))
        at += 1


def _replace(write: Callable[..., int]) -> None:
    for module in (journal, files):
        setattr(module, "write_all", write)  # noqa: B010 - not exported by one of them


def mutated(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Return one of the seeds with a few random changes."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 6)):
        at, kind = chance.randrange(len(data) + 1), chance.randrange(5)
        if kind == 0 and data:
            del data[at : at + chance.randint(1, 40)]
        elif kind == 1:
            data[at:at] = chance.choice(
                [b"```", b"\n", b'"', b"\\u0000", b"\xff", b"{", b"]", b"NaN", b"null", b"-1"]
            )
        elif kind == 2:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 3:
            other = chance.choice(seeds)
            start = chance.randrange(len(other) + 1)
            data[at:at] = other[start : start + 60]
        else:
            data[at:] = data[at:] + data[: chance.randint(0, 50)]
    return bytes(data)


def feed(data: bytes) -> None:
    """Give the reducer one message of each kind that hold these bytes as text."""
    reducer, text = OutputReducer(), data.decode("utf-8", "surrogateescape")
    content: dict[str, Any] = {"name": "stdout", "text": text, "data": {"text/plain": text}, "metadata": {}}
    content |= {"ename": text, "evalue": text, "traceback": [text], "wait": len(text) % 2 == 0}
    content |= {"transient": {"display_id": text[:3]}}
    for kind in KINDS:
        reducer.add(kind, content)
    json.dumps(reducer.outputs(), allow_nan=False)


def targets(place: Path) -> dict[str, tuple[Callable[[bytes], object], list[bytes], float]]:
    """Return what is tried: how, beginning with which bytes, and with which part of the inputs."""
    root = Path(__file__).parents[1] / "tests" / "episodes" / "v1.0"
    notebooks = [path.read_bytes() for path in sorted(root.glob("*.ipynb")) if path.stat().st_size < 60_000]
    texts = [block("print(1)").encode(), b"Answer.\n```py\nx = '''```'''\n```", b"<think>x</think>\n~~~\nx\n~~~"]
    redactor = Redactor({"A_KEY": "canary-0123456789"})

    def load(data: bytes) -> None:
        place.write_bytes(data)
        loading.load(place, trust=True)

    def redact(data: bytes) -> None:
        redactor.text(data.decode("latin-1"))

    return {
        "parser": (lambda data: parse(data.decode("utf-8", "surrogateescape")), texts, 0.4),
        "reducer": (feed, texts, 0.25),
        "redactor": (redact, [*texts, b"sk-abc canary-0123456789"], 0.25),
        "loader": (load, notebooks, 0.1),
    }


def fuzz(inputs: int) -> list[str]:
    """Try random inputs; what raises anything but one of our sentences is a crash."""
    chance, lines = random.Random(8), []
    with tempfile.TemporaryDirectory() as name:
        for target, (tried, seeds, part) in targets(Path(name) / "x.ipynb").items():
            crashes, wanted, began = 0, int(inputs * part), time.monotonic()
            for _ in range(wanted):
                data = mutated(chance, seeds)
                try:
                    with contextlib.suppress(CodeActError):
                        tried(data)
                except Exception as error:
                    crashes += 1
                    print(f"{target}: {type(error).__name__}: {error}: {data[:200]!r}", file=sys.stderr)
            lines.append(f"Fuzz, {target}: {wanted} inputs, {crashes} crashes ({time.monotonic() - began:.0f} s).")
    return lines

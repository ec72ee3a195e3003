"""What the tests of episodes share: a small honest episode, and random ones."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from base64 import b64decode, b64encode
from pathlib import Path

from hypothesis import strategies as st

from codeact_kernel.agent.prompt import build, digest_of
from codeact_kernel.episode.schema import make_header
from codeact_kernel.episode.store import EpisodeWriter
from codeact_kernel.types import (
    Approval,
    Completion,
    Execution,
    Image,
    Observation,
    Outcome,
    Request,
    Sampling,
    Step,
    TaskTurn,
    Usage,
)

SYSTEM = "You act by code.\n"
TASK = "How many rows?"
AT = "2026-11-23T09:30:00.123Z"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


def header(**changes):
    made = make_header(
        model={"id": "scripted", "backend": "scripted", "revision": None, "weights": None},
        sampling=Sampling(seed=2**60),
        system=SYSTEM,
        kernel={"name": "python3", "implementation_version": "7.4", "language_version": "3.12"},
        policy={"approval": "auto", "max_steps": 12, "budget_tokens": None},
        origin={"notebook": "work.ipynb", "cell_id": "c1", "task": "How many rows?"},
    )
    return made | changes


def create(folder: Path, title: str = TASK, **more) -> EpisodeWriter:
    return EpisodeWriter.create(folder, header=more.pop("header", header()), title=title, **more)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def picture(data: bytes = PNG) -> Image:
    return Image("image/png", b64encode(data).decode(), hashlib.sha256(data).hexdigest())


def asked(turns, *, view=None, images=False) -> Request:
    messages = build(SYSTEM, turns, view, images=images)
    return Request(digest_of(messages), len(messages), view)


def reply(text: str, finish="stop") -> Completion:
    return Completion(text, finish, Usage(100, 10, 50, 1), None, AT, AT, AT)


def action(turns, index: int, code: str, output: str = "", *, status="ok", outputs=None) -> Step:
    given = ({"output_type": "stream", "name": "stdout", "text": output},) if outputs is None else tuple(outputs)
    return Step(
        index=index,
        kind="action",
        completion=reply(f"Let me look.\n```python\n{code}\n```"),
        request=asked(turns),
        thought="Let me look.",
        code=code,
        approval=Approval("auto"),
        execution=Execution(status, given, index, AT, "2026-11-23T09:30:01.000Z"),
        observation=Observation(status, output or "(no output)"),
    )


def answer(turns, index: int, text: str) -> Step:
    return Step(index, "answer", reply(text), asked(turns), thought=text)


def small_turns() -> list:
    """A task, two cells that ran, one that failed, one refused, one unparsable, a note, an answer."""
    turns: list = [TaskTurn("How many rows?", "df: 3 rows\n\nTask: How many rows?", AT)]
    turns.append(action(turns, 1, "n = 3\nprint(n)", "3\n"))
    error = {"output_type": "error", "ename": "NameError", "evalue": "name 'm'", "traceback": ["NameError"]}
    turns.append(action(turns, 2, "print(m)", "NameError", status="error", outputs=[error]))
    refused = Step(
        3,
        "rejected",
        reply("```python\nimport os; os.remove('x')\n```"),
        asked(turns),
        code="import os; os.remove('x')",
        approval=Approval("reject", "user", None, "not my file"),
        risk=("delete",),
        observation=Observation("refused", "The user did not allow this cell: not my file."),
    )
    turns.append(refused)
    broken = Step(
        4,
        "action",
        reply("```python\nprint(\n```"),
        asked(turns),
        code="print(",
        observation=Observation("error", "SyntaxError"),
    )
    turns.append(broken)
    turns.append(Step(5, "note", reply("Hm."), asked(turns), observation=Observation("refused", "Say more.")))
    seen = Observation("ok", "Figure", ((0, picture()),))
    shown = {
        "output_type": "display_data",
        "data": {"image/png": picture().data, "text/plain": "Figure"},
        "metadata": {},
    }
    turns.append(action(turns, 6, "n + 1", outputs=[shown]).with_(observation=seen))
    turns.append(answer(turns, 7, "There are **3** rows."))
    return turns


def write(writer, turns, outcome=None) -> None:
    """Tell a writer what the loop tells it."""
    for turn in turns:
        if isinstance(turn, TaskTurn):
            writer.task(turn)
        else:
            writer.completion(turn.with_(kind="action", execution=None, observation=None))
            writer.step(turn)
    if outcome != "running":
        writer.end(outcome or Outcome("done", answer="There are **3** rows.", steps=7))


def load(path):
    return json.loads(path.read_bytes())


def run_script(code: str, *args: object) -> str:
    """Run Python code in a process of its own and return what it printed."""
    tests = Path(__file__).parent
    paths = [str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Every code point, surrogates in number: halves alone, in pairs, in the wrong order.
texts = st.text(
    st.one_of(st.characters(), st.sampled_from("\ud800\udfff\ud83d\ude00\x00\r\u2028\ufffd`~</execute>\n")),
    max_size=30,
)
statuses = st.sampled_from(["ok", "error", "timeout", "interrupted", "dead"])
images = st.builds(picture, st.binary(min_size=1, max_size=8))
outputs = st.one_of(
    st.builds(lambda t: {"output_type": "stream", "name": "stdout", "text": t}, texts),
    st.builds(
        lambda t, i, number: {
            "output_type": "display_data",
            "data": {"text/plain": t, "image/png": i.data, "application/json": {"x": number}},
            "metadata": {},
        },
        texts,
        images,
        st.floats(),
    ),
)


@st.composite
def observations(draw, cells):
    shown = [
        (number, Image("image/png", output["data"]["image/png"], hashlib.sha256(_raw(output)).hexdigest()))
        for number, output in enumerate(cells)
        if "data" in output and draw(st.booleans())
    ]
    shown += [(7, draw(images))] if draw(st.booleans()) else []
    return Observation(draw(statuses), draw(texts), tuple(shown), draw(st.integers(0, 9)), draw(st.integers(0, 9)))


def _raw(output) -> bytes:
    return b64decode(output["data"]["image/png"])


@st.composite
def steps(draw, index: int, turns):
    kind = draw(st.sampled_from(["action", "action", "rejected", "note", "answer"]))
    cells = draw(st.lists(outputs, max_size=3)) if kind == "action" else []
    execution = observation = code = None
    if kind == "action" and draw(st.booleans()):
        execution = Execution(
            draw(statuses),
            tuple(cells),
            draw(st.none() | st.integers(0, 99)),
            AT,
            AT,
            result=draw(st.none() | texts),
        )
    if kind != "answer":
        observation = draw(observations(cells if execution else []))
    if kind in {"action", "rejected"}:
        code = draw(texts)
    view = draw(st.none() | st.dictionaries(st.integers(0, len(turns)).map(str), st.integers(1, 40), max_size=2))
    return Step(
        index=index,
        kind=kind,
        completion=Completion(
            draw(texts),
            draw(st.sampled_from(["stop", "length", "stop_sequence"])),
            Usage(1, 2, 3, 1),
            draw(st.none() | texts),
            AT,
            AT,
            AT,
        ),
        request=asked(turns, view=view, images=draw(st.booleans())),
        thought=draw(texts),
        code=code,
        approval=draw(
            st.none()
            | st.builds(Approval, st.sampled_from(["auto", "modify"]), st.just("user"), st.none() | texts, texts)
        ),
        risk=tuple(draw(st.lists(st.sampled_from(["network", "files"]), max_size=2))),
        execution=execution,
        observation=observation,
        repairs=tuple(draw(st.lists(texts, max_size=1))),
    )


@st.composite
def conversations(draw):
    turns: list = [TaskTurn(draw(texts), draw(texts), AT)]
    for index in range(1, draw(st.integers(1, 6))):
        if draw(st.integers(0, 5)) == 0:
            turns.append(TaskTurn(draw(texts), draw(texts), AT))
        turns.append(draw(steps(index, turns)))
    return turns

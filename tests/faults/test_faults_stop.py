"""Stop at every place where an episode waits, and what dies under it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest
from episode_helpers import load, names
from faultserver import FaultServer, Reply, delta, error
from kernel_client import block, write_script

from codeact_kernel.config import CodeAct
from codeact_kernel.episode.chat import check_messages
from codeact_kernel.episode.integrity import integrity
from codeact_kernel.oneshot import run

FIRST = block("n = 1\nprint('first', n)")
ENDPOINTS = {
    "before the first byte": [Reply(end="hang", wait=30.0)],
    "in the middle of a reply": [Reply(pieces=(delta(content="Let me "), delta(content="look"), 30.0))],
    "in a pause before another try": [error(429, "slow").but(headers={"Retry-After": "30"})],
}
CELLS = {
    "a cell that sleeps": "import time\ntime.sleep(60)",
    "a cell that computes": "n = 0\nwhile True:\n    n += 1",
    "a cell that awaits": "import asyncio\nawait asyncio.sleep(60)",
    "a cell that awaits a thread": "import asyncio, time\nawait asyncio.to_thread(time.sleep, 1.5)",
    "a child process": "import subprocess\nsubprocess.run(['sleep', '60'])",
    "a shell line": "!sleep 60",
    "a wait on a lock": "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()",
    "a cell that prints": "import time\nwhile True:\n    print('x' * 1000)\n    time.sleep(0.001)",
}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_stop_while_the_model_is_asked(bench, name):
    with bench.survives(status={"interrupted"}, causes="Stopped"), FaultServer(ENDPOINTS[name]) as server:
        bench.nb.run(
            f"%config CodeAct.base_url = {server.url!r}\n%config CodeAct.first_token_seconds = 60\n"
            "%config CodeAct.between_tokens_seconds = 60"
        )
        bench.ask(model="openai:gpt-x", interrupt_after=0.8)
    assert bench.reply["seconds_to_stop"] < 3


@pytest.mark.parametrize("name", CELLS)
def test_stop_while_a_cell_runs(bench, name):
    with bench.survives(status={"interrupted"}, steps=2, causes="Stopped"):
        bench.ask(FIRST, block(CELLS[name]), "Never.", interrupt_after=0.5, interrupt_on="first 1")
        bench.nb.run("globals().pop('lock', None)")
    assert bench.reply["seconds_to_stop"] < 4
    assert "first 1" in bench.observations[0]


def test_stop_while_approval_is_asked(bench):
    with bench.survives(status={"interrupted"}, causes="Stopped"):
        bench.ask(FIRST, "Never.", options="--approve ask", interrupt_after=0.8)


SAVING = """
from codeact_kernel.episode import store
import time
real = store.save_atomically
def slow(*given):
    time.sleep(0.4)
    real(*given)
store.save_atomically = slow
"""


def test_stop_while_the_episode_is_saved(bench):
    with bench.survives(status={"interrupted", "done"}):
        bench.nb.run(SAVING)
        bench.ask(FIRST, block("print(2)"), "It is 2.", interrupt_after=0.7)
        bench.nb.run("store.save_atomically = real\ndel real, slow, store")


DEATHS = {
    "os._exit": "import os\nos._exit(7)",
    "SIGKILL": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "SIGSEGV": "import ctypes\nctypes.string_at(0)",
    "abort": "import os\nos.abort()",
    "killed by a child": "import os, subprocess\nsubprocess.run(['kill', '-9', str(os.getpid())])",
}


def threads():
    """Return the names of the threads, those of pools, pyzmq's collector and the agent's one left out."""
    found = {thread.name for thread in threading.enumerate() if type(thread).__name__ != "GarbageCollectorThread"}
    return {name for name in found if not name.startswith(("asyncio_", "ThreadPool", "codeact-agent"))}


@pytest.mark.parametrize(
    ("name", "step"), [*((name, 1) for name in DEATHS), ("os._exit", 3), ("SIGKILL", 3), ("SIGSEGV", 3)]
)
def test_the_kernel_dies(tmp_path, name, step):
    """The agent outlives a kernel of its own: the episode is whole, and says what happened."""
    before = threads()
    replies = [block(f"print({k * 111})") for k in range(1, step)] + [block(DEATHS[name]), "Never."]
    found = run(
        "go", model=write_script(tmp_path, *replies), cwd=tmp_path, out=tmp_path / "e.ipynb", approve="auto"
    )
    assert (found.status, found.steps) == ("failed", step)
    assert "kernel" in found.cause
    notebook = load(tmp_path / "e.ipynb")
    assert check_messages(notebook) == []
    assert integrity(notebook) == []
    header = notebook["metadata"]["codeact"]
    assert (header["status"], header["steps"], header["tasks"][-1]["status"]) == ("failed", step, "failed")
    assert sum(cell["metadata"]["codeact"]["kind"] == "error" for cell in notebook["cells"]) == 1
    assert {name for name in names(tmp_path) if name.startswith("e.")} == {"e.ipynb"}
    until = time.monotonic() + 3
    while threads() != before and time.monotonic() < until:
        time.sleep(0.05)
    assert threads() == before


def test_two_interrupts_end_the_command_line_with_a_whole_episode(tmp_path):
    model = write_script(tmp_path, FIRST, block("import time\ntime.sleep(60)"), "Never.")
    command = [sys.executable, "-m", "codeact_kernel.cli", "run", "go", "-m", model, "--approve", "auto", "-q"]
    process = subprocess.Popen([*command, "-o", str(tmp_path / "e.ipynb")], cwd=tmp_path, stderr=subprocess.PIPE)
    until = time.monotonic() + 30
    while "first" not in (tmp_path / "e.ipynb").read_text() if (tmp_path / "e.ipynb").exists() else True:
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in words
    notebook = load(tmp_path / "e.ipynb")
    assert notebook["metadata"]["codeact"]["status"] == "interrupted"
    assert check_messages(notebook) == []


def test_nobody_answers_and_the_deadline_passes(tmp_path):
    model = write_script(tmp_path, *[block(f"import time\ntime.sleep(0.3)\nprint({n})") for n in range(20)])
    config = CodeAct(max_seconds=1.5)
    found = run("go", model=model, cwd=tmp_path, out=tmp_path / "e.ipynb", approve="auto", config=config)
    assert found.status == "limit"
    assert "raise CodeAct.max_seconds" in found.cause
    assert check_messages(load(tmp_path / "e.ipynb")) == []

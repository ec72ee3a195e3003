"""What a cell leaves running is told to the model and the user, and nothing else is."""

from __future__ import annotations

import asyncio
import sys

import pytest
from live_driver import LiveKernel

from codeact_kernel.execute.fresh import FreshExecutor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children and memory are read from /proc")

CELLS = {
    "threading.Thread(target=wait, name='poller').start()": "The cell left 1 thread running: poller.",
    "threading.Timer(60, wait).start()": "The cell left 1 thread running: Thread-",
    "child = subprocess.Popen(['sleep', '60'])": "The cell left 1 child process running: sleep (pid ",
    "big = bytearray(1_200_000_000)\nbig[::4096] = b'x' * len(big[::4096])": "The kernel's memory grew by 1.2 GB, to ",
    "subprocess.run(['true'])\nthread = threading.Thread(target=print)\nthread.start()\nthread.join()": "",
    "import concurrent.futures\nwith concurrent.futures.ThreadPoolExecutor(2) as pool:\n    list(pool.map(abs, [1]))": "",
    "children = [subprocess.Popen(['sleep', '60']) for _ in range(7)]": "The cell left 7 child processes running: ",
    "print(1)": "",
}
SETUP = "import subprocess, threading\nstop = threading.Event()\ndef wait():\n    stop.wait(60)"
END = "stop.set()\nchild.kill()\n[c.kill() for c in children]\n[c.wait() for c in [child, *children]]\ndel big"


def right(notes):
    for (cell, wanted), found in zip(CELLS.items(), notes, strict=True):
        assert len(found) == bool(wanted), (cell, found)
        assert not wanted or found[0].startswith(wanted), found


def test_a_kernel_of_its_own_says_what_a_cell_left_running():
    async def run():
        executor = FreshExecutor()
        await executor.start()
        try:
            await executor.run(SETUP)
            notes = [(await executor.run(cell)).notes for cell in CELLS]
            await executor.run(END)
            return notes, (await executor.run("print(2)")).notes
        finally:
            await executor.close()

    notes, after = asyncio.run(run())
    right(notes)
    assert after == ()


def test_the_live_kernel_says_it_too():
    kernel = LiveKernel()
    try:
        found, _, _ = kernel.ask(SETUP, *CELLS, END)
        right([result["notes"] for result in found["results"][1:-1]])
    finally:
        kernel.close()

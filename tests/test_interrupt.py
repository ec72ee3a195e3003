"""Stop, interrupt and timeout, live and fresh: how soon code ends, and that the kernel is whole afterwards.

The promise is 0.5 s from the signal to the end of the cell. SLACK is for what the clock here also counts: the
client's poll, the reply's way and two busy cores of a test machine.
"""

import asyncio
import threading
import time

import pytest
from live_driver import LiveKernel

from codeact_kernel.execute.fresh import FreshExecutor

pytestmark = pytest.mark.alone

PROMISE, SLACK = 0.5, 0.4
CASES = {
    "sleep": "import time; time.sleep(30)",
    "busy": "while True: pass",
    "await": "import asyncio; await asyncio.sleep(30)",
    "await-then-sync": "import asyncio, time; await asyncio.sleep(0.05); time.sleep(30)",
    "sync-in-a-task": "import asyncio, time\nasync def work(): time.sleep(30)\nawait asyncio.create_task(work())",
    "sleep-loop": "import time\nwhile True: time.sleep(0.01)",
    "shell": "!sleep 30",
    "bash": "%%bash\nsleep 30",
    "input": "input('?')",
}
NEEDS_ANSWER = {"input"}


@pytest.fixture(scope="module")
def kernel():
    kernel = LiveKernel()
    yield kernel
    kernel.close()


@pytest.mark.parametrize("name", CASES)
def test_interrupt_ends_a_live_step_and_stops_the_agent(kernel, name):
    dump, reply, _ = kernel.ask(CASES[name], "print('never')", interrupt_after=[0.4])
    assert kernel.ended - kernel.interrupted < PROMISE + SLACK
    assert [result["status"] for result in dump["results"]] == ["interrupted"]
    assert dump["stops"] == 1
    assert dump["error"] is None
    assert dump["same_handler"]
    assert reply["status"] == "ok"
    assert kernel.cell("40 + 2")[0]["status"] == "ok"


@pytest.mark.parametrize("name", CASES)
def test_stop_from_the_agents_thread_ends_a_live_step(kernel, name):
    dump, _, _ = kernel.ask(CASES[name], "print('again')", stop_after=0.3)
    first, second = dump["results"]
    assert first["status"] == "interrupted"
    assert second["status"] in {"ok", "interrupted"}
    assert dump["took"] < PROMISE
    assert dump["stops"] == 0
    assert dump["same_handler"]


def test_a_stop_before_the_cell_begins_is_not_lost(kernel):
    cell = "began_after_stop = True\nimport time; time.sleep(3)"
    dump, _, _ = kernel.ask(cell, hold=0.3, stop_after=0.1)
    assert [result["status"] for result in dump["results"]] == ["interrupted"]
    assert dump["took"] < PROMISE
    dump, reply, _ = kernel.ask(cell, hold=0.8, idle=0.2, interrupt_after=[0.6])
    assert [result["status"] for result in dump["results"]] == ["interrupted"]
    assert dump["stops"] == 1
    assert reply["status"] == "ok"
    assert kernel.value("__import__('json').dumps('began_after_stop' in globals())") is False
    assert kernel.ask("'next'")[0]["results"][0]["status"] == "ok"


def test_a_timeout_ends_the_step_and_not_the_agent(kernel):
    dump, _, _ = kernel.ask(CASES["sleep"], "print('goes on')", cell_timeout=0.5)
    first, second = dump["results"]
    assert first["status"] == "timeout"
    assert second["status"] == "ok"
    assert second["outputs"][0]["text"] == "goes on\n"


def test_interrupt_while_no_step_runs_only_tells_the_agent(kernel):
    dump, reply, _ = kernel.ask("print('done')", "print('never')", idle=0.8, interrupt_after=[0.3])
    assert dump["stops"] == 1
    assert dump["error"] is None
    assert reply["status"] == "ok"
    assert dump["same_handler"]


def test_a_second_interrupt_ends_the_magic_whatever_the_cell_does(kernel):
    stubborn = (
        "import asyncio, time\nbegan = time.monotonic()\n"
        "while time.monotonic() - began < 8:\n    try:\n        await asyncio.sleep(8)\n"
        "    except BaseException:\n        pass"
    )
    dump, reply, _ = kernel.ask(stubborn, interrupt_after=[0.3, 0.8])
    assert kernel.ended - kernel.interrupted < 2 * PROMISE + SLACK
    assert dump["error"] == "KeyboardInterrupt"
    assert reply["ename"] == "KeyboardInterrupt"
    assert dump["same_handler"]
    assert kernel.cell("'usable'")[0]["status"] == "ok"


def test_code_that_swallows_its_first_interrupt_ends_with_the_second(kernel):
    stubborn = (
        "import time\nfor _ in range(2):\n    try:\n        time.sleep(8)\n    except BaseException:\n        pass"
    )
    dump, _, _ = kernel.ask(stubborn, interrupt_after=[0.3, 0.8])
    assert kernel.ended - kernel.interrupted < PROMISE + SLACK
    assert dump["stops"] == 2


def test_a_cell_that_takes_sigint_for_itself_gives_it_back(kernel):
    taken = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    dump, _, _ = kernel.ask(taken, CASES["sleep"], stop_after=0.3)
    assert dump["results"][1]["status"] == "interrupted"
    assert dump["same_handler"]


def test_output_before_the_interrupt_is_kept(kernel):
    dump, _, _ = kernel.ask("print('before', flush=True)\n" + CASES["sleep"], interrupt_after=[0.4])
    outputs = dump["results"][0]["outputs"]
    assert outputs[0]["text"] == "before\n"
    assert outputs[-1]["ename"] == "KeyboardInterrupt"


def test_interrupt_ends_a_fresh_cell():
    async def check():
        executor = FreshExecutor(answer_stdin=lambda _: time.sleep(1) or "late")
        await executor.start()
        try:
            for name, code in CASES.items():
                task = asyncio.create_task(executor.run(code))
                await asyncio.sleep(0.4)
                began = time.monotonic()
                await executor.interrupt()
                execution = await task
                assert execution.status == "interrupted", name
                assert time.monotonic() - began < PROMISE + SLACK, name
                assert (await executor.run("40 + 2")).status == "ok", name
        finally:
            await executor.close()

    asyncio.run(check())


def test_a_fresh_cell_that_waits_for_its_turn_is_stopped_before_it_begins():
    async def check():
        executor = FreshExecutor()
        await executor.start()
        try:
            look = asyncio.create_task(executor.inspect())
            await asyncio.sleep(0)
            task = asyncio.create_task(executor.run("began_after_stop = True"))
            await asyncio.sleep(0)
            await executor.interrupt()
            await look
            assert (await task).status == "interrupted"
            execution = await executor.run("'began_after_stop' in globals()")
            assert execution.status == "ok"
            assert execution.result == "False (bool)"
        finally:
            await executor.close()

    asyncio.run(check())


def test_an_interrupt_beside_a_fresh_cell_loses_no_reply():
    codes = ["x = 1", "import time; time.sleep(0.01)", "import asyncio; await asyncio.sleep(0.005)", "print(1)"]

    async def check():
        executor = FreshExecutor()
        await executor.start()
        try:
            for number in range(60):
                task = asyncio.create_task(executor.run(codes[number % 4]))
                await asyncio.sleep(number % 15 * 0.002)
                began = time.monotonic()
                await executor.interrupt()
                assert (await task).status in {"ok", "interrupted"}
                assert time.monotonic() - began < PROMISE + SLACK  # one that waits for a lost reply takes 1 s
                assert (await executor.run("40 + 2")).status == "ok"
        finally:
            await executor.close()

    asyncio.run(check())


def test_a_fresh_cell_can_be_interrupted_at_once_and_from_another_thread():
    async def check():
        executor = FreshExecutor()
        await executor.start()
        try:
            task = asyncio.create_task(executor.run("import time; time.sleep(30)"))
            await asyncio.sleep(0)
            thread = threading.Thread(target=lambda: asyncio.run(executor.interrupt()))
            thread.start()
            began = time.monotonic()
            execution = await task
            thread.join()
            assert execution.status == "interrupted"
            assert time.monotonic() - began < PROMISE + SLACK
            assert (await executor.run("print('fine')")).status == "ok"
        finally:
            await executor.close()

    asyncio.run(check())

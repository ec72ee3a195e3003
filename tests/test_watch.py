"""A cell while it runs: limits of memory and output, and the question whether to wait."""

from __future__ import annotations

import asyncio
import time

import pytest
from kernel_client import block

from codeact_kernel.agent.approval import StdinAsker
from codeact_kernel.agent.conversation import Limits
from codeact_kernel.agent.stop import Stop
from codeact_kernel.agent.watch import CellWatch, size_of
from codeact_kernel.config import CodeAct
from codeact_kernel.execute.fresh import FreshExecutor
from codeact_kernel.models.function import CallableModel
from codeact_kernel.progress import Progress
from codeact_kernel.session import Session
from codeact_kernel.terminal_view import QuietView
from codeact_kernel.views import FrontAsker

MB = 1_000_000


class Answers:
    """An asker that gives these replies to questions with choices, and keeps what was asked."""

    def __init__(self, *replies):
        self.replies, self.asked = list(replies), []

    async def ask(self, code, risks, reason):
        raise EOFError

    async def reply(self, question, choices=()):
        self.asked.append((time.monotonic(), question))
        if not self.replies:
            await asyncio.Event().wait()
        reply = self.replies.pop(0)
        assert reply in ("", *choices)
        return reply


@pytest.fixture(scope="module")
def runs():
    """Give a function that carries something out with one kernel."""
    loop = asyncio.new_event_loop()
    executor = FreshExecutor()
    loop.run_until_complete(executor.start())
    yield lambda use: loop.run_until_complete(use(executor))
    loop.run_until_complete(executor.close())
    loop.close()


def test_a_cell_that_grows_too_much_is_interrupted_and_the_kernel_lives(runs):
    async def use(executor):
        watch = CellWatch(executor, Limits(growth_bytes=200 * MB))
        assert (await watch.run("kept = 41", 1, None)).status == "ok"
        big = "import time\nheld = []\nwhile True:\n    held.append(bytearray(5_000_000))\n    time.sleep(0.02)"
        execution = await watch.run(big, 2, None)
        assert (execution.status, execution.error.ename) == ("error", "MemoryLimit")
        assert "may by 0.20 GB" in execution.error.evalue
        assert (await watch.run("del held\nprint(kept + 1)", 3, None)).outputs[0]["text"] == "42\n"

    runs(use)


def test_a_kernel_of_our_own_that_goes_on_growing_is_ended():
    deaf = (
        "import time\nheld = []\nwhile True:\n    try:\n        held.append(bytearray(5_000_000))\n"
        "        time.sleep(0.01)\n    except KeyboardInterrupt:\n        pass"
    )

    async def use():
        executor = FreshExecutor()
        await executor.start()
        try:
            return await CellWatch(executor, Limits(growth_bytes=100 * MB)).run(deaf, 1, 60)
        finally:
            await executor.close()

    execution = asyncio.run(use())
    assert (execution.status, execution.error.ename) == ("dead", "MemoryLimit")


def test_a_person_who_waits_is_asked_again_after_twice_the_time_and_may_interrupt(runs):
    async def use(executor):
        asker = Answers("Wait", "", "Interrupt")
        began = time.monotonic()
        execution = await CellWatch(executor, Limits(ask_seconds=0.3), asker).run(
            "import time\ntime.sleep(30)", 7, None
        )
        waits = [round(when - began, 1) for when, _ in asker.asked]
        assert waits == pytest.approx([0.3, 0.6, 1.2], abs=0.25)
        assert asker.asked[0][1].startswith("Step 7 has not ended after 0 s")
        assert (execution.status, execution.error.evalue) == (
            "timeout",
            "The user did not want to wait any longer.",
        )

    runs(use)


def test_a_question_ends_with_its_cell_and_no_reply_is_no_interrupt(runs):
    async def use(executor):
        asker = Answers()
        execution = await CellWatch(executor, Limits(ask_seconds=0.1), asker).run(
            "import time\ntime.sleep(0.6)", 1, None
        )
        assert (execution.status, len(asker.asked)) == ("ok", 1)
        assert len(asyncio.all_tasks()) == 1

    runs(use)


def test_too_much_output_ends_the_task_at_a_limit(tmp_path):
    async def use():
        said = CallableModel(lambda _: block("print('x' * 200_000)"))
        session, executor = Session(tmp_path, given=said), FreshExecutor()
        await executor.start()
        config = CodeAct(approval="auto", max_output_bytes=500_000)
        try:
            return await session.ask("go", config, executor=executor, view=QuietView(), stop=Stop())
        finally:
            await session.close()
            await executor.close()

    outcome = asyncio.run(use())
    assert (outcome.status, outcome.steps) == ("limit", 3)
    assert "max_output_bytes" in outcome.cause


def test_the_size_of_outputs_counts_texts_and_data():
    stream = {"output_type": "stream", "name": "stdout", "text": "abc"}
    shown = {
        "output_type": "display_data",
        "data": {"text/plain": "1234", "application/json": [1]},
        "metadata": {},
    }
    assert size_of([stream, shown, {"output_type": "error", "ename": "E"}]) == 3 + 4 + 3


def test_front_ends_are_asked_with_choices_and_the_run_goes_on():
    async def use():
        progress = Progress()
        events = []
        progress.subscribe(events.append)
        run = progress.begin({"task": "go"}, Stop())
        run.asking(1)
        run.set_state("executing")
        leave = progress.attend(run)
        asker = FrontAsker(progress, run, None, None)
        reply = asyncio.create_task(asker.reply("Wait?", ("Wait", "Interrupt")))
        for _ in range(500):
            if run.question is not None:
                break
            await asyncio.sleep(0.01)
        assert (run.question["choices"], run.state) == (["Wait", "Interrupt"], "executing")
        answer = {"run": run.name, "step": 1, "sha256": run.question["sha256"], "decision": "reply"}
        assert progress.approve({**answer, "reason": "Interrupt"})
        assert await reply == "Interrupt"
        assert run.state == "executing"
        leave()

    asyncio.run(use())


def test_in_a_terminal_the_choices_are_told_and_no_line_is_read():
    written = []

    def read(prompt):
        raise AssertionError(prompt)

    asker = StdinAsker(read, written.append)
    assert asyncio.run(asker.reply("Step 1 has not ended.", ("Wait", "Interrupt"))) == ""
    assert written == ["Step 1 has not ended. (Ctrl-C, or Jupyter's ■, interrupts.)\n"]

"""The live state of runs: what listeners are told adds up to what is there."""

import asyncio
import io
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeact_kernel.agent.approval import ALLOW_KINDS
from codeact_kernel.agent.risk import Risk
from codeact_kernel.agent.stop import Stop
from codeact_kernel.errors import StoppedError
from codeact_kernel.models.base import Chunk
from codeact_kernel.progress import MOST_RUNS, Progress
from codeact_kernel.terminal_view import TerminalView
from codeact_kernel.types import (
    Approval,
    Completion,
    ErrorReport,
    Execution,
    Observation,
    Outcome,
    Request,
    Step,
    Usage,
)
from codeact_kernel.views import FrontAsker, Views

RISKS = (Risk("delete", "deletes files: a.csv"), Risk("rebind", "rebinds your name df"))


def begun(progress, stop=None, **facts):
    return progress.begin({"task": "a task", **facts}, stop or Stop())


def step(index=1, kind="action", **fields):
    completion = Completion("text", "stop", usage=Usage(input=10, output=3))
    return Step(index, kind, completion, Request("digest", 1), **fields)


def replayed(events):
    """Return the text of step 1 as a page that follows the events has it."""
    text = ""
    for event in events:
        if event["type"] == "step":
            text = event["step"]["text"]
        elif event["type"] == "token":
            assert event["offset"] <= len(text), "a page would have a hole"
            text = text[: event["offset"]] + event["text"]
    return text


@settings(max_examples=100)
@given(
    st.lists(st.one_of(st.text(max_size=8), st.just(None), st.just("\ud800")), max_size=40),
    st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_tokens_add_up_to_the_reply(pieces, pauses):
    progress, events = Progress(), []
    run = begun(progress)
    progress.subscribe(events.append)
    run.asking(1)
    for piece, pause in zip(pieces, pauses, strict=False):
        if pause:
            run._told = 0.0  # as if some time had passed
        run.chunk(Chunk(restart=True) if piece is None else Chunk(text=piece))
    run._told = 0.0
    run.chunk(Chunk(text="end"))
    assert replayed(events) == run.step_json()["text"]
    assert "\ud800" not in replayed(events)


def test_tokens_are_told_at_most_twenty_times_a_second():
    progress, events = Progress(), []
    run = begun(progress)
    run.asking(1)
    progress.subscribe(events.append)
    began = time.monotonic()
    while time.monotonic() - began < 0.5:
        run.chunk(Chunk(text="x"))
    assert 2 <= len([event for event in events if event["type"] == "token"]) <= 11


def test_a_run_keeps_its_steps_usage_and_end():
    progress = Progress()
    run = begun(progress, notebook="/data/sales.ipynb", surface="panel", inline=False)
    assert "side panel of sales.ipynb" in run.owner
    run.asking(1)
    done = step(
        code="1/0",
        execution=Execution("error", error=ErrorReport("KeyError", "'x'", hints=("Did you mean y?",))),
        observation=Observation("error", "It failed.\nGo on.", guide="\nGo on."),
    )
    run.running(done)
    assert progress.state == "executing"
    run.finished(done)
    run.asking(2)
    run.finished(step(2, "answer", thought="It is so."))
    run.done(Outcome("done", "It is so.", model="scripted:x"), "episodes/x.ipynb")
    found = progress.snapshot()["runs"][0]
    assert [one["status"] for one in found["steps"]] == ["error", "answer"]
    assert found["steps"][0]["summary"] == "KeyError: 'x'\nDid you mean y?"
    assert found["usage"] == {"input": 20, "output": 6, "cached": 0}
    assert (found["status"], found["answer"], found["episode"]) == ("done", "It is so.", "episodes/x.ipynb")
    assert (progress.state, progress.current) == ("idle", None)


def test_a_run_that_ends_in_the_middle_leaves_no_step_under_way():
    progress = Progress()
    run = begun(progress)
    run.asking(1)
    run.done(Outcome("interrupted", cause="Stopped."))
    run.done(Outcome("done", "again"))
    assert run.json()["status"] == "interrupted"
    assert run.json()["steps"][0]["status"] == "interrupted"


def test_only_the_last_runs_are_kept():
    progress = Progress()
    for _ in range(MOST_RUNS + 5):
        begun(progress).done(Outcome("done"))
    runs = progress.snapshot()["runs"]
    assert len(runs) == MOST_RUNS
    assert progress.find("run-1") is None
    assert progress.find(runs[-1]["run"]) is not None


def test_stopping_is_shown_until_the_end():
    progress, stop = Progress(), Stop()
    run = begun(progress, stop)
    assert progress.stop()
    run.set_state("executing")
    assert (progress.state, stop.is_set()) == ("stopping", True)
    run.done(Outcome("interrupted"))
    assert not progress.stop()


def test_a_listener_that_fails_keeps_no_other_from_being_told():
    progress, events = Progress(), []

    def fail(_event):
        raise RuntimeError("gone")

    progress.subscribe(fail)
    forget = progress.subscribe(events.append)
    begun(progress)
    assert events
    forget()
    forget()
    count = len(events)
    progress.emit("notice", run=None, sentence="x")
    assert len(events) == count


def ask(progress, run, message, changes=()):
    """Ask in one thread and answer from another; return (approval, code, question)."""
    found = {}

    async def main():
        question = asyncio.ensure_future(run.ask("import os\nos.remove('a.csv')", RISKS, "it may be risky"))
        while run.question is None:  # noqa: ASYNC110 - a page looks as well
            await asyncio.sleep(0.001)
        found["question"] = dict(run.question)
        answer = {
            "run": run.name,
            "step": run.question["step"],
            "sha256": run.question["sha256"],
            **message,
            **dict(changes),
        }
        thread = threading.Thread(target=lambda: found.update(taken=progress.approve(answer)))
        thread.start()
        thread.join()
        if not found["taken"]:
            question.cancel()
            return None
        return await question

    found["result"] = asyncio.run(main())
    return found


def test_answers_become_approvals():
    progress = Progress()
    run = begun(progress)
    run.asking(1)
    found = ask(progress, run, {"decision": "approve"})
    assert found["result"] == (Approval("approve", "user"), "import os\nos.remove('a.csv')")
    assert found["question"]["allowable"] == ["delete"]
    assert found["question"]["risks"][0]["words"] == "deletes files: a.csv"
    assert ask(progress, run, {"decision": "approve", "allow": True})["result"][0].reason == ALLOW_KINDS
    approval, code = ask(progress, run, {"decision": "modify", "code": "print(1)"})["result"]
    assert (approval.decision, code) == ("modify", "print(1)")
    assert ask(progress, run, {"decision": "reject", "reason": " no "})["result"][0].reason == "no"


def test_answers_to_another_question_are_not_taken():
    progress = Progress()
    run = begun(progress)
    run.asking(1)
    for change in (
        {"sha256": "0" * 64},
        {"step": 7},
        {"decision": "whatever"},
        {"run": "run-9"},
        {"sha256": None},
    ):
        assert ask(progress, run, {"decision": "approve"}, change)["taken"] is False
    assert run.question is None
    assert progress.approve({"run": run.name, "step": 1, "sha256": "0" * 64, "decision": "approve"}) is False


class Fallback:
    async def ask(self, code, risks, reason):
        return Approval("reject", "user", reason="asked elsewhere"), code


def test_a_question_goes_elsewhere_when_nobody_is_there():
    progress = Progress()
    run = begun(progress)
    run.asking(1)
    asker = FrontAsker(progress, run, Fallback(), 0.2)
    approval, _ = asyncio.run(asker.ask("x", RISKS, "why"))
    assert approval.reason == "asked elsewhere"
    assert run.question is None


def test_a_question_waits_for_a_page_that_is_there():
    progress = Progress()
    run = begun(progress)
    run.asking(1)
    leave = progress.attend("page")

    async def main():
        question = asyncio.ensure_future(FrontAsker(progress, run, Fallback(), 0.2).ask("x", RISKS, "why"))
        await asyncio.sleep(0.6)
        assert not question.done()
        leave()
        return await question

    approval, _ = asyncio.run(main())
    assert approval.reason == "asked elsewhere"


def test_a_view_that_fails_keeps_nobody_from_being_told_and_is_said_once(caplog):
    """A terminal that was closed, for example: the task goes on where it is seen."""
    gone = io.StringIO()
    progress = Progress()
    run = begun(progress)
    views = Views(TerminalView(gone), run)
    gone.close()
    views.asking(1)
    views.chunk(Chunk(text="Let me look."))
    views.finished(step(kind="answer", thought="42"))
    views.warn("careful")
    views.close()
    assert [(one["status"], one["thought"]) for one in run.json()["steps"]] == [("answer", "42")]
    assert [record.getMessage() for record in caplog.records] == [
        "The run cannot be shown in one place; it goes on."
    ]


def put(progress, run, message):
    """Put a question of the model's and answer it from another thread."""

    async def main():
        question = asyncio.ensure_future(run.put("Which one?"))
        while run.question is None:  # noqa: ASYNC110 - a page looks as well
            await asyncio.sleep(0.001)
        answer = {"run": run.name, "step": run.question["step"], "sha256": run.question["sha256"], **message}
        if not await asyncio.to_thread(progress.approve, answer):
            question.cancel()
            return None
        return await question

    return asyncio.run(main())


def test_a_question_of_the_models_takes_a_reply_and_no_approval():
    progress = Progress()
    run = begun(progress)
    run.asking(1)
    assert put(progress, run, {"decision": "reply", "reason": "the first"}) == "the first"
    assert put(progress, run, {"decision": "reply"}) == ""
    assert put(progress, run, {"decision": "approve"}) is None
    assert ask(progress, run, {"decision": "reply", "reason": "yes"})["taken"] is False
    with pytest.raises(StoppedError):
        put(progress, run, {"decision": "stop"})

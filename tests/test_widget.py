"""The widget in a real kernel, where a comm client plays the page."""

import json
import time

import pytest
from comm_client import CommClient
from kernel_client import block, started

VIEW = "application/vnd.jupyter.widget-view+json"
SETUP = """
import asyncio, json, threading, time
from codeact_kernel import widget
from codeact_kernel.agent.risk import Risk
from codeact_kernel.agent.stop import Stop
from codeact_kernel.execute import subshell
from codeact_kernel.models.base import Chunk
from codeact_kernel.progress import Progress
from codeact_kernel.types import Outcome
subshell.ensure_subshell(get_ipython().kernel)
progress = Progress()
def begin(**facts):
    return progress.begin({"task": "mean of x", "model": "scripted:m", "approval": "ask"} | facts, Stop())
def shown(run, **more):
    made = widget.RunWidget(progress, run.name, **more)
    made.display()
    return made
def asked(run, code="x = 1"):
    risks = (Risk("delete", "deletes files: out.csv"),)
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return asyncio.run_coroutine_threadsafe(run.ask(code, risks, "it may be risky: delete"), loop)
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with started(tmp_path_factory.mktemp("kernel")) as notebook:
        client = CommClient(notebook)
        client.run(SETUP)
        yield client


class Page:
    """What a front end keeps of one widget: its state, from the comm's opening on."""

    def __init__(self, kernel, since=0):
        self.kernel, self.since = kernel, since
        _, message = kernel.until(
            lambda m: (
                m["msg_type"] == "comm_open"
                and "run" in m["content"]["data"].get("state", {})
                and any(m is one for _, one in kernel.seen[since:])
            )
        )
        self.comm = message["content"]["comm_id"]
        self.first = message["content"]["data"]["state"]

    def updates(self):
        return [data for data in self.kernel.comm_data(self.comm) if data["method"] == "update"]

    @property
    def state(self):
        state = dict(self.first)
        for update in self.updates():
            state |= update["state"]
        return state

    def until(self, wanted, timeout=15):
        """Wait until `wanted(state)` holds; return (seconds waited, state)."""
        began = time.monotonic()
        while not wanted(self.state):
            assert time.monotonic() - began < timeout, self.state
            self.kernel.pump()
        return time.monotonic() - began, self.state

    def say(self, **message):
        self.kernel.custom(self.comm, {"v": 1, **message})

    def answer(self, **more):
        question = self.until(lambda state: state["question"])[1]["question"]
        self.say(type="approve", step=question["step"], sha256=question["sha256"], **more)


def value(kernel, expression):
    return json.loads(kernel.run(f"print(json.dumps({expression}))"))


def opened(kernel, code="run = begin()\nw = shown(run)"):
    since = len(kernel.seen)
    kernel.run(code)
    return Page(kernel, since)


def displays(kernel, cell):
    return [content for kind, content in kernel.of_cell(cell) if kind.endswith("display_data")]


def test_it_is_displayed_with_text_for_those_without_widgets_and_opens_with_the_run(kernel):
    since = len(kernel.seen)
    cell = kernel.start("run = begin(task='mean of <b>x</b>')\nw = shown(run)")
    kernel.finish(cell)
    page = Page(kernel, since)
    (shown,) = displays(kernel, cell)
    assert shown["data"][VIEW]["model_id"] == page.comm
    assert shown["data"]["text/plain"] == "CodeAct · mean of <b>x</b>"
    assert page.first["run"]["task"] == "mean of <b>x</b>"
    assert page.first["state"] == "generating"
    assert "export default" in page.first["_esm"]
    assert ".cak" in page.first["_css"]


def test_a_page_that_has_drawn_it_is_somebody_to_ask_until_the_run_ends(kernel):
    page = opened(kernel)
    assert value(kernel, "[w.ready.is_set(), progress.attended]") == [False, False]
    page.say(type="ready")
    page.say(type="ready")
    assert value(kernel, "[w.ready.wait(1), progress.attended]") == [True, True]
    kernel.run("run.done(Outcome('done', 'It is 3.'))")
    page.until(lambda state: state["run"]["status"] == "done")
    assert value(kernel, "[w._thread.join(2), w._thread.is_alive(), progress.attended]") == [None, False, False]


def test_what_is_written_comes_at_most_ten_times_a_second_and_whole_in_the_end(kernel):
    page = opened(kernel)
    before = len(page.updates())
    cell = kernel.start("""
run.asking(1)
for number in range(400):
    run.chunk(Chunk(text=f"{number} "))
    time.sleep(0.005)
""")
    kernel.finish(cell)
    text = "".join(f"{number} " for number in range(400))
    kernel.run("run.change()")
    page.until(lambda state: state["run"]["steps"] and state["run"]["steps"][0]["text"] == text)
    seconds = 400 * 0.005
    assert 5 < len(page.updates()) - before <= 10 * (seconds * 1.5 + 2)
    live = [update["state"] for update in page.updates() if (update["state"].get("live") or {}).get("text")]
    assert len(live) > 5
    assert all("run" not in state for state in live)
    assert live[-1]["live"]["text"].startswith("0 1 2 ")
    assert live[-1]["live"]["tokens_per_second"] > 0


def test_changes_reach_the_page_while_the_main_shell_is_busy(kernel):
    page = opened(kernel)
    cell = kernel.start("threading.Timer(0.3, lambda: run.warn('Look out.')).start()\ntime.sleep(2)")
    began = time.monotonic()
    page.until(lambda state: state["notices"] == ["Look out."])
    assert time.monotonic() - began < 1
    kernel.finish(cell)


@pytest.mark.alone
def test_stop_is_heard_while_the_main_shell_sleeps_or_loops(kernel):
    for busy in (
        "time.sleep(2)",
        "until = time.monotonic() + 2\nwhile not stopped and time.monotonic() < until: pass",
    ):
        page = opened(kernel)
        cell = kernel.start(
            f"stopped = []\nrun._stop.on_set(lambda: stopped.append(time.time()))\nrun.warn('x')\n{busy}"
        )
        page.until(lambda state: state["notices"])
        asked = time.time()
        page.say(type="stop")
        kernel.finish(cell)
        assert value(kernel, "stopped[0]") - asked < 0.5
        assert page.until(lambda state: state["state"] == "stopping")


def test_stop_of_a_run_that_is_over_stops_no_other(kernel):
    page = opened(kernel)
    kernel.run("run.done(Outcome('done', 'It is 3.'))\nother = begin()")
    page.say(type="stop")
    page.say(type="ready")
    assert value(kernel, "[w.ready.wait(2), other._stop.is_set()]") == [True, False]
    kernel.run("other.done(Outcome('done', ''))")


ANSWERS = {
    "run": ({"decision": "approve"}, ["approve", "", "x = 1"]),
    "run edited": ({"decision": "modify", "code": "x = 2"}, ["modify", "", "x = 2"]),
    "reject": ({"decision": "reject", "reason": "x must stay"}, ["reject", "x must stay", "x = 1"]),
    "stop": ({"decision": "stop"}, ["stop", "", "x = 1"]),
    "allow": (
        {"decision": "approve", "allow": True},
        ["approve", "these kinds of risk are allowed for this episode", "x = 1"],
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_to_a_question_reaches_the_run_while_the_main_shell_is_busy(kernel, answer):
    message, expected = ANSWERS[answer]
    page = opened(kernel, "run = begin()\nrun.asking(1)\nw = shown(run)\nanswer = asked(run)")
    question = page.until(lambda state: state["question"])[1]["question"]
    assert question["code"] == "x = 1"
    assert question["risks"] == [{"kind": "delete", "words": "deletes files: out.csv"}]
    assert question["allowable"] == ["delete"]
    cell = kernel.start("time.sleep(3)\nfound = answer.done() and answer.result()")
    page.answer(**message)
    page.until(lambda state: state["question"] is None, timeout=2)
    kernel.finish(cell)
    assert value(kernel, "[found[0].decision, found[0].reason, found[1]]") == expected


def test_an_answer_to_another_text_counts_for_nothing_and_the_page_is_told_the_question_again(kernel):
    page = opened(kernel, "run = begin()\nrun.asking(1)\nw = shown(run)\nanswer = asked(run)")
    question = page.until(lambda state: state["question"])[1]["question"]
    before = len(page.updates())
    page.say(type="approve", step=question["step"], sha256="0" * 64, decision="approve")
    page.say(type="approve", run="run-0", step=99, sha256=question["sha256"], decision="approve")
    page.until(lambda state: len(page.updates()) >= before + 2)
    assert page.updates()[-1]["state"]["question"] == question
    assert value(kernel, "answer.done()") is False
    page.answer(decision="stop", run="run-0")
    assert value(kernel, "answer.result(2)[0].decision") == "stop"


def test_messages_that_make_no_sense_change_nothing(kernel):
    page = opened(kernel, "run = begin()\nrun.asking(1)\nw = shown(run)\nanswer = asked(run)")
    for content in ([], "stop", None, {}, {"type": "rm"}, {"type": ["stop"]}, {"type": "approve", "step": {}}):
        kernel.custom(page.comm, content)
    page.say(type="ready")
    assert value(kernel, "[w.ready.wait(2), run._stop.is_set(), answer.done()]") == [True, False, False]
    page.answer(decision="stop")


def test_outputs_are_not_sent_again_they_stand_under_the_cell(kernel):
    page = opened(
        kernel, "run = begin()\nw = shown(run)\nrun.change(1, outputs=[{'data': 'x' * 10**6}], summary='big')"
    )
    _, state = page.until(lambda state: state["run"]["steps"])
    assert state["run"]["steps"][0]["summary"] == "big"
    assert "outputs" not in state["run"]["steps"][0]


def test_a_finished_run_is_there_for_a_page_that_reloads_and_nothing_listens_any_more(kernel):
    listeners = value(kernel, "len(progress._listeners)")
    page = opened(kernel)
    page.say(type="ready")
    kernel.run("w.ready.wait(2)\nrun.asking(1)\nrun.done(Outcome('done', 'It is 3.'), 'episodes/a.ipynb')")
    page.until(lambda state: state["run"]["status"] == "done")
    assert value(kernel, "[w._thread.join(2), len(progress._listeners)]") == [None, listeners]
    before = len(page.updates())
    kernel.send(page.comm, {"method": "request_state"})
    page.until(lambda state: len(page.updates()) > before)
    again = page.updates()[-1]["state"]
    assert again["run"]["answer"] == "It is 3."
    assert again["run"]["episode"] == "episodes/a.ipynb"
    assert again["live"] is None
    texts = [
        m["content"]["data"]["text/plain"]
        for _, m in kernel.seen
        if m["msg_type"] == "update_display_data"
        and m["content"]["data"].get(VIEW, {}).get("model_id") == page.comm
    ]
    assert "It is 3." in texts[-1], "the saved notebook says it to those who have no widgets"


def test_closed_it_leaves_text_in_its_place_and_nothing_behind(kernel):
    kernel.run("import gc; widget.close_all()")
    before = value(kernel, "[len(progress._listeners), threading.active_count(), progress.attended]")
    page = opened(kernel)
    page.say(type="ready")
    kernel.run("w.ready.wait(2)\nrun.asking(1)\nw.close()\nw.close()\nw.redraw({'text/plain': 'the answer'})")
    kernel.until(lambda m: m["msg_type"] == "comm_close" and m["content"]["comm_id"] == page.comm)
    updates = [m["content"]["data"] for _, m in kernel.seen if m["msg_type"] == "update_display_data"]
    assert "mean of x" in updates[-2]["text/plain"]
    assert VIEW not in updates[-2]
    assert updates[-1] == {"text/plain": "the answer"}
    after = "[len(progress._listeners), threading.active_count(), progress.attended]"
    assert value(kernel, after) == before
    kernel.run("run.warn('too late')\nrun.done(Outcome('done', ''))")


def test_what_takes_its_place_does_so_but_for_a_page_that_was_loaded_again(kernel):
    page = opened(kernel, "run = begin()\nw = shown(run, show_answer=False)")
    page.say(type="ready")
    kernel.run("w.ready.wait(2)\nrun.done(Outcome('done', 'It is 3.'))\nw.settle({'text/plain': 'the answer'})")
    kernel.until(lambda m: m["msg_type"] == "comm_close" and m["content"]["comm_id"] == page.comm)
    updates = [m["content"]["data"] for _, m in kernel.seen if m["msg_type"] == "update_display_data"]
    assert updates[-1] == {"text/plain": "the answer"}
    page = opened(kernel, "run = begin()\nw = shown(run, show_answer=False)")
    page.say(type="ready")
    page.say(type="ready")
    kernel.run("while w._drawn < 2: time.sleep(0.01)")
    kernel.run("run.done(Outcome('done', 'It is 3.'))\nw.settle({'text/plain': 'the answer'})")
    _, state = page.until(lambda state: state["show_answer"] and state["run"]["status"])
    assert state["run"]["answer"] == "It is 3."
    kernel.send(page.comm, {"method": "request_state"})
    page.until(lambda state: "_esm" in page.updates()[-1]["state"])


def test_the_oldest_of_many_widgets_become_text(kernel):
    kernel.run("widget.close_all()\nwidget.MOST_OPEN, kept = 2, widget.MOST_OPEN")
    kernel.run("runs = [begin() for _ in range(4)]\nmany = [shown(run) for run in runs]")
    assert value(kernel, "[one._closed for one in many]") == [True, True, False, False]
    kernel.run("widget.close_all()\nwidget.MOST_OPEN = kept")
    assert value(kernel, "[len(widget._open), all(one._closed for one in many)]") == [0, True]
    kernel.run("for run in runs: run.done(Outcome('done', ''))")


SLEEP = "import time\nprint('asleep', flush=True)\ntry:\n    time.sleep(30)\nfinally:\n    ended = time.time()"


@pytest.fixture
def magic(tmp_path):
    with started(tmp_path) as notebook:
        client = CommClient(notebook)
        client.run("import json\n%load_ext codeact_kernel")
        client.script = notebook.script
        yield client


@pytest.mark.alone
def test_stop_in_the_page_ends_a_sleeping_step_within_half_a_second(magic):
    cell = magic.start(f"%codeact --approve auto -m {magic.script(block(SLEEP), 'Slept.')} sleep")
    page = Page(magic)
    page.say(type="ready")
    magic.until(lambda m: m["msg_type"] == "stream" and "asleep" in m["content"]["text"])
    asked = time.time()
    page.say(type="stop")
    magic.until(
        lambda m: (
            m["msg_type"] == "status"
            and m["content"]["execution_state"] == "idle"
            and m["parent_header"].get("msg_id") == cell
        )
    )
    assert value(magic, "ended") - asked < 0.5
    assert time.time() - asked < 3


def test_an_edited_cell_runs_and_a_reason_reaches_the_model_through_the_magic(magic):
    model = magic.script(block("kept = 1"), block("kept = 2"), "Kept.")
    cell = magic.start(f"%codeact --approve ask -m {model} keep")
    page = Page(magic)
    page.say(type="ready")
    page.answer(decision="modify", code="kept = 17")
    page.until(lambda state: state["question"] and state["question"]["code"] == "kept = 2")
    assert page.state["run"]["steps"][0]["edited"] is True
    page.answer(decision="reject", reason="kept must stay")
    magic.finish(cell)
    assert value(magic, "kept") == 17
    assert page.until(lambda state: state["run"]["status"] == "done")[1]["run"]["answer"] == "Kept."
    assert page.state["run"]["steps"][1]["approval"]["reason"] == "kept must stay"


def test_without_a_page_that_answers_the_task_is_carried_out_and_shown_as_text(magic):
    model = magic.script(block("3 * 7"), "It is 21.")
    cell = magic.start(f"%codeact --approve auto -m {model} multiply")
    magic.finish(cell)
    text = "\n".join(content["data"]["text/plain"] for content in displays(magic, cell))
    assert "3 * 7" in text
    assert "It is 21." in text

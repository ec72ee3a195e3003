"""The loop, end to end: a scripted model, a real kernel, a real episode."""

from __future__ import annotations

import json
import threading
import time

import nbformat
import pytest
from loop_helpers import Bench, bench_on, block, kernel_in

from codeact_kernel.agent import prompt
from codeact_kernel.episode.chat import conversation
from codeact_kernel.execute.fresh import FreshExecutor
from codeact_kernel.types import Approval
from codeact_kernel.worker import worker


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    with kernel_in(tmp_path_factory.mktemp("work")) as kernel:
        yield kernel


@pytest.fixture
def bench(executor, tmp_path):
    with bench_on(executor, tmp_path) as made:
        yield made


def test_two_steps_and_an_answer_become_an_episode(bench):
    outcome = bench.ask("Add up.", [block("x = 20\nx"), block("print(x + 22)"), "The sum is 42."])
    assert (outcome.status, outcome.answer, outcome.steps) == ("done", "The sum is 42.", 3)
    notebook = nbformat.read(outcome.episode, as_version=4)
    kinds = [cell.metadata.codeact.kind for cell in notebook.cells]
    assert kinds == ["about", "prelude", "task", "thought", "action", "thought", "action", "answer"]
    assert notebook.metadata.codeact.status == "done"
    assert bench.value("x") == "20"


def test_the_messages_of_every_step_can_be_rebuilt_from_the_notebook_alone(bench):
    bench.ask("First.", [block("a = 1"), block("print(a)"), "It is 1."])
    bench.ask("And then?", [block("print(a + 10)"), "It is 11."])
    system, turns = conversation(json.loads(bench.session.writer.path.read_text()))
    for index, turn in enumerate(turns):
        request = getattr(turn, "request", None)
        if request is not None:
            messages = prompt.build(system, turns[:index], request.view)
            assert (prompt.digest_of(messages), len(messages)) == (request.digest, request.count)


def test_a_further_task_goes_on_with_the_same_episode_and_an_unchanged_prefix(bench):
    bench.ask("First.", [block("a = 1"), "Done."])
    first = list(bench.session.conversation.turns)
    path = bench.session.writer.path
    bench.ask("Second.", ["Yes."])
    assert bench.session.writer.path == path
    talk = bench.session.conversation
    before = prompt.build(talk.system, first)
    assert prompt.build(talk.system, talk.turns)[: len(before)] == before


def test_reset_begins_a_new_episode(bench):
    first = bench.ask("First.", ["Yes."]).episode
    bench.session.reset()
    assert bench.ask("Second.", ["Yes."]).episode != first


def test_code_that_does_not_parse_is_not_run_and_its_line_is_shown(bench):
    outcome = bench.ask("Go.", [block("y = 1\nz = ("), block("print('y' in dir())"), "False."])
    assert outcome.status == "done"
    text = bench.observations()[0]
    assert "SyntaxError" in text
    assert "line 2" in text
    assert "False" in bench.observations()[1]


def test_the_same_failing_action_is_named_and_then_ends_the_task(bench):
    outcome = bench.ask("Go.", [block("1 / 0")] * 7)
    assert outcome.status == "failed"
    assert "same failing code 3 times" in outcome.cause
    assert outcome.steps == 3
    assert prompt.words("repeated-failure") not in bench.observations()[0]
    assert prompt.words("repeated-failure") in bench.observations()[1]


def test_comments_and_layout_do_not_make_an_action_new(bench):
    bench.ask("Go.", [block("1 / 0"), *[block("# again\n1/0")] * 3, "No."], max_steps=3)
    assert prompt.words("repeated-failure") in bench.observations()[1]


def test_three_unusable_replies_in_a_row_end_the_task_with_the_cause(bench):
    outcome = bench.ask("Go.", ["", "```python\n```", "", "Fine."])
    assert outcome.status == "failed"
    assert "3 times in a row" in outcome.cause
    assert outcome.steps == 3


def test_an_unusable_reply_between_good_ones_costs_nothing(bench):
    replies = ["", "", block("print(7)"), "", "", "It is 7."]
    assert bench.ask("Go.", replies).status == "done"


@pytest.mark.parametrize(
    "reply",
    [
        {"text": block("open('ran', 'w')"), "finish": None},
        {"text": "Go\n```python\nopen('ran', 'w')", "finish": "length"},
        {"text": "<execute>open('ran', 'w')", "finish": "length"},
    ],
)
def test_an_incomplete_reply_is_never_run(bench, reply):
    outcome = bench.ask("Go.", [reply] * 4)
    assert outcome.status == "failed"
    assert outcome.cause
    assert bench.value("__import__('os').path.exists('ran')") == "False"


def test_too_many_steps_are_a_limit_and_the_last_one_is_announced(bench):
    outcome = bench.ask("Go.", [block(f"print({n})") for n in range(9)], max_steps=3)
    assert (outcome.status, outcome.steps) == ("limit", 3)
    assert prompt.words("last-step").split("{")[0] in bench.observations()[1]


def test_wall_time_is_a_limit_for_models_and_for_cells(bench):
    began = time.monotonic()
    slow = bench.ask("Go.", [{"text": "Yes.", "delay_s": 30}], max_seconds=1)
    assert (slow.status, "1 s" in slow.cause) == ("limit", True)
    cell = bench.ask("Go.", [block("import time; time.sleep(30)"), "Yes."], max_seconds=1)
    assert cell.status == "limit"
    assert time.monotonic() - began < 15


def test_tokens_are_a_limit(bench):
    outcome = bench.ask("Go.", [block(f"print({n})") for n in range(9)], max_total_tokens=300)
    assert outcome.status == "limit"
    assert "300 tokens" in outcome.cause


def test_plan_shows_and_never_runs(bench):
    outcome = bench.ask("Go.", [block("ran = 1"), "I would set it."], approval="plan")
    assert outcome.status == "done"
    assert bench.value("ran") == "NameError"
    assert [mark["kind"] for mark in bench.records()][1] == "rejected"


@pytest.mark.parametrize("approval", ["ask", "ask-if-risky"])
def test_nobody_to_ask_is_a_refusal(bench, approval):
    bench.value("open('keep.txt', 'w').write('x')")
    outcome = bench.ask("Go.", [block("import os\nos.remove('keep.txt')"), "I may not."], approval=approval)
    assert outcome.status == "done"
    assert bench.value("__import__('os').path.exists('keep.txt')") == "True"


@pytest.mark.parametrize(
    "replies",
    [
        [{"text": "Yes.", "delay_s": 30}],
        [block("import time\ntime.sleep(30)")],
        [block("import asyncio\nawait asyncio.sleep(30)")],
    ],
    ids=["model", "cell", "await"],
)
def test_stop_is_heard_within_half_a_second(bench, replies):
    heard = []

    def press():
        time.sleep(1.0)
        heard.append(time.monotonic())
        bench.stop.set()

    threading.Thread(target=press).start()
    outcome = bench.ask("Go.", replies)
    assert time.monotonic() - heard[0] < 0.5 + 0.2  # the notebook's save and the thread hops
    assert outcome.status == "interrupted"
    assert bench.value("1 + 1") == "2"
    assert nbformat.read(outcome.episode, as_version=4).metadata.codeact.status == "interrupted"


def test_a_dead_kernel_fails_the_task_and_keeps_the_steps(tmp_path):
    kernel = FreshExecutor(cwd=tmp_path)
    worker().submit(kernel.start()).result(timeout=60)
    made = Bench(kernel, tmp_path)
    try:
        outcome = made.ask("Go.", [block("print(5)"), block("import os\nos._exit(1)"), "Yes."])
        assert outcome.status == "failed"
        assert "died" in outcome.cause
        assert [mark["kind"] for mark in made.records()] == ["task", "action", "action", "error"]
    finally:
        worker().submit(kernel.close()).result(timeout=30)


def test_old_observations_are_shortened_and_the_record_says_so(bench):
    replies = [block(f"print('{n} ' * 800)") for n in range(6)] + ["Done."]
    outcome = bench.ask("Go.", replies, context_tokens=2500)
    assert outcome.status == "done"
    views = [mark["record"]["request"]["view"] for mark in bench.records() if "request" in mark["record"]]
    assert views[0] is None
    assert views[-1]
    system, turns = conversation(json.loads(bench.session.writer.path.read_text()))
    last = turns[-1]
    assert prompt.digest_of(prompt.build(system, turns[:-1], last.request.view)) == last.request.digest


@pytest.mark.parametrize(
    "text", ["nul \0 in prose.", "lone \ud800 surrogate.", block("print('\ud800')"), block("x = 1\0")]
)
def test_odd_characters_in_a_reply_lose_nothing(bench, text):
    outcome = bench.ask("Go.", [text, "Done.", "Done.", "Done."])
    assert outcome.status == "done"
    _, turns = conversation(json.loads(bench.session.writer.path.read_text()))
    assert turns[1].completion.text == text


def test_a_look_that_is_taken_again_is_told_to_look_elsewhere(bench):
    bench.value("globals().update(view=lambda: 'page 1', page=7)")
    bench.ask("Go.", [block("view()"), block("view()"), block("print(page)"), block("print(page)"), "It is 7."])
    _, again, _, same = bench.observations()
    assert again.endswith(prompt.words("repeated-call"))
    assert same.endswith(prompt.words("repeated-success"))


def test_plan_ends_with_the_plan(bench):
    outcome = bench.ask("Go.", [block("ran = 1"), "never asked"], approval="plan")
    assert (outcome.status, outcome.steps, outcome.answer) == ("done", 1, prompt.words("planned"))


def test_a_refused_cell_that_comes_again_ends_the_task(bench):
    outcome = bench.ask("Go.", [block("import os\nos.remove('x')")] * 7, approval="ask-if-risky")
    assert (outcome.status, outcome.steps) == ("failed", 3)


def test_a_warning_is_pointed_at(bench):
    bench.ask("Go.", [block("import warnings\nwarnings.warn('no effect')"), "Done."])
    assert prompt.words("after-warning") in bench.observations()[0]


def test_an_edited_cell_is_shown_to_the_model(bench):
    class Editor:
        async def ask(self, code, risks, reason):
            return Approval("modify", "user", proposed=code), "print('mine')"

    outcome = bench.ask("Go.", [block("print('yours')"), "Done."], asker=Editor(), approval="ask")
    assert outcome.status == "done"
    assert "The user changed the cell to:\n```python\nprint('mine')\n```" in bench.observations()[0]
    mark = next(mark for mark in bench.records() if mark["kind"] == "action")
    assert (mark["record"]["approval"]["decision"], mark["record"]["approval"]["proposed"]) == (
        "modify",
        "print('yours')",
    )


def test_a_reply_that_repeats_what_failed_is_drawn_again_and_the_draft_is_kept(bench):
    outcome = bench.ask("Go.", [block("1 / 0"), block("1/0"), block("print(1 / 2)"), "It is 0.5."])
    assert (outcome.status, outcome.steps) == ("done", 3)
    drafts = [mark["record"]["drafts"] for mark in bench.records() if mark["kind"] == "action"]
    assert drafts == [[], [block("1/0")]]
    assert block("1/0") not in str(prompt.build("", bench.session.conversation.turns))


def test_a_reply_that_goes_round_is_drawn_again(bench):
    outcome = bench.ask("Go.", ["And so on, " * 300, block("print(7)"), "It is 7."])
    assert (outcome.status, outcome.steps) == ("done", 2)
    (drafts,) = [mark["record"]["drafts"] for mark in bench.records() if mark["kind"] == "action"]
    assert len(drafts) == 1
    assert drafts[0].startswith("And so on, And so on, ")


def test_a_chained_assignment_is_shown_as_it_should_be(bench):
    pytest.importorskip("pandas", minversion="3")
    code = "import pandas as pd\nt = pd.DataFrame({'a': [1.0, None]})\nt['a'].fillna(t['a'].mean(), inplace=True)"
    bench.ask("Fill a.", [block(code), "Done."])
    assert "`t['a'] = t['a'].fillna(t['a'].mean())`" in bench.observations()[0]


def test_an_import_of_an_earlier_cell_is_known_when_a_later_one_is_judged(bench):
    bench.value("open('kept.txt', 'w').write('x')")
    replies = [block("from os import remove as tidy\nprint(1)"), block("tidy('kept.txt')"), "I may not."]
    bench.ask("Go.", replies, approval="ask-if-risky")
    assert bench.value("__import__('os').path.exists('kept.txt')") == "True"

"""Which answers the loop takes and which it sends back: a scripted model, a real kernel."""

from __future__ import annotations

import pytest
from loop_helpers import bench_on, block, kernel_in

from codeact_kernel.agent import prompt


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    with kernel_in(tmp_path_factory.mktemp("work")) as kernel:
        yield kernel


@pytest.fixture
def bench(executor, tmp_path):
    with bench_on(executor, tmp_path) as made:
        yield made


def test_a_figure_that_no_output_showed_is_sent_back_once(bench):
    outcome = bench.ask("How many?", ["There are 41.", "There are 41, really."])
    assert (outcome.status, outcome.answer, outcome.steps) == ("done", "There are 41, really.", 2)
    assert "41" in bench.observations()[0]


def test_an_answer_right_after_a_failed_step_is_sent_back_once(bench):
    outcome = bench.ask("Go.", [block("1 / 0"), "All is well.", block("print('ok')"), "All is well."])
    assert outcome.steps == 4
    assert prompt.words("answer-after-failure") in bench.observations()[1]


def test_a_guess_without_a_look_at_the_data_is_sent_back_once(bench):
    bench.value("globals().update(table=[1, 2, 3])")
    outcome = bench.ask("Which is it?", ["The south.", block("print('north', table)"), "The north."])
    assert (outcome.status, outcome.answer, outcome.steps) == ("done", "The north.", 3)
    assert bench.observations()[0] == prompt.words("answer-guessed")
    assert bench.ask("And why?", ["Because."]).steps == 1


def test_a_guess_that_comes_again_after_code_that_does_not_show_it_is_sent_back_again(bench):
    bench.value("globals().update(table=[1, 2, 3])")
    replies = [
        "The sum is 41.",
        block("print(table)"),
        "The sum is 41.",
        block("print(sum(table))"),
        "The sum is 6.",
    ]
    outcome = bench.ask("What is it?", replies)
    assert (outcome.status, outcome.answer, outcome.steps) == ("done", "The sum is 6.", 5)
    assert bench.observations()[2] == (
        prompt.words("answer-not-shown").replace("{figures}", "41").replace("{task}", "What is it?")
    )


def test_an_example_in_the_task_is_no_evidence_of_its_value(bench):
    task = "What does it cost? Answer as 'xx.xx' (e.g., 12.34)."
    replies = [block("print('a list')"), "It costs 12.34.", block("print(9.5)"), "It costs 9.50."]
    outcome = bench.ask(task, replies)
    assert (outcome.answer, outcome.steps) == ("It costs 9.50.", 4)
    assert bench.observations()[1].startswith("No output shows 12.34.")


def test_our_own_words_are_no_answer(bench):
    outcome = bench.ask("Go.", [block("print(7)"), prompt.words("repeated-success"), "It is 7."])
    assert (outcome.answer, outcome.steps) == ("It is 7.", 3)
    assert bench.observations()[1] == prompt.words("answer-echoed")


def test_the_last_round_is_not_sent_back(bench):
    outcome = bench.ask("What is 17 * 23?", ["It is 391."], max_steps=1)
    assert (outcome.status, outcome.answer) == ("done", "It is 391.")


def test_the_figures_of_the_prompts_example_are_no_evidence(bench):
    figure = next(
        word for word in prompt.words("system").split() if word.replace(",", "").replace(".", "").isdigit()
    )
    outcome = bench.ask("How many?", [f"There are {figure}", block("print(5)"), "There are 5."])
    assert outcome.steps == 3


def test_a_question_for_a_figure_wants_one(bench):
    replies = [block("print(5)"), "The output matches the task.", "There are 5."]
    outcome = bench.ask("How many are there?", replies)
    assert (outcome.answer, outcome.steps) == ("There are 5.", 3)
    assert bench.ask("How many are left?", [block("print('no rows')"), "There are none left."]).steps == 2


def test_an_answer_after_an_assignment_without_effect_is_sent_back(bench):
    code = "import pandas as pd\nt = pd.DataFrame({'a': [1.0, None]})\nt['a'].fillna(0, inplace=True)"
    replies = [block(code), "It is filled.", block("t['a'] = t['a'].fillna(0)"), "It is filled."]
    assert bench.ask("Fill the gaps.", replies).steps == 4
    assert "`t['a'] = t['a'].fillna(0)`" in bench.observations()[1]


def test_code_that_did_not_show_the_answer_is_not_run_once_more(bench):
    replies = [block("print(5)"), "There are 41.", block("print(5)"), block("print(40 + 1)"), "There are 41."]
    outcome = bench.ask("How many?", replies)
    assert (outcome.status, outcome.steps) == ("done", 4)
    drafts = [mark["record"]["drafts"] for mark in bench.records() if mark["kind"] == "action"]
    assert drafts == [[], [block("print(5)")]]


def test_a_plan_without_code_is_no_answer(bench):
    plan = "I read the file.\nI count the rows."
    outcome = bench.ask("Go.", [plan, plan, block("print(3)"), "I counted the rows."])
    assert (outcome.answer, outcome.steps) == ("I counted the rows.", 4)
    assert bench.observations()[:2] == [prompt.words("answer-announced")] * 2


def test_an_answer_whose_code_left_out_a_figure_of_the_task_is_sent_back_once(bench):
    replies = [block("print(2.7 * 300)"), "It is 810.", block("print(2.7 * 300 * 1000)"), "It is 810000."]
    outcome = bench.ask("What do 1000 units cost at 300 each, times 2.7?", replies)
    assert (outcome.answer, outcome.steps) == ("It is 810000.", 4)
    assert bench.observations()[1].startswith("No code used 1000, which the task states.")
    replies = [block("print(810)"), "It is 810.", "It is 810."]
    assert bench.ask("And is that more than 4000?", replies).steps == 3


def test_what_is_attached_to_a_task_is_no_condition(bench):
    outcome = bench.ask("Fix it.\n\nIt ended in line 66.", [block("print('mended')"), "It is mended."])
    assert (outcome.answer, outcome.steps) == ("It is mended.", 2)

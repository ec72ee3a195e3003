"""Each rule of the funnel lets pass and drops what was built for it."""

import pytest
from learn_helpers import edited, failed, good, note, ran, refused, said, talk, trajectory

from codeact_kernel.learn import filters
from codeact_kernel.learn.trajectory import of_instruct
from codeact_kernel.types import Told

LEAK_IN_CODE = talk(
    lambda t: ran(t, "print(1234)", "1234\n"),
    lambda t: ran(t, "print('sure')", "sure\n"),
    lambda t: said(t, "There are 1234 rows."),
)
LEAK_IN_THOUGHT = talk(
    lambda t: ran(t, "# it must be 98.6", "done\n"),
    lambda t: ran(t, "print(x)", "98.6\n"),
    lambda t: said(t, "98.6"),
)
LEAK_AS_TEXT = talk(
    lambda t: ran(t, "print('visby')", "visby\n"),
    lambda t: said(t, "visby"),
)
GIVEN_IN_TASK = talk(
    lambda t: ran(t, "print(x == 1234)", "True\n"),
    lambda t: said(t, "Yes, there are 1234."),
    words="Are there 1234 rows?",
)
SHOWN_FIRST = talk(
    lambda t: ran(t, "print(len(df))", "1234\n"),
    lambda t: ran(t, "assert len(df) == 1234", "(no output)"),
    lambda t: said(t, "1234"),
)


def test_whole_drops_what_is_not_as_recorded_or_did_not_end_well():
    assert filters.whole(trajectory(good()))
    assert not filters.whole(trajectory(good(), faults=["Step 2 was changed."]))
    assert not filters.whole(trajectory(good(), status="limit"))
    assert not filters.whole(trajectory(good()[:1]))
    assert not filters.whole(trajectory(good()[1:]))


def test_not_held_out_drops_only_what_is_kept_for_measuring():
    assert filters.not_held_out(trajectory(good()))
    assert filters.not_held_out(trajectory(good(), split="validation"))
    assert not filters.not_held_out(trajectory(good(), split="held-out"))


@pytest.mark.parametrize(("solved", "strict", "lenient"), [(True, 1, 1), (None, 0, 1), (False, 0, 0)])
def test_solved_believes_a_checker_and_nobody_else_unless_it_is_asked_to(solved, strict, lenient):
    found = trajectory(good(), solved=solved)
    assert filters.solved(found) == bool(strict)
    assert filters.solved_or_unchecked(found) == bool(lenient)


def test_an_unchecked_episode_without_an_answer_is_not_taken_for_solved():
    assert not filters.solved_or_unchecked(trajectory(good()[:-1], solved=None))


def test_more_than_two_turns_drops_what_was_easy():
    easy = talk(lambda t: ran(t, "print(3)", "3\n"), lambda t: said(t, "3"))
    rule = filters.more_than(2)
    assert not rule(trajectory(easy))
    assert rule(trajectory(SHOWN_FIRST))
    assert filters.more_than(1)(trajectory(easy))


def test_not_all_errors_drops_a_lucky_end_after_errors_and_guesses():
    def lucky(t):
        return said(t, "42")

    assert not filters.not_all_errors(trajectory(talk(failed, failed, lucky)))
    assert not filters.not_all_errors(trajectory(talk(failed, note, lucky)))
    assert not filters.not_all_errors(trajectory(talk(lambda t: refused(t, "rm()"), lucky)))
    assert filters.not_all_errors(trajectory(talk(failed, lambda t: ran(t, "print(42)", "42"), lucky)))
    assert filters.not_all_errors(trajectory(talk(lucky)))


def test_an_answer_that_the_check_sent_back_is_a_guess():
    def sent_back(t):
        return ran(t, "final_answer(41)", "41").with_(told=Told("check", "It is not 41."))

    assert not filters.not_all_errors(trajectory(talk(sent_back, lambda t: said(t, "42"))))


def test_recovered_wants_code_that_ran_after_the_last_error():
    assert filters.recovered(trajectory(good()))
    assert filters.recovered(trajectory(SHOWN_FIRST))
    assert not filters.recovered(
        trajectory(talk(lambda t: ran(t, "print(1)", "1"), failed, lambda t: said(t, "1")))
    )


def test_had_an_error_drops_what_went_smoothly():
    assert filters.had_an_error(trajectory(good()))
    assert not filters.had_an_error(trajectory(SHOWN_FIRST))


@pytest.mark.parametrize("turns", [LEAK_IN_CODE, LEAK_IN_THOUGHT, LEAK_AS_TEXT])
def test_an_answer_written_before_anything_showed_it_is_a_leak(turns):
    assert not filters.no_leak(trajectory(turns))


@pytest.mark.parametrize("turns", [good(), GIVEN_IN_TASK, SHOWN_FIRST])
def test_what_task_or_output_showed_is_no_leak(turns):
    assert filters.no_leak(trajectory(turns))


def test_a_final_value_that_the_code_names_outright_is_a_leak_and_a_computed_one_is_none():
    def named(t):
        return ran(t, "final_answer(777)", "777")

    def computed(t):
        return ran(t, "final_answer(df.boats.sum())", "777")

    for last, ok in ((named, False), (computed, True)):
        turns = talk(lambda t: ran(t, "df.head()", "..."), last)
        turns[-1] = turns[-1].with_(execution=_final(turns[-1].execution, "777"))
        assert filters.no_leak(trajectory(turns)) is ok


def _final(execution, text):
    from dataclasses import replace

    return replace(execution, final=text)


def test_dedupe_drops_the_same_code_for_the_same_task_whatever_its_spaces():
    unseen = filters.Unseen()
    assert unseen(trajectory(good()))
    assert not unseen(trajectory(good()))
    assert unseen(trajectory(good(words="How many boats?")))
    spaced = talk(
        lambda t: failed(t, "print( m)".replace("( ", "(  ")),
        lambda t: ran(t, "print(len(df))", "9"),
        lambda t: said(t, "9"),
    )
    assert unseen(trajectory(spaced))
    assert not unseen(
        trajectory([turn.with_(code=f"{turn.code}\n") if getattr(turn, "code", None) else turn for turn in spaced])
    )


def test_the_funnel_counts_the_first_rule_that_a_trajectory_breaks():
    funnel = filters.funnel()
    kept = [
        funnel.passes(one)
        for one in (
            trajectory(good()),
            trajectory(good()),
            trajectory(good("a?"), solved=False),
            trajectory(talk(lambda t: said(t, "3"))),
            trajectory(LEAK_IN_CODE),
            trajectory(good("b?"), split="held-out"),
        )
    ]
    funnel.unreadable()
    assert kept == [True, False, False, False, False, False]
    assert funnel.table() == [
        ("read", 0, 7),
        ("readable", 1, 6),
        ("whole", 0, 6),
        ("not held out", 1, 5),
        ("solved", 1, 4),
        ("more than 2 turns", 1, 3),
        ("not every earlier turn an error", 0, 3),
        ("recovered from its errors", 0, 3),
        ("no leakage of the answer", 1, 2),
        ("not seen before", 1, 1),
    ]


def test_a_row_of_codeactinstruct_goes_through_the_same_rules():
    row = {
        "id": "alfworld-1",
        "conversations": [
            {"role": "system", "content": "You act."},
            {"role": "user", "content": "Task: how many rows?"},
            {"role": "assistant", "content": "Let me see. <execute> print(m) </execute>"},
            {"role": "user", "content": "Observation:\nNameError: name 'm' is not defined"},
            {"role": "assistant", "content": "Again. <execute> print(len(df)) </execute>"},
            {"role": "user", "content": "Observation:\n1234"},
            {"role": "assistant", "content": "The answer is <solution> 1234 </solution>"},
        ],
    }
    found = of_instruct(row)
    assert [step.code and step.code.strip() for step in found.steps] == ["print(m)", "print(len(df))", None]
    assert found.answer == "The answer is 1234"
    assert filters.funnel(only_recovered=True).passes(found)
    easy = {**row, "conversations": [*row["conversations"][:2], row["conversations"][-1]]}
    assert not filters.funnel().passes(of_instruct(easy))


def test_the_edited_cell_of_a_user_counts_as_code_that_ran():
    turns = talk(failed, lambda t: edited(t, "print(n)", "print(len(df))", "1234\n"), lambda t: said(t, "1234"))
    assert filters.recovered(trajectory(turns))

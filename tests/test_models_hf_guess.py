"""What may come next in a conversation, and how much guessing pays."""

from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.models.hf_guess import LONGEST_REST, PAYS, Pace, guess

TOKENS = st.lists(st.integers(0, 5), max_size=60)


def test_the_tokens_that_followed_the_last_ones_are_guessed_the_newest_place_first():
    assert guess([1, 2, 3, 4, 1, 2, 3, 5, 9, 1, 2, 3], 2) == [5, 9]
    assert guess([7, 8, 4, 6, 7, 8], 3) == [4, 6, 7]
    assert guess([1, 2, 3, 4], 3) == []
    assert guess([], 3) == []


@given(TOKENS, st.integers(1, 8))
def test_a_guess_is_a_piece_of_the_conversation_behind_its_last_tokens(tokens, most):
    found = guess(tokens, most)
    assert len(found) <= most
    behind = [*tokens[-2:], *found]
    places = range(len(tokens) - len(behind) + 1)
    assert not found or any(tokens[at : at + len(behind)] == behind for at in places)


def test_guesses_that_pay_are_made_again_at_once():
    pace = Pace(6)
    for right in (6, PAYS, 3):
        assert pace.size() == 6
        pace.learn(6, right)
    assert pace.size() == 6


def test_guesses_that_do_not_pay_become_rare_and_one_that_does_brings_them_back():
    pace, tried = Pace(6), 0
    for _ in range(200):
        if size := pace.size():
            tried += 1
            pace.learn(size, PAYS - 1)
    assert tried <= 5 + 200 / LONGEST_REST
    while not (size := pace.size()):
        pass
    pace.learn(size, size)
    assert pace.size() == 6


def test_nothing_is_learnt_where_the_conversation_had_nothing_to_guess_from():
    pace = Pace(4)
    pace.learn(0, 0)
    assert pace.size() == 4


def test_none_is_guessed_where_none_is_allowed():
    assert Pace(0).size() == 0

"""What two conversations have in common, and guesses of what comes next; no torch is needed."""

from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.models.hf_cache import common, guess

TOKENS = st.lists(st.integers(0, 3), max_size=30)


@given(TOKENS, TOKENS)
def test_the_common_beginning_is_common_and_cannot_be_longer(left, right):
    size = common(left, right)
    assert left[:size] == right[:size]
    assert size in {len(left), len(right)} or left[size] != right[size]


@given(TOKENS, st.integers(0, 6))
def test_a_guess_is_what_followed_the_same_tokens_before(tokens, most):
    found = guess(tokens, most)
    assert len(found) <= most
    if found:
        tail = tokens[-2:]
        assert any(
            tokens[at : at + 2] == tail and tokens[at + 2 : at + 2 + len(found)] == found for at in range(30)
        )


def test_a_guess_prefers_the_last_time():
    assert guess([1, 2, 3, 1, 2, 4, 1, 2], 1) == [4]
    assert guess([1, 2, 3], 4) == []

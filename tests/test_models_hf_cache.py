"""What two conversations have in common; no torch is needed."""

from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.models.hf_cache import common

TOKENS = st.lists(st.integers(0, 3), max_size=30)


@given(TOKENS, TOKENS)
def test_the_common_beginning_is_common_and_cannot_be_longer(left, right):
    size = common(left, right)
    assert left[:size] == right[:size]
    assert size in {len(left), len(right)} or left[size] != right[size]

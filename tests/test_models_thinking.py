"""Reasoning that a server leaves in its reply is taken apart, however the pieces were cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.models.thinking import ThinkFilter

REPLIES = [
    ("<think>\nhm\n</think>\n\nIt is 2.", "It is 2.", "\nhm\n"),
    ("\n <think>hm</think>x</think>", "x</think>", "hm"),
    ("It is <think>2</think>.", "It is <think>2</think>.", ""),
    ("<thinking>2", "<thinking>2", ""),
    ("<thi", "<thi", ""),
    ("  \n", "  \n", ""),
    ("<think>never ends </thi", "", "never ends </thi"),
    ("<think></think>", "", ""),
    ("<think>a</think>\n\n", "", "a"),
]


def split(whole, cuts):
    found, parts, at = ThinkFilter(), [], 0
    for cut in [*sorted(cuts), len(whole)]:
        parts.append(found.feed(whole[at:cut]))
        at = cut
    parts.append(found.flush())
    return "".join(text for text, _ in parts), "".join(thought for _, thought in parts)


@pytest.mark.parametrize(("whole", "text", "thought"), REPLIES)
def test_a_leading_block_is_reasoning_and_the_rest_is_the_reply(whole, text, thought):
    for size in range(len(whole) + 1):
        assert split(whole, [size]) == (text, thought)
    assert split(whole, range(len(whole))) == (text, thought)


@given(st.lists(st.sampled_from(["<think>", "</think>", "<", "a", "\n", "</th", "ink>"]), max_size=8), st.data())
def test_the_cuts_do_not_matter_and_nothing_but_marks_and_blanks_is_lost(pieces, data):
    whole = "".join(pieces)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=6))
    text, thought = split(whole, cuts)
    assert (text, thought) == split(whole, [])
    if thought:
        assert whole.lstrip().startswith("<think>" + thought)
    assert whole.endswith(text)

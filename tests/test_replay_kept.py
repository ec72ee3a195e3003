"""Streams longer than a capture keeps: what both sides have is compared, and what was left out is said."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.execute.capture import Limits, OutputReducer
from codeact_kernel.replay.compare import compare_outputs
from codeact_kernel.replay.kept import kept_by_both


def printed(text, name="stdout", **limits):
    """The outputs of a cell that prints a text, as a capture keeps them."""
    reducer = OutputReducer(Limits(**limits))
    for at in range(0, len(text), 8192):
        reducer.add("stream", {"name": name, "text": text[at : at + 8192]})
    return reducer.outputs()


def whole(text, name="stdout"):
    """The outputs of the same cell as other programs keep them."""
    return [{"output_type": "stream", "name": name, "text": text}]


def lines(count, seed=0, **changed):
    chance = random.Random(seed)
    made = [f"row {number} took {chance.random() * 50:.2f} s" for number in range(count)]
    for name, line in changed.items():
        made[int(name[1:])] = line
    return "\n".join(made) + "\n"


@pytest.mark.parametrize("policy", ["normal", "contains"])
def test_a_long_stream_recorded_whole_is_the_same_where_it_was_kept(policy):
    text = lines(40_000)
    found = compare_outputs(whole(text), printed(text), policy=policy)
    assert (found.verdict, found.differences) == ("drift", ())
    (removed,) = [one for one in found.removed if one.rule == "middle of a long stream"]
    assert removed.text.startswith("stdout: 0 characters -> ")
    assert compare_outputs(printed(text), printed(text), policy=policy).verdict == "same"


def test_two_captures_that_cut_at_other_places_are_compared_by_lines():
    found = compare_outputs(printed(lines(40_000, 1), name="stderr"), printed(lines(40_000, 2), name="stderr"))
    assert (found.verdict, found.differences) == ("drift", ())


@pytest.mark.parametrize("number", [3, 39_990])
def test_a_change_in_what_was_kept_is_found(number):
    old, new = lines(40_000), lines(40_000, 1, **{f"_{number}": "row lost"})
    for recorded, now in ((whole(old), printed(new)), (printed(old), printed(new))):
        found = compare_outputs(recorded, now)
        assert found.verdict == "differs"
        assert "row lost" in found.differences[0].new


def test_half_as_much_is_another_stream():
    for recorded, now in ((40_000, 20_000), (20_000, 40_000), (90_000, 40_000)):
        assert compare_outputs(printed(lines(recorded)), printed(lines(now))).verdict == "differs"
        assert compare_outputs(whole(lines(recorded)), printed(lines(now))).verdict == "differs"


def test_a_long_progress_bar_is_compared_by_its_last_frame():
    def bar(width, last="100%"):
        return "".join(f"\rstep {number:>{width}} of 60000" for number in range(60_000)) + f"\r{last} done\n"

    assert compare_outputs(printed(bar(6)), printed(bar(6) + " ")).verdict == "drift"
    assert compare_outputs(printed(bar(6)), printed(bar(6, " 99%"))).verdict == "differs"


@given(st.lists(st.text(st.sampled_from("ab1\r"), max_size=9), max_size=60), st.integers(8, 200))
def test_what_one_side_kept_of_a_text_is_in_the_text(pieces, chars):
    text = "\n".join(pieces)
    cut = "".join(output["text"] for output in printed(text, chars=chars))
    old, new, left_out = kept_by_both(text, cut)
    assert old == new
    assert bool(left_out) == (cut != text)

"""Outputs of two runs: streams, rich outputs, errors, pictures, widgets, JSON, policies; hostile content."""

import base64
import io
import json
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from codeact_kernel.replay import pictures
from codeact_kernel.replay.compare import Moment, compare_outputs

SAMPLE = json.loads((Path(__file__).parent / "replay_pairs.json").read_text("utf-8"))
MOMENT = Moment(1795416352.0, 1795416052.0)


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def rich(data, kind="display_data", **more):
    return {"output_type": kind, "data": data, "metadata": {}, **more}


def error(ename, evalue="", traceback=()):
    return {"output_type": "error", "ename": ename, "evalue": evalue, "traceback": list(traceback)}


def verdict(old, new, **options):
    return compare_outputs(old, new, moment=MOMENT, **options).verdict


WIDGET = "application/vnd.jupyter.widget-view+json"
TEXT = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [
                "<A at 0x7ff972f87a50>",
                " 3 ",
                "0.25",
                "{'b', 'a'}",
                "2026-11-23 06:40:52",
                "\r",
                "\b",
                "\x1b[A",
                "\n",
                "{",
            ]
        ),
        max_size=8,
    ).map("".join),
)
JSON_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
OUTPUT = st.one_of(
    st.builds(stream, TEXT, st.sampled_from(["stdout", "stderr"])),
    st.builds(stream, st.lists(TEXT, max_size=3)),
    st.builds(error, st.sampled_from(["ValueError", "KeyError"]), TEXT),
    st.builds(
        rich,
        st.dictionaries(st.sampled_from(["text/plain", "text/html", "image/png"]), TEXT, max_size=3),
    ),
    JSON_VALUE.map(lambda value: rich({"application/json": value})),
    st.builds(lambda value: rich({WIDGET: {"model_id": value}}, "execute_result", execution_count=1), TEXT),
)
OUTPUTS = st.lists(OUTPUT, max_size=4)


@settings(deadline=None, max_examples=200)
@given(OUTPUTS, st.sampled_from(["strict", "normal", "contains"]))
def test_anything_is_the_same_as_itself(outputs, policy):
    found = compare_outputs(outputs, json.loads(json.dumps(outputs)), policy=policy)
    assert found.verdict == "same", found
    assert found.removed == found.differences == ()


@settings(deadline=None, max_examples=200)
@given(OUTPUTS, OUTPUTS)
def test_the_verdict_is_the_same_from_both_sides(one, other):
    now = Moment(1795416052.0, 1795416052.0)
    there, back = (compare_outputs(*sides, moment=now) for sides in ((one, other), (other, one)))
    assert there.verdict == back.verdict
    assert (there.verdict in ("differs", "status")) == bool(there.differences)


@settings(deadline=None, max_examples=100)
@given(OUTPUTS, OUTPUTS)
def test_what_strict_accepts_normal_accepts_and_contains_as_well(one, other):
    if verdict(one, other, policy="strict") == "same":
        assert verdict(one, other) in ("same", "drift")
    if verdict(one, other) in ("same", "drift"):
        assert verdict(one, other, policy="contains") in ("same", "drift")


@pytest.mark.parametrize("name", SAMPLE)
def test_recorded_pairs_of_the_corpus(name):
    pair = SAMPLE[name]
    found = compare_outputs(pair["first"], pair["second"], moment=Moment(pair["ended"][1], pair["ended"][0]))
    expected = ("same", "drift") if pair["kind"] == "honest" else ("differs", "status")
    assert found.verdict in expected, found.differences


def test_streams_are_joined_by_name_whatever_came_between():
    one = [stream("a"), stream("x", "stderr"), stream("b\n")]
    assert verdict(one, [stream("x", "stderr"), stream(["a", "b\n"])]) == "same"
    assert verdict(one, [stream("ab\n"), stream("y", "stderr")]) == "differs"
    assert verdict([stream("x")], [stream("x", "stderr")]) == "differs"


def test_backspaces_and_returns_are_folded_as_a_terminal_does():
    assert verdict([stream("|\b/\b-\bdone")], [stream("done")]) == "same"
    assert verdict([stream("loading...\rready")], [stream("readyng...")]) == "same"
    assert verdict([stream("loading...\rready")], [stream("ready")]) == "differs"


def test_execution_counts_metadata_and_transient_ids_do_not_count():
    old = rich({"text/plain": "3"}, "execute_result", execution_count=3)
    new = rich({"text/plain": "3"}, "execute_result", execution_count=9, transient={"display_id": "x"})
    assert verdict([old], [new]) == "same"
    assert verdict([old], [new], policy="strict") == "same"


def test_the_order_of_rich_outputs_counts():
    a, b = rich({"text/plain": "a"}), rich({"text/plain": "b"})
    assert verdict([a, b], [b, a]) == "differs"
    assert verdict([a, b], [a]) == "differs"
    assert verdict([a], [a, b]) == "differs"


def test_errors_go_by_name_and_value_not_by_traceback():
    old = error("ValueError", "bad <A at 0x7ff972f87a50>", ["line 3"])
    assert verdict([old], [error("ValueError", "bad <A at 0x7ff3a1b76b90>", ["line 4"])]) == "drift"
    assert verdict([old], [error("TypeError", "bad <A at 0x7ff972f87a50>")]) == "differs"
    assert verdict([error("ValueError", "row 3")], [error("ValueError", "row 4")]) == "differs"
    assert verdict([old], []) == "status"
    assert verdict([stream("x")], [stream("x"), old]) == "status"


def test_widgets_need_their_view_and_no_more():
    old = rich({WIDGET: {"model_id": "a"}, "text/plain": "IntSlider(value=5)"})
    assert verdict([old], [rich({WIDGET: {"model_id": "b"}, "text/plain": "IntSlider(value=5)"})]) == "same"
    assert verdict([old], [rich({"text/plain": "IntSlider(value=5)"})]) == "differs"


def test_json_is_compared_by_structure():
    def both(one, other):
        return verdict(
            [rich({"application/json": one})],
            [rich({"application/vnd.x+json": other} if one is None else {"application/json": other})],
        )

    assert both({"a": 1, "b": [0.1]}, {"b": [0.10000000000000002], "a": 1}) == "drift"
    assert both({"rows": 3}, {"rows": 4}) == "differs"
    assert both({"rows": 3}, {"rows": 3.0}) == "differs"
    assert both({"ok": True}, {"ok": 1}) == "differs"
    assert both({"a": 1}, {"a": 1, "b": 2}) == "differs"
    assert both([1, 2], [2, 1]) == "differs"
    assert both([1], [1, 1]) == "differs"
    assert both({"fit_seconds": 0.31}, {"fit_seconds": 0.29}) == "drift"
    assert both({"score": 0.31}, {"score": 0.29}) == "differs"
    assert both({"x": float("nan")}, {"x": float("nan")}) == "same"
    assert both({"x": float("nan")}, {"x": 1.5}) == "differs"
    assert both(None, None) == "differs"


def test_deep_json_and_odd_types_do_not_break_it():
    deep = inner = []
    for _ in range(5000):
        inner.append([])
        inner = inner[0]
    assert verdict([rich({"application/json": deep})], [rich({"application/json": [[]]})]) == "differs"
    odd = [
        {"output_type": "display_data"},
        {"output_type": "stream"},
        {},
        rich({"text/plain": 3}),
        rich({"text/plain": None}),
    ]
    assert verdict(odd, odd) == "same"
    assert verdict(odd, odd[:3]) == "differs"
    assert verdict(odd, [rich([])]) == "differs"
    assert verdict([stream("a\ud800")], [stream("a\ud800")]) == "same"
    assert verdict([stream("a\ud800")], [stream("b\ud800")], policy="strict") == "differs"


def png(image):
    out = io.BytesIO()
    image.save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def dot(at=(50, 50), shade=240, ground=10, size=(200, 200)):
    image = Image.new("RGB", size, (ground,) * 3)
    ImageDraw.Draw(image).ellipse((*at, at[0] + 6, at[1] + 6), fill=(shade,) * 3)
    return image


def test_pictures_that_look_the_same_pass_and_others_do_not():
    old = png(dot())
    assert verdict([rich({"image/png": old})], [rich({"image/png": old + "\n"})]) == "same"
    assert verdict([rich({"image/png": old})], [rich({"image/png": png(dot(ground=11))})]) == "drift"
    for other in (dot(at=(58, 50)), dot(shade=120), dot(ground=20), dot(size=(201, 200))):
        found = compare_outputs([rich({"image/png": old})], [rich({"image/png": png(other)})])
        assert [one.kind for one in found.differences] == ["image"]
        assert found.differences[0].new.endswith(".")


def test_what_is_transparent_shows_no_colour():
    clear, other = (Image.new("RGBA", (30, 30), (shade, 0, 0, 0)) for shade in (0, 255))
    assert pictures.differ(png(clear), png(other)) == ""


def test_pictures_that_cannot_be_decoded_are_compared_by_their_bytes(monkeypatch):
    assert "decoded" in pictures.differ("AAAA", "BBBB")
    assert "decoded" in pictures.differ(png(dot())[:200], png(dot())[:204])
    assert "decoded" in pictures.differ("é", "ü")
    head = base64.b64decode(png(dot()))
    bomb = head[:16] + (60_000).to_bytes(4, "big") * 2 + head[24:]
    assert "too large" in pictures.differ(base64.b64encode(bomb).decode(), png(dot()))
    one, other = png(dot()), png(dot(ground=11))
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert "pillow" in pictures.differ(one, other)
    assert pictures.differ(one, one) == ""


def test_ids_in_markup_are_aliases():
    page = '<p id="x{0}"></p><p id="x{1}"></p><script>fill("x{2}")</script>'
    a, b, c, d = "8059da0c1", "7059da0c2", "03c2007c3", "13c2007c4"

    def both(one, other):
        return verdict([rich({"text/html": one})], [rich({"text/html": other})])

    assert both(page.format(a, b, a), page.format(c, d, c)) == "drift"
    assert both(page.format(a, b, a), page.format(c, d, d)) == "differs"
    assert both('<a href="x1">', '<a href="x2">') == "differs"
    assert both('<p id="total">3</p>', '<p id="total">4</p>') == "differs"


def test_strict_takes_no_noise():
    old, new = [stream("<A at 0x7ff972f87a50>")], [stream("<A at 0x7ff3a1b76b90>")]
    assert verdict(old, new) == "drift"
    assert verdict(old, new, policy="strict") == "differs"
    assert verdict([stream("a\rb")], [stream("b")], policy="strict") == "same"
    assert verdict([rich({"text/plain": ["a\n", "b"]})], [rich({"text/plain": "a\nb"})], policy="strict") == "same"


def test_contains_takes_more_lines_and_outputs_between():
    old = [stream("start\nmean 0.5\n"), rich({"text/plain": "3"})]
    new = [
        stream("hello\nstart\nnote\nmean 0.50000000001\n"),
        rich({"text/html": "x"}),
        rich({"text/plain": "3", "text/html": "3"}),
    ]
    assert verdict(old, new) == "differs"
    assert verdict(old, new, policy="contains") == "drift"
    assert verdict(old, [stream("mean 0.5\nstart\n"), rich({"text/plain": "3"})], policy="contains") == "differs"
    assert verdict(old, [stream("start\nmean 0.5\n")], policy="contains") == "differs"
    assert verdict(old, [*old, error("ValueError")], policy="contains") == "status"


def test_a_tolerance_may_be_given():
    old, new = [stream("0.5000")], [stream("0.5001")]
    assert verdict(old, new) == "differs"
    assert verdict(old, new, rtol=1e-3) == "drift"
    assert verdict([stream("5000")], [stream("5001")], rtol=0.1) == "differs"


def test_a_difference_says_where_and_what():
    found = compare_outputs([stream("a\nrows 3\nb")], [stream("a\nrows 4\nb")])
    assert [(one.where, one.old, one.new, one.kind) for one in found.differences] == [
        ("stdout, line 2", "rows 3", "rows 4", "text")
    ]
    found = compare_outputs([stream("a\nx 0.25\n")], [stream("a\nx 0.35\n")])
    assert [(one.where, one.old, one.new, one.kind) for one in found.differences] == [
        ("stdout, line 2", "0.25", "0.35", "number")
    ]
    found = compare_outputs(
        [stream("\n".join(map(str, range(5000))))], [stream("\n".join(map(str, range(1, 5001))))]
    )
    assert found.differences


def test_many_paragraphs_that_differ_are_told_apart_in_no_time():
    """Every other line is empty, and each empty one could stand for each other one."""
    old, new = ("\n\n".join(f"{word} {number}" for number in range(900)) for word in ("was", "is"))
    began = time.monotonic()
    found = compare_outputs([stream(old)], [stream(new)])
    assert time.monotonic() - began < 5
    assert (found.verdict, found.differences[0].old[:5]) == ("differs", "was 0")


def test_a_cursor_that_goes_up_further_than_numbers_are_read_is_no_error():
    text = "a\n\x1b[" + "9" * 5000 + "Ab"
    assert verdict([stream(text)], [stream(text + "!")]) == "differs"


def test_what_was_removed_is_listed_with_its_count():
    found = compare_outputs([stream("took 0.25 s\n" * 3)], [stream("took 0.31 s\n" * 3)])
    assert [(one.rule, one.text, one.count) for one in found.removed] == [("duration", "0.25 s -> 0.31 s", 3)]

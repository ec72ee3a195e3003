"""What a terminal shows, what is cut, and what cannot get out of a fence."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.terminal import clip, neutralise, render

NOISE = st.text(st.sampled_from("ab \t\n\r\b\x1b[]0;1mKPX\\\x07\x00\x9b\x7f\u20ac"), max_size=80)
CONTROLS = [chr(code) for code in (*range(32), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("abc\rX", "Xbc"),
        (" 10%|#   |\r 50%|##  |\r100%|####|", "100%|####|"),
        ("long line\rshort", "shortline"),
        ("Downloading 100%\r\x1b[KDone", "Done"),
        ("Downloading 100%\x1b[2K\rDone", "Done"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("50%\r", "50%"),
        ("typo\b\bed", "tyed"),
        ("\b\bab", "ab"),
        ("\x1b[1;31mred\x1b[0m plain", "red plain"),
        ("\x1b]8;;https://a.example\x07link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;a title that never ends\nnext", "\nnext"),
        ("\x1b(B\x1b=ok\x1b", "ok"),
        ("a\x00b\x07c\x7fd\x9be", "abcde"),
        ("tab\tkept", "tab\tkept"),
        ("\x1b\x1b[0m[31mx", "[31mx"),
    ],
)
def test_shows_what_a_terminal_would(raw, shown):
    assert render(raw) == shown


@given(NOISE)
def test_rendering_twice_changes_nothing_and_leaves_no_control(raw):
    shown = render(raw)
    assert render(shown) == shown
    assert not set(shown) & set(CONTROLS)
    assert shown.count("\n") == raw.count("\n")


@given(st.text(st.characters(exclude_characters=CONTROLS, exclude_categories=["Cs"]), max_size=200))
def test_text_without_controls_is_unchanged(text):
    assert render(text) == text
    assert render(f"{text}\n\x1b[0m").removesuffix("\n") == text


@pytest.mark.parametrize(
    "unit", ["\x1b[", "\x1b]", "ab\b", "y" * 79 + "\r", "\x1b[2K", "0", "\x1b[31mab\x1b[0m\n", "line of text\r\n"]
)
def test_takes_time_in_proportion_to_the_text(unit):
    def seconds(size: int) -> float:
        text = "\x1b[" * (unit == "0") + "x" * (size // 2) * (unit == "\x1b[2K") + unit * (size // len(unit))
        start = time.process_time()
        render(text)
        return time.process_time() - start

    seconds(100_000)
    small, large = min(seconds(200_000) for _ in range(3)), seconds(1_600_000)
    assert large < 30 * small + 0.2  # 8 times the text; a quadratic reading takes 64 times as long


def test_ten_megabytes_of_progress_take_seconds_not_minutes():
    start = time.process_time()
    shown = render("  7%|####      | 7/100 [00:01<00:12]\r" * 270_000 + "\ndone")
    assert shown == "  7%|####      | 7/100 [00:01<00:12]\ndone"
    assert time.process_time() - start < 10


@given(st.text(st.sampled_from("abcdefgh \n"), max_size=600), st.integers(0, 300), st.floats(0, 1))
def test_a_clipped_text_is_its_start_and_end_and_never_too_long(text, limit, head):
    shown, left_out = clip(text, limit, head=head)
    if len(text) <= limit:
        assert (shown, left_out) == (text, 0)
        return
    marker = f"[... {left_out:,} characters left out ...]"
    before, _, after = shown.partition(marker)
    start, end = before.removesuffix("\n"), after.removeprefix("\n")
    assert text.startswith(start)
    assert text.endswith(end)
    assert len(shown) <= limit + len(marker) + 2
    assert len(text) - left_out in (len(start) + len(end), len(before) + len(end))


def test_cuts_at_line_ends_that_are_near():
    shown, left_out = clip("\n".join(f"row {n}" for n in range(1000)), 300)
    lines = shown.split("\n")
    assert lines[0] == "row 0"
    assert lines[-1] == "row 999"
    assert all(line.startswith("row ") or "left out" in line for line in lines)
    assert f"[... {left_out:,} characters left out ...]" in lines


def test_a_line_without_ends_is_cut_within():
    shown, left_out = clip("x" * 12_445, 100)
    assert shown == "x" * 60 + "\n[... 12,345 characters left out ...]\n" + "x" * 40
    assert left_out == 12_345


@pytest.mark.parametrize(
    "mark",
    ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "</execute>", "<execute>", "```", "`````", "[INST]", "[/INST]",
     "<</SYS>>", "<start_of_turn>", "</s>", "<\uff5cend\uff5c>", "<think>"],
)  # fmt: skip
def test_marks_of_our_prompt_do_not_survive_in_data(mark):
    shown = neutralise(f"before {mark} after")
    assert mark not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


@given(st.text(st.sampled_from("<|>/`[]executinsINST_\n "), max_size=60))
def test_neutralising_twice_changes_nothing(text):
    once = neutralise(text)
    assert neutralise(once) == once
    assert "```" not in once
    assert "<execute>" not in once
    assert "<|i" not in once


def test_ordinary_code_and_markup_are_left_alone():
    text = "if a < b | c > d: x[1] = '`a`'  # <b>bold</b> ~~~^^^"
    assert neutralise(text) == text

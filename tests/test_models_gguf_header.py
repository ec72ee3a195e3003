"""The head of a GGUF file: what it says of the tuning, whatever else stands there; damage says nothing."""

import struct

import pytest
from gguf_heads import OTHERS, OURS, VOCABULARY, entry, head, text
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.models.gguf_header import speech_of

SPEECH = {"codeact_format": "execute", "codeact_words": "system-tuned"}


@pytest.fixture
def said(tmp_path):
    def ask(content):
        path = tmp_path / "m.gguf"
        path.write_bytes(content)
        return speech_of(path)

    return ask


def test_both_settings_are_found_among_values_of_every_type(said):
    assert said(head(*OTHERS, *OURS, VOCABULARY)) == SPEECH
    assert said(head(OTHERS[0], *OURS, *OTHERS[1:])) == SPEECH


def test_a_file_that_was_not_tuned_here_says_nothing(said):
    assert said(head(*OTHERS, VOCABULARY, *OURS)) == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GGUF",
        head(*OURS, magic=b"GGML"),
        head(*OURS, version=1),
        head(*OURS)[:-1] + b"\xff",
        head(text("k") + struct.pack("<I", 99)),
        head(struct.pack("<Q", 1 << 60)),
        head(entry("k", 9, struct.pack("<IQ", 4, 1 << 60))),
    ],
)
def test_damage_is_no_tuning_and_no_error(content, said):
    assert not said(content).get("codeact_words")


def test_a_file_that_is_not_there_says_nothing(tmp_path):
    assert speech_of(tmp_path / "none.gguf") == {}


@given(st.integers(0, len(head(*OTHERS, *OURS)) - 1))
def test_a_cut_anywhere_gives_no_wrong_setting(tmp_path_factory, length):
    path = tmp_path_factory.getbasetemp() / "cut.gguf"
    path.write_bytes(head(*OTHERS, *OURS)[:length])
    assert speech_of(path).items() <= SPEECH.items()

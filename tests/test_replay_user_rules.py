"""Rules of the user: what is taken, what is refused in one sentence, what is stopped."""

import time

import pytest

from codeact_kernel.errors import ConfigError
from codeact_kernel.replay import user_rules
from codeact_kernel.replay.compare import Rules, compare_outputs


def load(tmp_path, text):
    path = tmp_path / "rules.toml"
    path.write_text(text, "utf-8")
    return user_rules.load(path)


def compare(old, new, user):
    sides = [[{"output_type": "stream", "name": "stdout", "text": text}] for text in (old, new)]
    return compare_outputs(*sides, rules=Rules(user))


def test_rules_replace_in_order_and_say_so(tmp_path):
    user = load(tmp_path, "[rules]\n'run (\\d+)' = 'run <\\1 of N>'\n'<\\d+ of' = '<'\n")
    found = compare("run 12 ok", "run 15 ok", user)
    assert found.verdict == "drift"
    assert "rules of the user" in {one.rule for one in found.removed}
    assert compare("run 12 ok", "run 12 bad", user).verdict == "differs"
    user.close()
    user.close()
    assert compare("run 1 ok", "run 2 ok", user).verdict == "drift"
    user.close()


def test_no_rules_start_no_process(tmp_path):
    user = load(tmp_path, "[rules]\n")
    assert user.apply("run 1") == "run 1"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[rules\n", "not TOML"),
        ("", "one table"),
        ("rules = 3", "one table"),
        ("[rules]\na = 'b'\n[more]\nc = 'd'", "one table"),
        ("[rules]\na = 3", "as its replacement"),
        ("[rules]\n'(' = 'b'", "no regular expression"),
        ("[rules]\n'a' = '\\2'", "no regular expression"),
        ("[rules]\n'a' = '\\g<x>'", "no regular expression"),
        ("[rules]\n'a{99999999999999}' = ''", "no regular expression"),
        ("[rules]\n" + "\n".join(f"'a{n}' = ''" for n in range(300)), "at most"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(tmp_path, text, word):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value).strip()
    assert "rules.toml" in str(caught.value)


def test_a_missing_file_and_bytes_that_are_no_text_are_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        user_rules.load(tmp_path / "none.toml")
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe[rules]")
    with pytest.raises(ConfigError, match="not TOML"):
        user_rules.load(tmp_path / "x.toml")


def test_a_pattern_that_never_ends_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(user_rules, "MOST_SECONDS", 1.0)
    user = load(tmp_path, "[rules]\n'x' = 'y'\n'(a+)+$' = 'b'\n")
    began = time.monotonic()
    with pytest.raises(ConfigError, match=r"'\(a\+\)\+\$'.*takes longer"):
        user.apply("a" * 60 + "!")
    assert time.monotonic() - began < 30
    assert user.apply("x and b") == "y and b"
    user.close()


def test_large_texts_and_odd_letters_pass_through(tmp_path):
    user = load(tmp_path, "[rules]\n'b' = 'c'\n")
    text = ("a\ud800é\u2028\n" * 300_000) + "b"
    assert user.apply(text) == text[:-1] + "c"
    user.close()

"""Secrets do not leave with an episode, in whatever form they stand; what remains is a valid episode."""

from __future__ import annotations

import base64
import copy
import html
import json
import time
from urllib.parse import quote, quote_plus

import nbformat
import pytest
from episode_helpers import SYSTEM, action, answer, asked, create, header, load, small_turns, write
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_episode_notebook import notebook_of

from codeact_kernel.canonical import sha256
from codeact_kernel.episode import chat
from codeact_kernel.episode.integrity import integrity
from codeact_kernel.episode.redact import Redactor, redact_notebook
from codeact_kernel.episode.schema import check
from codeact_kernel.redactor import forms, shapes
from codeact_kernel.types import TaskTurn

SECRET = 'tr0ub4dor&3 "x"/y\\z+~?\u00e9'
ENV = {"MY_API_KEY": SECRET, "HOME": "/home/someone", "DB_PASSWORD": "pa55", "TOKENIZERS_PARALLELISM": "false"}

VENDORS = [
    "sk-proj-" + "aB3_" * 8,
    "sk_live_" + "a1B2" * 6,
    "AKIA" + "ABCDEFGH12345678",
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1B2_" * 8,
    "glpat-" + "a1B2-" * 5,
    "hf_" + "aBcD" * 9,
    "AIza" + "a1B2_" * 7,
    "xoxb-" + "123456-" * 4,
    "npm_" + "a1B2" * 9,
    "pypi-" + "a1B2" * 15,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA\n" * 20 + "-----END RSA PRIVATE KEY-----",
]


def encoded(value: str) -> list[str]:
    raw = value.encode()
    return [
        value,
        json.dumps({"k": value}),
        repr([value]),
        html.escape(value),
        quote(value),
        quote_plus(value),
        raw.hex(),
        raw.hex().upper(),
        *(base64.b64encode(b"user:x"[:shift] + raw + b"tail").decode() for shift in range(6)),
        *(base64.urlsafe_b64encode(b"user:x"[:shift] + raw).decode() for shift in range(6)),
    ]


@pytest.mark.parametrize("text", encoded(SECRET))
def test_a_value_of_the_environment_is_taken_out_in_every_form(text):
    redactor = Redactor(ENV)
    clean = redactor.text(f"before {text} after")
    assert "[redacted MY_API_KEY]" in clean
    assert not any(form in clean for form in forms(SECRET))
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    assert redactor.summary() == [{"what": "MY_API_KEY", "count": 1}]


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs", "Z", "Cc"]), min_size=8, max_size=40),
    st.binary(max_size=9),
    st.binary(max_size=9),
)
def test_any_value_is_found_in_base64_wherever_it_stands(value, before, after):
    redactor = Redactor({"A_SECRET": value})
    assume(redactor.text(value) != value)  # values that everybody knows and paths that exist are no secrets
    whole = base64.b64encode(before + value.encode() + after).decode()
    assert redactor.text(whole) != whole


def test_short_values_are_taken_out_as_words_only_and_trivial_ones_never():
    redactor = Redactor({**ENV, "X_TOKEN": "abc", "SECRET_MODE": "true", "KEY_NUMBER": "1234"})
    assert (
        redactor.text("pa55, xpa55x, abc, true, false 1234")
        == "[redacted DB_PASSWORD], xpa55x, abc, true, false 1234"
    )


@pytest.mark.parametrize("key", VENDORS)
def test_keys_of_vendors_are_known_by_their_shape(key):
    redactor = Redactor({})
    for text in (key, f'key = "{key}"', f"x\\n{key}", f"Authorization: {key}\n"):
        assert key[4:] not in redactor.text(text)


def test_passwords_in_urls_and_bearer_tokens_are_taken_out():
    redactor = Redactor({})
    assert redactor.text("postgres://me:hunter2@host/db") == "postgres://[redacted password in a URL]@host/db"
    assert "abcdefghij0123456789" not in redactor.text("Authorization: Bearer abcdefghij0123456789")
    assert redactor.text("see http://host:80/a@b and a://b:c d@e") == "see http://host:80/a@b and a://b:c d@e"


def test_ordinary_texts_and_pictures_are_left_alone():
    redactor = Redactor({})
    picture = base64.b64encode(bytes(range(256)) * 400).decode()
    for text in ("task-" + "a" * 30, "risk-" + "b" * 30, picture, "eyJ not a token", SYSTEM):
        assert redactor.text(text) == text


ALIKE = {"JSON web token", "SendGrid key", "Telegram token", "API key (sk-)", "GitHub token"}
ODD = sorted({name for name, _, _, unique in shapes() if not unique} | ALIKE)
"""Shapes that are not a literal and a run of letters, and some that are."""


@pytest.mark.parametrize("name", ODD)
def test_the_time_is_linear_in_hostile_texts(name):
    """Each pattern's own beginnings, over and over: eight times the text takes eight times as long, not 64."""
    literals = {literal for known, literal, _, _ in shapes() if known == name}
    redactor = Redactor(ENV)
    for literal in literals:
        for piece in (
            literal,
            literal + "a",
            literal + "eyJ.",
            "-----BEGIN " + literal,
            "://" + literal + ":",
            "a://b",
        ):
            times = [least(redactor, (piece * (size // len(piece) + 1))[:size]) for size in (12_000, 96_000)]
            assert times[1] < 24 * max(times[0], 0.002), (piece, times)


def least(redactor, text) -> float:
    """Processor seconds of the quickest of three runs; other programs are busy too."""
    times = []
    for _ in range(3):
        began = time.process_time()
        redactor.text(text)
        times.append(time.process_time() - began)
    return min(times)


def secret_notebook():
    """An honest episode whose task, code, output, picture text and header hold a secret."""
    turns: list = [TaskTurn(f"log in with {SECRET}", f"Task: log in with {SECRET}\ud83d", "")]
    turns.append(action(turns, 1, f"key = {SECRET!r}\nprint(key)", f"{SECRET}\n"))
    turns.append(action(turns, 2, "1 + 1", "2\n"))
    turns.append(answer(turns, 3, f"The key is {SECRET}."))
    head = header(title=f"log in with {SECRET}", tasks=[{"task": sha256(turns[0].text), "status": "done"}])
    return notebook_of(turns, head)


def test_a_redacted_episode_is_whole_valid_and_says_what_was_taken_out():
    notebook = secret_notebook()
    untouched = copy.deepcopy(notebook)
    assert integrity(notebook) == []
    redactor = Redactor(ENV)
    clean = redact_notebook(notebook, redactor)
    text = json.dumps(clean, ensure_ascii=False)
    assert not any(form in text for form in forms(SECRET))
    assert sha256(f"log in with {SECRET}") not in text
    assert integrity(clean) == []
    assert check(clean) == []
    assert chat.check_messages(clean) == []
    nbformat.validate(nbformat.from_dict(clean))
    assert clean["metadata"]["codeact"]["redactions"] == redactor.summary()
    assert redactor.summary()[0]["what"] == "MY_API_KEY"
    assert chat.conversation(clean)[1][0].content == "Task: log in with [redacted MY_API_KEY]\ud83d"
    assert chat.conversation(clean)[1][2].code == "1 + 1"
    assert notebook == untouched


def test_without_a_secret_the_notebook_is_the_same_object():
    notebook = notebook_of(small_turns())
    redactor = Redactor(ENV)
    assert redact_notebook(notebook, redactor) is notebook
    assert redactor.summary() == []


def test_redacting_hides_no_edit():
    notebook = secret_notebook()
    notebook["cells"][5]["source"] = "1 + 2"
    before = integrity(notebook)
    assert before
    assert integrity(redact_notebook(notebook, Redactor(ENV))) == before


def test_secrets_that_are_words_of_the_format_do_no_harm():
    names = [
        "action",
        "answer",
        "metadata",
        "codeact-episode",
        "display_data",
        "markdown",
        "position",
        "execution",
    ]
    redactor = Redactor({f"TOKEN_{number}": name for number, name in enumerate(names)})
    clean = redact_notebook(notebook_of(small_turns()), redactor)
    assert check(clean) == []
    assert integrity(clean) == []
    nbformat.validate(nbformat.from_dict(clean))


def test_a_secret_over_several_lines_is_found_in_outputs_as_they_are_stored(tmp_path):
    key = VENDORS[-1]
    turns: list = [TaskTurn("x", "Task: x", "")]
    turns.append(action(turns, 1, "print(key)", key + "\n"))
    writer = create(tmp_path)
    write(writer, turns)
    stored = load(writer.path)
    assert isinstance(stored["cells"][-1]["outputs"][0]["text"], list)
    clean = redact_notebook(stored, Redactor({}))
    assert "MIIEpA" not in json.dumps(clean)
    assert integrity(clean) == []
    assert asked(turns[:1]).digest in json.dumps(clean)

"""Reading replies: what is code, what is prose, what is repaired, what is sent back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.agent.formats.code import parse, syntax_error

NESTED = 's = """\n```python\nfoo\n```\n"""\nprint(s)'

ACTIONS = {
    "fence": ("Look first.\n```python\ndf.head()\n```", "Look first.", "df.head()"),
    "py fence": ("```py\nx = 1\n```", "", "x = 1"),
    "capital info": ("```Python\nx = 1\n```", "", "x = 1"),
    "info with attributes": ('```python title="a"\nx = 1\n```', "", "x = 1"),
    "tildes": ("~~~python\nx = 1\n~~~", "", "x = 1"),
    "four backticks": ("````python\nx = '```'\n````", "", "x = '```'"),
    "fence without language": ("```\nx = compute(1)\n```", "", "x = compute(1)"),
    "indented fence": ("- do\n  ```python\n  x = 1\n  y = 2\n  ```", "- do", "x = 1\ny = 2"),
    "windows line ends": ("```python\r\nx = 1\r\n```", "", "x = 1"),
    "closing fence on the last line": ("```python\nx = 1```", "", "x = 1"),
    "execute tags": ("I act.\n<execute>\nx = 1\n</execute>", "I act.", "x = 1"),
    "fence inside tags": ("<execute>\n```python\nx = 1\n```\n</execute>", "", "x = 1"),
    "cut closing tag": ("<execute>\nx = 1\n</exec", "", "x = 1"),
    "no closing tag": ("<execute>\nx = 1\n", "", "x = 1"),
    "no closing fence": ("```python\nx = 1\nprint(x)", "", "x = 1\nprint(x)"),
    "half a closing fence": ("```python\nx = 1\n``", "", "x = 1"),
    "several blocks": ("a\n```python\nx = 1\n```\nb\n```python\ny = 2\n```\nc", "a\nb\nc", "x = 1\n\ny = 2"),
    "fences inside a string": (f"```python\n{NESTED}\n```\nDone.", "Done.", NESTED),
    "REPL prompts": ("```python\n>>> x = 1\n>>> x\n1\n```", "", "x = 1\nx"),
    "bare code": ("import math\nprint(math.pi)", "", "import math\nprint(math.pi)"),
    "invented output is dropped": (
        "```python\nf()\n```\nOutput:\n```\n42\n```\nSo\n```python\ng()\n```",
        "",
        "f()",
    ),
    "magics": ("```python\n%matplotlib inline\n!ls\nawait g()\n```", "", "%matplotlib inline\n!ls\nawait g()"),
}

ANSWERS = [
    "The south lost most: 41 customers.",
    "south",
    "42",
    "Result:\n```\n42\n```",
    "As a table:\n```text\na b\n1 2\n```",
    "Install it with:\n```bash\npip install pandas\n```",
    "Note: it fell",
    "Use `df.head()` to see it.",
]


@pytest.mark.parametrize(("text", "thought", "code"), ACTIONS.values(), ids=ACTIONS.keys())
def test_a_reply_with_code_is_an_action(text, thought, code):
    action = parse(text)
    assert (action.thought, action.code, action.complaint) == (thought, code, None)


@pytest.mark.parametrize("text", ANSWERS)
def test_a_reply_without_python_is_an_answer(text):
    action = parse(text)
    assert (action.code, action.complaint) == (None, None)
    assert action.thought == text


@pytest.mark.parametrize(
    ("text", "finish"),
    [
        ("```python\nx = 1\nprint(x", "length"),
        ("<execute>\nrm(", "length"),
        ("import os\nos.remove('a')", "length"),
        ("The answer is", "length"),
        ("", "stop"),
        ("  \n", "stop"),
        ("```python\n\n```", "stop"),
        ("<execute></execute>", "stop"),
        ("I will now compute the total:", "stop"),
    ],
)
def test_what_cannot_be_used_gets_one_sentence_and_is_never_run(text, finish):
    action = parse(text, finish)
    assert action.code is None
    assert action.complaint
    assert action.complaint.endswith(".")


def test_a_closed_block_of_a_cut_reply_is_an_action():
    assert parse("```python\nx = 1\n```\nAnd then I wou", "length").code == "x = 1"


def test_repairs_are_named_for_the_record():
    assert parse("```python\nx = 1").repairs == ("closed a code fence",)
    assert parse("```python\nx\0 = 1\n```").repairs == ("removed NUL characters",)
    assert parse("```python\nx = 1\n```\n```python\ny = 1\n```").repairs == ("joined 2 code blocks",)


def test_broken_first_block_does_not_swallow_the_second():
    action = parse("```python\nx = (\n```\nthen\n```python\ny = 1\n```")
    assert action.code == "x = (\n\ny = 1"
    assert action.thought == "then"


@pytest.mark.parametrize("code", ["x =", "def f(:\n  pass", "\ud800 = 1", "x = 1\0", "(" * 5000])
def test_code_that_does_not_parse_is_named(code):
    assert isinstance(syntax_error(code), SyntaxError)


@pytest.mark.parametrize(
    "code", ["await f()", "%time x = 1", "!ls", "%%bash\nls", "x = !ls", "async with a: pass"]
)
def test_kernel_syntax_parses(code):
    assert syntax_error(code) is None


PIECES = st.sampled_from(
    [
        "```",
        "```python\n",
        "~~~",
        "\n",
        "<execute>",
        "</execute>",
        "x = 1",
        '"""',
        "Output:",
        "text",
        ">>> ",
        "\0",
        "\ud800",
    ]
)


@given(st.lists(PIECES | st.text(max_size=20), max_size=12).map("".join), st.sampled_from(["stop", "length"]))
def test_no_reply_breaks_the_reader(text, finish):
    action = parse(text, finish)
    assert (action.code is None) or (action.complaint is None and action.code.strip())


@given(st.text(st.characters(exclude_characters="`~<\r\0", exclude_categories=["Cs"]), min_size=1))
def test_a_fenced_block_comes_back_as_it_was_written(body):
    code = "x = " + repr(body)
    assert parse(f"Thinking.\n```python\n{code}\n```").code == code

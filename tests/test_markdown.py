"""Model text that is shown: nothing of it becomes HTML or an image, and code is left as it is."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from codeact_kernel.markdown import fenced, safe

RENDERERS = [MarkdownIt(preset, {"html": True}) for preset in ("commonmark", "js-default")]
LOADING = {"html_inline", "html_block", "image"}
PIECES = [
    "<img src=x>",
    "<b>",
    "![a](u)",
    "`",
    "``",
    "```",
    "````",
    "~~~",
    "\n",
    "\n\n",
    "\r",
    "\n```\n",
    "\n  ",
    "\n    ",
    "\t",
    " ",
    "\n- ",
    "\n> ",
    "\n1. ",
    "\n# ",
    "\\",
    "|",
    "\n-|-\n",
    "\n---\n",
    "[a](",
    ")",
    "[a]",
    "][",
    "]",
    "\n[a]: /u '",
    "'",
    '"',
    "<",
    ">",
    "<!--",
    "http://a.b",
    "&lt;",
    "a",
    "*",
    "$",
    "\x0c",
]


def kinds(tokens):
    for token in tokens:
        yield token.type
        yield from kinds(token.children or ())


def loaded(text):
    return {kind for renderer in RENDERERS for kind in kinds(renderer.parse(text))} & LOADING


def check(text):
    shown = safe(text)
    assert loaded(shown) == set(), shown


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@example("\\`<img src=x>\\`")
@example("``` a`b\n<img src=x>\n```")
@example("- a\n  ```\n<img src=x>")
@example("  ```\na\n```\n<img src=x>")
@example("```|a\n-|-\n<img src=x>|b\n```")
@example("foo ` bar\nbaz ` <img src=x> `")
@example("|`a | b` `<img src=x>`|\n|-|-|\n|`a | b` `<img src=x>`|")
@example("[a](`b) ` `<img src=x>`")
@example("> ```\n\n<img src=x>\n```")
@example("```\ra\r```\r<img src=x>")
def test_nothing_in_a_model_s_text_is_html_or_an_image(text):
    check(text)


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="`~<!|[]()\\ \n\ta>-#:", max_size=40))
def test_no_mixture_of_marks_is_html_or_an_image(text):
    check(text)


@pytest.mark.parametrize(
    "text",
    [
        "Use `a < b` and ``x`<`y`` here.",
        "- first `a<b>`\n- second `c`",
        "Look:\n\n```python\nif a < b:\n    print('![x](y)')\n```\n\nand `1 <2`.",
        "~~~\n<img>\n~~~",
        "````\n```\n<b>\n```\n````",
        fenced("x < 1\n```\n<b>\n```"),
        "```\nnever closed <b>",
        "| a | b |\n|---|---|\n| `x<y>` | 2 |",
    ],
)
def test_code_stays_as_it_is(text):
    assert safe(text) == text


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_only_what_could_load_is_changed(text):
    plain = re.sub(r"\r\n|\r", "\n", text)
    assert safe(text).replace("&lt;", "<").replace("!\\[", "![") == plain.replace("&lt;", "<")

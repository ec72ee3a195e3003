"""Model text as Markdown that can be shown: no HTML, no images, since both can load addresses and so leak data.

In code, `<` and `![` are harmless and stay as they are; so what counts is to take nothing for code that a renderer
takes for text. Only the plainest forms count as code: a fence that begins at the margin, and a span on one line of
a paragraph without anything that could shift it. Wherever renderers may differ, all of the text is made literal.
"""

from __future__ import annotations

import re

OPENING = r"(`{3,})[^`|\n]*|(~{3,})[^|\n]*"
FENCE_LIKE = r"[\s>*+\-\d.)]*(?:`{3,}|~{3,})"
"""A fence perhaps, in a list or a quotation: where it ends depends on the renderer."""
SPAN = r"(?<!`)(`+)(?!`)([^`|]|[^`|](?:[^|])*?[^`|])(?<!`)\1(?!`)"
SHIFTING = r"\\`|\]\(|\]\[|\]:"
"""What may swallow a backtick, so that the next ones pair differently: an escape, a link, a definition."""
LINE_ENDS = r"\r\n|\r"


def safe(text: str) -> str:
    """Return the text with HTML and images outside code made literal.

    For every text, what a CommonMark renderer that allows HTML makes of the result has no HTML and no image.
    """
    done: list[str] = []
    paragraph: list[str] = []
    lines = re.sub(LINE_ENDS, "\n", text).split("\n")
    fence, sure = "", True
    for line in lines:
        if fence:
            done.append(line if sure else _literal(line))
            if re.fullmatch(rf" {{0,3}}{fence}{fence[0]}* *", line):
                fence = ""
            elif re.match(rf"\s*{fence}[`~\s]*$", line):
                sure = False
            continue
        opening = re.fullmatch(OPENING, line)
        if opening or not line.strip(" \t"):
            done += _paragraph(paragraph, sure=sure)
            paragraph = []
        if opening:
            fence = opening[1] or opening[2]
            done.append(_literal(line))
        else:
            # A definition of a link may have a title of many lines.
            sure = sure and not re.match(FENCE_LIKE, line) and "]:" not in line
            paragraph.append(line)
    return "\n".join([*done, *_paragraph(paragraph, sure=sure)])


def _literal(text: str) -> str:
    return text.replace("<", "&lt;").replace("![", "!\\[")


def _paragraph(lines: list[str], *, sure: bool) -> list[str]:
    """Return lines without a blank one between, with what is not code made literal."""
    split = [re.split(SPAN, line) for line in lines]
    # A backtick that finds no partner on its line may find one on the next.
    sure = sure and not any("`" in text for parts in split for text in parts[::3])
    if not sure or re.search(SHIFTING, "\n".join(lines)):
        return [_literal(line) for line in lines]
    return ["".join(_whole(parts)) for parts in split]


def _whole(parts: list[str]) -> list[str]:
    """Return the pieces of a line from `re.split`: text, backticks, code, text, ..."""
    found = [_literal(parts[0])]
    for ticks, code, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        found += [f"{ticks}{code}{ticks}", _literal(text)]
    return found


def fenced(code: str, language: str = "python") -> str:
    """Return the code in a fence longer than any it holds."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"

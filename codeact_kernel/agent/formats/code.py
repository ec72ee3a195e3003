"""The code action space: model text -> one cell of Python.

Text outside code is the thought; code in a ```python fence or in <execute> tags is the action; a reply without
code is the answer. What is unambiguous is repaired without a word to the model: a missing closing fence, several
blocks, REPL prompts, a reply that is nothing but code. What is not gets one sentence.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codeact_kernel.agent.formats.base import CUT, Format
from codeact_kernel.types import Action

if TYPE_CHECKING:
    from codeact_kernel.types import Finish

STOP = ("\n```\n", "</execute>", "<|im_end|>")
"""A reply ends with its first block: what a small model writes after it is an invented output."""

PYTHON = {"python", "py", "python3", "ipython", "ipython3", "{python}", "pycon", "tool_code", "jupyter"}
OPENING = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^\n`]*)$")
EXECUTE = re.compile(r"^[ \t]*<execute>(?P<code>.*?)(?:</execute>|\Z)", re.DOTALL | re.MULTILINE)
TAG_LINE = re.compile(r"^[ \t]*<execute>", re.MULTILINE)
INVENTED = re.compile(r"^\s*(?:\*\*)?(?:Execution )?(?:Output|Observation|Result)s?(?:\*\*)?:", re.IGNORECASE)
PROMPT = re.compile(r"^(?:>>> ?|\.\.\. ?|In \[\d+\]: )")
CLOSING_TAG = "</execute>"

EMPTY_REPLY = "Your reply was empty. Write a ```python block to act, or plain text to answer."
EMPTY_CODE = "Your code block was empty. Write the code to run, or answer in plain text without a code block."
CUT_CODE = (
    "Your reply reached the token limit before the code block ended, so nothing was run. "
    "Write a shorter block that does one thing."
)
CUT_ANSWER = "Your reply reached the token limit before it ended. Answer in a few sentences."
ANNOUNCED = "You announced code but wrote none. Write it in a ```python block, or answer in plain text."


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a reply: its place in the lines, its language, whether its closing fence was there."""

    start: int
    end: int
    language: str
    code: str
    closed: bool


def parse(text: str, finish: Finish = "stop") -> Action:
    """Read one reply.

    `finish` "length" means that the reply was cut: an unclosed block is then never an action.
    Never raises; a reply that cannot be used has a `complaint`.
    """
    repairs: list[str] = []
    text = text.replace("\r\n", "\n")
    if "\0" in text:
        text = text.replace("\0", "")
        repairs.append("removed NUL characters")
    if not text.strip():
        return Action("", complaint=CUT_ANSWER if finish in CUT else EMPTY_REPLY, repairs=tuple(repairs))
    if TAG_LINE.search(text):
        return _from_tags(text, finish, repairs)
    return _from_fences(text, finish, repairs)


def syntax_error(code: str) -> SyntaxError | None:
    """Return why a cell does not parse, or None if it does; IPython syntax and top-level await are fine."""
    from IPython.core.inputtransformer2 import TransformerManager  # noqa: PLC0415 - heavy outside a kernel

    try:
        plain = TransformerManager().transform_cell(code)  # type: ignore[no-untyped-call]
        with warnings.catch_warnings(action="ignore"):
            compile(plain, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return SyntaxError(f"the cell cannot be read as Python: {error}")
    return None


def _from_tags(text: str, finish: Finish, repairs: list[str]) -> Action:
    blocks: list[str] = []
    for match in EXECUTE.finditer(text):
        code = match.group("code")
        if not match.group(0).endswith(CLOSING_TAG):
            if finish in CUT:
                return Action(EXECUTE.sub("", text).strip(), complaint=CUT_CODE, repairs=tuple(repairs))
            code = _without_partial_tag(code)
            repairs.append("closed an <execute> tag")
        blocks.append(_unfenced(code))
    return _action(EXECUTE.sub("", text), blocks, repairs)


def _without_partial_tag(code: str) -> str:
    """Drop the beginning of a closing tag at the end of the code ("</exec")."""
    for length in range(len(CLOSING_TAG) - 1, 1, -1):
        if code.rstrip().endswith(CLOSING_TAG[:length]):
            return code.rstrip()[:-length]
    return code


def _unfenced(code: str) -> str:
    """Take away a fence that a model wrote inside the tags."""
    lines = code.strip("\n").split("\n")
    if lines and OPENING.match(lines[0]) and lines[0].lstrip()[:1] in "`~":
        lines = lines[1:]
        if lines and lines[-1].strip() and set(lines[-1].strip()) <= set("`~"):
            lines = lines[:-1]
    return "\n".join(lines)


def _from_fences(text: str, finish: Finish, repairs: list[str]) -> Action:
    lines = text.split("\n")
    blocks, thought = _blocks(lines)
    codes: list[str] = []
    for block in blocks:
        if not _is_python(block):
            thought.append((block.start, "\n".join(lines[block.start : block.end])))
            continue
        if not block.closed:
            if finish in CUT:
                return Action(_prose(thought), complaint=CUT_CODE, repairs=tuple(repairs))
            repairs.append("closed a code fence")
        codes.append(block.code)
    prose = _prose(thought)
    if not codes:
        return _without_blocks(prose, finish, repairs)
    return _action(prose, codes, repairs)


def _without_blocks(prose: str, finish: Finish, repairs: list[str]) -> Action:
    if _is_bare_code(prose):
        if finish in CUT:
            return Action("", complaint=CUT_CODE, repairs=tuple(repairs))
        return _action("", [prose], [*repairs, "took a reply of bare code as a block"])
    complaint = None
    if finish in CUT:
        complaint = CUT_ANSWER
    elif prose.rstrip().endswith(":"):
        complaint = ANNOUNCED
    return Action(prose, complaint=complaint, repairs=tuple(repairs))


def _action(thought: str, blocks: list[str], repairs: list[str]) -> Action:
    cells = [cell for cell in (_clean(block, repairs) for block in blocks) if cell.strip()]
    if not cells:
        return Action(thought.strip(), complaint=EMPTY_CODE, repairs=tuple(repairs))
    if len(cells) > 1:
        repairs.append(f"joined {len(cells)} code blocks")
    return Action(thought.strip(), code="\n\n".join(cells), repairs=tuple(repairs))


def _clean(code: str, repairs: list[str]) -> str:
    code = textwrap.dedent(code).strip("\n").rstrip()
    lines = code.split("\n")
    if lines[0].startswith((">>>", "In [")):
        repairs.append("removed REPL prompts")
        code = "\n".join(PROMPT.sub("", line) for line in lines if PROMPT.match(line))
    return code


def _blocks(lines: list[str]) -> tuple[list[Block], list[tuple[int, str]]]:
    """Split a reply into fenced blocks and numbered prose lines; stop where an output was invented."""
    blocks: list[Block] = []
    prose: list[tuple[int, str]] = []
    at = 0
    while at < len(lines):
        match = OPENING.match(lines[at])
        if match is None:
            if INVENTED.match(lines[at]) and any(_is_python(block) for block in blocks):
                break
            prose.append((at, lines[at]))
            at += 1
            continue
        block = _block_at(lines, at, match)
        blocks.append(block)
        at = block.end
    return blocks, prose


def _block_at(lines: list[str], at: int, opening: re.Match[str]) -> Block:
    """Find where a block ends: the first closing fence at which the code is whole, else the first one.

    Fences inside a string of the code look like closing ones; at those the code does not parse yet.
    """
    fence, info = opening.group("fence"), opening.group("info").strip().lower()
    language = info.split()[0].split(",")[0] if info else ""
    closings = [
        index
        for index in range(at + 1, len(lines))
        if lines[index].strip().startswith(fence) and set(lines[index].strip()) == {fence[0]}
    ]
    end = closings[0] if closings else None
    if len(closings) > 1 and (language in PYTHON or not language):
        for index in closings[:20]:
            if syntax_error(textwrap.dedent("\n".join(lines[at + 1 : index]))) is None:
                end = index
                break
    if end is not None:
        return Block(at, end + 1, language, "\n".join(lines[at + 1 : end]), closed=True)
    body = lines[at + 1 :]
    tail = body[-1].rstrip() if body else ""
    if tail.endswith(fence):
        # The closing fence stands at the end of the last code line.
        return Block(at, len(lines), language, "\n".join([*body[:-1], tail[: -len(fence)]]), closed=True)
    if tail and set(tail.strip()) == {fence[0]}:
        body = body[:-1]
    return Block(at, len(lines), language, "\n".join(body), closed=False)


def _is_python(block: Block) -> bool:
    return block.language in PYTHON or (not block.language and _is_bare_code(block.code))


def _is_bare_code(text: str) -> bool:
    """Say whether a text is Python that does something: an import or a call; not a word or `total = 3`."""
    stripped = textwrap.dedent(text).strip()
    if not stripped or (stripped.startswith("#") and "\n" not in stripped):
        return False
    try:
        tree = ast.parse(stripped)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.Call | ast.Await | ast.Import | ast.ImportFrom) for node in ast.walk(tree))


def _prose(parts: list[tuple[int, str]]) -> str:
    return "\n".join(text for _, text in sorted(parts)).strip()


FORMAT = Format("code", "system", parse, STOP)

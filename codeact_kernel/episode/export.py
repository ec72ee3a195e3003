"""Episodes as rows for training and exchange: `codeact export`.

* `messages`: lossless, see `rows`.
* `openai`: `{"messages": [{"role", "content"}]}`, the messages as they were sent, whole, up to the last reply.
  With pictures, `content` is a list of parts (`text`, `image_url` with a data URL).
* `codeact-instruct`: the rows of CodeActInstruct (Wang et al., 2024), `{"id", "conversations": [{"role",
  "content"}]}`: code in `<execute>` tags, what came of it as a user's turn that begins `Observation:`, the
  answer in `<solution>` tags.
* `jupyter-agent`: the rows of Hugging Face's jupyter-agent dataset: calls of the tools
  `add_and_execute_jupyter_code_cell` and `final_answer`, and the columns about the task.

In the last two what the agent tells the model to do next is left out, and code is what ran, not what was proposed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent.prompt import build, words
from codeact_kernel.episode.chat import conversation
from codeact_kernel.episode.files import read_notebook
from codeact_kernel.episode.integrity import check_shape
from codeact_kernel.episode.plain import plain, unescape
from codeact_kernel.episode.redact import redact_notebook
from codeact_kernel.episode.rows import row_of
from codeact_kernel.errors import EpisodeError
from codeact_kernel.types import Message, Step, TaskTurn, Turn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from codeact_kernel.episode.redact import Redactor

FORMATS = ("messages", "codeact-instruct", "openai", "jupyter-agent")
Row = dict[str, Any]

SYSTEM = (
    "You solve tasks in an interactive Python session whose variables stay.\n\n"
    "At each turn, first say in a sentence what you are about to do. Then do one of two things:\n\n"
    '1) Run Python code. Put it in an "<execute>" tag, for example <execute> print("Hello World!") </execute>. '
    "What it prints comes next, after the word Observation.\n"
    '2) Give the answer. Put it in a "<solution>" tag, for example: The answer is <solution> 42 </solution>.'
)
"""The system prompt of rows in the format `codeact-instruct`; ours tells of another way to mark code."""

RUN_CELL, FINISH = "add_and_execute_jupyter_code_cell", "final_answer"
GUIDES = (
    *("repeated-failure", "repeated-success", "repeated-call", "last-step", "after-error", "after-syntax-error"),
    *("after-step", "after-warning"),
)
"""The words of ours that may end what a model sees of its code, the last first."""


def export_row(path: Path, form: str, redactor: Redactor | None, *, images: bool = False) -> Row:
    """Return the row of an episode's file.

    Args:
        path: the episode's notebook.
        form: one of `FORMATS`.
        redactor: takes the secrets out first; None leaves them in, which only `messages` allows.
        images: `openai` only: whether pictures that the model saw are in the row.

    Raises:
        EpisodeError: the file is no episode, was damaged, or holds what the format cannot carry.
    """
    notebook = plain(read_notebook(path))
    check_shape(notebook)
    if redactor is not None:
        notebook = redact_notebook(notebook, redactor)
    elif form != "messages":
        raise EpisodeError("Only the format messages is exported with its secrets in place.")
    if form == "messages":
        return row_of(notebook, path.name)
    return row_from(notebook, form, str(path), images=images)


def row_from(notebook: dict[str, Any], form: str, name: str, *, images: bool = False) -> Row:
    """Return the row of an episode's notebook, strict JSON without secrets, in any format but messages.

    Raises:
        EpisodeError: see `export_row`; `name` says in it which episode is meant.
    """
    system, turns = conversation(notebook)
    header = unescape(notebook["metadata"]["codeact"])
    source = header.get("source")
    made: dict[str, Any] = {"id": header.get("episode"), **(source if isinstance(source, dict) else {})}
    made["native"] = made.get("format") == form
    if not any(isinstance(turn, Step) for turn in turns):
        raise EpisodeError(f"{name} has no complete step; there is nothing to learn from.")
    if form == "openai":
        row = _openai(system, turns, images=images)
    elif form == "codeact-instruct":
        row = _codeact_instruct(system, turns, made)
    else:
        row = _jupyter_agent(system, turns, header, made)
    result: Row = plain(row)
    return result


def row_bytes(row: Row) -> bytes:
    """Return a row as one line of strict JSON."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _openai(system: str, turns: Sequence[Turn], *, images: bool) -> Row:
    messages = build(system, turns, images=images)
    while messages and messages[-1].role != "assistant":
        messages.pop()
    return {"messages": [_chat(message) for message in messages]}


def _chat(message: Message) -> Row:
    if not message.images:
        return {"role": message.role, "content": message.content}
    parts: list[Row] = [{"type": "text", "text": message.content}]
    parts += [
        {"type": "image_url", "image_url": {"url": f"data:{image.mime};base64,{image.data}"}}
        for image in message.images
        if image.data
    ]
    return {"role": message.role, "content": parts}


def _codeact_instruct(system: str, turns: Sequence[Turn], made: Row) -> Row:
    if made["native"]:
        said = [(message.role, message.content) for message in build(system, turns)]
    else:
        said = [("system", SYSTEM)]
        task = ""
        for turn in turns:
            if isinstance(turn, TaskTurn):
                task = turn.text
                said.append(("user", turn.content))
                continue
            said.append(("assistant", _tagged(turn)))
            if turn.observation is not None:
                said.append(("user", f"Observation:\n{_seen(turn, task)}"))
    return {
        "id": str(made["id"] or ""),
        "conversations": [{"role": role, "content": content} for role, content in said],
    }


def _tagged(step: Step) -> str:
    """Return a reply with its code in `<execute>` tags and its answer in `<solution>` tags."""
    thought = step.thought.strip()
    if step.code is None:
        said = thought or step.completion.text
        return f"<solution> {said} </solution>" if step.kind == "answer" else said
    if "<execute>" in step.code or "</execute>" in step.code:
        raise EpisodeError(f"The code of step {step.index} holds an <execute> tag; this format cannot carry it.")
    code = f"<execute>\n{step.code}\n</execute>"
    return f"{thought}\n{code}" if thought else code


def _jupyter_agent(system: str, turns: Sequence[Turn], header: Row, made: Row) -> Row:
    messages: list[Row] = []
    if made["native"] and system:
        messages.append(_message("system", system))
    question = answer = ""
    task = ""
    for turn in turns:
        if isinstance(turn, TaskTurn):
            task = turn.text
            question = question or task
            messages.append(_message("user", turn.content))
            continue
        if turn.kind == "answer":
            answer = turn.thought or turn.completion.text
            lead = (turn.completion.reasoning or "") if made["native"] else ""
            messages.append(_message("assistant", lead, FINISH, answer=answer))
        elif turn.code is not None:
            messages.append(_message("assistant", turn.thought, RUN_CELL, code=turn.code))
        else:
            messages.append(_message("assistant", turn.thought or turn.completion.text))
        if turn.observation is not None:
            messages.append(_message("tool" if turn.code is not None else "user", _seen(turn, task)))
    about = {
        "edu_score": None,
        "files_used": list(header.get("files") or ()),
        "packages_used": list(header.get("packages") or ()),
        "question": question,
        "answer": answer,
        "kaggle_dataset_name": None,
        "executor_type": "codeact-kernel",
        "original_notebook": None,
        "tools": _tools(),
    }
    kept = made.get("row") if made["native"] else None
    return {"messages": messages, "id": str(made["id"] or ""), **about, **(kept if isinstance(kept, dict) else {})}


def _message(
    role: str, content: str, tool: str = "", *, code: str | None = None, answer: str | None = None
) -> Row:
    call = {"function": {"arguments": {"answer": answer, "code": code}, "name": tool}}
    return {"content": content, "role": role, "tool_calls": [call] if tool else None}


def _tools() -> list[Row]:
    """Return the two tools of the dataset, described as its columns have it: each with both arguments."""
    described = (
        (RUN_CELL, "Runs Python code as a new cell of a Jupyter notebook; variables stay.", "code", "The code."),
        (FINISH, "Gives the final answer to the user's question.", "answer", "The answer."),
    )
    tools = []
    for name, what, argument, meaning in described:
        known = {argument: {"description": meaning, "type": "string"}}
        properties = {"answer": known.get("answer"), "code": known.get("code")}
        parameters = {"properties": properties, "required": [argument], "type": "object"}
        function = {"description": what, "name": name, "parameters": parameters}
        tools.append({"function": function, "type": "function"})
    return tools


def _seen(step: Step, task: str) -> str:
    """Return what a step gave, without what the agent told the model to do next."""
    text = step.observation.text if step.observation is not None else ""
    if step.code is None:
        return text
    for name in GUIDES:
        guide = words(name).replace("{task}", task)
        text = text.removesuffix(f"\n\n{guide}").removesuffix(f"\n{guide}")
    return text.removeprefix("Output:\n")

"""Rows in the formats of others: written as published, read back as valid episodes that were never run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import nbformat
import pytest
from episode_helpers import SYSTEM, action, answer, asked, create, load, picture, reply, small_turns, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_episode_notebook import notebook_of

from codeact_kernel.agent.prompt import build, words
from codeact_kernel.episode import chat
from codeact_kernel.episode.cells import mark_of, source_of
from codeact_kernel.episode.export import FORMATS, export_row, row_bytes
from codeact_kernel.episode.export import SYSTEM as TAGGED_SYSTEM
from codeact_kernel.episode.files import answer_of, read_episode
from codeact_kernel.episode.foreign import format_of
from codeact_kernel.episode.imports import FOREIGN, import_file
from codeact_kernel.episode.integrity import integrity
from codeact_kernel.episode.redact import Redactor
from codeact_kernel.episode.schema import check
from codeact_kernel.errors import ConfigError, EpisodeError
from codeact_kernel.types import Step, TaskTurn

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = Redactor({})

INSTRUCT = {
    "id": "sep30/reasoning/precalculus/17/model/max5_p2+tool+cd",
    "conversations": [
        {"role": "system", "content": "Use <execute> and <solution> tags."},
        {"role": "user", "content": "Task:\nHow many primes are below 20?"},
        {"role": "assistant", "content": "I sieve.\n<execute>\nprint(len(prime))\n</execute>"},
        {
            "role": "user",
            "content": "Observation:\n---------------------\nNameError   Traceback (most recent call last)\n"
            "NameError: name 'prime' is not defined\n"
            "You have 4 steps left and 2 chances to propose solution left.",
        },
        {"role": "assistant", "content": "Then by hand. The answer is <solution> 9 </solution>."},
        {
            "role": "user",
            "content": "Observation:\nYour answer is wrong.\nYou have 3 steps left and 1 chances to ...",
        },
        {"role": "assistant", "content": "Inline: <execute> print(8) </execute>"},
        {"role": "user", "content": "Execution Output:\n8"},
        {"role": "assistant", "content": "The answer is <solution> 8 </solution>."},
    ],
}
CALL = "add_and_execute_jupyter_code_cell"
JUPYTER = {
    "messages": [
        {"content": "Answer: how many rows?", "role": "user", "tool_calls": None},
        {
            "content": "<think>\nI look.\n</think>\n",
            "role": "assistant",
            "tool_calls": [{"function": {"arguments": {"answer": None, "code": "len(df)"}, "name": CALL}}],
        },
        {"content": "3", "role": "tool", "tool_calls": None},
        {
            "content": "There are three.\n",
            "role": "assistant",
            "tool_calls": [{"function": {"arguments": {"answer": "3", "code": None}, "name": "final_answer"}}],
        },
    ],
    "id": "0045/672/45672139.ipynb_qa_3",
    "edu_score": 5,
    "files_used": ["/kaggle/input/a/b.csv"],
    "packages_used": ["pandas"],
    "question": "how many rows?",
    "answer": "3",
    "kaggle_dataset_name": "a/b",
    "executor_type": "e2b",
    "original_notebook": None,
    "tools": [],
}
OPENAI = {
    "messages": [
        {"role": "system", "content": "You are a data analyst."},
        {"role": "user", "content": "What is 6*7?"},
        {"role": "assistant", "content": "I compute.\n```python\n6*7\n```"},
        {"role": "user", "content": "Output:\n42"},
        {"role": "assistant", "content": "42"},
        {"role": "user", "content": "And twice that?"},
        {"role": "assistant", "content": "84"},
    ]
}
ROWS = {"codeact-instruct": INSTRUCT, "jupyter-agent": JUPYTER, "openai": OPENAI}


def episode_file(folder: Path, turns=None) -> Path:
    writer = create(folder)
    write(writer, turns or small_turns())
    return writer.path


def jsonl(folder: Path, *rows) -> Path:
    path = folder / "rows.jsonl"
    path.write_bytes(b"".join(row if isinstance(row, bytes) else row_bytes(row) for row in rows))
    return path


def imported(tmp_path: Path, row) -> Path:
    result = import_file(jsonl(tmp_path, row), tmp_path / "out")
    assert result.bad == []
    return result.paths[0]


def guided(turns):
    """The small episode as the loop makes it: what a step gave, and then what to do next."""
    guide = words("after-step").replace("{task}", turns[0].text)
    for number, turn in enumerate(turns):
        if isinstance(turn, Step) and turn.code == "n = 3\nprint(n)":
            seen = turn.observation
            turns[number] = turn.with_(
                observation=type(seen)("ok", f"Output:\n3\n\n{guide}", guide=f"\n\n{guide}")
            )
    return turns


def test_codeact_instruct_rows_are_as_published(tmp_path):
    row = export_row(episode_file(tmp_path, guided(small_turns())), "codeact-instruct", NOTHING)
    assert list(row) == ["id", "conversations"]
    said = row["conversations"]
    assert all(list(message) == ["role", "content"] for message in said)
    assert said[0] == {"role": "system", "content": TAGGED_SYSTEM}
    assert said[1]["role"] == "user"
    assert said[2] == {
        "role": "assistant",
        "content": "Let me look.\n<execute>\nn = 3\nprint(n)\n</execute>",
    }
    assert said[3] == {"role": "user", "content": "Observation:\n3"}
    assert said[-1] == {"role": "assistant", "content": "<solution> There are **3** rows. </solution>"}
    assert [message["role"] for message in said[1:]] == ["user", "assistant"] * 7 + []
    assert "```python" not in json.dumps(row)


def test_openai_rows_are_the_messages_that_were_sent_and_the_last_reply(tmp_path):
    turns = small_turns()
    row = export_row(episode_file(tmp_path, turns), "openai", NOTHING)
    sent = build(SYSTEM, turns)
    assert row == {"messages": [{"role": message.role, "content": message.content} for message in sent]}
    assert row["messages"][-1]["role"] == "assistant"


def test_openai_rows_hold_pictures_where_that_is_asked_for(tmp_path):
    path = episode_file(tmp_path)
    row = export_row(path, "openai", NOTHING, images=True)
    parts = [message["content"] for message in row["messages"] if isinstance(message["content"], list)]
    assert parts == [
        [
            {"type": "text", "text": "Figure"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture().data}"}},
        ]
    ]
    back = imported(tmp_path, row)
    assert read_episode(back).header["source"]["format"] == "openai"
    seen = [turn.observation for turn in chat.conversation(load(back))[1] if isinstance(turn, Step)]
    assert [image for each in seen if each for _, image in each.images] == [picture()]
    assert chat.check_messages(load(back)) == []


def test_jupyter_agent_rows_have_the_layout_of_the_dataset(tmp_path):
    row = export_row(episode_file(tmp_path, guided(small_turns())), "jupyter-agent", NOTHING)
    assert set(row) == set(JUPYTER)
    assert [message["role"] for message in row["messages"][:3]] == ["user", "assistant", "tool"]
    assert row["messages"][1] == {
        "content": "Let me look.",
        "role": "assistant",
        "tool_calls": [{"function": {"arguments": {"answer": None, "code": "n = 3\nprint(n)"}, "name": CALL}}],
    }
    assert row["messages"][2] == {"content": "3", "role": "tool", "tool_calls": None}
    assert row["messages"][-1]["tool_calls"][0]["function"] == {
        "arguments": {"answer": "There are **3** rows.", "code": None},
        "name": "final_answer",
    }
    assert (row["question"], row["answer"]) == ("How many rows?", "There are **3** rows.")
    assert [tool["function"]["name"] for tool in row["tools"]] == [CALL, "final_answer"]


@pytest.mark.parametrize("form", FOREIGN)
def test_a_row_of_others_becomes_a_valid_episode_that_is_marked_as_imported(tmp_path, form):
    assert format_of(ROWS[form]) == form
    path = imported(tmp_path, ROWS[form])
    notebook = load(path)
    header = notebook["metadata"]["codeact"]
    assert check(notebook) == []
    assert integrity(notebook) == []
    assert chat.check_messages(notebook) == []
    nbformat.validate(nbformat.read(path, as_version=4))
    assert header["agent"]["name"] == "imported"
    assert header["source"] | {"row": None} == {
        "format": form, "file": "rows.jsonl", "line": 1, "id": ROWS[form].get("id"), "row": None,
    }  # fmt: skip
    assert header["status"] == "done"
    assert header["prelude_complete"] is False


@pytest.mark.parametrize("form", FOREIGN)
def test_a_row_of_others_comes_back_as_it_was(tmp_path, form):
    path = imported(tmp_path, ROWS[form])
    assert export_row(path, form, NOTHING) == ROWS[form]


def test_the_cells_of_an_imported_row_show_what_happened(tmp_path):
    path = imported(tmp_path, INSTRUCT)
    cells = load(path)["cells"]
    kinds = [mark_of(cell)["kind"] for cell in cells]
    assert kinds == ["about", "task", "thought", "action", "thought", "thought", "action", "answer"]
    assert source_of(cells[3]) == "print(len(prime))"
    assert cells[3]["outputs"][0]["ename"] == "NameError"
    assert cells[3]["metadata"]["tags"] == ["raises-exception"]
    assert "".join(cells[6]["outputs"][0]["text"]) == "8"
    assert source_of(cells[7]) == "The answer is 8."
    assert answer_of(path, "How many primes are below 20?") == "The answer is 8."


@pytest.mark.parametrize("form", FOREIGN)
@pytest.mark.parametrize("other", FOREIGN)
def test_any_format_becomes_any_other(tmp_path, form, other):
    row = export_row(imported(tmp_path, ROWS[form]), other, NOTHING)
    assert format_of(row) == other
    again = import_file(jsonl(tmp_path, row), tmp_path / "again")
    assert again.bad == []
    codes = [
        [turn.code for turn in chat.conversation(load(path))[1] if isinstance(turn, Step) and turn.code]
        for path in (imported(tmp_path, ROWS[form]), again.paths[0])
    ]
    assert [code.strip() for code in codes[0]] == [code.strip() for code in codes[1]]


def test_tool_calls_with_arguments_as_text_are_read(tmp_path):
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "run", "arguments": json.dumps({"code": "1 + 1"})},
    }
    messages = [
        {"role": "user", "content": "add"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
        {"role": "assistant", "content": "2"},
    ]
    _, turns = chat.conversation(load(imported(tmp_path, {"messages": messages})))
    assert [turn.code for turn in turns[1:]] == ["1 + 1", None]


BAD = {
    b"{": "It is no JSON, or it was cut off.",
    b"[1]": "It is no JSON object; a file to import holds one object a line.",
    b"\xff\xfe{}": "It is no JSON, or it was cut off.",
    b"{}": "It has neither messages nor conversations; its format is not known.",
    b'{"messages": []}': "It has no messages.",
    b'{"messages": 3}': "It has no messages.",
    b'{"messages": [3]}': "Message 0 has no role that is known.",
    b'{"messages": [{"role": "god", "content": "x"}]}': "Message 0 has no role that is known.",
    b'{"messages": [{"role": "user", "content": 3}]}': "The content of message 0 is no text.",
    b'{"messages": [{"role": "user", "content": "x"}]}': "It has no reply.",
    b'{"messages": [{"role": "assistant", "content": "x"}]}': "It begins with a reply; the task is missing.",
    b'{"messages": [{"role": "user", "content": [{"type": "audio"}]}]}': "Message 0 has a part that is neither text nor picture.",
    b'{"messages": [{"role": "user", "content": "x"}, {"role": "tool", "content": "x"}]}': "It has the output of a tool that was not called.",
    b'{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [{}]}]}': "Message 1 calls a tool with neither code nor an answer; it cannot be read.",
    b'{"format": "codeact-messages", "version": "1.0"}': "It lacks its messages or its notebook.",
    b'{"format": "codeact-messages", "version": "2.0"}': "It has version 2.0 of the format, and this codeact-kernel reads 1: upgrade it.",
    b'{"format": "codeact-messages", "notebook": {}, "messages": [{"content": "x", "at": "/a/b"}]}': "Message 0 has no place in the notebook: there is none at '/a/b'.",
    b'{"format": "codeact-messages", "notebook": {}, "messages": []}': "This file is no notebook: it has no cells.",
    b'{"messages": ' + b"[" * 100_000: None,
    b'{"conversations": ' + b'{"a":' * 800 + b"1" + b"}" * 801: None,
}  # fmt: skip


def test_bad_rows_are_one_sentence_each_with_their_line_and_the_others_go_on(tmp_path):
    rows = [line for bad in BAD for line in (bad + b"\n", OPENAI)]
    result = import_file(jsonl(tmp_path, *rows), tmp_path / "out")
    assert len(result.paths) == len(BAD)
    assert len(result.bad) == len(BAD)
    for number, (sentence, wanted) in enumerate(zip(result.bad, BAD.values(), strict=True)):
        assert sentence.startswith(f"rows.jsonl, line {2 * number + 1}: ")
        assert wanted is None or sentence.endswith(f": {wanted}")
        assert "\n" not in sentence


def test_a_row_with_too_many_messages_is_refused(tmp_path):
    row = {"messages": [{"role": "user", "content": "x"}] * 1001}
    assert "at most 1000" in import_file(jsonl(tmp_path, row), tmp_path / "out").bad[0]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["user", "assistant", "system", "tool", "<execute>", "```python\n1\n```", "text", "image_url"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["role", "content", "tool_calls", "function", "arguments", "code", "answer", "type", "text",
                         "messages", "conversations", "image_url", "url", "format", "notebook", "id", "question"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": values}),
    max_size=4,
)
rows = values | st.builds(
    lambda said, form: {form: said}, messages, st.sampled_from(["messages", "conversations"])
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows)
def test_whatever_stands_in_a_row_gives_an_episode_or_a_sentence(tmp_path, row):
    result = import_file(jsonl(tmp_path, json.dumps(row).encode()), tmp_path / "out")
    assert len(result.paths) + len(result.bad) == 1
    for path in result.paths:
        assert integrity(load(path)) == []
        path.unlink()


def test_files_are_never_replaced_and_names_of_rows_cannot_leave_the_folder(tmp_path):
    row = export_row(episode_file(tmp_path / "in"), "messages", NOTHING)
    evil = [row | {"name": name} for name in ("a.ipynb", "a.ipynb", "../a.ipynb", "/tmp/a.ipynb", "a/b.ipynb", 3)]
    result = import_file(jsonl(tmp_path, *evil), tmp_path / "out")
    assert [path.name for path in result.paths] == [
        "a.ipynb", "a-2.ipynb", "rows-00003.ipynb", "rows-00004.ipynb", "rows-00005.ipynb", "rows-00006.ipynb",
    ]  # fmt: skip
    assert all(path.parent == tmp_path / "out" for path in result.paths)


def test_secrets_never_leave_in_any_format(tmp_path):
    secret = "correct-horse-battery"
    turns: list = [TaskTurn(f"use {secret}", f"Task: use {secret}", "")]
    turns.append(action(turns, 1, f"print({secret!r})", f"{secret}\n"))
    turns.append(answer(turns, 2, f"{secret}, done"))
    path = episode_file(tmp_path, turns)
    for form in FORMATS:
        redactor = Redactor({"THE_TOKEN": secret})
        assert secret not in row_bytes(export_row(path, form, redactor)).decode()
        assert redactor.summary()[0]["what"] == "THE_TOKEN"
    assert secret in row_bytes(export_row(path, "messages", None)).decode()
    with pytest.raises(EpisodeError, match="Only the format messages"):
        export_row(path, "openai", None)


def test_code_that_holds_the_tags_of_the_format_is_refused_with_a_sentence(tmp_path):
    turns: list = [TaskTurn("x", "Task: x", "")]
    turns.append(action(turns, 1, "print('</execute>')"))
    with pytest.raises(EpisodeError, match="step 1 holds an <execute> tag"):
        export_row(episode_file(tmp_path, turns), "codeact-instruct", NOTHING)


def test_an_episode_without_a_step_has_nothing_to_learn_from(tmp_path):
    with pytest.raises(EpisodeError, match="no complete step"):
        export_row(episode_file(tmp_path, [TaskTurn("x", "Task: x", "")]), "openai", NOTHING)


def test_a_conversation_that_fails_is_cut_after_its_last_reply(tmp_path):
    turns = small_turns()[:-1]
    row = export_row(episode_file(tmp_path, turns), "openai", NOTHING)
    assert row["messages"][-1]["role"] == "assistant"
    path = imported(tmp_path, INSTRUCT | {"conversations": INSTRUCT["conversations"][:4]})
    assert load(path)["metadata"]["codeact"]["status"] == "failed"
    assert mark_of(load(path)["cells"][-1])["kind"] == "error"


def test_lone_surrogates_leave_as_replacement_characters(tmp_path):
    turns: list = [TaskTurn("half \ud83d", "Task: half \ud83d", "")]
    turns.append(Step(1, "answer", reply("\udfff"), asked(turns), thought="\udfff"))
    path = episode_file(tmp_path, turns)
    for form in FORMATS:
        assert "\ufffd" in row_bytes(export_row(path, form, NOTHING)).decode()


def test_files_that_cannot_be_used_are_configuration_errors(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.jsonl: No such file"):
        import_file(tmp_path / "nothing.jsonl", tmp_path / "out")
    jsonl(tmp_path, OPENAI)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError):
        import_file(tmp_path / "rows.jsonl", tmp_path / "file")


def test_the_notebook_of_any_generated_episode_exports_in_every_format(tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps(notebook_of(small_turns())))
    for form in FORMATS:
        assert export_row(path, form, NOTHING)

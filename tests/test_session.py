"""A session: what is looked at before anything starts, what a follow-up records, when a model is made anew."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import nbformat
import pytest
from episode_helpers import load, names
from kernel_client import block, write_script
from nbclient import NotebookClient

from codeact_kernel.agent import prompt
from codeact_kernel.agent.stop import Stop
from codeact_kernel.canonical import sha256
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ConfigError, StoppedError
from codeact_kernel.execute.fresh import FreshExecutor
from codeact_kernel.oneshot import run
from codeact_kernel.session import Session
from codeact_kernel.terminal_view import QuietView


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "work"


def endpoint(**settings):
    return CodeAct(model="openai:some", base_url="http://localhost:9/v1", **settings)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"out": "answer.jsonl"}, r"ends in \.ipynb"),
        ({"out": "no/folder/e.ipynb"}, "there is no folder"),
        ({"out": "there.ipynb"}, "exists already"),
        ({"task": " "}, "The task is empty"),
        ({"model": "scripted:nothing.jsonl"}, "cannot be read"),
        ({"cwd": "nowhere"}, "does not exist"),
    ],
)
def test_a_bad_option_costs_no_kernel(work, tmp_path, options, words):
    (work / "there.ipynb").write_text("x")
    mark = tmp_path / "a kernel was started"
    options = {"task": "go", "model": write_script(tmp_path, "Yes."), **options}
    with pytest.raises(ConfigError, match=words):
        run(setup=[f"open({str(mark)!r}, 'w').close()"], **options)
    assert not mark.exists()
    assert names(work) == {"there.ipynb"}


def test_an_episode_beside_neither_its_data_nor_its_kernel_runs_again(work, tmp_path):
    """The shape of `make demo`: data in one folder, the episode in another."""
    for name in ("data", "demo"):
        (work / name).mkdir()
    (work / "data" / "sales.csv").write_text("north,41\n")
    model = write_script(tmp_path, block("print(open('sales.csv').read())"), "North.")
    result = run(
        "which?", model=model, cwd="data", out="demo/e.ipynb", setup=["n = len(open('sales.csv').read())"]
    )
    assert result.status == "done"
    assert load(result.episode)["metadata"]["codeact"]["cwd"] == "../data"
    notebook = nbformat.read(result.episode, as_version=4)
    NotebookClient(notebook, resources={"metadata": {"path": str(work / "demo")}}).execute()
    action = next(cell for cell in notebook.cells if cell.metadata.codeact.kind == "action")
    assert "north,41" in action.outputs[0]["text"]


def test_a_follow_up_records_its_own_policy_and_the_prompt_has_a_name(work, tmp_path):
    async def two_tasks():
        session, executor = Session(work), FreshExecutor(cwd=work)
        await executor.start()
        try:
            for task, settings in (
                ("one", {"approval": "auto", "max_steps": 3}),
                ("two", {"approval": "ask", "max_steps": 5, "observation_chars": 300}),
            ):
                config = CodeAct(model=write_script(tmp_path, block("print(1)"), "One."), **settings)
                await session.ask(task, config, executor=executor, view=QuietView(), stop=Stop())
                yield load(session.writer.path)["metadata"]["codeact"]
        finally:
            await session.close()
            await executor.close()

    async def headers():
        return [header async for header in two_tasks()]

    first, second = asyncio.run(headers())
    assert (first["policy"]["approval"], first["policy"]["max_steps"]) == ("auto", 3)
    assert (second["policy"]["approval"], second["policy"]["max_steps"]) == ("ask", 5)
    assert second["policy"]["observation_chars"] == 300
    assert [(task["max_steps"], task["observation_chars"]) for task in second["tasks"]] == [(3, 4000), (5, 300)]
    assert first["prompt"]["template"] == f"default@sha256:{sha256(prompt.words('system'))}"
    assert first["prompt"]["system"] == prompt.words("system")
    assert first["cwd"] == ".."


@pytest.mark.parametrize(
    "change",
    [
        {"connect_seconds": 3.0},
        {"first_token_seconds": 3.0},
        {"between_tokens_seconds": 3.0},
        {"reply_seconds": 3.0},
        {"retries": 1},
        {"extra_body": {"top_k": 1}},
        {"base_url": "http://localhost:10/v1"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_setting_makes_a_new_model_and_an_unchanged_one_does_not(work, change):
    async def models():
        session = Session(work)
        first = await session.check("go", endpoint(), Stop())
        same = await session.check("go", endpoint(), Stop())
        other = await session.check("go", endpoint().updated(**change), Stop())
        await session.close()
        return first, same, other

    first, same, other = asyncio.run(models())
    assert first is same
    assert other is not first


def test_a_corrected_key_is_used_by_the_next_task(work, monkeypatch):
    async def models():
        session = Session(work)
        found = []
        for key in ("sk-wrong", "sk-right"):
            monkeypatch.setenv("OPENAI_API_KEY", key)
            found.append(await session.check("go", endpoint(), Stop()))
        await session.close()
        return found

    first, second = asyncio.run(models())
    assert first is not second


def test_a_model_that_cannot_be_had_leaves_the_one_before_usable(work, tmp_path):
    async def models():
        session = Session(work)
        first = await session.check("go", endpoint(), Stop())
        with pytest.raises(ConfigError):
            await session.check("go", CodeAct(model="nosuch:x"), Stop())
        again = await session.check("go", endpoint(), Stop())
        await session.close()
        return first, again

    first, again = asyncio.run(models())
    assert first is again


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a file that is slow to read")
def test_stop_is_heard_while_the_model_is_looked_at(work, tmp_path):
    """A pipe that nobody writes to stands for weights on a slow disk."""
    slow = tmp_path / "slow.jsonl"
    os.mkfifo(slow)

    async def asked():
        stop = Stop()
        threading.Timer(0.3, stop.set).start()
        began = time.monotonic()
        with pytest.raises(StoppedError):
            await Session(work).check("go", CodeAct(model=f"scripted:{slow}"), stop)
        took = time.monotonic() - began
        slow.write_text('"late"\n')  # lets the reader's thread end
        return took

    assert asyncio.run(asked()) < 2

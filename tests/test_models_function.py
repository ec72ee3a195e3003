"""A Python function as a model: what it may give, what goes wrong, and a whole task with it."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

import pytest
from episode_helpers import load
from kernel_client import block

import codeact_kernel
from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ConfigError, ModelError, StoppedError
from codeact_kernel.models.base import Chunk, complete
from codeact_kernel.models.function import CallableModel
from codeact_kernel.models.select import resolve
from codeact_kernel.types import Message, Sampling, Usage

ASK = (Message("system", "Be brief."), Message("user", "What is 1 + 1?"))


def ask(function, *, stop=None, sampling=None, chunks=None, **settings):
    async def run():
        model = CallableModel(function, CodeAct(**settings))
        try:
            seen = [] if chunks is None else chunks
            return await complete(model, ASK, sampling or Sampling(), stop or Stop(), seen.append)
        finally:
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    return asyncio.run(run())


def returns(messages):
    return f"{len(messages)} {messages[0]['role']} {messages[-1]['content']}"


def yields(messages):
    yield from ("2 ", "system ", messages[-1]["content"])


async def awaits(messages):
    await asyncio.sleep(0)
    return returns(messages)


async def yields_awaiting(messages):
    for piece in yields(messages):
        await asyncio.sleep(0)
        yield piece


def handed_on(messages):
    return awaits(messages)


class Said:
    def __call__(self, messages):
        return list(yields(messages))


@pytest.mark.parametrize("function", [returns, yields, awaits, yields_awaiting, Said(), handed_on])
def test_a_function_says_the_reply_in_any_of_the_ways_of_python(function):
    chunks = []
    done = ask(function, chunks=chunks)
    assert (done.text, done.finish) == ("2 system What is 1 + 1?", "stop")
    pieces = [chunk.text for chunk in chunks if chunk.text]
    assert len(pieces) == (3 if function in (yields, yields_awaiting) or isinstance(function, Said) else 1)


def test_pieces_may_carry_reasoning_usage_and_a_finish_reason():
    def thinks(_):
        yield Chunk(reasoning="hm")
        yield Chunk("two", usage=Usage(5, 1, 2))
        yield Chunk(finish="length")

    done = ask(thinks)
    assert (done.text, done.reasoning, done.finish) == ("two", "hm", "length")
    assert (done.usage.input, done.usage.output, done.usage.cached) == (5, 1, 2)


def test_stop_strings_end_the_reply_and_the_function_is_asked_for_no_more():
    asked = []

    def endless(_):
        while True:
            asked.append(1)
            yield "1 + 1 <end> and so on"
            time.sleep(0.01)

    done = ask(endless, sampling=Sampling(stop=("<end>",)))
    assert (done.text, done.finish) == ("1 + 1 ", "stop_sequence")
    time.sleep(0.2)
    count = len(asked)
    time.sleep(0.1)
    assert len(asked) == count


@pytest.mark.parametrize(
    ("said", "words"),
    [(None, "NoneType"), (7, "int"), ({"content": "x"}, "dict"), ([b"x"], "bytes"), (["a", 1], "int")],
)
def test_what_is_no_text_is_named(said, words):
    with pytest.raises(ModelError, match=f"gave a {words}; it must give texts"):
        ask(lambda _: said)


def test_what_the_function_raises_is_one_sentence():
    def fails(_):
        yield "half"
        raise ValueError("no\nluck.")

    with pytest.raises(ModelError, match=r"fails that is the model failed \(ValueError: no luck\)\.$") as caught:
        ask(fails)
    assert isinstance(caught.value.__cause__, ValueError)

    def leaves(_):
        raise SystemExit(3)

    with pytest.raises(ModelError, match="SystemExit"):
        ask(leaves)


def test_a_deadline_and_stop_hold_for_a_function_that_hangs():
    wait = threading.Event()

    def hangs(_):
        wait.wait(20)
        return "late"

    try:
        with pytest.raises(ModelError, match="first_token_seconds"):
            ask(hangs, first_token_seconds=0.3)
        stop = Stop()
        threading.Timer(0.3, stop.set).start()
        begun = time.monotonic()
        with pytest.raises(StoppedError):
            ask(hangs, stop=stop)
        assert time.monotonic() - begun < 1.5
    finally:
        wait.set()


def test_a_whole_task_runs_on_a_function_and_the_record_names_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = []

    def model(messages):
        seen.append(messages)
        if len(messages) == 2:
            return [Chunk(reasoning="I must compute it."), block("print(6 * 7)")]
        return ["It is ", "42."]

    result = codeact_kernel.run("What is 6 times 7?", model=model, approve="auto")
    assert (result.status, result.answer, result.steps) == ("done", "It is 42.", 2)
    assert [message["role"] for message in seen[1]] == ["system", "user", "assistant", "user"]
    # The thoughts are in the record and were not sent back.
    assert "I must compute it." not in str(seen)
    notebook = load(result.episode)
    header = notebook["metadata"]["codeact"]
    assert header["model"]["backend"] == "callable"
    assert header["model"]["id"].endswith("<locals>.model")
    assert header["model"]["revision"].startswith("sha256:")
    records = [cell["metadata"]["codeact"].get("record") or {} for cell in notebook["cells"]]
    reasoning = [record["reasoning"] for record in records if "reasoning" in record]
    assert reasoning == ["I must compute it.", None]


def test_a_model_object_is_taken_as_it_is_and_anything_else_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = CallableModel(lambda _: "Nothing to do.")
    assert codeact_kernel.run("Hello", model=given).answer == "Nothing to do."
    with pytest.raises(ConfigError, match="A int is no model"):
        codeact_kernel.run("Hello", model=7)


def test_a_function_is_found_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "mine_for_a_test.py").write_text(
        "class A:\n    @staticmethod\n    def f(messages):\n        return 'x'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    model = resolve(CodeAct(model="callable:mine_for_a_test:A.f"))
    assert (model.id, model.backend) == ("mine_for_a_test:A.f", "callable")
    monkeypatch.setattr(sys.modules["__main__"], "my_model", returns, raising=False)
    assert resolve(CodeAct(model="callable:my_model")).backend == "callable"
    for name, words in (
        ("nosuch", "this notebook"),
        ("nosuch:f", "cannot be imported"),
        ("json:nosuch", "in json"),
    ):
        with pytest.raises(ConfigError, match=words):
            resolve(CodeAct(model=f"callable:{name}"))

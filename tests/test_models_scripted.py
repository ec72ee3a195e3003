"""Scripted replies, and the rule for when a reply counts."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.agent.stop import Stop
from codeact_kernel.errors import ConfigError, IncompleteReplyError, ModelError, StoppedError
from codeact_kernel.models.base import complete
from codeact_kernel.models.scripted import ScriptedModel
from codeact_kernel.types import Message, Sampling

ASK = (Message("user", "Say it."),)


def ask(model, stop=None, on_chunk=lambda _: None):
    return asyncio.run(complete(model, ASK, Sampling(), stop or Stop(), on_chunk))


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_replies_come_in_order_and_whole(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("script") / "replies.jsonl"
    path.write_text("".join(json.dumps(text, ensure_ascii=False) + "\n" for text in texts), "utf-8")
    model = ScriptedModel(path)
    assert [ask(model).text for _ in texts] == texts


def test_a_reply_is_streamed_in_pieces():
    pieces = []
    done = ask(ScriptedModel(["x" * 50]), on_chunk=lambda chunk: pieces.append(chunk.text))
    assert len([piece for piece in pieces if piece]) > 2
    assert done.finish == "stop"
    assert done.usage.output == 12


def test_a_script_at_its_end_is_a_model_error():
    model = ScriptedModel(["one"])
    ask(model)
    with pytest.raises(ModelError, match=r"^The script list has no reply left after 1; add one\.$"):
        ask(model)


def test_a_reply_without_a_finish_never_counts():
    with pytest.raises(IncompleteReplyError):
        ask(ScriptedModel([{"text": "import os", "finish": None}]))


def test_other_finish_reasons_are_passed_on():
    assert ask(ScriptedModel([{"text": "x", "finish": "length"}])).finish == "length"


@pytest.mark.alone
def test_stop_is_heard_during_a_delay():
    stop = Stop()
    threading.Timer(0.2, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(StoppedError):
        ask(ScriptedModel([{"text": "late", "delay_s": 30}]), stop)
    assert time.monotonic() - begun < 0.7


@pytest.mark.parametrize(
    "line",
    ["{", "3", '{"txt": "x"}', '{"text": 1}', '{"text": "x", "finish": "no"}', '{"text": "x", "delay_s": -1}',
     '{"text": "x", "delay_s": true}', "[]", "null"],
)  # fmt: skip
def test_a_bad_line_is_named(tmp_path, line):
    path = tmp_path / "bad.jsonl"
    path.write_text(f'"fine"\n\n{line}\n')
    with pytest.raises(ConfigError, match=r"^Line 3 of bad\.jsonl "):
        ScriptedModel(path)


def test_an_unreadable_script_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        ScriptedModel(tmp_path / "missing.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'"\xff"\n')
    with pytest.raises(ConfigError, match="UTF-8"):
        ScriptedModel(tmp_path / "latin.jsonl")


def test_a_description_changes_with_the_script():
    first, second = ScriptedModel(["a"]).describe(), ScriptedModel(["b"]).describe()
    assert first["backend"] == "scripted"
    assert first["revision"] != second["revision"]

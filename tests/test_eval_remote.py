"""The gate and the model behind it, as Ray's processes use them, without Ray."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ModelError
from codeact_kernel.evaluate.remote import Gate, RemoteModel, RemotePlayer, packed
from codeact_kernel.models.base import complete
from codeact_kernel.types import Message, Sampling


class Handle:
    """Calls an object's methods as an actor's handle does."""

    def __init__(self, one):
        self._one = one

    def __getattr__(self, name):
        method = getattr(self._one, name)
        return type("Method", (), {"remote": staticmethod(method)})


def settings(folder, *replies):
    script = folder / "script.jsonl"
    script.write_text("".join(json.dumps(reply) + "\n" for reply in replies))
    return packed(CodeAct(model=f"scripted:{script}"))


def test_a_reply_comes_through_the_gate_whole(tmp_path):
    async def work():
        gate = Gate(settings(tmp_path, "It is 42."), {}, 1)
        model = RemoteModel(Handle(gate), json.loads(json.dumps(await gate.about())))
        assert (model.backend, model.id, model.sees_images) == ("scripted", "script.jsonl", False)
        assert model.describe()["revision"].startswith("sha256:")
        asked = [Message("user", "What is it?")]
        said = await complete(model, asked, Sampling(stop=("x",)), Stop(), lambda _: None)
        assert (said.text, said.finish, said.usage.calls) == ("It is 42.", "stop", 1)
        assert said.usage.output > 0
        with pytest.raises(ModelError, match="no reply left"):
            await complete(model, asked, Sampling(), Stop(), lambda _: None)

    asyncio.run(work())


@pytest.mark.alone
def test_no_more_requests_than_allowed_are_under_way_at_once(tmp_path):
    slow = [{"text": "a", "delay_s": 0.2}] * 4

    async def took(most):
        gate = Gate(settings(tmp_path, *slow), {}, most)
        began = asyncio.get_running_loop().time()
        sampling = {"temperature": 0.0, "top_p": 1.0, "max_tokens": 9, "stop": [], "seed": None}
        await asyncio.gather(*(gate.ask([["user", "?"]], sampling) for _ in range(4)))
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(took(1)) >= 0.8
    assert asyncio.run(took(4)) < 0.75


def test_keys_are_in_the_gates_environment_and_in_no_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "")
    Gate(settings(tmp_path, "x"), {"OPENAI_API_KEY": "the key"}, 1)
    assert os.environ["OPENAI_API_KEY"] == "the key"
    assert "the key" not in json.dumps(packed(CodeAct()))


def test_what_a_player_cannot_do_is_a_reason_and_no_exception(tmp_path):
    player = RemotePlayer("m3tooleval", settings(tmp_path, "x"), str(tmp_path), None)
    job = {"suite": "m3tooleval", "protocol": "native", "action": "code", "epoch": 1}
    case = {"id": "a/b", "group": "a", "task": "t", "data": {"single": False, "expected": "1", "name": "a/b"}}

    async def work():
        try:
            return await player.play({**job, "case": case}, 1)
        finally:
            await player.close()

    row, episode, reason = asyncio.run(work())
    assert (row, episode) == (None, "")
    assert "holds no M3ToolEval" in reason

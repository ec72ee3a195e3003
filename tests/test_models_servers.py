"""Both wire formats against a real server on the loopback: llama.cpp's, with the smallest model."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ModelError, WeightsError
from codeact_kernel.models import weights
from codeact_kernel.models.anthropic import AnthropicModel
from codeact_kernel.models.base import complete
from codeact_kernel.models.openai import OpenAIModel
from codeact_kernel.types import Image, Message, Sampling

pytest.importorskip("xllamacpp", reason="the embedded model's runtime is not installed: pip install '.[local]'")
from codeact_kernel.models.llamacpp import LlamaCppModel

pytestmark = pytest.mark.model
BACKENDS = {"openai": OpenAIModel, "anthropic": AnthropicModel}
SYSTEM = Message("system", "You are a patient teacher of arithmetic. " * 8)
ASK = Message("user", "Count from 1 to 100, one number a line.")
KEY = "sk-wrong-canary"


def ask(model, *messages, **sampling):
    return asyncio.run(complete(model, messages, Sampling(**sampling), Stop(), lambda _: None))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """(URL, key) of a model process of our own, which ends with the tests."""
    try:
        found = weights.resolve("smollm2-135m")
    except WeightsError as error:
        pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODEACT_CACHE", str(tmp_path_factory.mktemp("cache")))
        model = LlamaCppModel(found, CodeAct(threads=1))
        ask(model, ASK, max_tokens=2)
        state = json.loads(model.state_file.read_text())
        yield f"http://127.0.0.1:{state['port']}/v1", state["token"]
        model.shut_down()


def made(server, backend, *, key=None, **changes):
    url, token = server
    return BACKENDS[backend](
        "smollm2-135m", base_url=url, api_key=key or token, config=CodeAct(retries=0, **changes)
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_second_turn_evaluates_what_is_new(server, backend):
    model = made(server, backend)
    first = ask(model, SYSTEM, ASK, max_tokens=8)
    assert 0 < first.usage.output <= 8
    again = ask(model, SYSTEM, ASK, Message("assistant", first.text), Message("user", "Go on."), max_tokens=8)
    assert again.usage.input > first.usage.input
    assert again.usage.cached >= first.usage.input - 1
    assert again.usage.input - again.usage.cached < 40


def test_both_formats_get_the_same_greedy_reply(server):
    ask(made(server, "openai"), SYSTEM, ASK, max_tokens=1)
    # Both find the whole prompt in the cache: how much is evaluated at once may turn a close call of tokens.
    replies = [ask(made(server, backend), SYSTEM, ASK, max_tokens=12).text for backend in BACKENDS]
    assert replies[0] == replies[1] != ""


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_stop_string_ends_the_reply_and_is_no_part_of_it(server, backend):
    whole = ask(made(server, backend), SYSTEM, ASK, max_tokens=12).text
    stop = whole.strip()[4:7]
    done = ask(made(server, backend), SYSTEM, ASK, max_tokens=12, stop=(stop,))
    assert done.text == whole[: whole.index(stop)]
    assert done.finish == ("stop_sequence" if backend == "anthropic" else "stop")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_picture_is_left_out_when_the_model_is_blind(server, backend):
    url, token = server
    model = BACKENDS[backend](
        "smollm2-135m", base_url=url, api_key=token, config=CodeAct(retries=0), sees_images=True
    )
    picture = Image("image/png", base64.b64encode(b"png").decode(), "0" * 64)
    done = ask(model, Message("user", "What is this?", (picture,)), max_tokens=4)
    assert done.usage.output == 4
    assert not model.sees_images


@pytest.mark.parametrize("backend", BACKENDS)
def test_refusals_of_the_real_server_are_one_sentence(server, backend):
    with pytest.raises(ModelError, match="was refused by") as caught:
        ask(made(server, backend, key=KEY), ASK)
    assert KEY not in str(caught.value)
    with pytest.raises(ModelError, match="longer than smollm2-135m can take"):
        ask(made(server, backend), Message("user", "word " * 9000))

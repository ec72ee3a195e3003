"""The embedded model in its own process: prefixes kept, one process for all, deaths survived, ends of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import psutil
import pytest
from gguf_heads import OURS, head

from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ModelError, StoppedError, WeightsError
from codeact_kernel.models import weights
from codeact_kernel.models.base import Chunk, complete
from codeact_kernel.models.served import ServedModel
from codeact_kernel.models.weights import Weights
from codeact_kernel.types import Message, Sampling

pytest.importorskip("xllamacpp", reason="the embedded model's runtime is not installed: pip install '.[local]'")
from codeact_kernel.models.llamacpp import LlamaCppModel

SHORT = Sampling(max_tokens=16)
ASK = (Message("user", "Count from 1 to 100, one number a line."),)


def weights_or_skip(name):
    try:
        return weights.resolve(name)
    except WeightsError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """Model processes of our own: their state lies in a cache of our own, and they end with the tests."""
    found = {}
    for name in ("smollm2-135m", "qwen2.5-coder-0.5b"):
        if weights.where(name) is not None:
            found[name] = weights.resolve(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODEACT_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(weights, "resolve", lambda name: found.get(name) or missing(name))
        yield
        for state in (weights.cache_dir() / "servers").glob("*.json"):
            state.unlink()


def missing(name):
    raise WeightsError(f"The weights of {name} are not in the cache; run `codeact models pull {name}`.")


def tiny(**changes):
    return LlamaCppModel(
        weights_or_skip("smollm2-135m"), CodeAct(**{"threads": 1, "extra_body": {"ignore_eos": True}, **changes})
    )


def ask(model, messages=ASK, sampling=SHORT, stop=None, on_chunk=lambda _: None):
    return asyncio.run(complete(model, messages, sampling, stop or Stop(), on_chunk))


def state_of(model):
    return json.loads(model.state_file.read_text())


def gone(pid, seconds=5.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def conversation(name):
    rules = " ".join(f"Rule {number}: keep the code short." for number in range(20))
    return [Message("system", rules), Message("user", f"I am {name}. My frame has columns a, b, c. Sum column a.")]


def talk(models, turns=3):
    """Let each model hold a conversation, in alternation; return turn and tokens: evaluated, new, all."""
    talks = [conversation(str(number)) for number in range(len(models))]
    seen = [0] * len(models)
    rows = []
    for turn in range(turns):
        for number, model in enumerate(models):
            done = ask(model, talks[number])
            total = done.usage.input
            rows.append((turn, total - done.usage.cached, total - seen[number], total))
            seen[number] = done.usage.input + done.usage.output
            output = "\n".join(f"row {row}" for row in range(25))
            talks[number] += [
                Message("assistant", done.text),
                Message("user", f"Output {number}:\n{output}\nGo on."),
            ]
    return rows


def test_weights_that_were_tuned_on_execute_tags_are_asked_as_they_were(tmp_path, monkeypatch):
    async def overheard(self, messages, sampling, stop):
        heard.extend(messages)
        yield Chunk("ok", finish="stop")

    heard = []
    monkeypatch.setattr(ServedModel, "stream", overheard)
    path = tmp_path / "tuned.gguf"
    path.write_bytes(head(*OURS))
    talk = [
        Message("user", "Count."),
        Message("assistant", "<execute>\n3\n</execute>"),
        Message("user", "Output:\n3"),
    ]
    model = LlamaCppModel(Weights("tuned", path, "0"), CodeAct())
    assert model.words == "system-tuned"
    ask(model, talk)
    assert [one.content for one in heard] == [*(one.content for one in talk[:2]), "Execution Output:\n3"]

    path.write_bytes(head())
    plain = LlamaCppModel(Weights("plain", path, "0"), CodeAct())
    assert plain.words == "system"
    heard.clear()
    ask(plain, talk)
    assert heard == talk


@pytest.mark.model
def test_a_turn_evaluates_its_new_tokens_and_no_others():
    model = LlamaCppModel(weights_or_skip("qwen2.5-coder-0.5b"), CodeAct(threads=1))
    rows = talk([model])
    assert rows[0][1] > 150
    for turn, evaluated, new, _ in rows:
        # A few tokens around the reply (its end mark) are counted as new by the template.
        assert turn == 0 or evaluated <= 1.1 * new + 8


@pytest.mark.model
def test_two_kernels_that_take_turns_get_their_prefix_back():
    """One conversation is in the model at a time; the other's prompt waits in memory.

    llama.cpp keeps a prompt there when less than half of it is what the next one begins with. So while what two
    conversations share (the system prompt) outweighs their own part, a swap evaluates that part again.
    """
    rows = talk([tiny(), tiny()], turns=4)
    shared = rows[0][1] - rows[1][1]
    assert shared > 150
    for turn, evaluated, new, prompt in rows:
        if prompt > 3 * shared:
            assert evaluated <= 1.1 * new + 8
            assert evaluated < prompt / 2
        else:
            assert turn == 0 or evaluated <= prompt - shared
    assert sum(prompt > 3 * shared for *_, prompt in rows) == 2


@pytest.mark.model
def test_the_reply_tells_what_it_came_from_and_the_wait_is_shown():
    model = tiny()
    assert model.describe()["weights"].startswith("sha256:b179c9523d0e")
    assert model.describe()["revision"].startswith("xllamacpp 20")
    done = ask(model)
    assert done.finish == "length"
    assert done.usage.output == SHORT.max_tokens
    assert model.window == 8192


def processes_of(model):
    """Return the numbers of the processes that serve, or are about to serve, a model."""
    name = str(model.state_file)
    return [one.pid for one in psutil.process_iter(["cmdline"]) if name in (one.info["cmdline"] or [])]


@pytest.mark.model
def test_kernels_share_one_process_also_when_they_start_it_at_once():
    models = [tiny(threads=2), tiny(threads=2)]
    assert not models[0].state_file.exists()
    notices = []

    async def both():
        asks = [
            complete(model, ASK, SHORT, Stop(), lambda chunk: notices.append(chunk.notice)) for model in models
        ]
        return await asyncio.gather(*asks)

    asyncio.run(both())
    pid = state_of(models[0])["pid"]
    deadline = time.monotonic() + 10  # the one that came second finds the lock taken and ends, in its own time
    while (mine := processes_of(models[0])) != [pid] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert mine == [pid]
    # It is nobody's child, so that no kernel takes it along.
    assert pid not in [child.pid for child in psutil.Process().children(recursive=True)]
    models[0].shut_down()
    assert gone(pid)


@pytest.mark.model
def test_only_the_owner_of_the_state_file_is_answered():
    model = tiny()
    ask(model)
    assert stat.S_IMODE(model.state_file.stat().st_mode) == 0o600
    url = f"http://127.0.0.1:{state_of(model)['port']}/v1/chat/completions"
    for headers in ({}, {"Authorization": "Bearer guess"}):
        request = urllib.request.Request(url, data=b'{"messages": []}', headers=headers)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=5)
        assert caught.value.code == 401
        caught.value.close()
    assert state_of(model)["token"] not in " ".join(psutil.Process(state_of(model)["pid"]).cmdline())


@pytest.mark.model
@pytest.mark.parametrize("when", ["between turns", "in a reply"])
def test_a_process_that_was_killed_is_started_again_once(when):
    model = tiny()
    ask(model)
    before = state_of(model)["pid"]
    restarts, killed = [], []

    def on_chunk(chunk):
        restarts.append(chunk.restart)
        if when == "in a reply" and chunk.text and not killed:
            killed.append(os.kill(before, signal.SIGKILL))

    if when == "between turns":
        os.kill(before, signal.SIGKILL)
    done = ask(model, sampling=Sampling(max_tokens=100), on_chunk=on_chunk)
    assert state_of(model)["pid"] != before
    assert when == "between turns" or any(restarts)
    assert done.usage.output == 100


@pytest.mark.alone
@pytest.mark.model
def test_stop_in_the_middle_of_a_reply_frees_the_model():
    model = tiny()
    ask(model)
    stop = Stop()
    times = {}

    def press():
        times["pressed"] = time.monotonic()
        stop.set()

    def on_chunk(chunk):
        if chunk.text and not times:
            times["timer"] = threading.Timer(0.0, press)
            times["timer"].start()

    with pytest.raises(StoppedError):
        ask(model, sampling=Sampling(max_tokens=2000), stop=stop, on_chunk=on_chunk)
    assert time.monotonic() - times["pressed"] <= 0.5
    times["timer"].join()
    begun = time.monotonic()
    ask(model)
    assert time.monotonic() - begun < 10


@pytest.mark.model
def test_a_kernel_that_is_killed_leaves_the_process_alone():
    model = tiny(threads=3)
    program = (
        "import asyncio, os, signal, sys\n"
        "from codeact_kernel.config import CodeAct\n"
        "from codeact_kernel.models.llamacpp import LlamaCppModel\n"
        "from codeact_kernel.models.weights import Weights\n"
        "from codeact_kernel.models.base import complete\n"
        "from codeact_kernel.agent.stop import Stop\n"
        "from codeact_kernel.types import Message, Sampling\n"
        "from pathlib import Path\n"
        "model = LlamaCppModel(Weights('smollm2-135m', Path(sys.argv[1]), sys.argv[2]), CodeAct(threads=3))\n"
        "asyncio.run(complete(model, [Message('user', 'hi')], Sampling(max_tokens=4), Stop(), lambda _: None))\n"
        "os.killpg(os.getpgid(0), signal.SIGKILL)\n"
    )
    found = weights_or_skip("smollm2-135m")
    ended = subprocess.run(
        [sys.executable, "-c", program, str(found.path), found.sha256],
        start_new_session=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == -signal.SIGKILL
    pid = state_of(model)["pid"]
    assert psutil.Process(pid).is_running()
    ask(model)
    assert state_of(model)["pid"] == pid
    model.shut_down()
    assert gone(pid)


@pytest.mark.model
def test_an_idle_process_ends_by_itself():
    model = tiny(threads=4, idle_minutes=0.05)
    ask(model)
    pid = state_of(model)["pid"]
    begun = time.monotonic()
    assert gone(pid, 10)
    assert time.monotonic() - begun > 1.5
    assert not model.state_file.exists()


def test_weights_that_cannot_be_loaded_are_one_sentence_with_the_reason(tmp_path):
    path = tmp_path / "bad.gguf"
    path.write_bytes(b"GGUF" + b"nonsense" * 20)
    model = LlamaCppModel(Weights("bad", path, "0" * 64), CodeAct())
    begun = time.monotonic()
    with pytest.raises(ModelError, match=r"^bad could not be loaded \(.*\); check the weights .*bad\.gguf\.$"):
        ask(model)
    assert time.monotonic() - begun < 20
    assert not model.state_file.exists()

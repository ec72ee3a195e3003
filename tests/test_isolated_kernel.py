"""The kernel `CodeAct (isolated)`: a notebook's own kernel inside bubblewrap, its model outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from faultserver import FaultServer, chat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from jupyter_client.session import Session
from kernel_client import Notebook, block, write_script

from codeact_kernel.agent.stop import Stop
from codeact_kernel.cli import main
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ConfigError, IncompleteReplyError, ModelError
from codeact_kernel.execute import isolated
from codeact_kernel.execute.relay import CHANNELS, Relay
from codeact_kernel.models.base import complete
from codeact_kernel.models.broker import Broker
from codeact_kernel.models.brokered import BrokeredModel
from codeact_kernel.types import Message, Sampling

here = pytest.mark.skipif(bool(isolated.why_not()), reason=isolated.why_not() or "isolated mode can be had")
KEY = "canary-key-0123456789"


@contextlib.contextmanager
def notebook(tmp_path, **traits):
    """Install the kernel, start it as Jupyter does, and give a client of it."""
    prefix, folder = tmp_path / "prefix", tmp_path / "work"
    folder.mkdir()
    assert main(["isolated", "install", "--prefix", str(prefix)]) == 0
    specs = KernelSpecManager()
    specs.kernel_dirs = [str(prefix / "share" / "jupyter" / "kernels")]
    manager = KernelManager(kernel_name="codeact-isolated", kernel_spec_manager=specs, **traits)
    manager.start_kernel(cwd=str(folder))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield Notebook(manager, client, folder)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@here
def test_a_notebook_of_the_isolated_kernel_asks_the_model_outside_and_never_sees_its_key(tmp_path, monkeypatch):
    look = f"import os, glob\nprint(any(b'{KEY}' in open(p, 'rb').read() for p in glob.glob('/proc/*/environ')))"
    look += "\nprint([name for name in os.environ if 'KEY' in name], os.path.exists('/etc/passwd'))"
    with FaultServer([chat(block("print(6 * 7)")), chat("It is 42.")]) as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_MODEL", "m")
        with notebook(tmp_path) as kernel:
            kernel.run("%load_ext codeact_kernel")
            assert kernel.run(look)[1] == "False\n[] False\n"
            reply, shown = kernel.run("%codeact what is six times seven")
            assert reply["status"] == "ok"
            assert "42\n" in shown
            assert "It is 42." in shown
            assert [key.removeprefix("bearer ") for key in server.keys] == [KEY, KEY]
            model = kernel.episode()["metadata"]["codeact"]["model"]
            assert (model["id"], model["backend"]) == ("m", "openai")
            assert "may not name the model" in kernel.run("%codeact --again -m gguf:/etc/passwd go")[1]


@here
def test_it_is_interrupted_and_restarted_as_any_kernel_and_leaves_nothing(tmp_path):
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with notebook(tmp_path) as kernel:
        reply, shown = kernel.run(
            "print('on')\nimport time\ntime.sleep(30)", interrupt_after=0.2, interrupt_on="on"
        )
        assert "KeyboardInterrupt" in shown
        assert reply["seconds_to_stop"] < 2
        ident = kernel.send("import time\ntime.sleep(30)")
        time.sleep(1)
        kernel.manager.signal_kernel(signal.SIGINT)  # as `kill -INT` of the process that Jupyter knows
        assert kernel._reply(ident)["ename"] == "KeyboardInterrupt"
        assert kernel.run("x = 41\nprint(x + 1)")[1] == "42\n"
        for now in (False, True):
            kernel.manager.restart_kernel(now=now)
            kernel.client.wait_for_ready(timeout=60)
            assert kernel.run("print('x' in globals())")[1] == "False\n"
        kernel.manager.shutdown_kernel()
        assert not kernel.manager.is_alive()
    assert {process.pid for process in psutil.Process().children(recursive=True)} - before == set()


@here
def test_it_speaks_encrypted_where_jupyter_asks_for_that(tmp_path):
    with notebook(tmp_path, transport_encryption="required") as kernel:
        assert kernel.client.curve_publickey
        assert kernel.run("print(6 * 7)")[1] == "42\n"


@here
def test_a_kernel_that_cannot_be_isolated_runs_nothing_and_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "work"))
    with notebook(tmp_path) as kernel:
        reply, shown = kernel.run(f"open({str(tmp_path / 'made')!r}, 'w')")
        assert reply["status"] == "error"
        assert "holds your home folder" in shown
        assert not (tmp_path / "made").exists()


def sent(kind, content):
    """Return the relay for a message and its frames, as a kernel would send them."""
    with tempfile.TemporaryDirectory(prefix="c-") as name:
        info = {"transport": "ipc", "key": "k", "signature_scheme": "hmac-sha256"}
        info |= {f"{channel}_port": number for number, channel in enumerate(CHANNELS, 1)}
        relay = Relay({**info, "ip": f"{name}/a"}, {**info, "ip": f"{name}/b"})
        try:
            session = Session(key=b"k")
            frames = relay.let_out(session.serialize(session.msg(kind, content), b"topic"))
        finally:
            relay.close()
    return None if frames is None else session.deserialize(session.feed_identities(frames)[1])["content"]


@pytest.mark.parametrize("kind", ["comm_open", "comm_msg", "comm_close", "strange"])
def test_comms_and_unknown_messages_stay_inside(kind):
    assert sent(kind, {"comm_id": "1", "target_name": "jupyter.widget", "data": {}}) is None


def test_text_passes_untouched_and_what_runs_in_a_page_does_not():
    assert sent("stream", {"name": "stdout", "text": "<script>"}) == {"name": "stdout", "text": "<script>"}
    mimes = {"text/plain": "x", "text/html": "<b onclick='y'>x</b><script>z</script>", "image/svg+xml": "<svg/>"}
    for kind in ("display_data", "execute_result", "update_display_data", "inspect_reply"):
        clean = sent(kind, {"data": {**mimes, "application/javascript": "z"}, "metadata": {"a": 1}})
        assert set(clean["data"]) <= {"text/plain", "text/html"}
        assert "script" not in json.dumps(clean)
        assert "onclick" not in json.dumps(clean)
    page = {"source": "page", "data": mimes, "start": 0}
    reply = sent("execute_reply", {"status": "ok", "payload": [page, {"source": "edit_magic", "filename": "/x"}]})
    assert [one["source"] for one in reply["payload"]] == ["page"]
    assert "script" not in json.dumps(reply)
    assert sent("kernel_info_reply", {"help_links": [{"url": "javascript:x"}]}) == {"help_links": []}
    assert sent("display_data", {"data": [1]}) == {"data": [1]} or sent("display_data", {"data": [1]}) is None


@contextlib.asynccontextmanager
async def broker(config):
    """Start a broker and give what makes a client of it."""
    with tempfile.TemporaryDirectory(prefix="c-") as name:
        path = Path(name) / "model.sock"
        one = Broker(config)
        await one.start(path)
        try:
            yield lambda spec="auto": asyncio.to_thread(BrokeredModel, spec, path=str(path))
        finally:
            await one.close()


async def ask(model):
    return await complete(model, [Message("user", "go")], Sampling(), Stop(), lambda _: None)


def test_replies_pass_the_broker_whole_or_not_at_all():
    cut = chat("half", "way").but(pieces=chat("half", "way").pieces[:2], end="cut")

    async def use():
        with FaultServer([chat("whole"), cut]) as server:
            config = CodeAct(model="openai:m", base_url=server.url, retries=0)
            async with broker(config) as client:
                model = await client()
                done = await ask(model)
                assert (done.text, done.finish, done.usage.input) == ("whole", "stop", 11)
                with pytest.raises(IncompleteReplyError, match="broke the connection"):
                    await ask(model)
            with pytest.raises(ModelError, match="restart the kernel"):
                await ask(model)

    asyncio.run(use())


def test_a_kernel_names_only_models_that_read_no_files_outside(tmp_path):
    script = write_script(tmp_path, "hello")

    async def use():
        async with broker(CodeAct(model=script)) as client:
            for spec in ("gguf:/etc/passwd", "hf:/etc", "llamacpp:/etc/x.gguf", "brokered:x", "nonsense"):
                with pytest.raises(ConfigError):
                    await client(spec)
            model = await client()
            assert (await ask(model)).text == "hello"
            assert model.backend == "scripted"

    asyncio.run(use())


def test_a_stream_that_is_closed_ends_the_call_outside():
    async def use():
        with FaultServer([chat("a", "b").but(pieces=chat("a").pieces[:2], end="hang")]) as server:
            config = CodeAct(model="openai:m", base_url=server.url)
            async with broker(config) as client:
                model = await client()
                stream = model.stream([Message("user", "go")], Sampling(), Stop())
                assert (await anext(stream)) is not None
                assert server.open == 1
                await stream.aclose()
                for _ in range(100):
                    if server.open == 0:
                        return
                    await asyncio.sleep(0.02)
                raise AssertionError("the call outside goes on")

    asyncio.run(use())


@here
def test_the_kernel_is_added_and_removed_and_others_are_left_alone(tmp_path, capsys):
    add = ["isolated", "install", "--prefix", str(tmp_path), "--allow-host", "pypi.org", "--memory", "2G"]
    assert main(add) == 0
    spec = json.loads((tmp_path / "share/jupyter/kernels/codeact-isolated/kernel.json").read_text())
    assert spec["display_name"] == "CodeAct (isolated)"
    assert spec["argv"][0] == sys.executable
    assert "pypi.org" in spec["argv"]
    assert str(2 * 10**9) in spec["argv"]
    assert main(["isolated", "remove", "--prefix", str(tmp_path)]) == 0
    assert main(["isolated", "remove", "--prefix", str(tmp_path)]) == 2
    other = tmp_path / "share/jupyter/kernels/other"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text(json.dumps({"argv": ["x"], "display_name": "x", "language": "x"}))
    assert main(["isolated", "remove", "--prefix", str(tmp_path), "--name", "other"]) == 2
    assert other.is_dir()
    assert main(["isolated", "install", "--prefix", str(tmp_path), "--allow-host", "a/b"]) == 2
    assert "not one of ours" in capsys.readouterr().err

"""Kernels inside bubblewrap: what they reach, what comes out of them, and a plain refusal where they cannot be."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from episode_helpers import PNG, load
from faultserver import FaultServer, chat
from hypothesis import given
from hypothesis import strategies as st
from kernel_client import block, write_script

from codeact_kernel import sandbox_check
from codeact_kernel.cli import main
from codeact_kernel.errors import ConfigError, ExecutionError
from codeact_kernel.execute import isolated
from codeact_kernel.execute.allowed_hosts import HostProxy
from codeact_kernel.execute.fresh import FreshExecutor
from codeact_kernel.execute.isolated import Isolation
from codeact_kernel.execute.isolated_outputs import clean_html, passed

here = pytest.mark.skipif(bool(isolated.why_not()), reason=isolated.why_not() or "isolated mode can be had")


@here
def test_everything_that_the_check_tries_is_as_it_should_be():
    found = asyncio.run(sandbox_check.check())
    assert len(found) >= 20
    assert [one for one in found if not one.right] == []
    assert {one.reached for one in found} == {True, False}


@here
def test_a_kernel_answers_stops_within_a_second_and_leaves_nothing(tmp_path):
    async def use():
        executor = FreshExecutor(cwd=tmp_path, isolation=Isolation())
        await executor.start()
        try:
            shown = await executor.run("import os\nprint(os.getcwd())\n6 * 7")
            began = time.monotonic()
            late = await executor.run("import time\ntime.sleep(30)", timeout=0.5)
            took = time.monotonic() - began
            kept = await executor.run("print(6 * 7)")
            dead = await executor.run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
            return shown, late, took, kept, dead
        finally:
            await executor.close()

    before = {p.pid for p in psutil.Process().children(recursive=True)}
    shown, late, took, kept, dead = asyncio.run(use())
    assert shown.outputs[0]["text"].strip() == str(tmp_path)
    assert (late.status, kept.outputs[0]["text"], dead.status) == ("timeout", "42\n", "dead")
    assert took < 2
    assert {p.pid for p in psutil.Process().children(recursive=True)} - before == set()


@here
def test_limits_end_the_kernel_with_the_reason(tmp_path):
    async def use(code, isolation):
        executor = FreshExecutor(cwd=tmp_path, isolation=isolation)
        await executor.start()
        try:
            return await executor.run(code, timeout=20)
        finally:
            await executor.close()

    big = "import time\nx = [bytearray(50_000_000) for _ in range(12)]\ntime.sleep(9)"
    assert "more than 0.3 GB" in asyncio.run(use(big, Isolation(memory=300_000_000))).error.evalue


@here
def test_an_allowed_host_is_reached_and_no_other(tmp_path):
    with FaultServer([chat("hello")]) as server, FaultServer([chat("other")]) as other:
        port, closed = (int(one.url.split(":")[2].split("/")[0]) for one in (server, other))
        code = f"""
import urllib.request, urllib.error
print(len(urllib.request.urlopen('http://127.0.0.1:{port}/x', data=b'null').read()) > 10)
for url in ('http://127.0.0.1:{closed}/x', 'http://example.com/'):
    try:
        print(urllib.request.urlopen(url, data=b'null').status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""

        async def use():
            executor = FreshExecutor(cwd=tmp_path, isolation=Isolation(hosts=(f"127.0.0.1:{port}",)))
            await executor.start()
            try:
                await executor.run("import os\nos.environ.pop('no_proxy', None)")
                return await executor.run(code, timeout=20)
            finally:
                await executor.close()

        found = asyncio.run(use())
        assert found.outputs[0]["text"] == "True\n403\n403\n", found
        assert other.requests == []


@here
def test_an_isolated_task_is_an_episode_and_the_keys_stay_outside(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", "canary-key-0123456789")
    (tmp_path / "data.csv").write_text("a\n41\n")
    look = (
        "import os\nprint(open('data.csv').read(), 'OPENAI_API_KEY' in os.environ, os.path.exists('/etc/passwd'))"
    )
    script = write_script(tmp_path.parent, block(look), "It is 41.")
    out = tmp_path.parent / f"{tmp_path.name}.ipynb"
    args = ["run", "go", "--isolated", "-m", script, "--cwd", str(tmp_path), "-o", str(out), "--approve", "auto"]
    assert main([*args, "-q"]) == 0
    assert "It is 41." in capsys.readouterr().out
    assert "False False" in json.dumps(load(out))


def test_the_home_folder_is_never_let_in(monkeypatch, tmp_path):
    monkeypatch.setattr(isolated, "why_not", lambda: "")
    for folder in (Path.home(), Path("/")):
        with pytest.raises(ExecutionError, match="holds your home folder"):
            isolated.prepare(Isolation(), folder, tmp_path)


def test_a_machine_that_cannot_isolate_refuses_in_one_sentence_and_runs_nothing(tmp_path):
    script = write_script(tmp_path, block("open('ran', 'w')"), "Done.")
    folder = tmp_path / "work"
    folder.mkdir()
    command = [
        sys.executable,
        "-m",
        "codeact_kernel.cli",
        "run",
        "go",
        "--isolated",
        "-m",
        script,
        "--approve",
        "auto",
    ]
    env = {**os.environ, "PATH": str(tmp_path)}  # no bubblewrap there
    done = subprocess.run([*command, "--cwd", str(folder)], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "Isolated mode" in line
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--allow-host", "x"], "add --isolated"),
        (["--isolated", "--memory", "lots"], "no size"),
        (["--isolated", "--memory", "1k"], "at least 100M"),
        (["--isolated", "--processes", "0"], "from 1"),
        (["--isolated", "--mcp", "x.json"], "cannot reach"),
    ],
)
def test_options_that_cannot_be_used_are_one_sentence(options, words, tmp_path, capsys):
    assert main(["run", "go", "-m", write_script(tmp_path, "Yes."), *options]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("text", ["a/b", "", "x:y", "http://x"])
def test_hosts_that_are_none_are_refused(text):
    with pytest.raises(ConfigError, match="HOST"):
        HostProxy([text])


def test_a_name_that_leads_into_this_network_is_not_followed():
    async def look():
        proxy = HostProxy(["localhost:1", "inside.test"])
        proxy_loop = asyncio.get_running_loop()

        async def resolved(*_, **__):
            return [(None, None, None, "", ("10.0.0.1", 80))]

        proxy_loop.getaddrinfo = resolved
        return await proxy._address("inside.test", 80), await proxy._address("other.test", 80)

    assert asyncio.run(look()) == (None, None)


SCRIPTS = [
    {"application/javascript": "alert(1)"},
    {"image/svg+xml": "<svg onload='alert(1)'/>"},
    {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}},
    {"text/html": "<script>alert(1)</script>"},
    {"text/html": "<img src=x onerror=alert(1)>"},
    {"text/html": "<iframe srcdoc='<script>alert(1)</script>'></iframe>"},
    {"text/html": "<a href='javascript:alert(1)'>x</a><b style='background:url(http://x)'>y</b>"},
    {"text/html": "<style>@import 'http://x'</style><form action=http://x><input></form>"},
    {"text/markdown": "<img src=http://x/beacon>"},
    {"image/png": "PHN2Zy8+"},
]


@pytest.mark.parametrize("data", SCRIPTS)
def test_nothing_that_runs_or_loads_passes(data):
    text = json.dumps(passed({"output_type": "display_data", "data": data, "metadata": {"isolated": True}}))
    assert not any(
        word in text for word in ("alert", "http", "onerror", 'svg+xml": ', "model_id", "PHN2", "<img", "style=")
    )


def test_what_may_pass_passes():
    table = "<table><tr><th>a</th></tr><tr><td>1</td></tr></table>"
    data = {
        "text/plain": "x",
        "application/json": {"a": [1]},
        "image/png": base64.b64encode(PNG).decode(),
        "text/html": table,
    }
    kept = passed({"output_type": "display_data", "data": data})["data"]
    assert "<td>1</td>" in kept.pop("text/html")
    assert kept == {name: data[name] for name in kept}
    assert len(kept) == 3


@given(st.text(alphabet="<>/\"'=abscriptonerrsvg:() \n&#x;", max_size=80))
def test_no_html_gets_a_script_or_an_address_through(text):
    clean = clean_html(f"{text}<script>1</script>").lower()
    assert "<script" not in clean
    assert "javascript:" not in clean
    assert "<svg" not in clean

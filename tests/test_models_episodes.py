"""Whole episodes through real servers on the loopback: `transformers serve` and llama.cpp's, strangers to us.

Their model is a tiny one that says the same cell after every prompt, so what is looked at is the way there and back.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import codeact_kernel
from codeact_kernel.config import CodeAct
from codeact_kernel.episode.chat import check_messages
from codeact_kernel.models.anthropic import AnthropicModel
from codeact_kernel.models.openai import OpenAIModel

SAYS = (
    "I count.\n",
    "```python\n",
    "seen = globals().get('seen', 0) + 1\n",
    "print('seen', seen)\n",
    "if seen == 2:\n",
    "    final_answer(seen * 21)\n",
    "```",
)
START_SECONDS = 90
# llama.cpp's server as a program of its own, with nothing of ours; it prints where it listens.
LLAMACPP = """
import sys, time, xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path, parameters.model_alias = sys.argv[1], {"parrot"}
parameters.hostnames, parameters.port = ["127.0.0.1"], int(sys.argv[2])
parameters.n_ctx, parameters.n_parallel, parameters.ui = 8192, 1, False
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(parameters)
time.sleep(600)
"""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def serving(command, port, log):
    """Start a server, yield its URL when it says that it is well, and end it."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, env=environment) as process:
        try:
            until = time.monotonic() + START_SECONDS
            while not is_well(port):
                if process.poll() is not None or time.monotonic() > until:
                    pytest.fail(f"the server did not start:\n{log.read_text()[-2000:]}")
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


def is_well(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="module")
def transformers_serve(tmp_path_factory):
    """(URL, model's name) of `transformers serve`."""
    for package in ("torch", "transformers", "fastapi", "uvicorn"):
        pytest.importorskip(
            package, reason=f"{package} is not installed: pip install 'transformers[serving]' torch"
        )
    import tiny_models

    folder = tiny_models.save_parrot(tmp_path_factory.mktemp("models") / "parrot", SAYS)
    program, port = Path(sys.executable).with_name("transformers"), free_port()
    command = [str(program), "serve", str(folder), "--port", str(port), "--device", "cpu", "--host", "127.0.0.1"]
    for url in serving(command, port, folder / "log.txt"):
        yield url, str(folder)


@pytest.fixture(scope="module")
def llamacpp(tmp_path_factory):
    """(URL, model's name) of llama.cpp's server."""
    for package in ("xllamacpp", "gguf"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install '.[local,transformers]'")
    import tiny_models

    file, port = tmp_path_factory.mktemp("models") / "parrot.gguf", free_port()
    tiny_models.save_gguf(file, says=SAYS)
    for url in serving([sys.executable, "-c", LLAMACPP, str(file), str(port)], port, file.with_suffix(".log")):
        yield url, "parrot"


def episode(model, folder):
    result = codeact_kernel.run("Count.", model=model, cwd=folder, out=folder / "e.ipynb", approve="auto")
    notebook = json.loads(result.episode.read_bytes())
    assert (result.status, result.answer, result.steps) == ("done", "42", 2), result.cause
    records = [cell["metadata"]["codeact"].get("record", {}) for cell in notebook["cells"]]
    replies = [record["text"] for record in records if "request" in record]
    assert replies == ["".join(SAYS)] * 2
    assert check_messages(notebook) == []
    return result


def test_transformers_serve_carries_an_episode(transformers_serve, tmp_path):
    url, name = transformers_serve
    model = OpenAIModel(name, base_url=url, config=CodeAct(retries=0), sees_images=False)
    result = episode(model, tmp_path)
    # The mark that ends a reply may count.
    assert result.usage.output in {2 * len(SAYS), 2 * len(SAYS) + 2}
    assert result.usage.input > 2 * 1000


def test_llamacpps_server_carries_an_episode_in_openais_format(llamacpp, tmp_path):
    url, name = llamacpp
    result = episode(OpenAIModel(name, base_url=url, config=CodeAct(retries=0), sees_images=False), tmp_path)
    assert result.usage.cached > 0.4 * result.usage.input


def test_llamacpps_server_carries_an_episode_in_anthropics_format(llamacpp, tmp_path):
    url, name = llamacpp
    episode(AnthropicModel(name, base_url=url, config=CodeAct(retries=0), sees_images=False), tmp_path)

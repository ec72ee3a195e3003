"""`codeact doctor` on machines where all is well, and on those where something is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from faultserver import FaultServer, chat, error
from kernel_client import write_script

from codeact_kernel import __version__, doctor_jupyter
from codeact_kernel.models import weights

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sk-canary-0123456789"


class Machine:
    """A machine with folders of its own; `run` returns (exit code, JSON, stderr)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.profile = folder / "ipython" / "profile_default"
        self.profile.mkdir(parents=True)
        self.env = {
            **os.environ,
            "CODEACT_CACHE": str(folder / "cache"),
            "IPYTHONDIR": str(self.profile.parent),
            "JUPYTER_PATH": str(folder / "data"),  # comes before what the virtual environment has
            "JUPYTER_DATA_DIR": str(folder / "user"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
        }

    def script(self, *replies):
        return write_script(self.folder, *replies)

    def call(self, *args):
        command = [sys.executable, "-m", "codeact_kernel.cli", "doctor", *args]
        return subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False)

    def run(self, *args):
        done = self.call("--json", *args)
        assert "Traceback" not in done.stderr
        assert KEY not in done.stdout + done.stderr
        found = json.loads(done.stdout)
        assert found["well"] == (done.returncode == 0)
        for check in found["checks"]:
            assert check["said"].endswith(".")
            assert (check["status"] == "wrong") == bool(check["fix"])
            assert "\n" not in check["said"] + check["fix"]
            assert not check["fix"] or check["fix"].endswith(".")
        return done.returncode, found

    def put_panel(self, version=__version__):
        folder = self.folder / "data" / "labextensions" / doctor_jupyter.PANEL
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(json.dumps({"name": doctor_jupyter.PANEL, "version": version}))


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def about(found, topic, status=None):
    return [check for check in found["checks"] if check["topic"] == topic and status in (None, check["status"])]


def test_all_is_well_with_a_model_that_answers_a_kernel_and_a_panel(machine):
    machine.put_panel()
    code, found = machine.run("-m", machine.script("1, 2, 3"))
    assert (code, found["well"], found["version"]) == (0, True, __version__)
    (model,), (answer,) = about(found, "model"), about(found, "answer")
    assert model["facts"]["backend"] == "scripted"
    assert "the setting model is" in model["said"]
    assert answer["facts"]["prompt_tokens"] > 300
    assert answer["facts"]["cached_tokens"] == 0
    (kernel,), (panel,) = about(found, "kernel"), about(found, "panel")
    assert (kernel["facts"]["version"], panel["facts"]["version"]) == (__version__, __version__)
    assert kernel["facts"]["seconds"] > 0
    assert panel["facts"]["jupyterlab"].startswith("4.")


def test_without_a_model_everything_else_is_looked_at_all_the_same(machine):
    machine.put_panel()
    code, found = machine.run()
    assert code == 1
    (model,) = about(found, "model")
    assert model["said"] == "No model is configured."
    assert model["fix"].startswith("Run `codeact models pull qwen2.5-coder-1.5b`, or set OPENAI_API_KEY")
    assert about(found, "answer") == []
    assert [check["status"] for check in found["checks"] if check["topic"] != "model"] == ["ok"] * 5


def test_people_read_lines_with_what_to_do_below(machine):
    machine.put_panel()
    done = machine.call("-m", "lamacpp:x")
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "")
    assert lines[0].startswith(f"codeact-kernel {__version__}, Python 3.")
    at = next(number for number, line in enumerate(lines) if line.startswith("WRONG model"))
    assert "There is no model 'lamacpp:x'" in lines[at]
    assert lines[at + 1].strip() == "-> `codeact models list` shows the embedded ones."
    assert lines[-1] == "1 thing is wrong."


def test_an_endpoint_is_timed_and_its_key_not_shown(machine):
    slow = chat("1, 2", ", 3")
    slow = slow.but(pieces=(*slow.pieces[:1], 0.4, slow.pieces[1], 0.2, *slow.pieces[2:]))
    with FaultServer([slow]) as server:
        machine.env |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url, "OPENAI_MODEL": "m"}
        _, found = machine.run()
        (request,) = server.requests
    assert request["max_tokens"] == 48
    (answer,) = about(found, "answer")
    assert answer["facts"]["first_token_seconds"] >= 0.4
    assert (answer["facts"]["prompt_tokens"], answer["facts"]["cached_tokens"]) == (11, 7)
    assert 0 < answer["facts"]["decode_tokens_per_second"] <= 2 / 0.2
    # Four tokens that were read are no speed.
    assert answer["facts"]["prefill_tokens_per_second"] is None
    assert "7 of them cached" in answer["said"]
    assert "auto takes the endpoint, for OPENAI_API_KEY is set" in about(found, "model")[0]["said"]
    variables = about(found, "settings")[1]["facts"]
    assert (variables["OPENAI_API_KEY"], variables["OPENAI_MODEL"]) == ("set", "m")


def test_an_endpoint_that_refuses_is_wrong_and_says_what_to_do(machine):
    with FaultServer([error(401, f"bad {KEY}")]) as server:
        machine.env |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url, "OPENAI_MODEL": "m"}
        code, found = machine.run()
        assert len(server.requests) == 1
        machine.run("--no-request")
        assert len(server.requests) == 1
    (answer,) = about(found, "answer", "wrong")
    assert code == 1
    assert "The key in OPENAI_API_KEY was refused" in answer["said"]
    assert answer["fix"] == "Set a valid one."


def test_settings_are_told_with_where_they_come_from(machine):
    (machine.profile / "ipython_config.py").write_text("c.CodeAct.max_steps = 7\nc.CodeAct.temperature = 0.5\n")
    machine.env |= {"CODEACT_TEMPERATURE": "0.25", "CODEACT_EXTRA_BODY": '{"api_key": "' + KEY + '"}'}
    _, found = machine.run("--no-request", "-m", machine.script("x"))
    known = about(found, "settings")[0]["facts"]["set"]
    assert known["max_steps"]["value"] == 7
    assert known["max_steps"]["from"].endswith("ipython_config.py, notebooks only")
    assert known["temperature"] == {"value": 0.25, "from": "CODEACT_TEMPERATURE"}
    assert known["extra_body"]["value"] == ["api_key"]


@pytest.mark.parametrize(
    ("env", "said", "fix"),
    [
        ({"CODEACT_MAX_STEPS": "many"}, "'many' is not a value", "Correct or unset CODEACT_MAX_STEPS."),
        ({"CODEACT_MODLE": "x"}, "CODEACT_MODLE is set", "Rename it to CODEACT_MODEL, or unset it."),
    ],
)
def test_variables_that_do_nothing_are_wrong(machine, env, said, fix):
    machine.put_panel()
    machine.env |= env
    code, found = machine.run("--no-request", "-m", machine.script("x"))
    (fault,) = [check for check in found["checks"] if check["status"] == "wrong"]
    assert code == 1
    assert said in fault["said"]
    assert fault["fix"] == fix


def test_a_profile_that_cannot_be_read_is_named(machine):
    (machine.profile / "ipython_config.py").write_text("c.CodeAct.max_steps = \n")
    _, found = machine.run("--no-request", "-m", machine.script("x"))
    (fault,) = about(found, "settings", "wrong")
    assert "ipython_config.py cannot be read (SyntaxError" in fault["said"]


def test_weights_that_are_cut_or_half_there_are_told(machine, monkeypatch):
    monkeypatch.setenv("CODEACT_CACHE", machine.env["CODEACT_CACHE"])
    small, large = (weights.path_of(weights.find(name)) for name in ("smollm2-135m", "qwen2.5-coder-0.5b"))
    large.with_suffix(".partial").mkdir(parents=True)
    small.write_bytes(b"GGUF and no more")
    _, found = machine.run("--no-request", "-m", machine.script("x"))
    (fault,), (note,) = about(found, "weights", "wrong"), about(found, "weights", "note")
    assert fault["said"] == "The weights of smollm2-135m have 16 bytes instead of 98,362,432."
    assert "qwen2.5-coder-0.5b was cut off" in note["said"]
    assert about(found, "weights", "ok")[0]["facts"]["models"]["smollm2-135m"]["here"] is False


def test_a_panel_that_is_missing_old_or_off_is_wrong(machine):
    script = machine.script("x")

    def panel():
        return about(machine.run("--no-request", "-m", script)[1], "panel")[0]

    machine.put_panel("0.0.1")
    assert "is of version 0.0.1" in panel()["said"]
    machine.put_panel()
    settings = machine.folder / "config" / "labconfig"
    settings.mkdir(parents=True)
    (settings / "page_config.json").write_text(json.dumps({"disabledExtensions": {doctor_jupyter.PANEL: True}}))
    assert panel()["fix"] == f"Run `jupyter labextension enable {doctor_jupyter.PANEL}`."


def test_a_kernel_without_us_is_wrong(machine):
    """The kernelspec python3 of this machine starts an interpreter that cannot import codeact_kernel."""
    spec = machine.folder / "data" / "kernels" / "python3"
    spec.mkdir(parents=True)
    hide = "import sys; sys.modules['codeact_kernel'] = None; from ipykernel.kernelapp import launch_new_instance as f; f()"
    argv = [sys.executable, "-c", hide, "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "x", "language": "python"}))
    _, found = machine.run("--no-request", "-m", machine.script("x"))
    (fault,) = about(found, "kernel", "wrong")
    assert "`%load_ext codeact_kernel` fails in it (ModuleNotFoundError" in fault["said"]


def test_a_model_that_says_nothing_is_wrong(machine):
    _, found = machine.run("-m", machine.script(""))
    (answer,) = about(found, "answer", "wrong")
    assert answer["said"] == "It ended its reply without a word."


def second_turn(machine, spec):
    """Look at a model of this machine; return what is said of its reply and of its second turn."""
    machine.env |= {"CODEACT_EXTRA_BODY": '{"ignore_eos": True}', "CODEACT_THREADS": "1"}
    try:
        _, found = machine.run("-m", spec)
    finally:
        for state in (machine.folder / "cache" / "servers").glob("*.json"):
            state.unlink()
    (answer,), (cache,) = about(found, "answer", "ok"), about(found, "cache", "ok")
    return answer, cache


def holds_what_was_read(answer, cache):
    assert answer["facts"]["cached_tokens"] == 0
    assert answer["facts"]["reply_tokens"] == 48
    assert answer["facts"]["prefill_tokens_per_second"] > 0
    assert answer["facts"]["decode_tokens_per_second"] > 0
    kept = answer["facts"]["prompt_tokens"] + answer["facts"]["reply_tokens"]
    # A reply may be read in other tokens than it was written in.
    assert kept * 0.9 < cache["facts"]["cached_tokens"] <= kept < cache["facts"]["prompt_tokens"]


def test_a_transformers_model_is_timed_and_its_second_turn_reads_what_is_new(machine):
    for module in ("torch", "transformers"):
        pytest.importorskip(module, reason=f"{module} is not installed: pip install '.[transformers,test]'")
    import tiny_models

    folder = tiny_models.save(machine.folder / "tiny", max_position_embeddings=8192)
    holds_what_was_read(*second_turn(machine, f"hf:{folder}"))


@pytest.mark.model
def test_the_embedded_model_is_timed_and_its_second_turn_reads_what_is_new(machine):
    found = weights.path_of(weights.find("qwen2.5-coder-0.5b"))
    if not found.is_file():
        pytest.skip("its weights are not here: codeact models pull qwen2.5-coder-0.5b")
    holds_what_was_read(*second_turn(machine, f"gguf:{found}"))

"""`codeact` as a shell sees it: its two streams, its exit codes, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import nbformat
import psutil
import pytest
from episode_helpers import load, names
from kernel_client import block, started, write_script

from codeact_kernel import __version__

MARK = "MARK_OF_A_TEST"
GOOD = [block("print(6 * 7)"), "It is 42."]
SLEEPS = block("import time\nopen('begun', 'w').close()\ntime.sleep(60)")


class Shell:
    """Runs the command in a folder; `processes` finds whatever it started and left."""

    def __init__(self, folder: Path, scripts: Path) -> None:
        self.folder, self.scripts = folder, scripts
        self.mark = uuid.uuid4().hex
        self.env = {**os.environ, MARK: self.mark}

    def script(self, *replies):
        return write_script(self.scripts, *replies)

    def start(self, *args, **more):
        return subprocess.Popen(
            [sys.executable, "-m", "codeact_kernel.cli", *map(str, args)],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def run(self, *args, stdin=""):
        process = self.start(*args)
        out, err = process.communicate(stdin, timeout=60)
        return process.returncode, out, err

    def processes(self):
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.cmdline())
            except psutil.Error:
                continue
        return found

    def episode(self):
        (path,) = (self.folder / "episodes").glob("*.ipynb")
        nbformat.validate(nbformat.read(path, as_version=4))
        return load(path)


@pytest.fixture
def shell(tmp_path):
    for name in ("work", "scripts"):
        (tmp_path / name).mkdir()
    made = Shell(tmp_path / "work", tmp_path / "scripts")
    yield made
    assert made.processes() == []


def observations(notebook):
    records = [cell["metadata"]["codeact"].get("record") or {} for cell in notebook["cells"]]
    return [record["observation"]["text"] for record in records if record.get("observation")]


def test_json_is_one_object_on_the_last_line_of_stdout(shell):
    code, out, err = shell.run("run", "How many?", "-m", shell.script(*GOOD), "--json")
    assert code == 0
    result = json.loads(out.splitlines()[-1])
    assert set(result) == {"status", "answer", "cause", "episode", "steps", "usage"}
    assert (result["status"], result["answer"], result["cause"], result["steps"]) == ("done", "It is 42.", None, 2)
    assert set(result["usage"]) == {"input", "output", "cached", "calls"}
    assert result["usage"]["calls"] == 2
    assert load(shell.folder / result["episode"])["metadata"]["codeact"]["status"] == "done"
    assert "print(6 * 7)" in err
    assert "42" in err
    assert names(shell.folder / "episodes") == {Path(result["episode"]).name}


def test_the_answer_goes_to_stdout_and_quiet_leaves_one_line_on_stderr(shell):
    code, out, err = shell.run("run", "How many?", "-m", shell.script(*GOOD), "--quiet", "--out", "here.ipynb")
    assert (code, out) == (0, "It is 42.\n")
    assert err == "episode: here.ipynb\n"
    assert names(shell.folder) == {"here.ipynb"}
    assert not [text for text in observations(load(shell.folder / "here.ipynb")) if "here.ipynb" in text]


def test_the_kernel_works_in_the_folder_it_is_given_and_the_task_comes_from_stdin(shell):
    (shell.folder / "data").mkdir()
    (shell.folder / "data" / "x.csv").write_text("a\n7\n")
    model = shell.script(block("print(open('x.csv').read())"), "It is 7.")
    code, out, _ = shell.run("run", "-", "-q", "-m", model, "--cwd", "data", stdin="What is\nin x.csv?\n")
    assert (code, out) == (0, "It is 7.\n")
    assert names(shell.folder) == {"data", "episodes"}
    notebook = shell.episode()
    assert "7" in observations(notebook)[0]
    assert "What is\nin x.csv?" in "".join(notebook["cells"][2]["source"])
    assert "episodes" not in json.dumps(observations(notebook))


@pytest.mark.parametrize(
    ("replies", "options", "status", "words"),
    [
        ([], (), "failed", "no reply left"),
        ([block("1 / 0")] * 7, (), "failed", "same failing code"),
        ([block("1"), block("2")], ("--max-steps", "1"), "limit", "--max-steps"),
    ],
)
def test_a_task_without_an_answer_is_exit_code_1_with_its_cause(shell, replies, options, status, words):
    code, out, err = shell.run("run", "Go.", "--json", "-q", "-m", shell.script(*replies), *options)
    result = json.loads(out)
    assert (code, result["status"], result["answer"]) == (1, status, None)
    assert words in result["cause"]
    assert err == ""
    assert shell.episode()["metadata"]["codeact"]["status"] == status


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["run", "Go.", "--nonsense"], "--nonsense"),
        (["run"], "TASK"),
        ([], "COMMAND"),
        (["run", "Go.", "--approve", "maybe"], "maybe"),
        (["run", "Go.", "--max-steps", "many"], "max_steps"),
        (["run", "Go.", "--max-steps", "0"], "max_steps"),
        (["run", "Go.", "--cwd", "nowhere"], "nowhere"),
        (["run", "", "-m", "GOOD"], "empty"),
        (["run", "-", "-m", "GOOD"], "empty"),
        (["run", "Go.", "-m", "scripted:none.jsonl"], "none.jsonl"),
        (["run", "Go.", "-m", "nosuch:thing"], "nosuch:thing"),
        (["run", "Go.", "-m", "llamacpp:nosuch"], "nosuch"),
        (["run", "Go.", "-m", "openai:"], "openai:NAME"),
        (["run", "Go.", "-m", "openai:gpt-5"], "OPENAI_API_KEY"),
        (["run", "Go.", "-m", "GOOD", "--out", "taken.ipynb"], "taken.ipynb exists"),
        (["run", "Go.", "-m", "GOOD", "--out", "no/such/folder.ipynb"], "cannot be written"),
        (["run", "Go.", "-m", "GOOD", "--out", "taken.ipynb/x.ipynb"], "cannot be written"),
    ],
)
def test_misuse_is_exit_code_2_and_one_sentence(shell, args, words):
    (shell.folder / "taken.ipynb").write_text("mine")
    good = shell.script(*GOOD)
    code, out, err = shell.run(*(good if arg == "GOOD" else arg for arg in args))
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if line.startswith("codeact")]) == 1
    assert names(shell.folder) == {"taken.ipynb"}
    assert (shell.folder / "taken.ipynb").read_text() == "mine"


def test_without_any_model_it_names_the_three_ways_out_at_once(shell, tmp_path):
    (tmp_path / "cache").mkdir()
    shell.env |= {"CODEACT_CACHE": str(tmp_path / "cache")}
    began = time.monotonic()
    code, out, err = shell.run("run", "Go.")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    for way in ("codeact models pull", "OPENAI_API_KEY", "-m"):
        assert way in err
    assert time.monotonic() - began < 15


def test_a_bad_setting_in_the_environment_is_named(shell):
    shell.env |= {"CODEACT_MAX_STEPS": "many"}
    code, _, err = shell.run("run", "Go.", "-m", shell.script(*GOOD))
    assert code == 2
    assert "'many'" in err
    assert len(err.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("group", [False, True], ids=["process", "terminal"])
@pytest.mark.parametrize("busy", ["model", "cell"])
def test_an_interrupt_saves_the_episode_and_leaves_no_process(shell, busy, group):
    replies = [block("x = 1"), {"text": "Yes.", "delay_s": 60}] if busy == "model" else [block("x = 1"), SLEEPS]
    process = shell.start(
        "run", "Go.", "--json", "-m", shell.script(*replies), "--approve", "auto", start_new_session=group
    )
    seen = ""
    while "step 2" not in seen:
        seen = process.stderr.readline()
        assert seen, "it ended before it could be interrupted"
    while busy == "cell" and not (shell.folder / "begun").exists():
        time.sleep(0.02)
    time.sleep(0.2)
    pressed = time.monotonic()
    (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - pressed < 2.0
    assert process.returncode == 130, err
    assert "Traceback" not in err
    result = json.loads(out.splitlines()[-1])
    assert (result["status"], result["answer"]) == ("interrupted", None)
    assert shell.episode()["metadata"]["codeact"]["status"] == "interrupted"
    assert shell.episode()["metadata"]["codeact"]["steps"] == (1 if busy == "model" else 2)
    assert len(names(shell.folder / "episodes")) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_a_killed_command_takes_its_kernel_with_it_and_can_be_recovered(shell):
    process = shell.start("run", "Go.", "-q", "-m", shell.script(block("x = 1"), SLEEPS), "--approve", "auto")
    while not (shell.folder / "begun").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.communicate()
    code, out, _ = shell.run("recover", "episodes")
    assert code == 0
    assert load(shell.folder / out.strip())["metadata"]["codeact"]["steps"] == 1
    until = time.monotonic() + 10
    while shell.processes() and time.monotonic() < until:
        time.sleep(0.1)


@pytest.mark.parametrize("json_too", [False, True])
def test_an_episode_that_cannot_be_saved_is_said_and_not_claimed(shell, json_too):
    (shell.folder / "episodes").write_text("in the way")
    code, out, err = shell.run("run", "Go.", "-q", "-m", shell.script(*GOOD), *(["--json"] if json_too else []))
    assert code == 0
    assert "cannot be saved" in err
    if json_too:
        assert json.loads(out)["episode"] is None
    else:
        assert out == "It is 42.\n"
        assert "--out" in err


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_an_answer_that_the_terminal_cannot_show_is_shown_escaped(shell, encoding):
    shell.env |= {"PYTHONIOENCODING": encoding}
    code, out, err = shell.run("run", "Go.", "-m", shell.script(block("1"), "A lone \ud800 half, caf\u00e9."))
    assert code == 0, err
    assert out == (
        "A lone \\ud800 half, caf\u00e9.\n" if encoding == "utf-8" else "A lone \\ud800 half, caf\\xe9.\n"
    )


def test_version_and_help():
    for flag, words in (("--version", f"codeact-kernel {__version__}"), ("--help", "recover")):
        done = subprocess.run(
            [sys.executable, "-m", "codeact_kernel.cli", flag], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0
        assert words in done.stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no journal"), (b"", "no notebook"), (b"\x00\xff" * 99, "no notebook"), (b'{"cells": []}', "episode")],
)
def test_there_is_nothing_to_recover_from_junk(shell, content, words):
    path = shell.folder / "junk.ipynb"
    if content is not None:
        path.write_bytes(content)
    code, out, err = shell.run("recover", path)
    assert (code, out) == (1, "")
    assert words in err
    assert len(err.splitlines()) == 1
    assert (path.read_bytes() if path.exists() else None) == content


def test_from_python_in_one_line(shell):
    model = shell.script(*GOOD)
    code = f"import codeact_kernel; r = codeact_kernel.run('How many?', model={model!r}); print(r.status, r.answer, r.steps)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=shell.folder, env=shell.env, capture_output=True, text=True, check=False
    )
    assert done.stdout == "done It is 42. 2\n", done.stderr
    assert done.stderr == ""
    assert shell.episode()["metadata"]["codeact"]["status"] == "done"


def test_from_a_cell_whose_event_loop_runs(tmp_path):
    with started(tmp_path) as nb:
        nb.run("import codeact_kernel\nmine = 1")
        reply, text = nb.run(
            f"r = codeact_kernel.run('How many?', model={nb.script(*GOOD)!r}, check=['6 * 7', \"'mine' in dir()\"])\n"
            "print(r.status, r.answer, r.checks)"
        )
        assert reply["status"] == "ok", text
        assert text.strip() == "done It is 42. ['42', 'False']"
        slow = nb.script({"text": "Yes.", "delay_s": 60})
        _, text = nb.run(f"print(codeact_kernel.run('Go.', model={slow!r}).status)", interrupt_after=2.0)
        assert text.strip() == "interrupted"
        assert len(nb.episodes()) == 2

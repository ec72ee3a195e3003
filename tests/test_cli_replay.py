"""`codeact replay | rehearse`, and the pytest plugin, as a shell sees them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from kernel_client import block
from replay_helpers import COUNTED, changed, notebook, printed, record, save

SAME = notebook(("print(1)", [printed("1\n")]), ("x = 2\nprint(x)", [printed("2\n")]))
OTHER = notebook(("print(1)", [printed("1\n")]), ("print(3)", [printed("2\n")]))


def start(folder, *args):
    return subprocess.Popen(
        [sys.executable, "-m", "codeact_kernel.cli", *map(str, args)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def codeact(folder, *args):
    process = start(folder, *args)
    out, err = process.communicate(timeout=150)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def episode(tmp_path_factory):
    return record(tmp_path_factory.mktemp("episode"), COUNTED)


def test_replay_of_one_that_is_the_same_and_one_that_is_not(tmp_path):
    save(tmp_path / "same.ipynb", SAME)
    save(tmp_path / "other.ipynb", OTHER)
    code, out, err = codeact(tmp_path, "replay", "same.ipynb", "other.ipynb")
    assert code == 1
    assert "same.ipynb: same: 2 same in " in out
    assert "other.ipynb: differs: 1 same, 1 differs in " in out
    assert "print(3)" in out
    assert "same.ipynb: 2 of 2 cells" in err
    assert "\x1b" not in out + err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.ipynb", "same.ipynb"]


def test_an_episode_with_a_report_and_json(episode, tmp_path):
    place = tmp_path / "report.ipynb"
    before = episode.read_bytes()
    code, out, err = codeact(tmp_path, "replay", episode, "--report", place, "--json", "-q")
    assert (code, err) == (0, "")
    made = json.loads(out)
    assert made["exit_code"] == 0
    ((file),) = made["files"]
    assert (file["verdict"], [cell["step"] for cell in file["cells"]]) == ("same", [1, 2, 3])
    read = nbformat.read(place, as_version=4)
    nbformat.validate(read)
    assert read.metadata["codeact_replay"]["episode"] == file["episode"]
    assert episode.read_bytes() == before


def test_what_cannot_run_is_exit_code_2_in_one_sentence(episode, tmp_path):
    made = json.loads(episode.read_bytes())
    edited = next(cell for cell in made["cells"] if cell["cell_type"] == "code")
    edited["source"] = ["open('executed', 'w')"]
    save(tmp_path / "edited.ipynb", made)
    save(tmp_path / "same.ipynb", SAME)
    (tmp_path / "broken.ipynb").write_text("{")
    code, out, _ = codeact(tmp_path, "replay", "edited.ipynb", "broken.ipynb", "gone.ipynb", "-q", "--json")
    assert code == 2
    files = json.loads(out)["files"]
    assert ["changed since" in files[0]["cannot"], "not JSON" in files[1]["cannot"]] == [True, True]
    assert "cannot be read" in files[2]["cannot"]
    assert files[0]["problems"]
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".ipynb"] == []
    for args, words in (
        (("--report", "same.ipynb"), "the notebook itself"),
        (("--report", "nowhere/r.ipynb"), "no folder"),
        (("--rules", "none.toml"), "none.toml"),
        (("--rtol", "7"), "tolerance"),
        (("--timeout", "0"), "above 0"),
        (("--kernel", "no-such"), "no-such"),
    ):
        code, out, err = codeact(tmp_path, "replay", "same.ipynb", *args)
        assert code == 2, args
        assert words in (out if args[0] == "--kernel" else err)


def test_rules_of_ones_own(tmp_path):
    save(tmp_path / "other.ipynb", OTHER)
    (tmp_path / "rules.toml").write_text("[rules]\n'[23]' = 'a number'\n")
    code, out, _ = codeact(tmp_path, "replay", "other.ipynb", "--rules", "rules.toml", "-q")
    assert code == 0, out


def test_ctrl_c_ends_the_cell_and_keeps_what_is_there(tmp_path):
    save(tmp_path / "long.ipynb", notebook(("print(1)", [printed("1\n")]), "open('begun', 'w')\nimport time\ntime.sleep(300)", "2"))  # fmt: skip
    process = start(tmp_path, "replay", "long.ipynb", "--report", "r.ipynb")
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "stopped: 1 same, 2 not-run" in out
    assert "Traceback" not in err
    nbformat.validate(nbformat.read(tmp_path / "r.ipynb", as_version=4))


def test_rehearse_on_the_command_line(episode, tmp_path):
    code, out, _ = codeact(tmp_path, "rehearse", episode)
    assert (code, out) == (0, f"{episode}: all 4 steps are as recorded\n")
    made = json.loads(episode.read_bytes())
    made["metadata"]["codeact"]["prompt"]["system"] += "!"
    other = save(tmp_path / "other.ipynb", made)
    code, out, err = codeact(tmp_path, "rehearse", other)
    assert (code, "header was changed" in err) == (0, True)
    task = next(cell["metadata"]["codeact"]["record"] for cell in made["cells"] if cell["id"].startswith("task"))
    task["content"] = "Now: " + task["content"]
    save(other, made)
    code, out, _ = codeact(tmp_path, "rehearse", other, "--json")
    assert code == 1
    (file,) = json.loads(out)["files"]
    assert "step 1" in file["problem"]
    save(tmp_path / "plain.ipynb", SAME)
    assert codeact(tmp_path, "rehearse", "plain.ipynb")[0] == 2


def pytest_in(folder, *args):
    env = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "codeact_kernel.pytest_plugin", "-p", "no:cacheprovider", *args],
        cwd=folder, capture_output=True, text=True, timeout=170, check=False, env=env,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_pytest_replays_episodes_as_tests(episode, tmp_path):
    made = json.loads(episode.read_bytes())
    save(tmp_path / "good.ipynb", made)
    save(tmp_path / "plain.ipynb", OTHER)

    def edit(made):
        cell = next(cell for cell in made["cells"] if cell["cell_type"] == "code")
        cell["outputs"] = [printed("[9]\n")]

    save(tmp_path / "bad.ipynb", changed(made, edit))
    code, out = pytest_in(tmp_path, "--codeact-replay")
    assert code == 1, out
    assert "1 failed, 1 passed" in out
    assert "differs: 2 same, 1 differs" in out
    assert "cell 1 (step 1): differs" in out
    assert "Traceback" not in out
    code, out = pytest_in(tmp_path)
    assert (code, "no tests ran" in out) == (5, True)
    code, out = pytest_in(tmp_path, "--codeact-replay-all", "plain.ipynb", "--codeact-policy", "strict")
    assert (code, "1 failed" in out) == (1, True)


def test_a_resumed_episode_goes_on_with_a_fresh_kernel(episode, tmp_path):
    script = tmp_path / "script.jsonl"
    script.write_text("".join(json.dumps(reply) + "\n" for reply in (block("print(total + 1)"), "It is 7.")))
    out = tmp_path / "on.ipynb"
    code, said, err = codeact(
        tmp_path, "resume", episode, "-m", f"scripted:{script}", "-t", "One more?", "-o", out, "-q"
    )
    assert (code, said) == (0, "It is 7.\n"), err
    code, said, err = codeact(tmp_path, "resume", episode, "-m", f"scripted:{script}")
    assert code == 2
    assert "--task" in err
    code, said, err = codeact(tmp_path, "fork", episode, "--step", "2")
    assert code == 2
    assert "--model" in err

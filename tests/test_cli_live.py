"""`codeact replay FILE --live`: in a kernel that somebody else started, on its variables, and left alive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kernel_client import started
from replay_helpers import notebook, printed, record, result, save

from codeact_kernel.execute.attached import connection_file

CELLS = [
    ("x = 6 * 7\nprint(x)", [printed("42\n")]),
    ("x", [result("42")]),
    ("!echo from a process", [printed("from a process\n")]),
    ("print(x + 1)", [printed("44\n")]),
]


@pytest.fixture
def kernel(tmp_path):
    with started(tmp_path) as made:
        yield made


def codeact(kernel, *words, **more):
    existing = ("--live",) if "--existing" in words else ("--live", "--existing", kernel.client.connection_file)
    return subprocess.run(
        [sys.executable, "-m", "codeact_kernel.cli", "replay", *map(str, words), *existing],
        cwd=kernel.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        **more,
    )


def test_the_cells_run_on_the_kernels_own_variables_and_are_compared(kernel):
    save(kernel.folder / "notebook.ipynb", notebook(*CELLS))
    kernel.run("x = 'mine'")
    done = codeact(kernel, "notebook.ipynb", "--yes", "--json")
    found = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 1, done.stderr
    assert [cell["verdict"] for cell in found["files"][0]["cells"]] == ["same", "same", "same", "differs"]
    assert "rebinds your name x" in done.stderr
    assert kernel.run("print(x)")[1].strip() == "42"


def test_without_anybody_to_ask_nothing_runs(kernel):
    save(kernel.folder / "notebook.ipynb", notebook(*CELLS))
    done = codeact(kernel, "notebook.ipynb")
    assert done.returncode == 2
    assert "--yes runs them without asking" in done.stderr + done.stdout
    assert "NameError" in kernel.run("x")[1]


def test_an_episode_runs_in_its_folder_and_the_kernel_is_left_as_it_was(kernel, tmp_path_factory):
    episode = record(tmp_path_factory.mktemp("recorded"))
    kernel.run("import os")
    done = codeact(kernel, episode, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 same" in done.stdout
    assert str(kernel.folder) in kernel.run("print(os.getcwd())")[1]
    assert "6" in kernel.run("print(total)")[1]
    assert kernel.folder.name in kernel.run("pwd")[1], "a bare magic works as before"


def test_a_cell_that_is_too_slow_is_interrupted_and_the_kernel_lives(kernel):
    save(
        kernel.folder / "slow.ipynb", notebook(("import time\ntime.sleep(60)", []), ("print(1)", [printed("1\n")]))
    )
    done = codeact(kernel, "slow.ipynb", "--yes", "--timeout", "1")
    assert done.returncode == 1, done.stderr
    assert "1 same" in done.stdout
    assert "longer than it may" in done.stdout
    assert kernel.run("print(2)")[1].strip() == "2"


def test_a_kernel_that_is_not_there_is_named_in_one_sentence(kernel):
    save(kernel.folder / "notebook.ipynb", notebook(*CELLS))
    done = codeact(kernel, "notebook.ipynb", "--existing", "nobody")
    assert done.returncode == 2
    assert "no running kernel 'nobody'" in done.stdout + done.stderr
    kernel.manager.shutdown_kernel(now=True)
    done = codeact(kernel, "notebook.ipynb", "--yes")
    assert done.returncode == 2


def test_the_newest_kernel_is_found_by_its_file(kernel):
    file = Path(kernel.client.connection_file)
    assert connection_file(str(file)).samefile(file)
    runtime = Path(os.environ["JUPYTER_RUNTIME_DIR"])
    copy = runtime / "kernel-newest.json"
    copy.write_bytes(file.read_bytes())
    try:
        assert connection_file() == copy
        assert connection_file("newest") == copy
    finally:
        copy.unlink()


def test_a_kernel_that_dies_on_the_way_is_told(kernel):
    save(kernel.folder / "end.ipynb", notebook(("import os\nos._exit(3)", []), ("print(1)", [printed("1\n")])))
    done = codeact(kernel, "end.ipynb", "--yes")
    assert done.returncode == 1
    assert "The kernel ended" in done.stdout
    assert "1 not-run" in done.stdout

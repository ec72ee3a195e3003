"""`%codeact replay | rehearse | fork | resume` in a live kernel: asks, runs on the user's own names, says what differs."""

from __future__ import annotations

import json

import nbformat
import pytest
from kernel_client import block, started, write_script
from replay_helpers import notebook, printed, record, result, save

REPLIES = [
    block("rows = [3, 1, 2]\nprint(sorted(rows))"),
    block("from pathlib import Path\nPath('out.csv').write_text('a')", "I write it down."),
    block("total = sum(rows)\ntotal"),
    "The total is 6.",
]
CELLS = [
    ("x = 6 * 7\nprint(x)", [printed("42\n")]),
    ("x", [result("42")]),
    ("print(x + 1)", [printed("44\n")]),
]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return record(tmp_path_factory.mktemp("recorded"), REPLIES)


@pytest.fixture
def kernel(tmp_path):
    with started(tmp_path) as made:
        assert made.run("%load_ext codeact_kernel")[0]["status"] == "ok"
        yield made


def test_it_asks_first_and_says_what_the_cells_may_do_and_which_names_they_replace(kernel, recorded):
    kernel.run("total = 'mine'")
    _, said = kernel.run(f"%codeact replay {recorded}", stdin=["n"])
    assert "3 cells would run in this kernel" in said
    assert "cell 3 (step 3)" in said, said
    assert "total" in said.split("What they may do:")[1]
    assert "out.csv" in said
    assert "Nothing was run." in said
    assert "'mine'" in kernel.run("total")[1]


def test_it_runs_the_cells_on_the_users_own_names_and_says_what_differs(kernel):
    save(kernel.folder / "notebook.ipynb", notebook(*CELLS))
    reply, said = kernel.run("%codeact replay notebook.ipynb --report report.ipynb", stdin=["y"])
    assert reply["status"] == "ok", said
    assert "differs: 2 same, 1 differs" in said
    assert "44" in said
    assert "43" in said
    assert kernel.run("print(x)")[1].strip() == "42"
    report = nbformat.read(kernel.folder / "report.ipynb", as_version=4)
    nbformat.validate(report)
    assert [cell["verdict"] for cell in report.metadata["codeact_replay"]["cells"]] == ["same", "same", "differs"]


def test_an_episode_runs_in_its_own_folder_and_the_kernel_comes_back_to_where_it_was(kernel, recorded):
    out = recorded.parent / "out.csv"
    out.unlink()
    reply, said = kernel.run(f"%codeact replay {recorded} --yes")
    assert reply["status"] == "ok", said
    assert "same: 3 same" in said
    assert out.read_text() == "a"
    assert not (kernel.folder / "out.csv").exists()
    assert str(kernel.folder) in kernel.run("import os; print(os.getcwd())")[1]


def test_step_by_step_asks_before_each_cell_and_can_end_in_between(kernel):
    save(kernel.folder / "notebook.ipynb", notebook(*CELLS))
    _, said = kernel.run("%codeact replay notebook.ipynb", stdin=["s", "s", "n"])
    assert "| print(x + 1)" in said
    assert "1 not-run" in said
    assert "2 same" in said


def test_without_anybody_to_ask_nothing_runs(kernel):
    save(kernel.folder / "notebook.ipynb", notebook(*CELLS))
    reply, said = kernel.run("%codeact replay notebook.ipynb")
    assert reply["status"] == "error"
    assert "with --yes they run without asking" in said
    assert "NameError" in kernel.run("x")[1]


def test_an_interrupt_ends_it_and_the_kernel_goes_on(kernel):
    cells = [("import time\nbegun = True\ntime.sleep(30)", []), ("after = 1", [])]
    save(kernel.folder / "notebook.ipynb", notebook(*cells))
    reply, said = kernel.run("%codeact replay notebook.ipynb --yes", interrupt_after=2.0)
    assert reply["seconds_to_stop"] < 2.0
    assert "stopped" in said
    assert "NameError" in kernel.run("print(begun); after")[1]
    assert "True" in kernel.run("begun")[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("nothing.ipynb", "nothing.ipynb"),
        ("notebook.ipynb --rtol 7", "tolerance"),
        ("notebook.ipynb --policy odd", "policy"),
        ("notebook.ipynb --report notebook.ipynb", "never changes"),
        ("notebook.ipynb --nonsense", "--nonsense"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_nothing_runs(kernel, words, sentence):
    save(kernel.folder / "notebook.ipynb", notebook(*CELLS))
    reply, said = kernel.run(f"%codeact replay {words}", stdin=["y"])
    assert reply["status"] == "error"
    assert reply["ename"] == "UsageError"
    assert sentence in said
    assert "NameError" in kernel.run("x")[1]


def test_a_fork_goes_on_in_this_kernel_with_another_model_as_an_episode_of_its_own(kernel, recorded):
    model = write_script(kernel.scripts, block("total * 2", "I double it."), "It is 12.")
    before = recorded.read_bytes()
    reply, said = kernel.run(f"%codeact fork {recorded} --step 3 --yes -m {model} and twice that?")
    assert reply["status"] == "ok", said
    assert "It is 12." in said
    made = kernel.episode()
    header = made.metadata["codeact"]
    assert header["parent"] == json.loads(before)["metadata"]["codeact"]["episode"]
    assert header["parent_step"] == 3
    sources = [cell.source for cell in made.cells if cell.metadata.get("codeact", {}).get("kind") == "action"]
    assert sources == ["rows = [3, 1, 2]\nprint(sorted(rows))", "from pathlib import Path\nPath('out.csv').write_text('a')", "total = sum(rows)\ntotal", "total * 2"]  # fmt: skip
    assert not [cell for cell in made.cells if cell.metadata.get("codeact", {}).get("kind") == "human"]
    assert recorded.read_bytes() == before
    with started(kernel.folder) as other:
        other.run("%load_ext codeact_kernel")
        (episode,) = kernel.episodes()
        assert "4 same" in other.run(f"%codeact replay {episode} --yes")[1]


def test_resume_needs_a_task_where_the_last_one_is_answered(kernel, recorded):
    model = write_script(kernel.scripts, "Six, as said.")
    assert "say what to do next" in kernel.run(f"%codeact resume {recorded} --yes -m {model}")[1]
    assert "Six, as said." in kernel.run(f"%codeact resume {recorded} --yes -m {model} --task 'say it again'")[1]


def test_rehearse_runs_nothing(kernel, recorded):
    _, said = kernel.run(f"%codeact rehearse {recorded}")
    assert "all 4 steps are as recorded" in said
    assert "NameError" in kernel.run("rows")[1]


def test_what_was_replayed_is_part_of_what_a_later_episode_builds_on(kernel):
    save(kernel.folder / "notebook.ipynb", notebook(*CELLS[:2]))
    kernel.run("%codeact replay notebook.ipynb --yes")
    model = kernel.script(block("x - 2", "I look."), "It is 40.")
    assert "It is 40." in kernel.run(f"%codeact -m {model} what is x - 2?")[1]
    (episode,) = kernel.episodes()
    with started(kernel.folder) as other:
        other.run("%load_ext codeact_kernel")
        _, said = other.run(f"%codeact replay {episode} --yes")
        assert "same: " in said, said


def test_a_task_that_begins_with_such_a_word_is_a_task(kernel):
    model = kernel.script("I cannot.")
    assert "I cannot." in kernel.run(f"%codeact -m {model} replay the analysis of last year")[1]

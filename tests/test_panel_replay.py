"""The panel's replays in a real kernel, with a page played over jupyter_client."""

from __future__ import annotations

import time

import pytest
from kernel_client import block, started
from panel_client import Page
from replay_helpers import notebook, printed, result, save

CELLS = [
    ("x = 6 * 7\nprint(x)", [printed("42\n")]),
    ("x", [result("42")]),
    ("import os\nos.remove('gone.txt')", []),
    ("print(x + 1)", [printed("44\n")]),
]


@pytest.fixture
def nb(tmp_path):
    with started(tmp_path) as made:
        assert made.run("%load_ext codeact_kernel")[0]["status"] == "ok"
        save(made.folder / "notebook.ipynb", notebook(*CELLS))
        (made.folder / "gone.txt").write_text("x")
        yield made


def opened(page, path="notebook.ipynb"):
    reply = page.request("replay", path=path)
    assert reply["type"] == "reply", reply
    return reply["replay"]


def ended(page, *states):
    return page.wait(
        lambda: next((e["replay"] for e in page.all("replay") if e["replay"]["state"] in states), None), timeout=30
    )


def test_opening_shows_what_would_run_and_runs_nothing(nb):
    nb.run("x = 'mine'")
    page = Page(nb)
    replay = opened(page)
    assert (replay["state"], replay["next"], replay["step"]) == ("ready", 1, None)
    assert [cell["verdict"] for cell in replay["cells"]] == [""] * 4
    assert [risk["kind"] for risk in replay["cells"][0]["risks"]] == ["rebind"]
    assert any("gone.txt" in risk["words"] for risk in replay["cells"][2]["risks"])
    assert (nb.folder / "gone.txt").exists()
    assert "mine" in nb.run("x")[1]


def test_all_cells_run_quietly_and_both_sides_of_a_difference_can_be_seen(nb):
    page = Page(nb)
    name = opened(page)["name"]
    assert page.request("replay_run", replay=name)["type"] == "reply"
    done = ended(page, "done")
    assert [cell["verdict"] for cell in done["cells"]] == ["same", "same", "same", "differs"]
    assert done["verdict"] == "differs"
    assert done["sentence"] == "3 same, 1 differs"
    sides = page.request("replay_outputs", replay=name, number=4)
    assert sides["recorded"][0]["text"] == "44\n"
    assert sides["now"][0]["text"] == "43\n"
    assert sides["differences"]
    assert "42" not in str(page.outputs), "nobody asked for these cells in the notebook"
    assert nb.run("print(x)")[1].strip() == "42"
    assert "done" in page.request("replay_run", replay=name)["sentence"]


def test_step_by_step_runs_one_cell_at_a_time(nb):
    page = Page(nb)
    name = opened(page)["name"]
    for number in (1, 2):
        page.events.clear()
        page.request("replay_run", replay=name, cells=1)
        replay = ended(page, "ready")
        assert replay["next"] == number + 1
    assert (nb.folder / "gone.txt").exists()


def test_stop_ends_it_and_what_waits_behind_it_runs(nb):
    save(nb.folder / "long.ipynb", notebook(("import time\ntime.sleep(30)", []), ("late = 1", [])))
    page = Page(nb)
    name = opened(page, "long.ipynb")["name"]
    page.request("replay_run", replay=name)
    ended(page, "running")
    refused = page.request("start", task="what?", notebook="test.ipynb", options={"model": nb.script("Hm.")})
    assert "replayed in this kernel" in refused["sentence"]
    time.sleep(1)  # the cell sleeps by now, and with it the kernel's loop
    began = time.monotonic()
    assert page.request("stop")["stopped"]
    assert [cell["verdict"] for cell in ended(page, "stopped")["cells"]] == ["not-run", "not-run"]
    assert time.monotonic() - began < 5
    assert "NameError" in nb.run("late")[1]


def test_a_task_goes_on_after_the_step_up_to_which_an_episode_ran_again(nb):
    page = Page(nb)
    run = page.start("what is x?", model=nb.script(block("x = 20\nprint(x)"), block("x * 2"), "It is 40."))
    page.done(run)
    page.request("reset")
    nb.run("del x")
    (entry,) = page.request("episodes")["episodes"]
    replay = opened(page, entry["path"])
    page.request("replay_run", replay=replay["name"], cells=1)
    assert ended(page, "ready")["step"] == 1
    task = page.request("replay_go_on", replay=replay["name"], task="")["task"]
    assert task == "what is x?"
    run = page.start(task, model=nb.script(block("x + 1", "Another way."), "It is 21."))
    assert page.done(run)["answer"] == "It is 21."
    assert len(nb.episodes()) == 2
    assert "20" in nb.run("print(x)")[1]


def test_a_rehearsal_says_that_all_is_as_recorded(nb):
    page = Page(nb)
    page.done(page.start("what is x?", model=nb.script(block("x = 20\nprint(x)"), "It is 20.")))
    (entry,) = page.request("episodes")["episodes"]
    reply = page.request("rehearse", path=entry["path"])
    assert reply["same"] is True
    assert "All 2 steps" in reply["sentence"]


@pytest.mark.parametrize("kind", ["replay", "rehearse"])
def test_what_is_no_notebook_is_refused_in_a_sentence(nb, kind):
    reply = Page(nb).request(kind, path="gone.txt")
    assert reply["type"] == "error"
    assert "gone.txt" in reply["sentence"]
    assert "\n" not in reply["sentence"]

"""Replay in the side panel: from the history, whole or step by step, both sides beside each other, and on from there."""

from __future__ import annotations

import pytest
from accessibility import problems
from kernel_client import block
from panel_page import Panel
from playwright.sync_api import expect

PLOT = """\
import matplotlib.pyplot as plt
height = globals().get('height', 3)
plt.plot([1, 4, height])
plt.show()"""
REPLIES = [
    block("rows = [3, 1, 2]\nprint(sorted(rows))"),
    block(PLOT, "I draw it."),
    block("total = sum(rows)\nprint(total, height)"),
    "The total is 6.",
]


@pytest.fixture
def panel(pages, lab, script):
    """The panel of a notebook with one saved episode, its conversation forgotten."""
    panel = Panel(pages.open(lab, "")).open()
    panel.use(script(*REPLIES))
    assert "The total is 6." in panel.ask("draw and count")
    panel.part("reset").click()
    expect(panel.part("run")).to_have_count(0)
    panel.part("show-history").click()
    return panel


def open_replay(panel):
    panel.part("replay-open").click()
    expect(panel.part("replay")).to_have_attribute("data-state", "ready")


def verdicts(panel):
    return [cell.get_attribute("data-verdict") for cell in panel.part("replay-cell").all()]


def test_an_episode_runs_again_and_differing_pictures_stand_side_by_side(panel, pictures):
    notebook = panel.notebook
    before = len(notebook.cells())
    open_replay(panel)
    expect(panel.part("replay")).to_contain_text("rebinds")
    assert notebook.value("total") == 6
    notebook.run("height = 9; total = 0")
    panel.part("replay-all").click()
    expect(panel.part("replay")).to_have_attribute("data-state", "done", timeout=30_000)
    assert verdicts(panel) == ["same", "differs", "differs"]
    assert notebook.value("total") == 6
    assert len(notebook.cells()) == before + 1, "the replay makes no cells"
    sides = panel.part("replay-sides")
    expect(sides).to_have_count(2)
    for side in ("recorded", "now"):
        expect(sides.first.locator(f"[data-side={side}] img")).to_be_visible()
    expect(sides.last.locator("[data-side=recorded]")).to_contain_text("6 3")
    expect(sides.last.locator("[data-side=now]")).to_contain_text("6 9")
    for dark in (True, False):
        notebook.theme(dark=dark)
        assert not problems(panel.root)
        panel.page.screenshot(path=pictures / f"replay-{'dark' if dark else 'light'}.png")


def test_step_by_step_and_on_from_there_with_another_model(panel, script):
    notebook = panel.notebook
    notebook.run("del rows, total, height")
    open_replay(panel)
    panel.part("replay-next").click()
    notebook.wait(lambda: verdicts(panel) == ["same", "", ""], "the first cell ran")
    expect(panel.part("replay")).to_have_attribute("data-state", "ready")
    assert notebook.value("'total' in globals()") is False
    panel.use(script(block("max(rows)", "I look."), "The largest is 3."))
    panel.part("go-on-task").fill("which one is the largest?")
    panel.part("go-on").click()
    panel.wait_status("done")
    assert "The largest is 3." in panel.run.inner_text()
    assert len(notebook.episodes()) == 2


def test_stop_ends_a_replay_and_the_kernel_goes_on(pages, lab, script):
    panel = Panel(pages.open(lab, "")).open()
    panel.use(script(block("import time\ntime.sleep(globals().get('pause', 0))\nprint('slept')"), "Slept."))
    panel.ask("sleep")
    notebook = panel.notebook
    notebook.run("pause = 60")
    panel.part("show-history").click()
    open_replay(panel)
    panel.part("replay-all").click()
    expect(panel.part("replay")).to_have_attribute("data-state", "running")
    panel.part("replay-stop").click()
    expect(panel.part("replay")).to_have_attribute("data-state", "stopped")
    assert notebook.run("6 * 7") == "42"


def test_a_rehearsal_says_what_it_found(panel):
    panel.part("rehearse").click()
    expect(panel.part("history-said")).to_contain_text("All 4 steps are as recorded")

"""The widget under a `%codeact` cell, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import pytest
from accessibility import problems
from faultserver import chat
from kernel_client import block
from notebook_page import LOAD, mimes
from playwright.sync_api import expect
from slow_model import SlowModel, slow

PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.show()"
SLEEP = """\
import time
print('asleep', flush=True)
try:
    time.sleep(60)
finally:
    ended = time.time()"""
# When the page saw the click, on the clock that the kernel has, too.
CLOCK = """() => document.addEventListener('click', () => { window.clicked ??= Date.now() / 1000; }, true)"""


@pytest.fixture(params=["lab", "notebook"])
def server(request, servers):
    return servers(request.param)


class Widget:
    """The widget of the newest `%codeact` cell."""

    def __init__(self, notebook):
        self.root = notebook.page.get_by_test_id("codeact-widget").last

    def part(self, name):
        return self.root.get_by_test_id(f"codeact-{name}")

    def steps(self):
        """The statuses of the steps, in order."""
        return [item.get_attribute("data-status") for item in self.part("step").all()]


def begin(pages, server, task, *setup, **more):
    notebook = pages.open(server, "\n".join([LOAD, *setup]), **more)
    notebook.rerun(notebook.cells()[0]["id"]).wait()
    expect(notebook.page.get_by_test_id("codeact-state")).to_have_attribute("data-state", "idle")
    return notebook, notebook.begin(task), Widget(notebook)


def test_steps_come_live_and_leave_the_answer_with_a_link_to_the_episode(pages, server, script):
    model = script(
        block("frame = pd.DataFrame({'n': [1, 2, 3]})", "A frame."),
        block("import pandas as pd\nframe = pd.DataFrame({'n': [1, 2, 3]})\nframe", "Import first."),
        block("import os\nos.remove('old.txt')", "Away with it."),
        "There are 3 numbers.",
    )
    notebook, run, widget = begin(pages, server, f"%codeact --inline -m {model} count, then remove old.txt")
    (notebook.folder / "old.txt").write_text("x")
    expect(widget.part("card")).to_be_visible()
    expect(widget.root).to_have_attribute("data-state", "awaiting_approval")
    assert widget.steps() == ["error", "ok", "asking"]
    assert "NameError" in run.text
    expect(widget.part("card")).to_contain_text("deletes files")
    assert "text/html" in mimes(run.cell)
    widget.part("run").click()
    assert "There are 3 numbers." in run.wait()
    expect(widget.root).to_have_count(0)
    assert not (notebook.folder / "old.txt").exists()
    (episode,) = notebook.episodes()
    link = notebook.page.locator(".jp-OutputArea").get_by_role("link", name="episode")
    expect(link).to_be_visible()
    if server.kind == "lab":
        link.click()
        path = str(episode.relative_to(server.files))
        notebook.wait(lambda: notebook.call("ready", path), "the episode is open")
    else:
        with notebook.page.context.expect_page() as opened:
            link.click()
        assert episode.name in opened.value.url
        opened.value.close()


def test_stop_ends_a_sleeping_step_within_half_a_second(pages, server, script):
    notebook, run, widget = begin(pages, server, f"%codeact --inline -m {script(block(SLEEP), 'Slept.')} sleep")
    notebook.wait(lambda: "asleep" in run.text, "the step sleeps")
    notebook.page.evaluate(CLOCK)
    widget.part("stop").click()
    assert "The task was interrupted." in run.wait(timeout=10)
    assert notebook.value("ended") - notebook.page.evaluate("window.clicked") <= 0.5
    assert notebook.run("6 * 7") == "42"


def test_stop_ends_the_writing_of_the_model(pages, lab):
    with SlowModel([slow("I think about it. " * 40, seconds=30)]) as model:
        notebook, run, widget = begin(pages, lab, "%codeact --inline think", model.setup)
        expect(widget.part("step")).to_contain_text("I think about it. I think")
        widget.part("stop").click()
        notebook.wait(lambda: model.open == 0, "the request is closed", timeout=2)
        run.wait(timeout=10)


def test_the_card_runs_an_edited_cell_and_takes_a_reason_to_the_model(pages, lab):
    replies = [block("kept = 1", "I set it."), block("kept = 2", "I set it again."), "Kept."]
    with SlowModel([chat(reply) for reply in replies]) as model:
        notebook, run, widget = begin(pages, lab, "%codeact --inline --approve ask set kept", model.setup)
        card = widget.part("card")
        expect(card).to_be_visible()
        widget.part("editor").fill("kept = 17")
        expect(widget.part("run")).to_have_text("Run edited")
        widget.part("run").click()
        expect(card).to_contain_text("step 2")
        widget.part("reason").fill("kept must stay 17")
        widget.part("reject").click()
        run.wait()
        assert notebook.value("kept") == 17
        assert "kept must stay 17" in model.asked()[-1]["content"]
        assert "kept = 17" in str(model.asked())


def test_a_question_survives_a_reload_of_the_page(pages, lab, script):
    model = script(block("kept = 5", "I set it."), "Kept.")
    notebook, _, widget = begin(pages, lab, f"%codeact --inline --approve ask -m {model} set kept", fresh=True)
    expect(widget.part("card")).to_be_visible()
    notebook.save()
    notebook.reload()
    expect(widget.part("card")).to_be_visible()
    widget.part("run").click()
    assert notebook.value("kept") == 5


def test_with_the_panel_the_steps_are_cells_below_and_the_answer_stands_under_the_magic(pages, server, script):
    model = script(block(PLOT, "I draw it."), block("len([1, 4, 9])", "I count."), "There are 3 numbers.")
    notebook, run, _ = begin(pages, server, f"%codeact -m {model} draw and count", fresh=True)
    run.wait()
    notebook.wait(lambda: "There are 3 numbers." in run.text, "the answer")
    plot, count = notebook.agent_cells()
    assert (plot["source"], count["source"]) == (PLOT, "len([1, 4, 9])")
    assert "image/png" in mimes(plot)
    expect(notebook.page.get_by_test_id("codeact-widget")).to_have_count(0)
    notebook.save()
    notebook.reload()
    assert "There are 3 numbers." in run.text
    magic = notebook.box([cell["id"] for cell in notebook.cells()].index(run.cell_id))
    expect(magic.get_by_text("There are 3 numbers.")).to_be_visible()


def test_the_widget_is_accessible_in_both_themes(pages, lab, script, pictures):
    model = script(
        block(PLOT, "I draw it."), block("import shutil\nshutil.rmtree('old', True)", "Away with it."), "Done."
    )
    setup = f"%config CodeAct.model = '{model}'"
    notebook, run, widget = begin(pages, lab, "%codeact --inline draw, then delete the folder `old`", setup)
    expect(widget.part("card")).to_be_visible()
    notebook.call("remove", notebook.path, 0)  # the picture is about the other one
    for dark in (True, False):
        notebook.theme(dark=dark)
        assert not problems(widget.root)
        notebook.page.screenshot(path=pictures / f"widget-{'dark' if dark else 'light'}.png")
    widget.part("run").click()
    run.wait()

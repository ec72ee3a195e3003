"""The agent's cells among the user's: where they go, what they disturb, what they survive."""

from __future__ import annotations

import json

import pytest
from kernel_client import block
from notebook_page import HOLD, LOAD, text_of
from panel_page import Panel
from playwright.sync_api import expect

BROKEN = "rows = [{'n': 1}, {'m': 2}]\nprint(sum(row['n'] for row in rows))"
MENDED = "rows = [{'n': 1}, {'m': 2}]\nprint(sum(row.get('n', 0) for row in rows))"
COUNTING = f"print(0, 1, flush=True)\n{HOLD}print(2, 3)"
# A kernel that takes its time to tell a page what its cells were: the task goes on before the page knows.
SLOW = """
import gc, time
from codeact_kernel.panel_requests import Requests
(handlers,) = [one._handlers for one in gc.get_objects() if isinstance(one, Requests)]
cells = handlers["cells"]
handlers["cells"] = lambda page, data: time.sleep(1.5) or cells(page, data)
"""
WORDS = "typed while cells of the agent come in above, until the last of them has run and longer"


def opened(pages, server, model, *cells, **more):
    """Return a notebook with the extension loaded, its first own cell active, and its open panel."""
    notebook = pages.open(server, f"{LOAD}\n%config CodeAct.model = '{model}'", *cells, **more)
    notebook.rerun(notebook.cells()[0]["id"]).wait()
    panel = Panel(notebook).open()
    notebook.call("activate", notebook.path, 1 if cells else 0)
    return notebook, panel


def sources(notebook):
    return [cell["source"] for cell in notebook.cells()]


def chips(notebook):
    return notebook.page.get_by_test_id("codeact-chip").locator("visible=true").all_inner_texts()


def wait_answer(notebook):
    notebook.wait_cells(
        lambda cells: any(cell["metadata"].get("codeact", {}).get("role") == "answer" for cell in cells),
        "the answer stands in the notebook",
    )


def delete(notebook, source):
    notebook.call("activate", notebook.path, sources(notebook).index(source))
    notebook.call("command", "notebook:delete-cell")
    notebook.wait(lambda: source not in sources(notebook), "the cell is deleted")


def test_who_types_elsewhere_in_the_notebook_is_not_disturbed(pages, lab, script):
    steps = [block(f"import time\ntime.sleep(0.3)\nmade = {i}", "One more.") for i in range(4)]
    own = [f"own = {i}\n\n\n\n\n#" for i in range(10)]
    notebook, panel = opened(pages, lab, script(*steps, "Four."), "first = 1", *own)
    mine = next(cell["id"] for cell in notebook.cells() if cell["source"] == own[4])
    panel.send("make four")
    notebook.page.locator(".jp-Notebook .cm-content").filter(has_text="own = 4").click()
    notebook.page.keyboard.press("Control+Home")
    notebook.page.keyboard.type(WORDS, delay=40)
    wait_answer(notebook)
    assert notebook.cell(mine)["source"] == WORDS + own[4]
    active = notebook.call("activeIndex", notebook.path)
    assert notebook.cells()[active]["id"] == mine
    box = notebook.box(active)
    assert box.locator(".cm-content").evaluate("node => node === document.activeElement")
    expect(box).to_be_in_viewport()
    assert [cell["metadata"].get("codeact", {}).get("step") for cell in notebook.cells()[2:6]] == [1, 2, 3, 4]


def test_a_cell_aborted_by_the_users_failing_one_runs_after_all(pages, lab, script):
    failing = f"{HOLD}1/0"
    notebook, panel = opened(pages, lab, script(block("made = 5", "I make it."), "Made."), failing)
    run = notebook.rerun(notebook.cells()[1]["id"])
    panel.send("make it")
    notebook.wait(lambda: panel.cells() and panel.cells()[0]["state"] == "running", "the cell is queued")
    notebook.go()
    assert "ZeroDivisionError" in run.wait()
    wait_answer(notebook)
    (cell,) = panel.cells()
    assert cell["execution_count"] == 3
    assert notebook.value("made") == 5


def test_a_cell_that_is_stopped_in_the_queue_has_not_run_and_says_so(pages, lab, script):
    notebook, panel = opened(pages, lab, script(block("made = 5", "."), "Made."), HOLD)
    run = notebook.rerun(notebook.cells()[1]["id"])
    panel.send("make it")
    notebook.wait(lambda: panel.cells() and panel.cells()[0]["state"] == "running", "the cell is queued")
    panel.part("stop").click()
    panel.wait_status("interrupted")
    notebook.go()
    run.wait()
    notebook.wait(lambda: chips(notebook) == ["CodeAct · step 1 · not run"], "the chip says so")
    assert panel.cells()[0]["execution_count"] is None
    assert "NameError" in notebook.value("made")


def test_a_reload_brings_back_cells_and_outputs_but_not_what_the_user_deleted(pages, lab, script):
    model = script(block("print('one')"), block("print('two')"), block(COUNTING), block("print('four')"), "Done.")
    notebook, panel = opened(pages, lab, model, "mine = 1", fresh=True)
    assert notebook.value(f"exec({SLOW!r}, {{}})") is None
    notebook.save()
    panel.send("go")
    notebook.wait(lambda: len(panel.cells()) == 3 and "1" in text_of(panel.cells()[2]), "the third cell counts")
    delete(notebook, "print('two')")
    notebook.reload()
    panel.open().wait_state("executing")
    notebook.go()
    wait_answer(notebook)
    notebook.wait(lambda: text_of(panel.cells()[1]).split() == list("0123"), "the outputs are there")
    assert sources(notebook)[1:] == ["mine = 1", "print('one')", COUNTING, "print('four')", "Done."]
    assert chips(notebook) == ["CodeAct · step 1", "CodeAct · step 3", "CodeAct · step 4", "CodeAct · answer"]
    assert [cell["execution_count"] for cell in panel.cells()] == [2, 4, 5]


def test_a_proposal_is_not_applied_over_what_the_user_changed_meanwhile(pages, lab, script):
    model = script(block(MENDED, "A row has no n."), "It lacked n.")
    notebook, _ = opened(pages, lab, model, BROKEN, fresh=True)
    user = notebook.cells()[1]["id"]
    notebook.rerun(user).wait()
    notebook.call("command", "codeact:explain-or-fix-cell")
    part = notebook.page.get_by_test_id
    expect(part("codeact-proposal-diff")).to_contain_text("row.get('n', 0)")
    notebook.save()
    notebook.reload()
    expect(part("codeact-proposal-diff")).to_contain_text("row.get('n', 0)")
    notebook.box(1).locator(".cm-content").first.click()
    notebook.page.keyboard.press("Control+End")
    notebook.page.keyboard.type("  # mine")
    expect(part("codeact-proposal-accept")).to_have_count(0)
    part("codeact-proposal-recompute").click()
    expect(part("codeact-proposal-diff").locator("mark")).not_to_have_count(0)
    part("codeact-proposal-accept").press("Enter")
    notebook.wait(lambda: notebook.cell(user)["source"] == MENDED, "the proposal is applied")
    expect(part("codeact-proposal")).to_have_count(0)
    notebook.box(1).locator(".cm-content").first.click()
    notebook.page.keyboard.press("Control+z")
    notebook.wait(lambda: notebook.cell(user)["source"] == BROKEN + "  # mine", "one undo takes it back")
    notebook.reload()
    expect(part("codeact-state")).to_have_attribute("data-state", "idle")
    expect(part("codeact-proposal")).to_have_count(0)


@pytest.fixture
def windowed(lab):
    """Return JupyterLab that keeps only the visible part of a notebook in the page."""
    path = lab.folder / "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"windowingMode": "full"}))
    yield lab
    path.unlink()


def test_marks_stay_on_cells_that_leave_the_page_and_come_back(pages, windowed, script):
    own = [f"own = {i}\n\n\n\n\n#" for i in range(30)]
    model = script(block("1/0"), block("made = 1"), "Made.")
    notebook, panel = opened(pages, windowed, model, "first = 1", *own, fresh=True)
    assert panel.ask("make it") == "Made."
    expected = ["CodeAct · step 1 · failed", "CodeAct · step 2", "CodeAct · answer"]
    notebook.wait(lambda: chips(notebook) == expected, "the cells are marked")
    notebook.page.get_by_text("made = 1", exact=True).locator("visible=true").last.click()
    notebook.page.keyboard.press("End")
    notebook.page.keyboard.type("  # edited")
    notebook.call("activate", notebook.path, 0)
    notebook.page.mouse.wheel(0, 20_000)
    notebook.wait(lambda: len(chips(notebook)) == 0, "they have left the page")
    notebook.page.mouse.wheel(0, -20_000)
    notebook.wait(lambda: len(chips(notebook)) == 3, "they are back")
    notebook.save()
    notebook.reload()
    expected[1] += " · edited"
    notebook.wait(lambda: chips(notebook) == expected, "the saved cells are marked")

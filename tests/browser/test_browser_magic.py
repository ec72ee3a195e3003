"""`%codeact` under a cell, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import time

import pytest
from kernel_client import block
from nbclient import NotebookClient
from notebook_page import LOAD, mimes, text_of

PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.show()"
WRONG = "frame = pd.DataFrame({'n': [1, 2, 3]})"
MENDED = "import pandas as pd\nframe = pd.DataFrame({'n': [1, 2, 3]})\nframe"


@pytest.fixture(params=["lab", "notebook"])
def server(request, servers):
    return servers(request.param)


@pytest.fixture
def three_steps(script):
    return script(
        block(PLOT, "I draw it."),
        block(WRONG, "A frame."),
        block(MENDED, "pandas was not imported."),
        "There are 3 numbers.",
    )


def check_three_steps(cell):
    """A plot, the error and its mending, a table, the answer."""
    text = text_of(cell)
    assert "image/png" in mimes(cell)
    assert "NameError" in text
    assert any("<table" in "".join(out.get("data", {}).get("text/html", "")) for out in cell["outputs"])
    assert "There are 3 numbers." in text


def test_three_steps_and_the_answer_stand_under_the_cell_and_survive_a_reload(pages, server, three_steps):
    notebook = pages.open(server, "", fresh=True)
    notebook.type_and_run(LOAD)
    notebook.wait_cells(lambda cells: cells[0]["execution_count"] == 1, "the extension is loaded")
    run = notebook.begin(f"%codeact --inline -m {three_steps} draw and count")
    run.wait()
    check_three_steps(run.cell)
    shown = notebook.box(notebook.call("activeIndex", notebook.path))
    shown.get_by_text("There are 3 numbers.").first.wait_for()
    assert shown.locator("img").count() == 1
    assert notebook.value("len(frame)") == 3
    notebook.save()
    notebook.reload()
    after = notebook.cell(run.cell_id)
    check_three_steps(after)
    assert notebook.value("len(frame)") == 3
    (episode,) = notebook.episodes()
    assert episode.stat().st_size > 0


def test_a_page_without_the_panel_shows_the_steps_under_the_cell_and_logs_no_error(pages, servers, three_steps):
    notebook = pages.open(servers("lab", panel=False), LOAD)
    notebook.rerun(notebook.cells()[0]["id"]).wait()
    run = notebook.begin(f"%codeact -m {three_steps} draw and count")
    run.wait()
    check_three_steps(run.cell)
    assert len(notebook.cells()) == 2


def test_the_interrupt_button_stops_a_sleeping_step(pages, server, script):
    notebook = pages.open(server, LOAD)
    notebook.rerun(notebook.cells()[0]["id"]).wait()
    model = script(block("import time\nprint('asleep', flush=True)\ntime.sleep(60)"), "Slept.")
    run = notebook.begin(f"%codeact --inline -m {model} sleep")
    notebook.wait(lambda: "asleep" in run.text, "the step sleeps")
    notebook.interrupt()
    clicked = time.monotonic()
    run.wait(timeout=10)
    assert time.monotonic() - clicked < 2
    assert "Slept." not in run.text
    assert notebook.run("6 * 7") == "42"


def test_a_notebook_made_in_the_browser_runs_under_nbclient(pages, lab, three_steps):
    notebook = pages.open(lab, LOAD)
    notebook.rerun(notebook.cells()[0]["id"]).wait()
    run = notebook.begin(f"%codeact --inline -m {three_steps} draw and count")
    run.wait()
    notebook.save()
    saved = notebook.saved()
    for cell in saved.cells:
        cell.outputs, cell.execution_count = [], None
    NotebookClient(saved, timeout=60, resources={"metadata": {"path": str(notebook.folder)}}).execute()
    check_three_steps(saved.cells[1])

"""The embedded model in the panel, end to end; with --update-screenshots these are the README's pictures."""

from __future__ import annotations

import shutil

import nbformat
import pytest
from notebook_page import LOAD
from panel_page import Panel
from playwright.sync_api import expect
from server import ROOT

from codeact_kernel.models import weights

SMALL, GOOD = "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"
READ = 'import pandas as pd\n\ncustomers = pd.read_csv("customers.csv")\ncustomers.head(3)'
SHORT = "How many rows has customers?"
LONG = "Which region has the most customers with status lost, and how many are they? Draw a bar chart, too."
SMALL_FIGURES = "import matplotlib.pyplot as plt\nplt.rcParams['figure.figsize'] = (6, 2.8)"


@pytest.fixture
def embedded(request, tmp_path):
    """Code that gives a kernel a cache of its own, so that the model's process ends with the test; and a model."""
    pytest.importorskip(
        "xllamacpp", reason="the embedded model's runtime is not installed: pip install '.[local]'"
    )
    pictured = request.config.getoption("--update-screenshots", default=False)
    name, task, steps = (GOOD, LONG, 8) if pictured else (SMALL, SHORT, 2)
    path = weights.where(name)
    if path is None:
        pytest.skip(f"the weights are not here; run `codeact models pull {name}`")
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "models").symlink_to(path.parent)
    setup = [f"import os\nos.environ['CODEACT_CACHE'] = {str(cache)!r}", LOAD]
    setup += [f"%config CodeAct.max_steps = {steps}", SMALL_FIGURES, "del plt, os"]
    yield "\n".join(setup), name, task
    for state in (cache / "servers").glob("*.json"):
        state.unlink()


def wait_end(panel):
    """Wait for the end of the task, and let nothing run that is asked about: nobody knows what a model writes."""

    def ended():
        if panel.part("reject").is_visible():
            panel.part("reject").click()
            panel.part("reject-confirm").click()
        return panel.run.get_attribute("data-status") != "running"

    panel.notebook.wait(ended, "the task ends", timeout=360)


def check_shown(notebook, panel):
    """Whatever the model wrote stands in the panel, what ran of it in the notebook, and all of it in the episode."""
    assert panel.run.get_attribute("data-status") in ("done", "failed", "limit")
    steps = panel.steps()
    ran = [step for step in steps if step in ("ok", "error")]
    notebook.wait(
        lambda: [bool(cell["execution_count"]) for cell in panel.cells()] == [True] * len(ran),
        f"the cells of {steps} have run",
    )
    assert steps or panel.run.get_by_test_id("codeact-answer").inner_text()
    expect(panel.part("cost").last).to_contain_text("tokens")
    (episode,) = notebook.episodes()
    written = [cell.source for cell in nbformat.read(episode, as_version=4).cells]
    assert all(cell["source"] in written for cell in panel.cells())


@pytest.mark.model
@pytest.mark.timeout(400)
def test_the_embedded_model_works_in_the_panel(pages, lab, embedded, pictures):
    setup, model, task = embedded
    notebook = pages.open(lab, READ, name="customers.ipynb")
    shutil.copy(ROOT / "notebooks" / "data" / "customers.csv", notebook.folder)
    notebook.run(setup)
    notebook.call("remove", notebook.path, 1)
    notebook.rerun(notebook.cells()[0]["id"]).wait()
    panel = Panel(notebook).open()
    panel.use(model)
    panel.send(task)
    panel.wait_state("generating")
    expect(panel.part("stop")).to_be_visible()
    wait_end(panel)
    check_shown(notebook, panel)
    notebook.page.mouse.move(900, 400)
    notebook.page.mouse.wheel(0, -20_000)
    notebook.page.mouse.move(700, 5)
    for dark in (False, True):
        notebook.theme(dark=dark)
        notebook.page.screenshot(path=pictures / f"lab-{'dark' if dark else 'light'}.png")
    notebook.theme(dark=False)

"""The notebooks of `notebooks/` run from top to bottom, and hold what they gave when the embedded model was asked."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from faultserver import FaultServer, chat
from kernel_client import block
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LOST = 'customers[customers["status"] == "lost"].groupby("region")["customer_id"].count()'
REPLIES = {
    "tour.ipynb": [
        block(f"lost = {LOST}\nprint(lost)", "I count the lost customers."),
        "East, with 165.",
        block("lost.plot(kind='bar')\nprint(lost.idxmin(), lost.min())", "I draw them."),
        "Central has the fewest, 42.",
        block("import os\nos.remove('data/customers.csv')", "I delete it."),
        block(
            "customers['fee_class'] = customers['monthly_fee'].map(lambda fee: 'high' if fee > 25 else 'low')\n"
            "print(customers['fee_class'].value_counts())"
        ),
        "1357 are high and 1243 low.",
    ]
}


def text_of(cell):
    return "\n".join(
        str(output.get("text") or output.get("evalue") or output.get("data", {}).get("text/plain", ""))
        for output in cell.outputs
    )


def cell_with(notebook, words):
    return next(cell for cell in notebook.cells if words in cell.source)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_tutorial_runs_from_top_to_bottom(path, tmp_path, monkeypatch):
    shutil.copytree(FOLDER / "data", tmp_path / "data")
    notebook = nbformat.read(path, as_version=4)
    with FaultServer([chat(reply) for reply in REPLIES[path.name]]) as server:
        monkeypatch.setenv("CODEACT_MODEL", "openai:scripted")
        monkeypatch.setenv("CODEACT_BASE_URL", server.url)
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
        assert len(server.requests) == len(REPLIES[path.name]), "every reply was asked for, and none twice"
    nbformat.validate(notebook)
    assert "East, with 165." in text_of(cell_with(notebook, "has the most customers"))
    assert (tmp_path / "data" / "customers.csv").exists()
    assert "unknown" in text_of(cell_with(notebook, '["fee_class"].unique()'))
    assert "same: 5 same" in text_of(cell_with(notebook, "replay {newest}"))
    assert "as recorded" in text_of(cell_with(notebook, "rehearse {newest}"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_tutorial_shows_what_the_embedded_model_did(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    asked = [cell for cell in notebook.cells if cell.cell_type == "code" and "%codeact" in cell.source]
    assert len(asked) > 5
    assert all(cell.outputs for cell in asked)
    outputs = str([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])
    assert "llamacpp:qwen2.5-coder-1.5b" in outputs
    assert not re.search(r"/(?:home|root|tmp|work|Users)/", outputs), "no path of the machine it was made on"
    assert "'output_type': 'error'" not in outputs

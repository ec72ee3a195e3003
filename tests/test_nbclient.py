"""Notebooks with `%codeact` under nbclient, and episodes that are notebooks themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from episode_helpers import load, names
from kernel_client import block, write_script
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

from codeact_kernel.episode.chat import check_messages
from codeact_kernel.episode.notebook import verify
from codeact_kernel.models import weights

LOAD = "%load_ext codeact_kernel"
FRAME = "import pandas as pd\ndf = pd.DataFrame({'region': ['north', 'south', 'east'], 'lost': [4, 41, 7]})"


def execute(folder, *sources, **more):
    """Run cells as nbclient does in a folder and return them with their outputs."""
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    return execute_notebook(folder, notebook, **more)


def execute_notebook(folder, notebook, **more):
    client = NotebookClient(
        notebook, timeout=more.pop("timeout", 60), resources={"metadata": {"path": str(folder)}}, **more
    )
    client.execute()
    nbformat.validate(notebook)
    return notebook.cells


def text_of(cell):
    return "\n".join(
        output.get("text") or output.get("evalue") or output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
    )


def the_episode(folder):
    (path,) = (folder / "episodes").glob("*.ipynb")
    assert names(folder / "episodes") == {path.name}
    return path


@pytest.fixture
def work(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def script(tmp_path):
    return lambda *replies: write_script(tmp_path, *replies)


def test_a_notebook_with_tasks_runs_and_holds_the_answers(work, script):
    first = script(
        block("top = df.set_index('region').lost.idxmax()\nprint(top, df.lost.max())"), "South lost 41."
    )
    second = script(block("df.lost.sum()"), "Together 52.")
    cells = execute(
        work,
        LOAD,
        FRAME,
        f"%codeact -m {first} which region lost most?",
        f"answer = %codeact -m {second} and together?\nprint('got', answer)",
        "print(top)",
        allow_errors=False,
    )
    assert "south 41" in text_of(cells[2])
    assert "South lost 41." in text_of(cells[2])
    assert "got Together 52." in text_of(cells[3])
    assert text_of(cells[4]).split() == ["south"]
    assert all("Traceback" not in text_of(cell) for cell in cells)
    notebook = load(the_episode(work))
    assert notebook["metadata"]["codeact"]["status"] == "done"
    assert [task["status"] for task in notebook["metadata"]["codeact"]["tasks"]] == ["done", "done"]
    assert check_messages(notebook) == []


def test_a_notebook_run_where_nobody_looks_keeps_no_widgets(work, script):
    notebook = new_notebook(cells=[new_code_cell(LOAD), new_code_cell(f"%codeact -m {script('It is 7.')} go")])
    cells = execute_notebook(work, notebook)
    assert "It is 7." in text_of(cells[1])
    assert "widgets" not in notebook.metadata


def test_a_task_without_an_answer_does_not_stop_the_notebook_and_a_bad_option_does(work, script):
    cells = execute(work, LOAD, f"%codeact -m {script(block('1 / 0'))} --max-steps 1 go", "print(6 * 7)")
    assert "No answer after 1 steps" in text_of(cells[1])
    assert "division by zero" in text_of(cells[1])
    assert text_of(cells[2]) == "42\n"
    with pytest.raises(CellExecutionError, match="--nonsense"):
        execute(work, LOAD, "%codeact --nonsense go", "print(6 * 7)")


def test_nobody_is_there_to_ask_so_a_risky_cell_is_refused(work, script):
    (work / "keep.txt").write_text("x")
    cells = execute(work, LOAD, f"%codeact -m {script(block('import os; os.remove(chr(107))'), 'I may not.')} go")
    assert "I may not." in text_of(cells[1])
    assert (work / "keep.txt").exists()


def test_running_it_again_asks_again_and_makes_an_episode_of_its_own(work, script):
    model = script(block("print(7)"), "It is 7.")
    for count in (1, 2):
        cells = execute(work, LOAD, f"%codeact -m {model} go")
        assert "It is 7." in text_of(cells[1])
        assert len(names(work / "episodes")) == count


@pytest.fixture
def varied(work, script):
    """An episode with everything that runs: a prelude, a failure, await, `!`, magics, refusals."""
    allowed = [
        block("missing_name"),
        block("import asyncio\nawait asyncio.sleep(0.01)\nprint('awaited')\nscale = factor * 2"),
        block("!echo from the shell\n%time total = scale + 1\ntotal"),
        "It is 7.",
    ]
    refused = [block("import os\nos.remove('nothing')", "I would delete."), block("z = ("), "I may not."]
    execute(
        work,
        "factor = 3",
        LOAD,
        f"%codeact --approve auto -m {script(*allowed)} go",
        "total += 1",
        f"%codeact -m {script(*refused)} clean",
    )
    return the_episode(work)


def outputs_of(cells):
    """What the action cells gave, without times and tracebacks."""
    found = []
    for cell in cells:
        if cell.metadata.get("codeact", {}).get("kind") == "action":
            texts = [output.get("ename") or output.get("data", {}).get("text/plain") for output in cell.outputs]
            found.append([text for text in texts if text])
    return found


def test_the_episode_itself_runs_under_nbclient(varied, tmp_path):
    notebook = nbformat.read(varied, as_version=4)
    kinds = [cell.metadata.codeact.kind for cell in notebook.cells]
    assert {"prelude", "task", "thought", "action", "rejected", "human", "answer"} <= set(kinds)
    before = outputs_of(notebook.cells)
    assert before == [["NameError"], [], ["7"]]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    cells = execute_notebook(tmp_path, notebook)
    assert outputs_of(cells) == before
    assert any("from the shell" in text_of(cell) for cell in cells if cell.cell_type == "code")


def test_the_episode_itself_runs_under_jupyter_execute_and_stays_an_episode(varied):
    done = subprocess.run(
        [sys.executable, "-m", "jupyter", "execute", "--inplace", varied.name],
        cwd=varied.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    notebook = load(varied)
    assert outputs_of(nbformat.read(varied, as_version=4).cells) == [["NameError"], [], ["7"]]
    assert verify(notebook) == []
    assert check_messages(notebook) == []
    assert "%codeact" not in "".join(
        "".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"
    )


@pytest.mark.alone
@pytest.mark.model
def test_the_embedded_model_works_on_a_frame_under_nbclient(work, tmp_path, monkeypatch):
    pytest.importorskip(
        "xllamacpp", reason="the embedded model's runtime is not installed: pip install '.[local]'"
    )
    path = weights.where("qwen2.5-coder-0.5b")
    if path is None:
        pytest.skip("the weights are not here; run `codeact models pull qwen2.5-coder-0.5b`")
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "models").symlink_to(path.parent)  # the model's process is ours: it ends with the test
    monkeypatch.setenv("CODEACT_CACHE", str(cache))
    try:
        cells = execute(
            work,
            LOAD,
            FRAME,
            "%codeact -m llamacpp:qwen2.5-coder-0.5b --max-steps 4 Which region in df lost the most, and how many?",
            "print(6 * 7)",
            timeout=170,
        )
    finally:
        for state in (cache / "servers").glob("*.json"):
            state.unlink()
    assert text_of(cells[3]) == "42\n"
    notebook = load(the_episode(work))
    header = notebook["metadata"]["codeact"]
    assert header["status"] in {"done", "limit", "failed"}
    assert header["model"]["backend"] == "llamacpp"
    actions = [cell for cell in notebook["cells"] if cell["metadata"]["codeact"]["kind"] == "action"]
    assert any(cell["outputs"] and cell["execution_count"] for cell in actions)
    records = [cell["metadata"]["codeact"].get("record") or {} for cell in notebook["cells"]]
    usages = [record["usage"] for record in records if "usage" in record]
    assert len(usages) >= 2
    assert all(usage["cached"] > 0 for usage in usages[1:])
    assert check_messages(notebook) == []
    assert not list(Path(work).rglob("*.jsonl"))

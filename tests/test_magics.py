"""`%codeact` in a real kernel, over jupyter_client, with scripted models."""

from __future__ import annotations

import nbformat
import pytest
from kernel_client import block, started


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with started(tmp_path_factory.mktemp("notebook")) as notebook:
        yield notebook


@pytest.fixture
def nb(kernel):
    kernel.run("%reset -f")
    kernel.run("%reload_ext codeact_kernel")
    for path in kernel.episodes():
        path.unlink()
    return kernel


def test_a_task_runs_on_the_users_variables_and_leaves_an_episode(nb):
    nb.run("import pandas as pd\ndf = pd.DataFrame({'region': ['n', 's'], 'lost': [1, 41]})")
    model = nb.script(block("top = df.set_index('region').lost.idxmax()\ndf.lost.max()"), "The region s lost 41.")
    reply, text = nb.run(f"%codeact -m {model} which region lost most, and how many?")
    assert reply["status"] == "ok"
    assert "The region s lost 41." in text
    assert "41" in text.split("The region s")[0]
    assert nb.run("print(top)")[1].strip() == "s"
    notebook = nbformat.read(nb.episodes()[0], as_version=4)
    nbformat.validate(notebook)
    task = next(cell for cell in notebook.cells if cell.metadata.codeact.kind == "task")
    assert "df (pandas.DataFrame): 2 rows x 2 columns" in task.metadata.codeact.record.content
    prelude = [cell.source for cell in notebook.cells if cell.metadata.codeact.kind == "prelude"]
    assert any("pd.DataFrame" in source for source in prelude)
    assert notebook.metadata.codeact.prelude_complete is True
    assert "%codeact" not in "".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert nb.episodes()[0].name in text


def test_thought_and_code_are_shown_with_step_and_speed(nb):
    _, text = nb.run(f"%codeact -m {nb.script(block('x = 1', 'I set x.'), 'Done.')} go")
    assert "step 1" in text
    assert "I set x." in text
    assert "x = 1" in text


@pytest.mark.parametrize(
    "cell",
    [
        "for _ in [1]:\n    %codeact -m {m} go on",
        "%%codeact -m {m}\ngo on\nwith two lines",
        "answer = %codeact -m {m} go on\nprint('got', answer)",
        "%codeact -m {m} -o answer go on\nprint('got', answer)",
        "%codeact -m {m} is it so?",
        '%codeact --model={m} what\'s "this" (and -o that?',
    ],
)
def test_every_form_of_the_magic_is_awaited(nb, cell):
    reply, text = nb.run(cell.replace("{m}", nb.script("It is so.")))
    assert reply["status"] == "ok", text
    assert "It is so." in text
    if "print" in cell:
        assert "got It is so." in text


def test_inside_a_function_it_says_why_it_did_not_run(nb):
    _, text = nb.run(f"def f():\n    get_ipython().run_line_magic('codeact', '-m {nb.script('Yes.')} go')\nf()")
    assert "must be awaited" in text
    assert "Yes." not in text


def test_fields_are_filled_from_the_kernel_and_other_braces_stay(nb):
    nb.run("limit = 17")
    nb.run("limit * 2")
    nb.run(f'%codeact -m {nb.script("Done.")} above {{limit}} and {{nothing}} and {{"a": 1}}')
    notebook = nbformat.read(nb.episodes()[0], as_version=4)
    task = next(cell for cell in notebook.cells if cell.metadata.codeact.kind == "task")
    assert task.metadata.codeact.record.text == 'above 17 and {nothing} and {"a": 1}'


def test_out_and_err_fields(nb):
    count = nb.run("'the ' + 'result'")[0]["execution_count"]
    failed = nb.run("missing_name")[0]["execution_count"]
    nb.run(f"%codeact -m {nb.script('Done.')} see {{Out[{count}]}} and {{Err[{failed}]}}")
    notebook = nbformat.read(nb.episodes()[0], as_version=4)
    text = next(
        cell for cell in notebook.cells if cell.metadata.codeact.kind == "task"
    ).metadata.codeact.record.text
    assert "see the result and" in text
    assert "NameError" in text


def test_fix_takes_the_last_cell_that_failed(nb):
    nb.run("total = undefined_thing + 1")
    reply, _ = nb.run(f"%codeact -m {nb.script(block('total = 1'), 'It was not defined.')} fix")
    assert reply["status"] == "ok"
    notebook = nbformat.read(nb.episodes()[0], as_version=4)
    text = next(
        cell for cell in notebook.cells if cell.metadata.codeact.kind == "task"
    ).metadata.codeact.record.text
    assert "total = undefined_thing + 1" in text
    assert "NameError" in text


def test_a_further_task_goes_on_and_the_users_cells_between_are_kept(nb):
    nb.run(f"%codeact -m {nb.script(block('x = 1'), 'Set.')} set x")
    nb.run("x = x + 40")
    nb.run(f"%codeact -m {nb.script(block('print(x + 1)'), 'It is 42.')} and now?")
    assert len(nb.episodes()) == 1
    kinds = [cell.metadata.codeact.kind for cell in nbformat.read(nb.episodes()[0], as_version=4).cells]
    assert kinds.count("task") == 2
    assert "human" in kinds
    nb.run("%codeact reset")
    nb.run(f"%codeact -m {nb.script('Yes.')} anew")
    assert len(nb.episodes()) == 2
    listing = nb.run("%codeact list")[1]
    assert listing.count("episodes/") == 2
    assert "anew" in listing


def test_run_all_shows_the_saved_answer_and_an_edited_task_runs(nb):
    model = nb.script("First answer.")
    nb.run(f"%codeact -m {model} tell me", cell_id="cell-1")
    nb.run("%reload_ext codeact_kernel")
    missing = "scripted:/nonexistent.jsonl"
    reply, text = nb.run(f"%codeact -m {missing} tell me", cell_id="cell-1")
    assert reply["status"] == "ok"
    assert "First answer." in text
    assert "--again" in text
    assert (
        "Second answer." in nb.run(f"%codeact -m {nb.script('Second answer.')} tell me more", cell_id="cell-1")[1]
    )
    assert "Third." in nb.run(f"%codeact --again -m {nb.script('Third.')} tell me", cell_id="cell-1")[1]
    assert "Fourth." in nb.run(f"%codeact -m {nb.script('Fourth.')} tell me", cell_id="cell-2")[1]


@pytest.mark.alone
@pytest.mark.parametrize(
    ("replies", "seconds"),
    [
        ([{"text": "Yes.", "delay_s": 30}], 1.0),
        ([block("import time\ntime.sleep(30)")], 1.5),
        ([block("while True: pass")], 1.5),
        ([block("import asyncio\nawait asyncio.sleep(30)")], 1.5),
    ],
    ids=["model", "sleep", "loop", "await"],
)
def test_the_interrupt_button_stops_the_episode_and_the_kernel_lives(nb, replies, seconds):
    reply, _ = nb.run(f"%codeact --approve auto -m {nb.script(*replies)} go", interrupt_after=seconds)
    assert reply["status"] == "error"
    assert reply["seconds_to_stop"] < 0.5 + 0.3  # the save of the episode and this client's polling
    assert nb.run("print(6 * 7)")[1].strip() == "42"
    assert nbformat.read(nb.episodes()[0], as_version=4).metadata.codeact.status == "interrupted"
    assert (
        nb.run("import signal\nsignal.getsignal(signal.SIGINT) is signal.default_int_handler")[1].strip() == "True"
    )


def test_a_risky_cell_is_asked_about_and_may_be_edited(nb):
    (nb.folder / "old.txt").write_text("x")
    code = "import os\nos.remove('old.txt')"
    reply, text = nb.run(f"%codeact -m {nb.script(block(code), 'Removed.')} clean", stdin=["y"])
    assert reply["status"] == "ok"
    assert "deletes files" in text
    assert not (nb.folder / "old.txt").exists()
    nb.run("%codeact reset")
    (nb.folder / "old.txt").write_text("x")
    nb.run(f"%codeact -m {nb.script(block(code), 'No.')} clean", stdin=["n too dangerous"])
    assert (nb.folder / "old.txt").exists()
    assert any("too dangerous" in path.read_text() for path in nb.episodes())


def test_without_stdin_a_risky_cell_is_refused(nb):
    (nb.folder / "old.txt").write_text("x")
    _, text = nb.run(f"%codeact -m {nb.script(block('import os; os.remove(chr(111))'), 'I may not.')} clean")
    assert (nb.folder / "old.txt").exists()
    assert "--approve auto" in text


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("%codeact", "empty"),
        ("%%codeact\n", "empty"),
        ("%codeact --nonsense go", "--nonsense"),
        ("%codeact --max-steps many go", "max_steps"),
        ("%codeact --approve maybe go", "maybe"),
        ("%codeact -m", "-m"),
        ("%codeact -m scripted:/nonexistent.jsonl go", "nonexistent"),
        ("%codeact -m nosuchmodel:x go", "nosuchmodel"),
        ("%codeact fix", "nothing to fix"),
    ],
)
def test_bad_input_gets_one_sentence_and_the_kernel_lives(nb, cell, words):
    _, text = nb.run(cell)
    assert words in text
    assert "Traceback" not in text
    assert len([line for line in text.strip().splitlines() if line.strip()]) <= 2
    assert nb.run("print(6 * 7)")[1].strip() == "42"


def test_help_names_every_option(nb):
    text = nb.run("%codeact help")[1]
    shown = nb.run("print(get_ipython().find_line_magic('codeact').__doc__)")[1]
    assert " ".join(shown.split()) == " ".join(text.split())
    for word in ("--model", "--output", "--max-steps", "--approve", "--again", "fix", "list", "reset", "{Out[3]}"):
        assert word in text


def test_settings_are_ipython_settings(nb):
    nb.run("%config CodeAct.max_steps = 1")
    _, text = nb.run(f"%codeact -m {nb.script(block('1'), block('2'), block('3'))} go")
    assert "No answer after 1 steps" in text


def test_unloading_leaves_nothing(nb):
    nb.run("%unload_ext codeact_kernel")
    text = nb.run("%codeact go")[1]
    assert "codeact` not found" in text
    nb.run("%load_ext codeact_kernel")


def test_fix_shows_the_failing_code_as_it_was_typed(nb):
    nb.run("total = 42")
    nb.run("print(f'{total} {rate}')")
    nb.run(f"%codeact -m {nb.script(block('rate = 3'), 'Done.')} fix")
    task = next(mark for mark in marks(nb) if mark["kind"] == "task")
    assert "print(f'{total} {rate}')" in task["record"]["text"]


def test_a_cancelled_magic_stops_the_agent(nb):
    slow, quick = nb.script({"text": "Late.", "delay_s": 60}), nb.script("Soon.")
    _, text = nb.run(
        "import asyncio\nask = get_ipython().magics_manager.magics['line']['codeact']\n"
        f"try:\n    await asyncio.wait_for(ask('-m {slow} go'), 1)\n"
        "except asyncio.TimeoutError: print('timed out')\nawait asyncio.sleep(1)"
    )
    assert "timed out" in text
    assert "Soon." in nb.run(f"%codeact -m {quick} go")[1]


def marks(nb):
    notebook = nbformat.read(nb.episodes()[0], as_version=4)
    return [cell.metadata.codeact for cell in notebook.cells]

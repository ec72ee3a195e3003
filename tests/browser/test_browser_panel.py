"""The side panel and the agent's real cells: what a task looks like from its first word to its answer."""

from __future__ import annotations

import nbformat
import pytest
from faultserver import chat
from kernel_client import block
from notebook_page import HOLD, LOAD, mimes, text_of
from panel_page import Panel
from playwright.sync_api import expect
from slow_model import SlowModel, slow

PLOT = "import matplotlib.pyplot as plt\nplt.plot(frame.n)\nplt.show()"
WRONG = "counted = np.unique(frame.n)"
MENDED = "import numpy as np\ncounted = np.unique(frame.n)\nframe"
FRAME = "import pandas as pd\nframe = pd.DataFrame({'n': [1, 2, 2]})"
SLEEP = """\
import time
print('asleep', flush=True)
try:
    time.sleep(60)
finally:
    ended = time.time()"""


@pytest.fixture
def three_steps(script):
    """A plot, an error that is then mended, a table; the answer."""
    return script(
        block(PLOT, "I draw it."),
        block(WRONG, "I count."),
        block(MENDED, "numpy was not imported."),
        "There are 2 different numbers.",
    )


def opened(pages, server, *setup, cells=(), **more):
    """Return a notebook with a cell that loads the extension, run, and its open panel."""
    notebook = pages.open(server, "\n".join([LOAD, *setup]), *cells, **more)
    notebook.rerun(notebook.cells()[0]["id"]).wait()
    return notebook, Panel(notebook).open()


def with_model(model):
    return f"%config CodeAct.model = '{model}'"


def test_tools_and_a_check_are_set_in_the_options(pages, servers, script):
    notebook, panel = opened(pages, servers("lab"), "def lookup(name):", "    return 7")
    model = script(block("final_answer(lookup('a') - 8)"), block("final_answer(lookup('a'))"))
    panel.use(model)
    options = panel.part("options")
    expect(panel.part("option-tools")).to_be_hidden()
    options.locator("summary").click()
    panel.part("option-tools").fill("lookup")
    panel.part("option-check").fill("answer > 0")
    expect(options.locator("summary")).to_have_text("Options: tools lookup; check answer > 0")
    assert panel.ask("how many?") == "7"
    assert panel.steps() == ["ok", "ok"]
    # A check is for one task, tools stay.
    expect(options.locator("summary")).to_have_text("Options: tools lookup")
    assert len(notebook.cells()) >= 3


@pytest.mark.parametrize("kind", ["lab", "notebook"])
def test_a_task_runs_as_real_cells_and_a_further_task_goes_on_below(pages, servers, three_steps, script, kind):
    notebook = pages.open(servers(kind), FRAME, "mine = 1")
    notebook.rerun(notebook.cells()[0]["id"]).wait()
    notebook.call("activate", notebook.path, 0)
    panel = Panel(notebook).open()
    panel.use(three_steps)
    assert panel.ask("draw and count") == "There are 2 different numbers."
    assert panel.steps() == ["ok", "error", "ok"]
    plot, wrong, mended = panel.cells()
    assert [cell["source"] for cell in (plot, wrong, mended)] == [PLOT, WRONG, MENDED]
    assert "image/png" in mimes(plot)
    assert "NameError" in text_of(wrong)
    assert "text/html" in mimes(mended)
    counts = [cell["execution_count"] for cell in (plot, wrong, mended)]
    assert counts == sorted(set(counts))
    assert None not in counts
    assert notebook.value("len(counted)") == 2
    panel.use(script(block("total = int(frame.n.sum())\ntotal", "I add them."), "Together 5."))
    assert panel.ask("and the sum?", runs=2) == "Together 5."
    sources = [cell["source"] for cell in notebook.cells()]
    assert [sources.index(source) for source in (PLOT, WRONG, MENDED)] == [1, 2, 3]
    assert sources.index("total = int(frame.n.sum())\ntotal") > sources.index(MENDED)
    assert (sources[0], sources.count("mine = 1")) == (FRAME, 1)
    assert "codeact" not in notebook.cells()[0]["metadata"]
    assert [answer["source"] for answer in panel.cells("answer")] == [
        "There are 2 different numbers.",
        "Together 5.",
    ]
    notebook.save()
    assert len([cell for cell in notebook.saved().cells if "codeact" in cell.metadata]) == 6
    (episode,) = notebook.episodes()
    assert len(nbformat.read(episode, as_version=4).metadata.codeact.tasks) == 2


def test_stop_ends_a_sleeping_cell_within_half_a_second(pages, lab, script):
    notebook, panel = opened(pages, lab, with_model(script(block(SLEEP), "Slept.")))
    panel.send("sleep")
    notebook.wait(lambda: any("asleep" in text_of(cell) for cell in panel.cells()), "the cell sleeps")
    expect(panel.part("state")).to_have_attribute("data-state", "executing")
    panel.stop()
    panel.wait_status("interrupted")
    assert notebook.value("ended") - panel.clicked <= 0.5
    (cell,) = panel.cells()
    assert "KeyboardInterrupt" in text_of(cell)
    expect(notebook.page.get_by_test_id("codeact-chip")).to_have_text("CodeAct · step 1 · stopped")
    assert notebook.run("6 * 7") == "42"


def test_stop_ends_the_writing_of_the_model(pages, lab):
    with SlowModel([slow("I think about it. " * 40, seconds=30)]) as model:
        notebook, panel = opened(pages, lab, model.setup)
        panel.send("think")
        expect(panel.part("writing")).to_contain_text("I think about it. I think")
        panel.stop()
        notebook.wait(lambda: model.open == 0, "the request is closed", timeout=2)
        panel.wait_status("interrupted")
        assert panel.cells() == []
        expect(panel.part("send")).to_be_visible()


def test_a_cell_that_waits_can_be_edited_and_another_rejected_with_a_reason(pages, lab):
    replies = [block("kept = 1", "I set it."), block("kept = 2", "I set it again."), "Kept."]
    with SlowModel([chat(reply) for reply in replies]) as model:
        notebook, panel = opened(pages, lab, model.setup)
        panel.part("mode").select_option("ask")
        panel.send("set kept")
        panel.wait_question(1)
        panel.wait_state("awaiting_approval")
        panel.edit_question("kept = 17")
        panel.part("approve-edited").click()
        panel.wait_question(2)
        assert notebook.value("kept") == 17
        panel.part("reject").click()
        panel.part("reject-reason").fill("kept must stay 17")
        panel.part("reject-confirm").click()
        panel.wait_status("done")
        assert panel.steps() == ["ok", "refused"]
        assert [cell["source"] for cell in panel.cells()] == ["kept = 17"]
        assert notebook.value("kept") == 17
        assert "kept must stay 17" in model.asked()[-1]["content"]
        panel.step(2).get_by_test_id("codeact-sent").click()
        dialog = notebook.page.get_by_test_id("codeact-sent-dialog")
        expect(dialog).to_contain_text("set kept")
        assert dialog.get_by_test_id("codeact-sent-message").count() == len(model.asked(1))


def test_a_risky_cell_says_what_it_would_do_and_others_run_unasked(pages, lab, script):
    risky = block("import os\nos.remove('old.txt')", "Away with it.")
    model = script(block("a = 1"), risky, block("import os\nos.remove('older.txt')"), "Gone.")
    notebook, panel = opened(pages, lab, with_model(model))
    for name in ("old.txt", "older.txt"):
        (notebook.folder / name).write_text("x")
    panel.send("tidy up")
    panel.wait_question(2)
    expect(panel.part("approval").get_by_test_id("codeact-risk").first).to_contain_text("deletes files")
    assert notebook.value("a") == 1
    assert (notebook.folder / "old.txt").exists()
    panel.part("allow").check()
    panel.part("approve").click()
    panel.wait_status("done")
    assert not list(notebook.folder.glob("*.txt"))


def test_undo_brings_a_variable_back_and_redo_takes_it_away_again(pages, lab, script):
    notebook, panel = opened(pages, lab, FRAME, with_model(script(block("frame = frame.head(1)"), "Cut.")))
    assert panel.ask("cut the frame") == "Cut."
    assert notebook.value("len(frame)") == 1
    panel.step(1).get_by_test_id("codeact-undo").click()
    expect(panel.part("undone")).to_contain_text("frame")
    assert notebook.value("len(frame)") == 3
    panel.part("redo").click()
    notebook.wait(lambda: notebook.value("len(frame)") == 1, "the step is done again")


def test_a_failing_cell_of_the_agent_does_not_abort_what_the_user_queued(pages, lab, script):
    failing = f"print('begun', flush=True)\n{HOLD}1 / 0"
    notebook, panel = opened(pages, lab, with_model(script(block(failing), block("1 / 1"), "It is 1.")))
    panel.send("divide")
    notebook.wait(lambda: any("begun" in text_of(cell) for cell in panel.cells()), "the cell runs")
    queued = notebook.begin("after = 6 * 7\nafter")
    notebook.go()
    assert queued.wait() == "42"
    panel.wait_status("done")
    assert panel.steps() == ["error", "ok"]


def test_the_users_own_cell_runs_while_the_model_writes(pages, lab):
    words = "One word after another, and then one more. " * 12
    with SlowModel([slow(block("late = own", words), seconds=3), chat("Written.")]) as model:
        notebook, panel = opened(pages, lab, model.setup)
        panel.send("write")
        expect(panel.part("writing")).to_contain_text("One word")
        own = notebook.begin(f"{HOLD}own = 'mine'\nown")
        lengths = set()
        while not panel.cells():
            assert not own.done
            assert panel.run.get_attribute("data-status") == "running"
            lengths |= {len(text) for text in panel.part("writing").all_inner_texts()}
            notebook.page.wait_for_timeout(200)
        assert len(lengths) >= 8
        assert not own.done
        expect(panel.step(1)).to_have_attribute("data-status", "queued")
        notebook.go()
        assert own.wait() == "'mine'"
        panel.wait_status("done")
        assert notebook.value("late") == "mine"


def test_explain_or_fix_proposes_an_edit_that_the_user_accepts(pages, lab, script):
    mended = "numbers = [1, 2]\nsum(numbers)"
    notebook, panel = opened(pages, lab, with_model(script(block(mended, "It is sum."), "Use sum.")))
    broken = notebook.begin("numbers = [1, 2]\nsumm(numbers)")
    assert "NameError" in broken.wait()
    index = [cell["id"] for cell in notebook.cells()].index(broken.cell_id)
    notebook.box(index).locator(".jp-OutputArea").click(button="right")
    notebook.page.get_by_role("menuitem", name="Explain or Fix with CodeAct").click()
    panel.wait_status("done")
    proposal = notebook.page.get_by_test_id("codeact-proposal")
    expect(proposal).to_be_visible()
    assert notebook.cell(broken.cell_id)["source"] == "numbers = [1, 2]\nsumm(numbers)"
    proposal.get_by_test_id("codeact-proposal-accept").click()
    notebook.wait(lambda: notebook.cell(broken.cell_id)["source"] == mended, "the cell is changed")
    expect(proposal).to_have_count(0)


def test_only_the_final_cells_are_kept_on_demand(pages, lab, three_steps):
    notebook, panel = opened(pages, lab, FRAME, with_model(three_steps))
    panel.ask("draw and count")
    (command,) = [name for name in notebook.call("commands", "codeact:") if "keep" in name]
    notebook.call("command", command)
    notebook.wait(lambda: WRONG not in [cell["source"] for cell in notebook.cells()], "the failed attempt is gone")
    assert [cell["source"] for cell in panel.cells()] == [PLOT, MENDED]
    (episode,) = notebook.episodes()
    assert WRONG in [cell.source for cell in nbformat.read(episode, as_version=4).cells]


def test_saved_episodes_are_listed_and_opened(pages, lab, script):
    notebook, panel = opened(pages, lab, with_model(script(block("x = 1"), "One.")))
    panel.ask("set x")
    panel.part("show-history").click()
    entry = panel.part("episode")
    expect(entry).to_have_count(1)
    expect(entry).to_contain_text("set x")
    entry.click()
    (episode,) = notebook.episodes()
    path = str(episode.relative_to(lab.files))
    notebook.wait(lambda: notebook.call("ready", path), "the episode is open")


def test_the_status_card_says_which_model_answers(pages, lab, script):
    _, panel = opened(pages, lab, with_model(script("Yes.", "Yes.")))
    panel.part("show-status").click()
    expect(panel.part("status")).to_have_attribute("data-ready", "true")
    panel.part("status-check").click()
    expect(panel.part("status-sentence")).to_contain_text("answer")

"""The panel when pages reload, kernels restart, several pages and notebooks share a kernel, and comms end."""

from __future__ import annotations

import pytest
from kernel_client import block
from notebook_page import HOLD, LOAD, mimes, text_of
from panel_page import Panel
from playwright.sync_api import expect
from server import wait_for
from test_browser_panel import FRAME, PLOT, SLEEP, opened, with_model

WAIT = f"print('begun', flush=True)\n{HOLD}slept = True"


def begun(panel):
    """Wait until the agent's cell runs."""
    panel.notebook.wait(lambda: any("begun" in text_of(cell) for cell in panel.cells()), "the cell runs")


def test_a_page_reloaded_while_a_cell_runs_shows_the_task_to_its_end(pages, lab, script):
    model = script(block(WAIT, "I wait."), block("done = 1\ndone", "And one more."), "Waited.")
    notebook, panel = opened(pages, lab, with_model(model), fresh=True)
    panel.send("wait")
    begun(panel)
    assert WAIT not in [cell.source for cell in notebook.saved().cells]
    notebook.reload()
    panel.open().wait_state("executing")
    notebook.go()
    panel.wait_status("done")
    assert panel.steps() == ["ok", "ok"]
    expected = [(WAIT, "begun"), ("done = 1\ndone", "1")]
    notebook.wait(
        lambda: [(cell["source"], text_of(cell).strip()) for cell in panel.cells()] == expected,
        "the cells are back with their outputs, which a cell gets some seconds after its end",
    )
    assert notebook.value("(slept, done)") == (True, 1)


def test_a_question_waits_for_a_page_that_reloads(pages, lab, script):
    notebook, panel = opened(pages, lab, with_model(script(block("kept = 5"), "Kept.")), fresh=True)
    panel.part("mode").select_option("ask")
    panel.send("set kept")
    panel.wait_question(1)
    notebook.reload()
    panel.open()
    panel.wait_question(1)
    panel.part("approve").click()
    panel.wait_status("done")
    assert notebook.value("kept") == 5


def test_a_kernel_restarted_during_a_task_is_told_with_the_saved_notebook(pages, lab, script):
    notebook, panel = opened(pages, lab, with_model(script(block("first = 1"), block(WAIT), "Waited.")))
    panel.send("wait")
    begun(panel)
    notebook.restart()
    notebook.wait(lambda: notebook.call("restarted", notebook.path), "the kernel is back")
    panel.wait_status("failed")
    expect(panel.part("cause")).to_contain_text("kernel")
    panel.wait_state("unloaded")
    chips = notebook.page.get_by_test_id("codeact-chip").locator("visible=true")
    expect(chips).to_have_text(["CodeAct · step 1", "CodeAct · step 2 · stopped"])
    panel.part("open-episode").click()
    (episode,) = notebook.episodes()
    path = str(episode.relative_to(lab.files))
    notebook.wait(lambda: notebook.call("ready", path), "the episode is open")
    notebook.call("activate", notebook.path, 0)
    model = script(block("again = 2\nagain"), "Again.")
    notebook.run(f"{LOAD}\n{with_model(model)}")
    panel.wait_state("idle")
    assert panel.ask("once more", runs=2) == "Again."
    assert notebook.value("again") == 2


def test_saved_episodes_are_listed_while_a_restarted_kernel_comes_up(pages, lab, script):
    notebook, panel = opened(pages, lab, with_model(script(block("first = 1"), block(WAIT), "Waited.")))
    panel.send("wait")
    begun(panel)
    notebook.restart()
    panel.wait_status("failed")
    panel.part("show-history").click()
    expect(panel.part("episode")).to_contain_text("wait")
    panel.wait_state("idle")
    panel.use(script(block("again = 2\nagain"), "Again."))
    assert panel.ask("once more", runs=2) == "Again."


def test_a_second_page_follows_and_can_stop(pages, lab, script):
    notebook, panel = opened(pages, lab, with_model(script(block(SLEEP), "Slept.")))
    notebook.save()
    other = pages.another(notebook)
    second = Panel(other).open()
    panel.send("sleep")
    for one in (panel, second):
        one.wait_state("executing")
    notebook.wait(
        lambda: any("asleep" in text_of(cell) for one in (panel, second) for cell in one.cells()),
        "the cell sleeps",
    )
    second.stop()
    for one in (panel, second):
        one.wait_status("interrupted")
    assert notebook.value("ended") - second.clicked <= 0.5


def test_two_notebooks_on_one_kernel_have_one_agent(pages, lab, script):
    notebook, panel = opened(pages, lab, with_model(script(block("kept = 5"), "Kept.")))
    other = pages.beside(notebook)
    second = Panel(other).open()
    panel.part("mode").select_option("ask")
    panel.send("set kept")
    panel.wait_question(1)
    second.wait_state("awaiting_approval")
    refused = other.run("%codeact me too")
    assert "at work in this kernel" in refused
    assert notebook.file.name in refused
    panel.part("approve").click()
    panel.wait_status("done")
    assert [cell["source"] for cell in panel.cells()] == ["kept = 5"]
    assert second.cells() == []


def test_a_comm_that_the_kernel_closes_is_opened_again_with_the_next_task(pages, lab, script):
    notebook, panel = opened(pages, lab, with_model(script(block("x = 1"), "One.")))
    assert panel.ask("set x") == "One."
    notebook.run(
        "from comm import get_comm_manager\n"
        "for one in list(get_comm_manager().comms.values()):\n"
        "    if one.target_name == 'codeact_kernel':\n"
        "        one.close()"
    )
    panel.wait_state("unloaded", "idle")
    panel.use(script(block("y = 2"), "Two."))
    panel.send("set y")
    notebook.wait(lambda: notebook.value("'y' in globals()") is True, "the task ran")
    expect(panel.run.get_by_test_id("codeact-answer")).to_have_text("Two.")


def test_a_task_goes_on_when_its_page_is_closed(pages, lab, script):
    model = script(block(WAIT), block("late = 3\nlate"), "Done late.")
    notebook, panel = opened(pages, lab, with_model(model), fresh=True)
    panel.send("wait")
    begun(panel)
    notebook.page.close()
    notebook.go()
    wait_for(lambda: any("Done late." in path.read_text() for path in notebook.episodes()), "the answer is saved")
    again = pages.another(notebook)
    panel = Panel(again).open()
    panel.wait_status("done")
    expect(panel.run.get_by_test_id("codeact-answer")).to_have_text("Done late.")
    assert again.value("late") == 3


def kept(notebook):
    """Return what is kept of episodes, the journal of a task under way included."""
    return [path for path in (notebook.folder / "episodes").glob("*") if path.is_file()]


def test_a_task_waits_for_its_page_if_so_set(pages, lab, script):
    model = script(block(WAIT), block("late = 3\nlate"), "Done late.")
    notebook, panel = opened(pages, lab, with_model(model), "%config CodeAct.when_closed = 'wait'", fresh=True)
    panel.send("wait")
    begun(panel)
    notebook.page.close()
    notebook.go()
    wait_for(lambda: any("late = 3" in path.read_text() for path in kept(notebook)), "the first cell is over")
    again = pages.another(notebook)
    panel = Panel(again).open()
    panel.wait_status("done")
    assert "late = 3\nlate" in [cell["source"] for cell in panel.cells()]
    assert text_of(panel.cells()[-1]) == "3"


@pytest.mark.parametrize("place", ["based", "gatewayed"])
def test_panel_and_magic_work_under_a_base_url_and_on_a_gateway(pages, request, place, script):
    server = request.getfixturevalue(place)
    notebook, panel = opened(pages, server, FRAME, with_model(script(block(PLOT, "I draw it."), "Drawn.")))
    assert panel.ask("draw") == "Drawn."
    assert "image/png" in mimes(panel.cells()[0])
    panel.use(script(block(SLEEP), "Slept."))
    panel.send("sleep")
    notebook.wait(lambda: any("asleep" in text_of(cell) for cell in panel.cells()), "the cell sleeps")
    panel.stop()
    panel.wait_status("interrupted", runs=2)
    assert notebook.value("ended") - panel.clicked <= (0.5 if place == "based" else 1.0)
    model = script(block(PLOT, "I draw it."), "It rises.")
    magic = notebook.begin(f"%codeact --inline -m {model} draw again")
    assert "It rises." in magic.wait()
    assert "image/png" in mimes(magic.cell)
    if place == "based":
        assert "/user/someone/" in notebook.page.url
    else:
        assert notebook.value("__import__('os').getcwd()") != str(notebook.folder)

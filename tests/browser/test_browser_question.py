"""A question of the model's: answered in the panel, in the widget, and in the box that a cell's own `input` opens."""

from __future__ import annotations

import pytest
from kernel_client import block
from notebook_page import LOAD
from panel_page import Panel
from playwright.sync_api import expect

ASKS = "Which column do you mean, <b>n</b> or m?"


@pytest.fixture
def asking(script):
    return script(ASKS, block("total = 6\ntotal", "I add n."), "The sum of n is 6.")


def test_the_panel_answers_and_the_task_goes_on(pages, lab, asking):
    notebook = pages.open(lab, f"{LOAD}\n%config CodeAct.model = '{asking}'")
    notebook.rerun(notebook.cells()[0]["id"]).wait()
    panel = Panel(notebook).open()
    panel.send("add the column")
    expect(panel.part("question")).to_contain_text(ASKS)
    panel.part("reply").fill("n, please")
    panel.part("reply").press("Enter")
    expect(panel.part("question")).to_have_count(0)
    expect(panel.part("answer")).to_contain_text("The sum of n is 6.")
    (episode,) = notebook.episodes()
    assert "The user answers: n, please" in episode.read_text("utf-8")


def test_the_widget_answers_and_the_task_goes_on(pages, lab, asking):
    notebook = pages.open(lab, LOAD)
    notebook.rerun(notebook.cells()[0]["id"]).wait()
    run = notebook.begin(f"%codeact --inline -m {asking} add the column")
    widget = notebook.page.get_by_test_id("codeact-widget")
    expect(widget.get_by_test_id("codeact-card")).to_contain_text(ASKS)
    widget.get_by_test_id("codeact-reply").fill("n")
    widget.get_by_test_id("codeact-reply-send").click()
    assert "The sum of n is 6." in run.wait()


def test_a_cell_that_asks_opens_a_box_below_itself(pages, lab, script):
    model = script(block("name = ask_user('Which table?')\nname", "I ask."), "You said orders.")
    notebook = pages.open(lab, f"{LOAD}\n%config CodeAct.model = '{model}'")
    notebook.rerun(notebook.cells()[0]["id"]).wait()
    panel = Panel(notebook).open()
    panel.send("look at it")
    box = notebook.page.locator(".jp-Stdin-input")
    expect(box).to_be_visible()
    box.fill("orders")
    box.press("Enter")
    expect(panel.part("answer")).to_contain_text("You said orders.")
    assert notebook.value("name") == "orders"


SLEEPS = block("import time\nname = 'before'\ntime.sleep(30)\nname = 'after'", "I wait.")


def test_a_person_is_asked_about_a_long_cell_waits_once_and_then_interrupts_it(pages, lab, script):
    model = script(SLEEPS, block("name"), "It was too long.")
    settings = f"%config CodeAct.model = '{model}'\n%config CodeAct.ask_after_seconds = 1"
    notebook = pages.open(lab, f"{LOAD}\n{settings}")
    notebook.rerun(notebook.cells()[0]["id"]).wait()
    panel = Panel(notebook).open()
    panel.send("wait for it")
    expect(panel.part("question")).to_contain_text("has not ended after")
    first = panel.part("question").text_content()
    panel.part("choice-wait").click()
    expect(panel.part("question")).not_to_have_text(first or "")
    expect(panel.part("question")).to_contain_text("has not ended after")
    panel.part("choice-interrupt").click()
    expect(panel.part("answer")).to_contain_text("It was too long.")
    expect(panel.part("question")).to_have_count(0)
    assert notebook.value("name") == "before"


def test_the_widget_asks_about_a_long_cell_too(pages, lab, script):
    model = script(SLEEPS, "It was too long.")
    notebook = pages.open(lab, f"{LOAD}\n%config CodeAct.ask_after_seconds = 1")
    notebook.rerun(notebook.cells()[0]["id"]).wait()
    run = notebook.begin(f"%codeact --inline -m {model} wait for it")
    card = notebook.page.get_by_test_id("codeact-widget").get_by_test_id("codeact-card")
    expect(card).to_contain_text("has not ended after")
    card.get_by_role("button", name="Interrupt").click()
    assert "It was too long." in run.wait()

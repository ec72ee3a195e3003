"""`widget.js` on a bare page, with a model of the test's: keyboard, focus, and text that wants to be HTML."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from accessibility import faint, nameless
from playwright.sync_api import expect

from codeact_kernel import widget

SOURCE = Path(widget.__file__)
MOUNT = """async ([script, css, state]) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  document.adoptedStyleSheets = [sheet];
  const module = await import(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })));
  const told = {};
  window.sent = [];
  window.model = {
    get: name => state[name],
    on: (name, call) => { told[name] = call; },
    off: name => { delete told[name]; },
    send: message => { window.sent.push(message); },
    set: (name, value) => { state[name] = value; told[`change:${name}`](); },
  };
  window.told = told;
  window.end = module.render({ model: window.model, el: document.getElementById('here') });
}"""
STEP = {
    "index": 1,
    "status": "ok",
    "thought": '**Look** at `x`.\n\n<img src=x onerror="window.hit=1">',
    "code": "print('<script>window.hit=1</script>')",
    "text": "",
    "risks": [{"kind": "delete", "words": "deletes files: <i>out</i>"}],
    "approval": None,
    "edited": False,
    "summary": '<svg onload="window.hit=1">',
    "seconds": 1.5,
    "tokens": 20,
    "tokens_per_second": 9.0,
    "notice": "",
}
RUN = {
    "run": "run-1",
    "task": "<b>mean</b>",
    "status": None,
    "answer": "",
    "cause": "",
    "episode": None,
    "usage": {"input": 900, "output": 100, "cached": 0},
    "started": 0,
    "ended": None,
    "steps": [STEP],
}
QUESTION = {
    "step": 2,
    "sha256": "abc",
    "code": "import os\nos.remove('out')",
    "reason": "it may be risky: delete",
    "risks": [{"kind": "delete", "words": "deletes files: out"}],
    "allowable": ["delete"],
    "unsaved": [{"name": "con", "reason": "a connection"}],
    "text": "",
}
SAID = {"v": 1, "run": "run-1", "type": "approve", "step": 2, "sha256": "abc"}


@pytest.fixture(params=["light", "dark"])
def page(request, chromium):
    context = chromium.new_context(color_scheme=request.param, viewport={"width": 800, "height": 700})
    page = context.new_page()
    page.set_content(
        "<style>:root { color-scheme: light dark; background: Canvas; }</style>"
        "<button id=before>before</button><div id=here></div>"
    )
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.evaluate("() => window.end()")
    assert page.evaluate("() => Object.keys(window.told)") == [], "nothing listens after the end"
    assert errors == []
    context.close()


def mount(page, **state):
    whole = {"run": RUN, "state": "generating", "live": None, "question": None, "notices": [], "show_answer": True}
    css = SOURCE.with_suffix(".css").read_text("utf-8")
    page.evaluate(MOUNT, [widget.script(), css, copy.deepcopy(whole | state)])
    return page.get_by_test_id("codeact-widget")


def change(page, name, value):
    page.evaluate("([name, value]) => window.model.set(name, value)", [name, value])


def focused(page):
    return page.evaluate("() => document.activeElement.dataset.testid ?? document.activeElement.id")


def last(page):
    return page.evaluate("() => window.sent.at(-1)")


def test_it_says_that_it_is_ready_and_text_never_becomes_html(page):
    root = mount(page, notices=["<i>slow</i>"])
    assert last(page) == {"v": 1, "run": "run-1", "type": "ready"}
    change(
        page,
        "run",
        RUN
        | {"status": "done", "answer": "<u>3</u>\n\n<img src=x onerror='window.hit=1'>", "ended": 4}
        | {"steps": [STEP | {"status": "refused"}]},  # code that ran stands below, not in the widget
    )
    expect(page.get_by_test_id("codeact-answer")).to_contain_text("<img src=x")
    page.get_by_test_id("codeact-fold").click()
    expect(root).to_contain_text("<script>window.hit=1</script>")
    expect(root).to_contain_text("deletes files: <i>out</i>")
    assert root.locator("img, script, svg, i, u, b").count() == 0
    assert root.locator("strong").first.text_content() == "Look"
    assert page.evaluate("() => window.hit") is None


def test_the_step_that_is_written_streams_and_the_rest_stays_untouched(page):
    root = mount(page, run=RUN | {"steps": [STEP, STEP | {"index": 2, "status": "writing"}]})
    page.evaluate("() => { document.querySelector('[data-testid=codeact-step]').marked = true; }")
    live = {"index": 2, "status": "writing", "text": "Now.\n```python\nx = ", "tokens_per_second": 12.25}
    change(page, "live", live)
    expect(root.get_by_test_id("codeact-step").nth(1)).to_contain_text("x =")
    expect(page.get_by_test_id("codeact-title")).to_have_text("writing")
    expect(page.get_by_test_id("codeact-figures")).to_contain_text("12.3 tokens/s · 1,000 tokens")
    assert page.evaluate("() => document.querySelector('[data-testid=codeact-step]').marked") is True


@pytest.mark.parametrize("inline", [True, False])
def test_a_thought_that_stands_below_above_its_outputs_is_not_shown_twice(page, inline):
    steps = [STEP, STEP | {"index": 2, "status": "asking", "thought": "Now this."}]
    items = mount(page, run=RUN | {"inline": inline, "steps": steps}).get_by_test_id("codeact-step")
    expect(items.nth(1)).to_contain_text("Now this.")
    assert ("Look at x." in items.nth(0).inner_text()) is not inline


def test_stop_is_sent_and_says_so(page):
    mount(page)
    page.get_by_test_id("codeact-stop").click()
    assert last(page) == {"v": 1, "run": "run-1", "type": "stop"}
    expect(page.get_by_test_id("codeact-stop")).to_have_text("Stopping…")
    expect(page.get_by_test_id("codeact-stop")).to_be_disabled()


def test_the_card_takes_the_focus_only_from_within_the_widget(page):
    mount(page)
    page.locator("#before").focus()
    change(page, "question", QUESTION)
    expect(page.get_by_test_id("codeact-card")).to_be_visible()
    assert focused(page) == "before"
    change(page, "question", None)
    expect(page.get_by_test_id("codeact-card")).to_have_count(0)
    page.get_by_test_id("codeact-stop").focus()
    change(page, "question", QUESTION)
    expect(page.get_by_test_id("codeact-editor")).to_be_focused()
    page.keyboard.press("Control+Enter")
    change(page, "question", None)
    expect(page.get_by_test_id("codeact-card")).to_have_count(0)
    assert focused(page) == "codeact-widget"
    change(page, "question", QUESTION | {"step": 3})
    expect(page.get_by_test_id("codeact-editor")).to_be_focused()


def test_the_keyboard_edits_and_runs_and_leaves_the_editor(page):
    mount(page, question=QUESTION, state="awaiting_approval")
    editor, run = page.get_by_test_id("codeact-editor"), page.get_by_test_id("codeact-run")
    editor.focus()
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("pass")
    assert editor.input_value() == QUESTION["code"] + "\n    pass"
    expect(run).to_have_text("Run edited")
    expect(page.get_by_test_id("codeact-allow")).to_be_disabled()
    change(page, "state", "awaiting_approval")
    change(page, "notices", ["News."])
    expect(page.get_by_text("News.")).to_be_visible()
    assert editor.input_value().endswith("pass"), "what happens meanwhile costs no edit"
    page.keyboard.press("Escape")
    assert focused(page) == "codeact-run"
    page.keyboard.press("Shift+Tab")
    assert focused(page) == "codeact-editor"
    page.keyboard.press("Control+Enter")
    assert last(page) == SAID | {"decision": "modify", "code": QUESTION["code"] + "\n    pass"}
    expect(run).to_be_disabled()


@pytest.mark.parametrize(
    ("press", "said"),
    [
        ("run", {"decision": "approve"}),
        ("allow", {"decision": "approve", "allow": True}),
        ("reject", {"decision": "reject", "reason": "not today"}),
        ("card-stop", {"decision": "stop"}),
    ],
)
def test_every_answer_is_bound_to_the_text_that_was_shown(page, press, said):
    mount(page, question=QUESTION, state="awaiting_approval")
    card = page.get_by_test_id("codeact-card")
    for words in ("Asked because the cell", "deletes files: out", "con (a connection)"):
        expect(card).to_contain_text(words)
    expect(page.get_by_test_id("codeact-stop")).to_be_hidden()
    page.get_by_test_id("codeact-reason").fill("not today")
    page.get_by_test_id(f"codeact-{press}").click()
    assert last(page) == SAID | said


def test_a_reason_is_sent_with_enter_and_an_empty_cell_cannot_run(page):
    mount(page, question=QUESTION, state="awaiting_approval")
    page.get_by_test_id("codeact-editor").fill("  ")
    expect(page.get_by_test_id("codeact-run")).to_be_disabled()
    page.get_by_test_id("codeact-reason").fill("no")
    page.keyboard.press("Enter")
    assert last(page) == SAID | {"decision": "reject", "reason": "no"}


def test_everything_has_a_name_and_can_be_read(page):
    root = mount(page, question=QUESTION, state="awaiting_approval")
    assert nameless(root) == []
    assert faint(root) == []
    change(page, "question", None)
    change(page, "run", RUN | {"status": "interrupted", "cause": "You stopped it.", "ended": 4})
    page.get_by_test_id("codeact-fold").click()
    assert page.get_by_test_id("codeact-fold").get_attribute("aria-expanded") == "true"
    assert nameless(root) == []
    assert faint(root) == []

"""Undo, redo and protected names as the panel has them, in a real kernel, with a page played over jupyter_client."""

import pytest
from kernel_client import block, started
from panel_client import Page


@pytest.fixture
def nb(tmp_path):
    with started(tmp_path) as notebook:
        reply, _ = notebook.run("%load_ext codeact_kernel")
        assert reply["status"] == "ok"
        yield notebook


def ask(page, *replies, **options):
    return page.done(page.start("do it", model=page.nb.script(*replies), **options), timeout=30)


def test_undo_brings_variables_back_and_redo_takes_that_back(nb):
    page = Page(nb)
    nb.run("numbers = [1, 2]\nalias = numbers")
    run = ask(page, block("numbers.append(3)\nfresh = 1"), block("numbers.clear()"), "Cleared.")
    assert [step["undoable"] for step in run["steps"]] == [True, True, False]
    reply = page.request("undo", steps=1)
    assert "numbers" in reply["restored"], reply
    assert nb.run("print(numbers, alias is numbers, fresh)")[1] == "[1, 2, 3] True 1\n"
    page.request("undo", steps=1)
    assert nb.run("print(numbers, alias, 'fresh' in dir())")[1] == "[1, 2] [1, 2] False\n"
    page.request("redo", steps=2)
    assert nb.run("print(numbers, fresh)")[1] == "[] 1\n"
    assert page.request("undo", steps=99)["type"] == "reply"
    assert page.request("undo", steps=1)["type"] == "error"


def test_what_undo_will_not_restore_is_told_before(nb):
    page = Page(nb)
    nb.run("numbers = (n for n in range(5))")
    run = ask(page, block("next(numbers)"), "The first is 0.")
    assert [entry["name"] for entry in run["steps"][0]["unsaved"]] == ["numbers"]


def test_protected_names_are_refused_or_put_back(nb):
    page = Page(nb)
    nb.run("kept = [1, 2]\ndef grow(values):\n    values.append(9)\nother = kept")
    run = ask(page, block("kept.append(3)"), block("grow(other)"), "It stays [1, 2].", protect=["kept"])
    refused, put_back, _ = run["steps"]
    assert refused["status"] == "error"
    assert "protected" in refused["summary"]
    assert "put back" in put_back["summary"]
    assert nb.run("print(kept)")[1] == "[1, 2]\n"


def test_undo_in_the_magic_says_what_it_did(nb):
    model = nb.script(block("count = 5"), "It is 5.")
    nb.run(f"count = 1\n%codeact -m {model} --inline set count")
    assert "count is back" in nb.run("%codeact undo")[1]
    assert nb.run("print(count)")[1] == "1\n"
    assert "count is back" in nb.run("%codeact redo")[1]
    assert nb.run("print(count)")[1] == "5\n"

"""Every kind of object comes back after a step that changed it, or was named beforehand with a reason."""

import contextlib
import gc
import re
import warnings

import pytest
from kernel_client import started
from undo_zoo import ANIMALS

from codeact_kernel.execute.checkpoint import take
from codeact_kernel.execute.undo import UndoLog


def run(namespace, code):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(code, "<cell>", "exec"), namespace)


def see(namespace, expression):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(expression, namespace)


def step(namespace, log, code):
    """Run a step as the kernel does; return the names that were said not to come back."""
    checkpoint = take(namespace, code, max_seconds=1.0)
    log.push("step 1", checkpoint)
    run(namespace, code)
    checkpoint.settle(namespace)
    return {one.name: one.reason for one in checkpoint.unsaved}


def own(namespace):
    return {name for name in namespace if not name.startswith("__")}


@pytest.fixture
def home():
    namespace = {"__name__": "__main__"}
    yield namespace
    with warnings.catch_warnings():  # open files and coroutines that nobody awaited say so when they go
        warnings.simplefilter("ignore")
        for method in ("close", "shutdown", "cleanup", "terminate"):
            with contextlib.suppress(Exception):
                getattr(namespace["x"], method)()
        namespace.clear()
        gc.collect(1)


def test_the_zoo_is_large():
    assert len(ANIMALS) >= 150
    assert len({animal.name for animal in ANIMALS}) == len(ANIMALS)
    assert sum(not animal.told for animal in ANIMALS) >= 110


@pytest.mark.parametrize("animal", ANIMALS, ids=[animal.name for animal in ANIMALS])
def test_what_a_step_changes_in_place_comes_back_or_was_announced(animal, home):
    run(home, animal.make)
    names, before, seen = own(home), home["x"], repr(see(home, animal.view))
    log = UndoLog()
    reasons = step(home, log, animal.change)
    if animal.told:
        assert animal.told in reasons.get("x", ""), reasons
    else:
        assert reasons == {}
    report = log.undo(home)
    assert own(home) == names
    if animal.told:
        assert home["x"] is before or "holds" in reasons["x"]
        assert "x" in {one.name for one in report.not_restored}
        assert reasons["x"] in report.sentence
    assert repr(see(home, animal.view)) == seen


@pytest.mark.parametrize("animal", ANIMALS, ids=[animal.name for animal in ANIMALS])
def test_what_a_step_rebinds_or_deletes_comes_back(animal, home):
    run(home, animal.make)
    seen = repr(see(home, animal.view))
    for code in ("x = 'other'", "del x"):
        before, log = home["x"], UndoLog()
        reasons = step(home, log, code)
        assert before is None or home.get("x") is not before
        log.undo(home)
        assert type(home["x"]) is type(before)
        assert repr(see(home, animal.view)) == seen
        if "x" in reasons and "holds" not in reasons["x"]:
            assert home["x"] is before


@pytest.mark.parametrize(
    "animal", [animal for animal in ANIMALS if not animal.told], ids=lambda animal: animal.name
)
def test_an_undo_can_be_undone(animal, home):
    run(home, animal.make)
    log = UndoLog()
    step(home, log, animal.change)
    changed = repr(see(home, animal.view))
    log.undo(home)
    log.redo(home)
    assert repr(see(home, animal.view)) == changed
    log.undo(home)
    log.redo(home)
    assert repr(see(home, animal.view)) == changed


MAKE = """
import dataclasses, functools
counter = 0
class Account:
    opened = []
    def __init__(self, n): self.n = n; Account.opened.append(self)
    def pay(self, m):
        global counter
        counter += 1
        self.n += m
@dataclasses.dataclass
class Point:
    x: int
    tags: list
def total(accounts, seen=[]):
    seen.append(len(accounts))
    return sum(a.n for a in accounts)
a, p = Account(5), Point(1, ['t'])
alias = a
"""
STEP = "a.pay(3); p.tags.append('u'); total([a]); b = Account(9); Point.colour = 'red'"
LOOK = (
    "print((a.n, p, counter, len(Account.opened), Account.opened[0] is a is alias, total.__defaults__, "
    "hasattr(Point, 'colour'), 'b' in globals(), type(a) is Account, a.pay.__globals__ is globals()))"
)


def test_classes_and_functions_of_a_real_kernel_survive(tmp_path):
    with started(tmp_path) as notebook:
        notebook.run(MAKE)
        _, before = notebook.run(LOOK)
        notebook.run(
            "from codeact_kernel.execute.undo import UndoLog as _UndoLog\n"
            "from codeact_kernel.execute.checkpoint import take as _take\n"
            "_log, _ck = _UndoLog(), None\n"
            f"_ck = _take(get_ipython().user_ns, {STEP!r}, hidden=get_ipython().user_ns_hidden)\n"
            "_log.push('step 1', _ck)"
        )
        _, told = notebook.run("print(_ck.unsaved)")
        assert told.strip() == "()"
        notebook.run(STEP)
        notebook.run("_ck.settle(get_ipython().user_ns)")
        _, changed = notebook.run(LOOK)
        _, sentence = notebook.run("print(_log.undo(get_ipython().user_ns).sentence)")
        _, after = notebook.run(LOOK)
        _, again = notebook.run("a.pay(1); print(counter, a.n, alias.n)")
        _, redone = notebook.run("_log.redo(get_ipython().user_ns)\n" + LOOK)
    assert re.search(r"^\(8, .*'u'.*, 1, 2, True, .*True, True, True, True\)", changed), changed
    assert after == before
    assert sentence.startswith("Undid step 1: "), sentence
    assert "b is gone" in sentence
    assert again.strip() == "1 6 6"
    assert redone == changed

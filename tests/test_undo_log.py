"""Steps are undone, redone and forgotten; whatever they did, the names come back with their aliases."""

import sqlite3
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codeact_kernel.execute.checkpoint import take
from codeact_kernel.execute.graph import memory_of
from codeact_kernel.execute.undo import UndoLog


def do(namespace, log, code, label="step 1"):
    checkpoint = take(namespace, code)
    forgotten = log.push(label, checkpoint)
    try:
        exec(code, namespace)
    except Exception as error:
        namespace.pop("__warningregistry__", None)
        failure = error
    else:
        failure = None
    checkpoint.settle(namespace)
    return forgotten, failure


def home(**names):
    return {"__name__": "__main__", "__builtins__": __builtins__, **names}


def own(namespace):
    return {name: value for name, value in namespace.items() if not name.startswith("__")}


def test_the_report_says_what_is_back_what_is_gone_and_what_could_not_be_restored():
    namespace, log = home(df=[1], con=sqlite3.connect(":memory:")), UndoLog()
    do(namespace, log, "df.append(2); total = sum(df); con.execute('create table t (a)')", "step 3")
    report = log.undo(namespace)
    assert report.sentence == (
        "Undid step 3: df is back; total is gone; what changed inside con (sqlite3.Connection: cannot be pickled) "
        "could not be restored."
    )
    assert (report.steps, report.restored, report.removed) == (("step 3",), ("df",), ("total",))
    assert [(one.name, one.reason) for one in report.not_restored] == [
        ("con", "sqlite3.Connection: cannot be pickled")
    ]
    namespace["con"].close()


def test_an_attribute_set_on_a_plain_function_is_gone_again():
    namespace, log = home(), UndoLog()
    exec("def mean(values=(1, 2)): return sum(values) / len(values)", namespace)
    do(namespace, log, "mean.cache = {}; mean.__defaults__ = ((3,),)")
    log.undo(namespace)
    assert vars(namespace["mean"]) == {}
    assert namespace["mean"]() == 1.5


def test_a_step_that_changed_nothing_is_said_to_have_changed_nothing():
    namespace, log = home(df=[1]), UndoLog()
    do(namespace, log, "print(df, end='')")
    df = namespace["df"]
    assert log.undo(namespace).sentence == "Undid step 1: no variable had changed."
    assert namespace["df"] is df


def test_several_steps_are_undone_newest_first_and_redone_oldest_first():
    namespace, log = home(x=[0]), UndoLog()
    for number in (1, 2, 3):
        do(namespace, log, f"x.append({number}); y{number} = x", f"step {number}")
    assert log.steps == ("step 1", "step 2", "step 3")
    report = log.undo(namespace, 2)
    assert report.steps == ("step 3", "step 2")
    assert report.sentence == "Undid step 3, step 2: x, y1 are back; y2, y3 are gone."
    assert own(namespace) == {"x": [0, 1], "y1": [0, 1]}
    assert namespace["x"] is namespace["y1"]
    assert (log.steps, log.undone) == (("step 1",), ("step 3", "step 2"))
    assert log.redo(namespace).steps == ("step 2",)
    assert own(namespace) == {"x": [0, 1, 2], "y1": [0, 1, 2], "y2": [0, 1, 2]}
    assert log.redo(namespace, 5).steps == ("step 3",)
    assert namespace["x"] == [0, 1, 2, 3]
    assert namespace["x"] is namespace["y1"] is namespace["y2"] is namespace["y3"]
    assert log.undo(namespace, 9).steps == ("step 3", "step 2", "step 1")
    assert own(namespace) == {"x": [0]}


def test_steps_of_different_runs_may_have_the_same_label():
    namespace, log = home(x=0), UndoLog()
    for number in (1, 2, 3):
        do(namespace, log, f"x = {number}", "step 1")
    assert log.undo(namespace, 2).steps == ("step 1", "step 1")
    assert namespace["x"] == 1


def test_nothing_to_undo_or_redo_is_said():
    log = UndoLog()
    assert log.undo({}).sentence == "There is no step to undo."
    assert log.redo({}).sentence == "There is nothing to redo."
    assert log.undo({}).steps == ()


def test_a_new_step_ends_what_could_be_redone():
    namespace, log = home(x=1), UndoLog()
    do(namespace, log, "x = 2")
    log.undo(namespace)
    do(namespace, log, "x = 3")
    assert log.undone == ()
    assert log.redo(namespace).sentence == "There is nothing to redo."
    assert namespace["x"] == 3


def test_the_oldest_steps_are_forgotten_beyond_the_count_and_the_bytes():
    namespace, log = home(x=[]), UndoLog(most_steps=3)
    gone = [do(namespace, log, "x.append(1)", f"step {number}")[0] for number in range(5)]
    assert gone == [(), (), (), ("step 0",), ("step 1",)]
    assert log.steps == ("step 2", "step 3", "step 4")
    log = UndoLog(most_bytes=2500)
    namespace = home(x=bytearray(1000))
    gone = [do(namespace, log, "x[0] = 1", f"step {number}")[0] for number in range(4)]
    assert gone == [(), (), ("step 0",), ("step 1",)]
    assert log.size < 2500


def test_a_large_value_that_lives_only_in_the_log_counts():
    namespace, log = home(), UndoLog(most_bytes=50_000_000)
    namespace["big"] = np.zeros(5_000_000)
    checkpoint = take(namespace, "big = big[:1].copy()", max_bytes=1_000_000)
    log.push("step 1", checkpoint)
    assert log.size < 1000
    exec("big = big[:1].copy()", namespace)
    checkpoint.settle(namespace)
    assert log.push("step 2", take(namespace, "big")) == ()
    assert 40_000_000 < log.size < 41_000_000
    namespace["other"] = np.zeros(5_000_000)
    log.push("step 3", take(namespace, "other = 1", max_bytes=1_000_000))
    namespace["other"] = 1
    assert log.push("step 4", take(namespace, "big")) == ("step 1",)


def test_an_undo_that_fails_leaves_the_log_and_the_names_as_they_are():
    namespace, log = home(), UndoLog()
    setup = (
        "angry = []\n"
        "def build():\n  if angry: raise OSError('not today')\n  return Odd()\n"
        "class Odd:\n  def __reduce__(self): return (build, ())\n"
        "x, y = Odd(), 1"
    )
    exec(setup, namespace)
    do(namespace, log, "x.a = 1; y = 2")
    namespace["angry"].append(1)
    report = log.undo(namespace)
    assert report.sentence == "The variables could not be brought back (OSError: not today); nothing was changed."
    assert namespace["y"] == 2
    assert log.steps == ("step 1",)
    namespace["angry"].clear()
    assert log.undo(namespace).steps == ("step 1",)
    assert namespace["y"] == 1


SETUP = """
class Box:
    kept = []
    def __init__(self, a): self.a = a
def bump(v, seen=[]):
    seen.append(len(seen))
    if isinstance(v, list): v.append(len(v))
def grow():
    global total
    total = total + 1
total = 0
"""
NAMES = ["a", "b", "c", "d", "e"]
name = st.sampled_from(NAMES)
MAKE = st.one_of(
    st.sampled_from(
        [
            *("[]", "[1, 2]", "{}", "{'k': [1]}", "{1, 2}", "'text'", "3", "None", "(1, [2])", "Box([1])"),
            *("iter([1, 2, 3])", "bytearray(b'abc')", "np.array([[1], 2], dtype=object)", "(lambda z=[]: z)"),
            "np.arange(4.)",
        ]
    ),
    st.builds("[{0}, {1}]".format, name, name),
    st.builds("{{'k': {0}, 'm': {1}}}".format, name, name),
    st.builds("({0}, [{1}])".format, name, name),
    st.builds("Box({0})".format, name),
    st.builds("{0}".format, name),
    st.builds("{0}[1:]".format, name),
    st.builds("(lambda z={0}: z)".format, name),
    st.builds("iter([{0}, {1}])".format, name, name),
)
OPERATION = st.one_of(
    st.builds("{0} = {1}".format, name, MAKE),
    st.builds("new{0} = {1}".format, name, MAKE),
    st.builds("del {0}".format, name),
    st.builds("{0}.append({1})".format, name, name),
    st.builds("{0}['n'] = {1}".format, name, name),
    st.builds("{0}[0] = {1}".format, name, st.sampled_from(["7", *NAMES])),
    st.builds("{0}.clear()".format, name),
    st.builds("{0}['k'].append(5)".format, name),
    st.builds("{0}[0].append(6)".format, name),
    st.builds("{0}.a = {1}".format, name, name),
    st.builds("{0}.a.append(8)".format, name),
    st.builds("{0}.kept.append({1})".format, name, name),
    st.builds("Box.kept = {0}".format, name),
    st.builds("Box.more = {0}".format, name),
    st.builds("bump({0})".format, name),
    st.builds("bump.note = {0}".format, name),
    st.builds("{0}().append(9)".format, name),
    st.just("grow()"),
    st.builds("next({0})".format, name),
    st.builds("{0} += {1}".format, name, name),
    st.builds("{0}, {1} = {1}, {0}".format, name, name),
    st.builds("for {0} in {1}: bump({0})".format, name, name),
    st.builds("globals()['{0}'] = {1}".format, name, name),
)
CELL = st.lists(OPERATION.map("try:\n  {}\nexcept Exception: pass".format), min_size=1, max_size=6).map("\n".join)


def seen(namespace):
    """Return a namespace as text in which equal numbers stand for the same object."""
    numbers, memories = {}, {}

    def look(value):
        if isinstance(value, int | str | float | type(None) | bytes):
            return repr(value)
        if id(value) in numbers:
            return f"#{numbers[id(value)]}"
        number = numbers[id(value)] = len(numbers)
        return f"#{number}={type(value).__name__}({inside(value)})"

    def inside(value):
        if isinstance(value, dict):
            return ", ".join(f"{look(key)}: {look(item)}" for key, item in value.items())
        if isinstance(value, set):
            return ", ".join(sorted(map(look, value)))
        if isinstance(value, list | tuple):
            return ", ".join(map(look, value))
        if isinstance(value, np.ndarray):
            memory = memories.setdefault(id(memory_of(value)), len(memories))
            return f"{', '.join(map(look, value.tolist()))} in memory {memory}"
        if isinstance(value, bytearray):
            return bytes(value).hex()
        if type(value).__name__ == "list_iterator":
            _, arguments, *state = value.__reduce__()
            if not arguments[0] and sys.getrefcount(arguments[0]) <= 3:
                return "over"  # nobody else has the list, so that nothing can come any more
            return f"{look(arguments[0])} at {state}"
        if isinstance(value, type):
            return ", ".join(
                f"{key}={look(item)}" for key, item in sorted(vars(value).items()) if key in {"kept", "more"}
            )
        if callable(value):
            assert value.__globals__ is namespace
            return f"{look(value.__defaults__)}, {look(vars(value))}"
        return f"{look(vars(value))}, {look(type(value))}"

    return "\n".join(f"{key} = {look(namespace[key])}" for key in sorted(own(namespace)) if key != "np")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(makes=st.lists(MAKE, min_size=5, max_size=5), cells=st.lists(CELL, min_size=1, max_size=3))
def test_undo_takes_back_what_any_step_did_and_redo_does_it_again(makes, cells):
    namespace, log = home(np=np), UndoLog()
    exec(SETUP, namespace)
    for key, make in zip(NAMES, makes, strict=True):
        namespace[key] = []
        try:
            exec(f"{key} = {make}", namespace)
        except Exception:
            namespace[key] = [key]
    states = [seen(namespace)]
    for number, cell in enumerate(cells):
        assert take(namespace, cell).unsaved == ()
        do(namespace, log, cell, f"step {number}")
        states.append(seen(namespace))
    for state in reversed(states[:-1]):
        assert log.undo(namespace).steps
        assert seen(namespace) == state
    for state in states[1:]:
        assert log.redo(namespace).steps
        assert seen(namespace) == state
    assert log.undo(namespace, 9).steps
    assert seen(namespace) == states[0]


@pytest.mark.parametrize("steps", [1, 5])
def test_the_log_can_be_emptied(steps):
    namespace, log = home(x=1), UndoLog()
    for _ in range(steps):
        do(namespace, log, "x = 2")
    log.clear()
    assert (log.steps, log.undone, log.size) == ((), (), 0)

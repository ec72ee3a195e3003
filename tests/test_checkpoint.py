"""What a checkpoint reaches, keeps and costs."""

import gc
import signal
import threading
import time
import warnings
import weakref

import numpy as np
import pandas as pd
import pytest

from codeact_kernel.execute.checkpoint import Checkpoint, Unsaved, take, take_names
from codeact_kernel.execute.deadline import OutOfTime, limited
from codeact_kernel.execute.loading import Loader
from codeact_kernel.execute.mentions import mentions
from codeact_kernel.execute.restore import UndoError, restore
from codeact_kernel.execute.saving import Saver

SETUP = """
a, b, c, d = [1], [2], [3], [4]
alias, inner = a, {'k': [a]}
n = 5
def touch_b(): b.append(1)
def outer(): return touch_b()
def all_of_it(): return globals()
class Owner:
    def go(self): c.append(1)
owner = Owner()
rows = iter(d)
"""


def names_for(code, setup=SETUP, **more):
    namespace = {"__name__": "__main__"}
    exec(setup, namespace)
    checkpoint = take(namespace, code, **more)
    return {*checkpoint.names, *(one.name for one in checkpoint.unsaved)}


EVERYTHING = {"a", "b", "c", "d", "alias", "inner", "n", "touch_b", "outer", "all_of_it", "Owner", "owner", "rows"}


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("n = 6", {"n"}),
        ("new = 6", set()),
        ("a.append(2)", {"a", "alias", "inner"}),
        ("inner.clear()", {"a", "alias", "inner"}),
        ("outer()", {"outer", "touch_b", "b"}),
        ("owner.go()", {"owner", "c", "Owner"} - {"Owner"}),
        ("next(rows)", {"rows", "d"}),
        ("for n in b: pass", {"n", "b"}),
        ("import math as n", {"n"}),
        ("def n(): pass", {"n"}),
        ("class n: pass", {"n"}),
        ("with open('x') as n: pass", {"n"}),
        ("try: pass\nexcept ValueError as n: pass", {"n"}),
        ("match b:\n  case [*n]: pass", {"n", "b"}),
        ("(n := 3)", {"n"}),
        ("del n", {"n"}),
        ("%time b.append(3)", {"b"}),
        ("%%time\nb.append(3)", {"b"}),
        ("%%capture n\nprint(b)", {"n", "b"}),
        ("n = !ls {b}", {"n"}),
        ("!rm -rf x", set()),
        ("%matplotlib inline", set()),
        ("%%bash\necho a", set()),
        ("print('a')", set()),
        ("f'{b}'", {"b"}),
        ("from math import *", set()),
    ],
)
def test_a_cell_reaches_what_it_mentions_and_what_hangs_together_with_it(code, names):
    assert names_for(code) == names


@pytest.mark.parametrize(
    "code",
    [
        "this is no python",
        "exec('a = 1')",
        "globals()['a'] = 1",
        "all_of_it()",
        "%run script.py",
        "%reset -f",
        "%%bash --out a\nls",
        "%unknown_magic a",
        "get_ipython().user_ns['a'] = 1",
        "import sys; sys.modules['__main__'].a = 1",
        "import __main__; __main__.a = 1",
        "from antigravity_of_nobody import *",
        "import inspect; inspect.currentframe().f_globals['a'] = 1",
    ],
)
def test_a_cell_that_may_do_anything_reaches_everything(code):
    assert names_for(code) == EVERYTHING


def test_hidden_names_and_those_of_ipython_count_only_where_they_are_mentioned():
    setup = "shown, startup, _1, Out, _ = [1], [2], [3], {1: [3]}, [3]"
    assert names_for("exec('')", setup, hidden={"startup"}) == {"shown"}
    assert names_for("startup.append(1)", setup, hidden={"startup"}) == {"startup"}
    assert names_for("Out.clear(); _1 = 2", setup) == {"Out", "_1"}


def test_names_that_magics_and_functions_bind_are_removed_again():
    namespace = {"__name__": "__main__", "kept": 1}
    exec("def f():\n  global made\n  made = 1", namespace)
    assert take(namespace, "f()").absent == ("made",)
    assert take(namespace, "%%capture out\nx = 1").absent == ("out", "x")


def test_only_what_the_step_made_is_removed():
    namespace = {"x": 1}
    checkpoint = take(namespace, "exec('made = 1')")
    exec("exec('made = 1')", namespace)
    checkpoint.settle(namespace)
    namespace["by_the_user"] = 2
    assert restore(namespace, checkpoint).removed == ("made",)
    assert namespace.keys() - {"__builtins__"} == {"x", "by_the_user"}


def test_names_that_did_not_change_keep_their_objects():
    namespace = {"__name__": "__main__"}
    exec(
        "import pandas as pd; frame = pd.DataFrame({'a': ['x', 'y']}); rows = [1]; words = ['a', ['b']]", namespace
    )
    frame, words = namespace["frame"], namespace["words"]
    code = "rows.append(len(frame) + len(words)); new = frame"
    checkpoint = take(namespace, code)
    exec(code, namespace)
    checkpoint.settle(namespace)
    done = restore(namespace, checkpoint)
    assert namespace["frame"] is frame
    assert namespace["words"] is words
    assert (done.restored, done.removed, namespace["rows"]) == (("rows",), ("new",), [1])


def test_a_rebound_big_value_is_bound_again_though_it_is_not_saved():
    big = np.zeros(10_000_000)
    namespace = {"big": big, "small": [1]}
    began = time.perf_counter()
    checkpoint = take(namespace, "big[0] = 1; small.append(2)", max_bytes=10 * 2**20)
    assert time.perf_counter() - began < 0.5
    assert checkpoint.unsaved == (Unsaved("big", "larger than 10 MB"),)
    assert checkpoint.size < 1000
    namespace.update(big=None, small=None)
    done = restore(namespace, checkpoint)
    assert namespace["big"] is big
    assert namespace["small"] == [1]
    assert done.not_restored == checkpoint.unsaved


def test_the_size_cap_stops_a_pickle_while_it_is_written():
    class Growing:
        made = 0

        def __reduce__(self):
            Growing.made += 1
            return (bytes, (b"x" * 2**20, *([Growing()] * 1)))

    namespace = {"x": [Growing() for _ in range(10)], "y": [1]}
    checkpoint = take(namespace, "x; y", max_bytes=5 * 2**20)
    assert checkpoint.unsaved == (Unsaved("x", "larger than 5 MB"),)
    assert checkpoint.names == ("y",)
    assert Growing.made < 20
    assert checkpoint.size < 1000


def test_names_that_are_too_large_together_leave_the_small_ones_saved():
    namespace = {"a": bytearray(3_000_000), "b": bytearray(4_000_000), "c": [1]}
    checkpoint = take(namespace, "a, b, c", max_bytes=5 * 2**20)
    assert checkpoint.names == ("c", "a")
    assert checkpoint.unsaved == (Unsaved("b", "with the other names larger than 5 MB"),)


@pytest.mark.alone
def test_values_that_hang_leave_time_for_the_others():
    setup = (
        "import time\n"
        "class Sleeps:\n  def __reduce__(self): time.sleep(60)\n"
        "class Spins:\n  def __reduce__(self):\n    while True:\n      try: time.sleep(0.01)\n      except Exception: pass\n"
        "a, z, fine = Sleeps(), Spins(), [1]\n"
    )
    namespace = {"__name__": "__main__"}
    exec(setup, namespace)
    began = time.monotonic()
    checkpoint = take(namespace, "a, fine, z", max_seconds=1.0)
    assert time.monotonic() - began < 1.5
    assert {one.name for one in checkpoint.unsaved} == {"a", "z"}
    assert all("took longer than 1 s" in one.reason for one in checkpoint.unsaved)
    assert "fine" in checkpoint.names


def test_a_failing_value_leaves_the_others_and_their_aliases_alone():
    shared = [1]
    gen = (i for i in shared)
    namespace = {"a": {"s": shared, "g": gen}, "b": [shared, gen], "c": shared, "d": [shared, {"deep": shared}]}
    checkpoint = take(namespace, "a, b, c, d")
    assert checkpoint.unsaved == (
        Unsaved("a", "holds generator: has no state that can be saved"),
        Unsaved("b", "holds generator: has no state that can be saved"),
    )
    shared.append(2)
    namespace["d"].append(3)
    restore(namespace, checkpoint)
    assert namespace["c"] == [1]
    assert namespace["d"] == [[1], {"deep": [1]}]
    back = namespace["c"]
    assert all(one is back for one in (namespace["a"]["s"], namespace["b"][0], namespace["d"][0]))
    assert namespace["a"]["g"] is gen


class Moody:
    """Loads only as long as it may."""

    angry = False

    def __init__(self):
        self.a = 1

    def __reduce__(self):
        return (moody, ())


def moody():
    if Moody.angry:
        raise OSError("not today")
    return Moody()


def test_a_restore_that_fails_changes_nothing_and_says_so(monkeypatch):
    namespace = {"x": Moody(), "y": [1], "kept": "a"}
    checkpoint = take(namespace, "x.a = 2; y.append(2); kept = 'b'; z = 3")
    assert checkpoint.unsaved == ()
    exec("x.a = 2; y.append(2); kept = 'b'; z = 3", namespace)
    before = dict(namespace)
    monkeypatch.setattr(Moody, "angry", True)
    with pytest.raises(UndoError, match=r"could not be brought back \(OSError: not today\); nothing was changed"):
        restore(namespace, checkpoint)
    assert namespace == before
    assert all(namespace[name] is value for name, value in before.items())
    assert namespace["y"] == [1, 2]
    monkeypatch.setattr(Moody, "angry", False)
    restore(namespace, checkpoint)
    assert (namespace["y"], namespace["kept"], "z" in namespace) == ([1], "a", False)


def test_an_interrupt_while_saving_is_the_users():
    class Interrupted:
        def __reduce__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take({"x": Interrupted()}, "x")


def test_bytes_and_values_do_not_outlive_a_checkpoint():
    class Value:
        pass

    namespace = {"x": {"k": [Value()]}}
    gc.collect()
    gc.disable()
    try:
        checkpoint = take(namespace, "x.clear()")
        namespace["x"].clear()
        restore(namespace, checkpoint)
        watched = weakref.ref(namespace["x"]["k"][0])
        del checkpoint, namespace
        assert watched() is None
        assert not [one for one in gc.get_objects() if isinstance(one, Saver | Loader)]
    finally:
        gc.enable()


def test_saving_warns_of_nothing_and_prints_nothing(capsys):
    import itertools

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        take({"x": itertools.count(1), "y": zip([1], [2], strict=False)}, "x, y")
    assert capsys.readouterr() == ("", "")


def test_a_checkpoint_can_be_restored_twice():
    namespace = {"x": [1]}
    checkpoint = take(namespace, "x.append(2)")
    for _ in range(2):
        namespace["x"].append(2)
        restore(namespace, checkpoint)
        assert namespace["x"] == [1]


def test_a_checkpoint_names_what_undo_will_not_restore():
    namespace = {"g": (i for i in ()), "x": [1]}
    assert take(namespace, "next(g); x.append(1)").unsaved == (
        Unsaved("g", "generator: has no state that can be saved"),
    )
    assert take(namespace, "x.append(1)").unsaved == ()


def test_names_can_be_taken_directly():
    namespace = {"x": [1], "y": [2]}
    checkpoint = take_names(namespace, ["x", "none"])
    assert isinstance(checkpoint, Checkpoint)
    assert (checkpoint.names, checkpoint.absent) == (("x",), ("none",))


@pytest.mark.alone
@pytest.mark.parametrize("frame", ["numbers", "text"])
def test_fifty_names_and_a_large_frame_that_is_not_mentioned_cost_little(frame):
    rows = 1_250_000
    columns = {f"c{i}": np.random.default_rng(i).random(rows) for i in range(10)}
    if frame == "text":
        columns = {"t": pd.Series([f"word {i}" for i in range(rows)], dtype=object)}
    namespace = {f"n{i}": [i, {"a": i}] for i in range(50)} | {"big": pd.DataFrame(columns)}
    seconds = [take(namespace, "n1.append(3); x = 1").seconds for _ in range(5)]
    assert take(namespace, "n1.append(3); x = 1").names == ("n1",)
    assert min(seconds) < (0.02 if frame == "numbers" else 0.2)


def test_a_namespace_too_large_to_look_through_is_taken_whole():
    namespace = {"many": [[i] for i in range(400_000)], "small": [1]}
    checkpoint = take(namespace, "new = small", max_seconds=2)
    assert {"many", "small"} <= {*checkpoint.names, *(one.name for one in checkpoint.unsaved)}


def test_functions_mention_their_globals_and_what_they_bind():
    said = mentions("import numpy as np\nfor i, (j, *k) in z: del q\ndef f(x): global g; y = x")
    assert said.binds == {"np", "i", "j", "k", "q", "f", "g", "y"}
    assert not said.everything


def test_a_time_limit_leaves_the_users_alarm_as_it_was():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(OutOfTime), limited(0.05):
            time.sleep(5)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0.05
        time.sleep(0.5)
        assert rung == [1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_time_limit_holds_in_another_thread_too():
    ended = []

    def spin():
        try:
            with limited(0.1):
                while True:
                    pass
        except OutOfTime:
            ended.append("in time")
        for _ in range(100_000):
            pass
        ended.append("and no more")

    thread = threading.Thread(target=spin)
    thread.start()
    thread.join(5)
    assert ended == ["in time", "and no more"]

"""Protected names: what a cell would plainly change is refused, what it changes all the same is put back."""

import numpy as np
import pandas as pd
import pytest

from codeact_kernel.agent.stop import Stop
from codeact_kernel.errors import ConfigError
from codeact_kernel.execute.fingerprints import Fingerprints
from codeact_kernel.execute.protect import forbidden
from codeact_kernel.names import Names
from codeact_kernel.run_progress import RunProgress

CHANGES = [
    "df = 1",
    "df: int = 1",
    "x, (y, *df) = z",
    "x = df = 1",
    "del df",
    "del df['a']",
    "del df.a",
    "df += 1",
    "df['a'] += 1",
    "df['a'] = 1",
    "df['a']['b'] = 1",
    "df.x = 1",
    "df.x.y = 1",
    "df.loc[0, 'a'] = 2",
    "df.iloc[0] = 2",
    "df.values[0] = 2",
    "df.columns = ['a']",
    "df.index.name = 'i'",
    "for df in rows: pass",
    "async def f():\n  pass\nasync for df in x: pass",
    "import pandas as df",
    "import df",
    "from x import df",
    "from x import y as df",
    "(df := 3)",
    "[(df := i) for i in x]",
    "with open('x') as df: pass",
    "try: pass\nexcept E as df: pass",
    "def df(): pass",
    "class df: pass",
    "match x:\n  case {'a': df}: pass",
    "match x:\n  case [*df]: pass",
    "match x:\n  case {**df}: pass",
    "df.drop('a', axis=1, inplace=True)",
    "df['a'].fillna(0, inplace=True)",
    "df.insert(0, 'x', 1)",
    "x = df.pop('a')",
    "df.update(other)",
    "df.append(1)",
    "df['k'].append(1)",
    "df.extend([1])",
    "df.clear()",
    "df.sort()",
    "df.reverse()",
    "df.remove(1)",
    "df.setdefault('a', 1)",
    "df.popitem()",
    "df.discard(1)",
    "df.fill(0)",
    "df.__setitem__('a', 1)",
    "setattr(df, 'a', 1)",
    "random.shuffle(df)",
    "np.copyto(df, 0)",
    "heapq.heappush(df, 1)",
    "np.add(a, b, out=df)",
    "np.add(a, b, out=df['x'])",
    "globals()['df'] = 1",
    "globals()['df']['a'] = 1",
    "globals()['df'].drop('a', inplace=True)",
    "del globals()['df']",
    "globals().pop('df')",
    "globals().update(df=1)",
    "globals().update({'df': 1})",
    "globals().clear()",
    "get_ipython().user_ns['df'] = 1",
    "exec('df = 1')",
    "%reset -f",
    "%reset_selective -f d",
    "%xdel df",
    "%store -r df",
    "%time df = 1",
    "%%time\ndf = 1",
    "%%timeit -n 1\ndf['a'] = 1",
    "%%capture df\nprint(1)",
    "df = !ls",
    "def f():\n  global df\n  df = 1",
    "def f():\n  df['a'] = 1",
    "f = lambda: df.pop('a')",
    "class A:\n  df['a'] = 1",
    "if x:\n  df = df.dropna()",
]
HARMLESS = [
    "print(df)",
    "df",
    "df.head()",
    "x = df",
    "d2 = df.copy()\nd2['a'] = 1",
    "df.copy()['a'] = 1",
    "df.assign(a=1)",
    "df.drop('a', axis=1)",
    "df.sort_values('a', inplace=False)",
    "df.groupby('a').sum()",
    "df.columns.insert(0, 'x')",
    "df.index.append(other)",
    "df['s'].str.pad(3)",
    "df.add(1)",
    "x.append(df)",
    "x[df] = 1",
    "x['df'] = 1",
    "x.df = 1",
    "df2 = 1",
    "for i in df: x.append(i)",
    "[df for df in y]",
    "{df: 1 for df in y}",
    "[df.append(1) for df in y]",
    "def f(df): df['a'] = 1",
    "def f(*, df=None): df = 1",
    "def f():\n  df = load()\n  df['a'] = 1",
    "f = lambda df: df.pop()",
    "class A:\n  df = 1",
    "plt.plot(df)",
    "globals()['df']",
    "globals()['x'] = df",
    "%time df.head()",
    "!ls {df}",
    "%matplotlib inline",
    "x = 'df = 1'",
    "this is no python = df",
]


@pytest.mark.parametrize("code", CHANGES)
def test_a_cell_that_plainly_changes_a_protected_name_is_refused(code):
    (sentence,) = forbidden(code, {"df"})
    assert sentence.startswith("df is protected, and this cell would ")
    assert "Work on a copy under another name" in sentence


@pytest.mark.parametrize("code", HARMLESS)
def test_a_cell_that_only_uses_a_protected_name_is_let_run(code):
    assert forbidden(code, {"df"}) == ()


def test_every_protected_name_has_a_sentence_of_its_own_with_the_line():
    first, second = forbidden("x = 1\nb['k'] = 1\na = 2\na = 3", ["a", "b", "c"])
    assert first.startswith("a is protected, and this cell would bind it to something else (line 3).")
    assert second.startswith("b is protected, and this cell would change it in place (line 2).")


def test_add_counts_for_sets_only():
    assert forbidden("s.add(1)", {"s"}, {"s": {1}})
    assert not forbidden("s.add(1)", {"s"}, {"s": pd.Series([1])})


VALUES = {
    "numbers": (lambda: pd.DataFrame({"a": [1, 2]}), "x.loc[0, 'a'] = 9"),
    "one value to NaN": (lambda: pd.DataFrame({"a": [1.0, 2.0]}), "x.iloc[0, 0] = float('nan')"),
    "a column more": (lambda: pd.DataFrame({"a": [1]}), "x['b'] = 1"),
    "dtype": (lambda: pd.DataFrame({"a": [1]}), "x['a'] = x['a'].astype('int32')"),
    "text": (lambda: pd.DataFrame({"s": ["a", "b"]}), "x.loc[1, 's'] = 'c'"),
    "one text to a number": (lambda: pd.DataFrame({"s": ["1", None]}, dtype=object), "x.loc[0, 's'] = 1"),
    "lists": (lambda: pd.DataFrame({"s": [[1], {2: 3}]}), "x.loc[0, 's'].append(5)"),
    "column name": (lambda: pd.DataFrame({"a": [1]}), "x.columns = ['b']"),
    "index": (lambda: pd.DataFrame({"a": [1, 2]}), "x.index = [5, 6]"),
    "index name": (lambda: pd.DataFrame({"a": [1]}), "x.index.name = 'n'"),
    "levels": (
        lambda: pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([(1, 2)])),
        "x.index.names = ['p', 'q']",
    ),
    "attrs": (lambda: pd.DataFrame({"a": [1]}), "x.attrs['k'] = 1"),
    "order": (lambda: pd.DataFrame({"a": [2, 1]}), "x.sort_values('a', inplace=True)"),
    "categories": (lambda: pd.DataFrame({"c": pd.Categorical(["a"])}), "x['c'] = x['c'].cat.add_categories('z')"),
    "times": (lambda: pd.DataFrame({"t": pd.date_range("2026", periods=2, tz="UTC")}), "x.loc[0, 't'] = pd.NaT"),
    "nullable": (lambda: pd.DataFrame({"n": pd.array([1, None], dtype="Int64")}), "x.loc[1, 'n'] = 3"),
    "series": (lambda: pd.Series([1, 2]), "x[0] = 5"),
    "series name": (lambda: pd.Series([1]), "x.name = 'n'"),
    "array": (lambda: np.zeros((3, 4)), "x[1, 2] = 1"),
    "array that is a view": (lambda: np.zeros((6, 4))[::2].T, "x[1, 2] = 1"),
    "shape": (lambda: np.zeros((3, 4)), "x.resize((4, 3), refcheck=False)"),
    "array of objects": (lambda: np.array([[1], 2], dtype=object), "x[0].append(2)"),
    "list": (lambda: [1, [2]], "x[1].append(3)"),
    "dict": (lambda: {"a": {"b": 1}}, "x['a']['b'] = 2"),
    "set": (lambda: {1, 2}, "x.add(3)"),
    "bytearray": (lambda: bytearray(b"ab"), "x.append(1)"),
    "rebound": (lambda: [1], "globals()['x'] = [2]"),
    "deleted": (lambda: [1], "globals().pop('x')"),
}


def watched(namespace):
    """What stands around each cell of the agent in a live kernel, with undo switched off."""
    return Names(namespace, tuple, lambda: 0)


@pytest.mark.parametrize("kind", VALUES)
def test_what_a_cell_changes_behind_its_text_is_found_and_put_back(kind):
    make, change = VALUES[kind]
    namespace = {"x": make(), "pd": pd, "other": [1]}
    namespace["alias"] = namespace["x"]
    protected = watched(namespace)
    protected.protect(["x"])
    assert protected.before("do_it()") == ""
    exec(change, namespace)
    namespace["other"].append(2)
    (sentence,) = protected.after()
    assert sentence == "x is protected and was changed by this cell; it was put back. Work on a copy of it."
    expected = make()
    back = namespace["x"]
    assert type(back) is type(expected)
    if isinstance(back, pd.DataFrame):
        pd.testing.assert_frame_equal(back, expected)
        assert back.attrs == expected.attrs
    elif isinstance(back, pd.Series):
        pd.testing.assert_series_equal(back, expected)
    elif isinstance(back, np.ndarray):
        assert back.dtype == expected.dtype
        assert back.tolist() == expected.tolist()
    else:
        assert back == expected
    assert namespace["other"] == [1, 2]


@pytest.mark.parametrize("kind", VALUES)
def test_reading_a_protected_value_changes_nothing(kind):
    make, _ = VALUES[kind]
    value = make()
    namespace = {"x": value}
    protected = watched(namespace)
    protected.protect(["x"])
    protected.before("print(x)")
    repr(value)
    for method in ("describe", "sum", "to_numpy", "copy", "memory_usage", "__len__", "nunique"):
        try:
            getattr(value, method)()
        except (AttributeError, TypeError, ValueError):
            continue
    if isinstance(value, pd.DataFrame):
        value.isna().any()
        value.groupby(level=0).size()
    assert protected.after() == ()
    assert namespace["x"] is value


def test_a_consolidated_frame_is_the_same_frame():
    frame = pd.DataFrame({"a": [1]})
    for number in range(20):
        frame[f"c{number}"] = number
    prints = Fingerprints.of({"x": frame}, ["x"])
    frame._consolidate_inplace()
    assert prints.changed({"x": frame}) == ()


def test_what_cannot_be_read_is_said_once_and_rebinding_it_is_undone():
    namespace = {"g": (i for i in range(3)), "x": [1]}
    events = []
    protected = watched(namespace)
    protected.watch(RunProgress("run-1", {}, Stop(), lambda kind, **fields: events.append((kind, fields))))
    protected.protect(["g", "x", "x"])
    assert protected.protected == ("g", "x")
    for _ in range(2):
        assert protected.before("next_of(it)") == ""
        next(namespace["g"])
        assert protected.after() == ()
        assert [fields["sentence"] for kind, fields in events if kind == "notice"] == [
            "g is protected, but changes inside it cannot be undone (generator: has no state that can be saved)."
        ]
    generator = namespace["g"]
    protected.before("f()")
    namespace["g"] = 1
    (sentence,) = protected.after()
    assert sentence.startswith("g is protected and was changed by this cell; it is the same object as before, but")
    assert namespace["g"] is generator


def test_a_refused_cell_is_not_watched_and_nothing_is_protected_afterwards():
    namespace = {"x": [1], "gone": 1}
    protected = watched(namespace)
    protected.protect(["x", "gone "])
    with pytest.raises(ConfigError, match="no variable 'absent'"):
        protected.protect(["absent"])
    del namespace["gone"]
    assert protected.before("x.append(1)").startswith("x is protected")
    assert protected.after() == ()
    assert protected.before("gone = 1").startswith("gone is protected")
    protected.unprotect()
    assert protected.before("x.append(1)") == ""
    assert protected.after() == ()

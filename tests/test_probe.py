"""What the probe says of real namespaces, results and exceptions, and that no object can hurt it."""

import ast
import collections
import datetime as dt
import decimal
import json
import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from probe_helpers import SALES

from codeact_kernel.agent import probe


def summary(value):
    """Return (type, summary) of one variable."""
    return probe.report({"x": value})["names"]["x"][:2]


# -- names ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, ["int", "5"]),
        (0.1 + 0.2, ["float", "0.30000000000000004"]),
        (True, ["bool", "True"]),
        (None, ["NoneType", "None"]),
        ("a\nb", ["str", r"'a\nb'"]),
        ([1, "b", None], ["list", "3 items: [1, 'b', None]"]),
        ((1,), ["tuple", "1 item: (1,)"]),
        ({"k": [1, 2]}, ["dict", "1 item: {'k': [1, 2]}"]),
        ([], ["list", "0 items: []"]),
        (collections.Counter("aab"), ["collections.Counter", "2 items: {'a': 2, 'b': 1}"]),
        (np.float64(2.5), ["numpy.float64", "2.5"]),
        (np.int64(7), ["numpy.int64", "7"]),
        (np.zeros((2, 3)), ["numpy.ndarray", "shape (2, 3), float64: [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]"]),
        (pd.Timestamp("2024-02-01"), ["pandas.Timestamp", "2024-02-01 00:00:00"]),
        (dt.date(2024, 2, 1), ["datetime.date", "2024-02-01"]),
        (decimal.Decimal("1.10"), ["decimal.Decimal", "1.10"]),
        (object(), ["object", ""]),
        (pd.Series([1, 2], name="n"), ["pandas.Series", "2 rows, int64: 1, 2"]),
    ],
)
def test_a_variable_is_its_type_and_a_short_summary(value, expected):
    assert summary(value) == expected


def test_a_column_that_was_typed_by_hand_is_said_to_be(probed):
    code = "import pandas as pd\ndf = pd.DataFrame({'city': ['Bonn', 'bonn ', 'Ulm'], 'code': ['a', 'b', 'A!']})"
    first = probed(code)["names"]["df"][1].split("\n")[0]
    assert "city str (3 distinct, some the same but for capitals or spaces: 'Bonn', 'bonn ', 'Ulm')" in first
    assert "code str (3 distinct: 'a', 'b', 'A!')" in first


def test_a_frame_shows_its_columns_missing_and_distinct_values_and_three_rows(probed):
    kind, text, _ = probed(SALES)["names"]["df"]
    first, *head = text.split("\n")
    assert kind == "pandas.DataFrame"
    assert first.startswith("4 rows x 4 columns: region ")
    assert "region str (3 distinct: 'N', 'S', 'W'), Sales float64 (1 missing), n int64" in first
    assert [line.split() for line in head[:2]] == [
        ["region", "Sales", "n", "when"],
        ["0", "N", "1.5", "1", "2024-01-01"],
    ]
    assert len(head) == 4


def test_lists_own_variables_apart_from_modules_functions_and_hidden_names(probed):
    found = probed(
        "import math, pandas as pd\nfrom os.path import join\n_x = 1\ntotal = 2\n"
        "def f(a, b=2, *rest, c, d='x', **more):\n    '''Add things.\n    More.'''\nclass Order: pass"
    )
    assert list(found["names"]) == ["total"]
    assert found["modules"] == ["math", "pd=pandas"]
    assert "f(a, b=2, *rest, c, d='x', **more): Add things." in found["functions"]
    assert "class Order" in found["functions"]


def test_keeps_the_latest_sixty_and_counts_the_others():
    found = probe.report({f"v{n}": n for n in range(75)})
    assert list(found["names"]) == [f"v{n}" for n in range(15, 75)]
    assert found["left_out"] == 15


def test_the_stamp_changes_with_the_value_and_only_then():
    names = {"n": 1, "xs": list(range(1000)), "df": pd.DataFrame({"a": range(100)}), "same": "text"}

    def stamps():
        return {name: entry[2] for name, entry in probe.report(names)["names"].items()}

    first = stamps()
    assert stamps() == first
    names["n"] = 2
    names["xs"].append(1)
    names["df"]["b"] = 1
    assert {name for name, stamp in stamps().items() if stamp != first[name]} == {"n", "xs", "df"}


def test_a_change_of_a_frame_in_place_shows_in_its_stamp():
    frame = pd.DataFrame({"a": np.arange(1000.0)})
    before = probe.report({"df": frame})["names"]["df"][2]
    frame["a"] *= 2
    assert probe.report({"df": frame})["names"]["df"][2] != before


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
        max_leaves=20,
    )
)
def test_any_plain_value_gives_a_short_text(value):
    kind, text = summary(value)
    assert kind == type(value).__name__
    assert len(text) <= 900
    assert "\n" not in text
    result = probe.report({"Out": {1: value}}, execution_count=1)["result"]
    assert result or value is None
    assert len(result or "") <= 9000


# -- hostile and large ----------------------------------------------------------------------------------------
class Bomb(Exception):  # noqa: N818
    pass


def hostile_classes():
    touched = []

    def explode(*_args, **_kwargs):
        touched.append(1)
        raise Bomb

    class Loud:
        __repr__ = __str__ = __len__ = __iter__ = __bool__ = __hash__ = __eq__ = __format__ = explode
        __class__ = property(explode)
        __dict__ = property(explode)

        def __getattribute__(self, name):
            explode()

    class Slow:
        def __repr__(self):
            time.sleep(60)

        __str__ = __len__ = __getattr__ = __repr__

    class Recursing:
        def __repr__(self):
            return repr(self)

        def __getattr__(self, name):
            return getattr(self, name)

    class LoudText(str):
        __slots__ = ()
        __repr__ = __str__ = __len__ = __getitem__ = __eq__ = __iter__ = __format__ = explode
        __hash__ = str.__hash__

    class LoudDict(dict):
        __repr__ = __len__ = __iter__ = __getitem__ = items = keys = __contains__ = explode

    class LoudList(list):
        __repr__ = __len__ = __iter__ = __getitem__ = __reversed__ = explode

    class LoudInt(int):
        __repr__ = __str__ = bit_length = __index__ = __format__ = explode

    class LoudMeta(type):
        __eq__ = __repr__ = __instancecheck__ = __subclasscheck__ = mro_ = explode
        __hash__ = type.__hash__

        def __getattribute__(cls, name):
            explode()

    class Pretender(metaclass=LoudMeta):
        __module__ = "pandas"
        __qualname__ = "DataFrame"
        __repr__ = explode

    values = [
        Loud(),
        Slow(),
        Recursing(),
        LoudText("hello"),
        LoudDict(a=1),
        LoudList([1, 2]),
        LoudInt(7),
        Pretender(),
    ]
    return values, touched


def test_hostile_objects_cost_nothing_and_are_not_touched():
    values, touched = hostile_classes()
    touched.clear()
    names = {f"v{n}": value for n, value in enumerate(values)}
    names |= {"inside": [values], "frame": pd.DataFrame({"o": pd.Series(values[:3], dtype=object)})}
    names["array"] = np.empty(1, dtype=object)
    names["array"][0] = values[0]
    touched.clear()
    start = time.perf_counter()
    found = probe.report(names)
    for value in names.values():
        probe.report({"Out": {1: value}}, execution_count=1)
    assert time.perf_counter() - start < 2
    assert not touched
    assert [found["names"][f"v{n}"][1] for n in (3, 4, 5, 6)] == [
        "'hello'",
        "1 item: {'a': 1}",
        "2 items: [1, 2]",
        "7",
    ]
    assert found["names"]["v0"][1] == ""
    assert "Loud" in found["names"]["frame"][1]
    json.dumps(found)


def test_a_self_containing_list_and_a_deep_dict_end():
    loop = []
    loop.append(loop)
    deep = {}
    for _ in range(100_000):
        deep = {"k": deep}
    assert summary(loop)[0] == "list"
    assert summary(deep) == ["dict", "1 item: {'k': {'k': <dict of 1>}}"]
    while deep:  # take it apart: dropping it whole would recurse
        deep = deep["k"]


def test_a_hundred_megabytes_of_text_are_not_read():
    text = "x" * 100_000_000
    start = time.perf_counter()
    found = probe.report({"text": text, "Out": {1: text}}, execution_count=1)
    assert time.perf_counter() - start < 0.2
    assert found["names"]["text"][1].endswith("(100,000,000 characters)")
    assert len(found["result"]) < 2200


def test_a_number_of_a_million_digits_is_not_written_out():
    start = time.perf_counter()
    assert summary(10**1_000_000) == ["int", "<int of about 1000000 digits>"]
    assert time.perf_counter() - start < 2


def test_a_million_rows_stay_within_the_deadline():
    rows = 1_000_000
    frame = pd.DataFrame(np.ones((rows, 4)), columns=list("abcd"))
    frame["text"] = "abc"
    frame["object"] = pd.Series(["x"] * rows, dtype=object)
    start = time.perf_counter()
    found = probe.report({f"df{n}": frame for n in range(30)}, seconds=0.25)
    assert time.perf_counter() - start < 1.0
    assert found["names"]["df29"][1].startswith("1,000,000 rows x 6 columns: a float64")
    assert len(found["names"]) == 30


def test_after_the_deadline_variables_are_listed_by_type():
    found = probe.report({"a": 1, "b": "x"}, seconds=-1)
    assert {name: entry[:2] for name, entry in found["names"].items()} == {"a": ["int", ""], "b": ["str", ""]}


def test_wide_and_odd_frames_are_bounded():
    wide = pd.DataFrame(np.zeros((3, 500)))
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    nested = pd.DataFrame({"a": [[1, 2], {"k": 1}]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)]))
    empty = pd.DataFrame()
    for frame in (wide, twice, nested, empty):
        assert len(summary(frame)[1]) <= 900
        assert probe.report({"Out": {1: frame}}, execution_count=1)["result"].startswith("DataFrame, ")
    assert "... 470 more" in summary(wide)[1] or len(summary(wide)[1]) == 900
    assert "... 488 more columns" in probe.report({"Out": {1: wide}}, execution_count=1)["result"]
    assert "('x', 1)    [1, 2]" in probe.report({"Out": {1: nested}}, execution_count=1)["result"]


# -- files ----------------------------------------------------------------------------------------------------
def test_lists_data_files_first_also_one_folder_below_and_nothing_hidden(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("zz.py", "sales.csv", ".secret.csv", "data/deep.json", "data/code.py", "__pycache__/a.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("12345")
    found = probe.report({})
    assert list(found["files"].items()) == [("sales.csv", 5), ("data/deep.json", 5), ("zz.py", 5)]
    assert found["cwd"] == str(tmp_path)


def test_many_files_are_bounded_and_a_folder_that_is_gone_is_no_error(tmp_path, monkeypatch):
    inner = tmp_path / "inner"
    inner.mkdir()
    for n in range(3000):
        (inner / f"{n}.csv").touch()
    monkeypatch.chdir(inner)
    assert len(probe.report({})["files"]) == 40
    for path in inner.iterdir():
        path.unlink()
    inner.rmdir()
    found = probe.report({"x": 1})
    assert (found["files"], found["cwd"], list(found["names"])) == ({}, "", ["x"])


# -- as text --------------------------------------------------------------------------------------------------
def pythons():
    names = [sys.executable]
    for version in ("3.9", "3.10", "3.12", "3.13"):
        found = subprocess.run(
            ["sh", "-c", f"command -v python{version} && python{version} -V"],
            capture_output=True,
            text=True,
            check=False,
        )
        names += [found.stdout.split()[0]] if found.returncode == 0 else []
    return names


@pytest.mark.parametrize("python", pythons(), ids=os.path.basename)
def test_its_source_runs_alone_in_another_python(python, tmp_path):
    program = (
        "import sys, json\nspace = {}\nexec(compile(sys.stdin.read(), '<probe>', 'exec'), space)\n"
        "names = {'total': 5, 'xs': [1, 2], 'f': lambda a, b=1: a}\n"
        "try:\n    {'a': 1}['b']\nexcept KeyError as e:\n    found = space['report'](names, error=e)\n"
        "print(json.dumps(found))"
    )
    ran = subprocess.run(
        [python, "-I", "-c", program],
        input=probe.source(),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    found = json.loads(ran.stdout)
    assert found["names"]["total"][:2] == ["int", "5"]
    assert found["functions"] == ["f(a, b=1)"]
    assert (found["error"]["ename"], found["error"]["evalue"]) == ("KeyError", "'b'")
    assert "from codeact_kernel" not in probe.source()


def test_its_source_is_python_3_9():
    ast.parse(probe.source(), feature_version=(3, 9))


@pytest.mark.parametrize(
    "name", ["api_key", "OPENAI_API_KEY", "password", "db_password", "auth_token", "client_secret"]
)
def test_a_text_named_like_a_secret_is_not_shown(name):
    assert "hunter2" not in str(probe.report({name: "hunter2"}))
    assert "hunter2" not in str(probe.report({name: b"hunter2"}))


@pytest.mark.parametrize("name", ["key", "sort_key", "token", "tokens", "passengers", "secretary"])
def test_other_texts_are(name):
    assert "hunter2" in str(probe.report({name: "hunter2"})["names"])

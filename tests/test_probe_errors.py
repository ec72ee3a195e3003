"""How real exceptions are explained: the user's frames, the failing line, and hints that help."""

import sys

import pytest
from probe_helpers import SALES

from codeact_kernel.agent import probe


def test_a_missing_column_lists_the_columns_and_the_near_one(probed):
    error = probed(SALES + "def share(frame):\n    return frame['sales'].sum()\nshare(df)")["error"]
    assert (error["ename"], error["evalue"]) == ("KeyError", "'sales'")
    assert [frame[0] for frame in error["frames"][:2]] == ["cell", "cell, in share"]
    assert error["frames"][1][2] == "return frame['sales'].sum()"
    assert error["frames"][-1][0].startswith("pandas/")
    assert len(error["frames"]) == 3
    assert error["hints"] == [
        "The columns of df are: 'region', 'Sales', 'n', 'when'; did you mean 'Sales'?"
    ] or error["hints"] == ["The columns of frame are: 'region', 'Sales', 'n', 'when'; did you mean 'Sales'?"]


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("total = 5\ntotl", "Did you mean total?"),
        ("pd.DataFrame()", "`pd` is not imported: import pandas as pd"),
        ("json.dumps(1)", "`json` is not imported: import json"),
        ("import numpyy", "The package numpyy is not installed in this kernel; did you mean numpy?"),
        (
            "order = {'user': {'name': 1}}\norder['user']['nam']",
            "The keys of the data are: 'name'; did you mean 'name'?",
        ),
        ("prices = {'apple': 1}\nprices['Apple']", "The keys of prices are: 'apple'; did you mean 'apple'?"),
        (SALES + "df.groupby('Region').sum()", "did you mean 'region'?"),
        (SALES + "df.groupby('region').count()['sales']", "did you mean 'Sales'?"),
        (SALES + "df.groupby('region')['sales'].sum()", "did you mean 'Sales'?"),
        (SALES + "df[['n', 'sales']]", "did you mean 'Sales'?"),
        (SALES + "df.drop(columns=['sales'])", "did you mean 'Sales'?"),
        (SALES + "df.sort_values('sales')", "did you mean 'Sales'?"),
        (SALES + "df.groupby('region')['Sales'].sum()['N ']", "The index labels of the data are: 'N', 'S', 'W'"),
        (SALES + "df.groupy('region')", "pandas.DataFrame has: groupby."),
        (SALES + "df.sales", "pandas.DataFrame has: Sales"),
        (SALES + "df.append({})", "Use pd.concat"),
        (SALES + "df.region.dt.year", "pd.to_datetime"),
        (SALES + "df['region'].mean()", "Not every value is a number"),
        (SALES + "pd.Series(['a', 'b']).astype(float)", "Not every value is a number"),
        (SALES + "if df['n'] > 1: pass", "Combine conditions with & | ~"),
        ("import math\nmath.sqroot(2)", "math has: sqrt"),
        ("x = None\nx.append(1)", "The value is None"),
        ("open('nowhere.csv')", "The working folder holds no files."),
        ("def area(width, height=2): 'Area.'\narea()", "The signature is area(width, height=2): Area."),
        ("'a' + 1", "Convert first"),
        (SALES + "df[df['region'] == 'N' & df['n'] > 1]", "brackets around each"),
        ("import re\nre.search('x', 'y').group()", "The pattern did not match there."),
        ("import pandas as pd\npd.Timedelta('36h').round(2)", "x.total_seconds() / 86400 gives its days"),
        ("list = [1]\nlist('ab')", "use another name"),
        ("print 1", "Write print(...)."),
    ],
)
def test_a_real_error_brings_a_hint_that_helps(probed, code, hint):
    error = probed(code)["error"]
    assert any(hint in given for given in error["hints"]), error


def test_near_files_are_named(probed, tmp_path):
    (tmp_path / "sales_2024.csv").write_text("a")
    (tmp_path / "other.txt").write_text("a")
    assert probed("open('Sales2024.csv')")["error"]["hints"] == ["Files that are there: sales_2024.csv."]


def test_a_syntax_error_has_its_line_and_caret(probed):
    error = probed("a = 1\nfor x in range(3)\n    print(x)")["error"]
    assert error["ename"] == "SyntaxError"
    assert error["evalue"] == "expected ':'"
    assert error["frames"] == [["cell", 2, "for x in range(3)\n                 ^"]]


def test_a_deep_stack_shows_six_frames(probed):
    error = probed("def f(n):\n    return f(n - 1) if n else 1 / 0\nf(50)")["error"]
    assert [frame[0] for frame in error["frames"]] == ["cell"] + ["cell, in f"] * 5
    assert len(error["frames"]) == 6


def test_files_of_the_user_are_their_frames(probed, tmp_path):
    (tmp_path / "helper_of_this_test.py").write_text("def load():\n    raise ValueError('bad')\n")
    error = probed("import sys; sys.path.insert(0, '')\nimport helper_of_this_test as h\nh.load()")["error"]
    sys.path.remove("")
    assert error["frames"][-1] == ["helper_of_this_test.py, in load", 2, "raise ValueError('bad')"]


@pytest.mark.parametrize(
    "body",
    [
        "def __str__(self): raise RuntimeError",
        "def __str__(self): return str(self)",
        "__class__ = property(lambda self: 1 / 0)",
        "args = property(lambda self: 1 / 0)",
        "def __getattribute__(self, name): raise RuntimeError",
    ],
)
@pytest.mark.parametrize("base", ["KeyError", "AttributeError", "FileNotFoundError", "NameError", "SyntaxError"])
def test_a_hostile_exception_is_still_reported(body, base):
    space = {}
    exec(f"class Odd({base}):\n    {body}", space)
    error = probe.report({}, error=space["Odd"]("words"))["error"]
    assert error["ename"] == "Odd"
    assert error["evalue"].strip("'") == "words"


@pytest.mark.parametrize(
    "code",
    ["1/0", "[][1]", "int('x')", "b'\\xff'.decode()", "next(iter(()))", "{}[1, 2]", "open('')", "''.join(1)"],
)
def test_the_message_of_a_builtin_error_is_its_own(code):
    with pytest.raises(Exception) as raised:
        exec(code, {})
    error = probe.report({}, error=raised.value)["error"]
    assert error["ename"] == type(raised.value).__name__
    assert error["evalue"] == str(raised.value)

"""How the last expression of a cell is summarised: typed, bounded, with exact figures."""

import json

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from codeact_kernel.agent import probe


@pytest.fixture(scope="module")
def ip():
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    yield shell
    InteractiveShell.clear_instance()


@pytest.fixture
def run(ip, tmp_path, monkeypatch):
    """Run a cell in a clean shell in an empty folder and return the probe's report."""
    monkeypatch.chdir(tmp_path)
    ip.reset(new_session=True)

    def run_cell(code):
        with capture_output():
            result = ip.run_cell(code, store_history=True)
        found = probe.report(
            ip.user_ns,
            hidden=set(ip.user_ns_hidden),
            execution_count=result.execution_count,
            error=result.error_before_exec or result.error_in_exec,
        )
        return json.loads(json.dumps(found, allow_nan=False))

    return run_cell


SALES = """
import pandas as pd
df = pd.DataFrame({"region": ["N", "S", "N", "W"], "Sales": [1.5, 2.25, None, 66.6666666667], "n": [1, 2, 3, 4],
                   "when": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", None])})
"""


def test_there_is_no_result_where_there_was_none(run):
    assert run("x = 1")["result"] is None
    assert run("None")["result"] is None
    assert run("print(1)")["result"] is None


def test_an_object_whose_own_text_says_more_gives_no_result(run):
    assert run("class A: pass\nA()")["result"] is None


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("2 / 3", "0.6666666666666666 (float)"),
        ("'abc'", "'abc' (str)"),
        ("{'a': [1, 2]}", "dict of 1: {'a': [1, 2]}"),
        ("import numpy as np\nnp.arange(4).reshape(2, 2)", "ndarray, shape (2, 2), int64: [0, 1, 2, 3]"),
        ("import numpy as np\nnp.float64(23.47222222223333)", "23.47222222223333 (numpy.float64)"),
        (
            SALES + "df.groupby('region')['Sales'].mean()",
            "Series, 3 rows, float64\nregion      Sales\n     N        1.5\n     S       2.25\n     W  66.666667",
        ),
        (SALES + "df.dtypes.iloc[1:3]", "Series, 2 rows, object\nSales  float64\n    n    int64"),
    ],
)
def test_a_result_is_typed_and_its_figures_are_exact_enough(run, code, result):
    assert run(code)["result"] == result


def test_a_short_frame_is_shown_whole_and_a_long_one_by_its_head(run):
    whole = run("import pandas as pd\npd.DataFrame({'n': range(20)})")["result"]
    long = run("pd.DataFrame({'n': range(1234)})")["result"]
    assert whole.startswith("DataFrame, 20 rows x 1 columns: n int64\n")
    assert len(whole.split("\n")) == 22
    assert long.endswith("9  9\n... 1,224 more rows")

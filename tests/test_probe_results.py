"""How the last expression of a cell is summarised: typed, bounded, with exact figures."""

import pytest
from probe_helpers import SALES


def test_there_is_no_result_where_there_was_none(probed):
    assert probed("x = 1")["result"] is None
    assert probed("None")["result"] is None
    assert probed("print(1)")["result"] is None


def test_an_object_whose_own_text_says_more_gives_no_result(probed):
    assert probed("class A: pass\nA()")["result"] is None


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
def test_a_result_is_typed_and_its_figures_are_exact_enough(probed, code, result):
    assert probed(code)["result"] == result


def test_a_short_frame_is_shown_whole_and_a_long_one_by_its_head(probed):
    whole = probed("import pandas as pd\npd.DataFrame({'n': range(20)})")["result"]
    long = probed("pd.DataFrame({'n': range(1234)})")["result"]
    assert whole.startswith("DataFrame, 20 rows x 1 columns: n int64\n")
    assert len(whole.split("\n")) == 22
    assert long.endswith("9  9\n... 1,224 more rows")

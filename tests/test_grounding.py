"""Figures of an answer that nothing showed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.quickstart.tasks_dev import DEV
from benchmarks.quickstart.tasks_heldout import HELDOUT
from codeact_kernel.agent.grounding import unshown, unused
from codeact_kernel.agent.verdicts import EXAMPLE, bare_call, remarks
from codeact_kernel.learn.tasks import known
from codeact_kernel.types import Execution


@pytest.mark.parametrize(
    ("answer", "evidence"),
    [
        ("The mean is 12.35.", "mean    12.3456"),
        ("It lost 1,204 customers.", "lost 1204"),
        ("It lost 1204 customers.", "1,204 rows"),
        ("The rate is 12.3%.", "0.12345"),
        ("The rate is 12 percent.", "12.1"),
        ("About 1.2 million.", "total 1198234"),
        ("The sum fell by 3.5.", "-3.5"),
        ("1. North\n2. South\n5. West", "no figures"),
        ("The top 3 of 2 regions.", ""),
        ("Column v2 of model x86-64 is fine", ""),
        ("No figure at all.", ""),
        ("On 2024-05-17.", "2024-05-17"),
        ("It was sold in Kalmar and in Visby.", "kalmar 3\nVisby"),
        ("So. However, it fell. Most of it, Yes.", "fell"),
        ("Sales fell. North fell too.", "nothing"),
    ],
)
def test_a_figure_that_was_shown_passes(answer, evidence):
    assert unshown(answer, [evidence]) == []


@pytest.mark.parametrize(
    ("answer", "evidence", "figures"),
    [
        ("The mean is 12.35.", "mean 12.31", ["12.35"]),
        ("It lost 1,205 customers.", "lost 1204", ["1,205"]),
        ("South lost 41, north 17.", "south 41", ["17"]),
        ("The rate is 13%.", "0.12", ["13"]),
        ("It is 42.", "", ["42"]),
        ("Most were opened in January 2024, with 82.", "9 82 of 2024", ["January"]),
        ("It is 42, in Kalmar.", "Visby", ["42", "Kalmar"]),
    ],
)
def test_a_figure_that_no_text_held_is_named(answer, evidence, figures):
    assert unshown(answer, [evidence]) == figures


@given(st.floats(-1e9, 1e9, allow_nan=False), st.integers(0, 6))
def test_rounding_a_shown_figure_is_no_invention(value, decimals):
    assert unshown(f"It is {value:.{decimals}f} in all.", [f"result {value!r}"]) == []


@given(st.text(), st.lists(st.text(), max_size=3))
def test_no_text_breaks_the_check(answer, evidence):
    assert all(figure in answer for figure in unshown(answer, evidence))


@pytest.mark.parametrize(
    ("name", "said"),
    [("total_revenue", True), ("mean_age", True), ("total_by_month", False), ("orders", False)],
)
def test_many_values_in_a_name_that_promises_one_are_pointed_out(name, said):
    seen = f"Output:\n3  1.5\nNew: {name} (pandas.Series): 78 rows, float64: 4816.85, 1926.74"
    words = remarks("What is the total revenue?", Execution("ok"), seen)
    assert words == (
        f"`{name}` holds 78 values; if the task asks for one figure, bring them down to it and print it."
        if said
        else ""
    )
    assert remarks("Plot the revenue.", Execution("ok"), seen) == ""


@pytest.mark.parametrize(
    ("task", "rest"),
    [
        ("Answer as 'xx.xx' (e.g., 12.34).", "Answer as 'xx.xx' ()."),
        ("Give a date, for example 2024-05-17\nof 80 rows.", "Give a date, \nof 80 rows."),
        ("How many of 80 rows (E. g. 7) are there in 2024?", "How many of 80 rows () are there in 2024?"),
        ("Is the egg. 12 of 12?", "Is the egg. 12 of 12?"),
    ],
)
def test_what_a_task_gives_as_an_example_is_told_from_what_it_says(task, rest):
    assert EXAMPLE.sub("", task) == rest


@pytest.mark.parametrize(
    ("code", "bare"),
    [
        ("view()", True),
        ("print(view())", True),
        ("click_url('/a')  # again", True),
        ("print(total)", False),
        ("print()", False),
        ("df.head()", False),
        ("view()\nview()", False),
        ("x = view()", False),
        ("view(", False),
        ("", False),
    ],
)
def test_a_cell_that_is_one_call_by_name_is_a_look(code, bare):
    assert bare_call(code) is bare


@pytest.mark.parametrize(
    ("task", "codes", "left"),
    [
        ("What do 1,000 units cost at 2.7?", ["x = 1_000", "x * 2.7"], []),
        ("What do 1000 units cost with 10% off?", ["units * 0.9 + 10 / 100"], ["1000"]),
        ("With 10% off, and 7 percent tax?", ["x * 0.9 * 1.07"], []),
        ("The 90th percentile of 12 rows.", ["df.quantile(0.9)"], ["12"]),
        ("The top 3 of each.", [""], []),
        ("1. Do it.\n2. In 2024, then in 2024.", ["year = 2023"], ["2024"]),
        ("Rows of sales_2024.csv after 2024-05-17.", ["'2024-05-17'"], []),
        ("Above 30.", ["df[df.x > 300]"], ["30"]),
        ("Fix the cell.\n\nIt ends in: line 66", [""], []),
        ("Explain [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130].", [""], []),
    ],
)
def test_a_figure_of_the_task_that_no_code_holds_is_named(task, codes, left):
    assert unused(task, codes) == left


def test_a_telling_figure_that_came_out_was_not_left_out():
    assert unused("Count up to 555 in 5 steps of 0.25.", ["print(n)"], ["steps: 5, 0.25, 555"]) == ["5"]


def test_no_solution_of_ours_but_one_leaves_out_a_figure():
    solved = [(task.text, [task.right.code]) for task in (*DEV, *HELDOUT)]
    solved += [(task.text, task.replies[:-1]) for task in known.tasks("train", 20)]
    assert len(solved) > 1300
    assert [unused(text, codes) for text, codes in solved if unused(text, codes)] == [["2024"]]


@given(st.text(), st.lists(st.text(), max_size=3))
def test_no_task_or_code_breaks_it(task, codes):
    assert set(unused(task, [*codes, task])) == set()

"""Fields of a task."""

from __future__ import annotations

from pathlib import Path

import pytest

from codeact_kernel.interpolate import interpolate


class Plain:
    pass


class Hostile:
    def __getitem__(self, index):
        raise ValueError("no")

    def __repr__(self):
        raise RuntimeError("no")


NAMES = {
    "limit": 17,
    "name": "Oslo",
    "empty": None,
    "rows": [1, 2, 3],
    "thing": Plain(),
    "hostile": Hostile(),
    "In": ["", "x = 1"],
    "Out": {2: 42},
}


@pytest.mark.parametrize(
    ("task", "filled"),
    [
        ("above {limit}", "above 17"),
        ("in {name}?", "in Oslo?"),
        ("see {In[1]} and {Out[2]}", "see x = 1 and 42"),
        ("mend {Err[4]}", "mend NameError: y"),
        ("{rows[1]} of {rows}", "2 of list of 3: [1, 2, 3]"),
        ("an {empty} one", "an None one"),
        ("a {thing}", "a <Plain>"),
        ("a {hostile} and {hostile[1]}", "a <Hostile> and {hostile[1]}"),
        ('{unknown} {"a": 1} {} {Out[9]} {Err[9]} {rows[9]}', '{unknown} {"a": 1} {} {Out[9]} {Err[9]} {rows[9]}'),
    ],
)
def test_fields_take_the_kernels_values_and_other_braces_stay(task, filled):
    assert interpolate(task, NAMES, {4: "NameError: y"}) == filled


def test_a_long_value_is_bounded():
    assert len(interpolate("{text}", {"text": "x" * 100_000}, {})) < 5000


def test_a_path_is_filled_in_as_it_is_written():
    assert (
        interpolate("replay {newest}", {"newest": Path("episodes") / "a.ipynb"}, {}) == "replay episodes/a.ipynb"
    )

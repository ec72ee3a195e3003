"""The table of docs/reliability.md lists every fault that the suite tries, and no other."""

from __future__ import annotations

from pathlib import Path

from conftest import BEGIN, END, place, shown

DOCS = Path(__file__).parents[2] / "docs" / "reliability.md"


def test_the_table_lists_each_fault_that_was_collected(request):
    text = DOCS.read_text("utf-8")
    listed = text.partition(BEGIN)[2].partition(END)[0]
    rows = {tuple(row.split(" | ")[:2]): row for row in (line.strip("| ") for line in listed.splitlines())}
    for item in request.session.items:
        where = place(item)
        if where is None:
            continue
        row = rows.get(where[:2])
        assert row is not None, f"{where}: run `python -m pytest tests/faults --table docs/reliability.md`"
        assert shown(where[2]) in row, where


def test_the_table_says_that_all_survived_at_least_120():
    listed = DOCS.read_text("utf-8").partition(BEGIN)[2]
    first = listed.strip().splitlines()[0]
    survived, of = (int(word) for word in first.strip("* ").split() if word.isdigit())
    assert survived == of >= 120

"""Risk labels against the labelled cells: what was measured holds, on both halves, within the time."""

import statistics

import pytest

from benchmarks.risk_labels import (
    ASKS,
    BAR_MS,
    HALVES,
    Cell,
    Seen,
    clock,
    counts,
    load,
    look,
    main,
    make_folder,
    share,
)
from codeact_kernel.agent.risk import KINDS, SHOWN_ONLY

FLOORS = {"dev": (0.98, 0.98), "heldout": (0.97, 0.94)}
"""Precision and recall of asking, a little below what benchmarks/results/risk_labels.md reports."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cells")
    make_folder(path)
    return path


@pytest.fixture(scope="module")
def seen(folder):
    return {half: look(load(half), folder) for half in HALVES}


def rates(ones, kind):
    right, wrong, missed = counts(ones, kind)
    return right / (right + wrong), right / (right + missed)


def test_the_set_is_large_balanced_and_has_every_kind_in_both_halves():
    halves = {half: load(half) for half in HALVES}
    codes = [cell.code for cells in halves.values() for cell in cells]
    assert len(codes) >= 300
    assert len(set(codes)) == len(codes)
    for cells in halves.values():
        assert 0.4 <= sum(not cell.kinds - SHOWN_ONLY for cell in cells) / len(cells) <= 0.6
        assert set().union(*(cell.kinds for cell in cells)) == set(KINDS)
    assert abs(len(halves["dev"]) - len(halves["heldout"])) <= 2


@pytest.mark.parametrize("half", HALVES)
def test_asking_is_as_precise_and_as_complete_as_measured(seen, half):
    precision, recall = rates(seen[half], ASKS)
    assert precision >= FLOORS[half][0]
    assert recall >= FLOORS[half][1]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_found_and_seldom_said_wrongly(seen, kind):
    precision, recall = rates([one for ones in seen.values() for one in ones], kind)
    assert precision >= 0.85
    assert recall >= 0.9


def test_the_median_cell_is_read_within_the_bar(folder):
    assert statistics.median(clock(load("dev"), folder, rounds=3)) <= BAR_MS


def test_counts_and_shares_are_told_apart():
    cells = [("delete", "delete"), ("delete", ""), ("", "delete"), ("rebind", ""), ("", "rebind")]
    ones = [
        Seen(Cell("dev", "x", frozenset(expected.split())), frozenset(said.split())) for said, expected in cells
    ]
    assert counts(ones, ASKS) == (1, 1, 1)
    assert counts(ones, "delete") == (1, 1, 1)
    assert counts(ones, "rebind") == (0, 1, 1)
    assert share(0, 0) == "-"
    assert share(1, 2) == "1/2 = 50.0 % (9 to 91)"


def test_a_cell_with_a_kind_that_does_not_exist_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.risk_labels.CELLS", tmp_path)
    (tmp_path / "dev_a.cells").write_text("### delete\nrm\n### nonsense\nx\n")
    with pytest.raises(ValueError, match="no such kind: nonsense"):
        load("dev")


def test_the_command_writes_the_figures_and_prints_misses(tmp_path, monkeypatch, capsys):
    out = tmp_path / "figures" / "labels.md"
    monkeypatch.setattr("sys.argv", ["risk_labels", "--out", str(out)])
    main()
    text = out.read_text()
    assert capsys.readouterr().out.strip() == text.strip()
    assert all(f"| {kind} |" in text for kind in (ASKS, *KINDS))
    monkeypatch.setattr("sys.argv", ["risk_labels", "--misses", "dev", "--out", str(tmp_path / "none")])
    main()
    assert not (tmp_path / "none").exists()

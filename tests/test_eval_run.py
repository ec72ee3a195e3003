"""An evaluation: samples, the ledger, going on after a stop, what is set aside, results, and the report on them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import eval_models
import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from benchmarks import eval_resume
from codeact_kernel.config import CodeAct
from codeact_kernel.episode.chat import action_of, check_messages
from codeact_kernel.errors import BusyError, ConfigError
from codeact_kernel.evaluate import results
from codeact_kernel.evaluate.arms import arms_of, pairs_table, scores_table
from codeact_kernel.evaluate.bench import failure_of
from codeact_kernel.evaluate.case import Case, Played
from codeact_kernel.evaluate.ledger import LEDGER, MANIFEST, Ledger
from codeact_kernel.evaluate.report import report
from codeact_kernel.evaluate.run import Order, evaluate
from codeact_kernel.evaluate.sample import sample
from codeact_kernel.evaluate.statistics import mcnemar, paired, wilson
from codeact_kernel.evaluate.suites.m3tooleval import M3ToolEval

SMALL = Path(__file__).with_name("m3tooleval_small")
TASKS = ["harbour/cheapest", "harbour/all", "harbour/any", "pages/master"]


def order(out, model="knows", **more):
    config = CodeAct(model=f"callable:eval_models:{model}")
    return Order(**({"suite": M3ToolEval(), "data": SMALL, "out": out, "config": config} | more))


def cases(*sizes):
    return [Case(f"{group}/{one}", str(group), "") for group, size in enumerate(sizes) for one in range(size)]


def test_a_stratified_sample_keeps_the_groups_shares():
    chosen = sample(cases(34, 17, 15, 8, 8), 21, "stratified", 0)
    assert Counter(case.group for case in chosen) == {"0": 9, "1": 4, "2": 4, "3": 2, "4": 2}
    assert chosen == sample(cases(34, 17, 15, 8, 8), 21, "stratified", 0)
    assert chosen != sample(cases(34, 17, 15, 8, 8), 21, "stratified", 1)
    assert [case.id for case in sample(cases(10), 3, "every", 0)] == ["0/0", "0/4", "0/8"]
    assert len(sample(cases(82), 21, "every", 0)) == 21
    with pytest.raises(ConfigError, match="--limit 0"):
        sample(cases(3), 0, "first", 0)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(1, 100), st.integers(0, 5))
def test_a_sample_has_its_size_no_task_twice_and_the_suites_order(sizes, limit, seed):
    everything = cases(*sizes)
    chosen = sample(everything, limit, "stratified", seed)
    assert len(chosen) == min(limit, len(everything))
    places = [everything.index(case) for case in chosen]
    assert places == sorted(set(places))


def test_the_interval_and_the_test_are_those_of_the_books():
    newcombe = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (won, count), known in newcombe.items():  # Newcombe 1998, table I
        assert tuple(round(bound, 4) for bound in wilson(won, count)) == known
    assert wilson(0, 0) == (0.0, 1.0)
    for count in range(1, 200):
        assert all(low <= won / count <= high for won in range(count + 1) for low, high in [wilson(won, count)])
    assert [wilson(0, count)[0] for count in range(1, 200)] == [0.0] * 199
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(1, 9) == pytest.approx(0.021484375)
    assert mcnemar(5, 0) == pytest.approx(0.0625)
    assert paired({"a": True, "b": False, "c": True}, {"a": True, "b": True, "d": False}) == (1, 0, 1, 0)


def test_a_ledger_drops_a_cut_line_and_counts_a_job_once(tmp_path):
    ledger = Ledger(tmp_path, {"suite": "x"})
    assert [ledger.begin("a"), ledger.begin("a"), ledger.begin("b")] == [1, 2, 1]
    assert ledger.done({"job": "a", "n": 1})
    assert not ledger.done({"job": "a", "n": 2})
    with pytest.raises(BusyError, match="Another evaluation writes"):
        Ledger(tmp_path, {"suite": "x"})
    ledger.close()
    with (tmp_path / LEDGER).open("ab") as file:
        file.write(b'{"event": "done", "job": "b", "ro')
    again = Ledger(tmp_path, {"suite": "x"})
    assert (again.rows, again.begun) == ({"a": {"job": "a", "n": 1}}, {"a": 2, "b": 1})
    assert again.begin("b") == 2
    again.close()
    assert len((tmp_path / LEDGER).read_bytes().splitlines()) == 5
    with pytest.raises(ConfigError, match="another suite; give another --out"):
        Ledger(tmp_path, {"suite": "y"})


def test_a_folder_in_which_nothing_was_begun_is_free_for_another_evaluation(tmp_path):
    with pytest.raises(ConfigError, match="no model 'qwen9'"):
        evaluate(order(tmp_path, config=CodeAct(model="qwen9")), pytest.fail)
    Ledger(tmp_path, {"suite": "x"}).close()
    again = Ledger(tmp_path, {"suite": "y"})
    again.begin("a")
    again.close()
    with pytest.raises(ConfigError, match="another suite"):
        Ledger(tmp_path, {"suite": "x"})


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Two evaluations: one that knows everything, in three action spaces, one that knows half."""
    folder = tmp_path_factory.mktemp("eval")
    rows = evaluate(order(folder / "knows", actions=("code", "json", "text"), jobs=2), lambda _: None)
    half = evaluate(order(folder / "half", "sometimes"), lambda _: None)
    return folder, rows, half


def test_every_task_is_played_in_every_action_space_and_kept_as_an_episode(three):
    folder, rows, _ = three
    assert [row["job"] for row in rows] == [
        f"{task}@{action}#1" for task in TASKS for action in ("code", "json", "text")
    ]
    assert {row["scores"]["official"] for row in rows} == {1.0}
    assert {(row["turns"], row["calls"], row["failure"]) for row in rows} == {(2, 2, "")}
    for row in rows:
        notebook = json.loads((folder / "knows" / row["episode"]).read_bytes())
        nbformat.validate(nbformat.from_dict(notebook))
        assert action_of(notebook) == row["action"]
        assert check_messages(notebook) == []
    about, kept = results.read(folder / "knows")
    assert kept == rows
    assert about["model"] == "callable:eval_models:knows"


def test_a_wrong_answer_may_be_tried_again_within_the_turns(three):
    _, _, half = three
    assert [row["scores"]["official"] for row in half] == [0.0, 1.0, 1.0, 0.0]
    assert [row["turns"] for row in half] == [10, 2, 2, 10]
    assert half[0]["answers"] == ["7"] * len(half[0]["answers"])
    assert half[0]["failure"] == "wrong answer"


def test_the_value_alone_is_asked_for_once_and_then_it_is_said_to_be_wrong(tmp_path):
    rows = evaluate(order(tmp_path, "mutters", groups=("pages",), limit=1), lambda _: None)
    notebook = json.loads((tmp_path / rows[0]["episode"]).read_bytes())
    asked = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    asked = [text.split(":")[0] for text in asked if text.startswith(("Now state", "That answer is wrong"))]
    assert asked[:2] == ["Now state the value alone", "That answer is wrong. The task was"]


def test_results_are_written_as_parquet(three):
    folder, rows, _ = three
    table = parquet.read_table(folder / "knows" / results.PARQUET).to_pylist()
    assert [row["job"] for row in table] == [row["job"] for row in rows]
    assert table[0]["score_official"] == 1.0
    assert json.loads(table[0]["answers"]) == rows[0]["answers"]


def test_the_same_command_again_plays_nothing(three):
    folder, rows, _ = three
    before = (folder / "knows" / LEDGER).read_bytes()
    again = evaluate(order(folder / "knows", actions=("code", "json", "text")), pytest.fail)
    assert again == rows
    assert (folder / "knows" / LEDGER).read_bytes() == before


def test_the_report_compares_arms_and_links_to_the_episodes(three):
    folder, _, _ = three
    made = report([folder / "knows", folder / "half"], folder / "report.ipynb")
    notebook = nbformat.read(made[0], as_version=4)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "| callable:eval\\_models:knows json | 4 | 4 (100 %, 51 to 100) |" in text
    assert "| callable:eval\\_models:sometimes code | 4 | 2 (50 %, 15 to 85) |" in text
    assert "(<knows/episodes/harbour-cheapest.json.1.ipynb>)" in text
    assert {name for cell in notebook.cells for name in cell.get("attachments", {})} == {
        "solved.png",
        "turns.png",
        "failures.png",
    }
    page = made[1].read_text()
    assert all(f'alt="{name}"' in page for name in ("solved", "turns", "failures"))
    assert 'href="half/episodes/pages-master.code.1.ipynb"' in page
    first = made[0].read_bytes()
    report([folder / "knows", folder / "half"], folder / "report.ipynb")
    assert made[0].read_bytes() == first


def test_pairs_are_compared_only_where_one_thing_differs(three):
    folder, _, _ = three
    arms = arms_of([(folder / name, *results.read(folder / name)) for name in ("knows", "half")])
    names = [row[0] for row in pairs_table(arms)[1:]]
    assert len(names) == 4
    assert sum("sometimes" in name for name in names) == 1
    assert [row[1] for row in scores_table(arms)[1:]] == ["4", "4", "4", "4"]
    half = next(row for row in pairs_table(arms)[1:] if "sometimes" in row[0])
    assert half[1:] == ["4", "2", "2", "0", "0", "0.500"]


def test_a_job_that_cannot_be_done_is_set_aside_with_its_reason(tmp_path):
    rows = evaluate(order(tmp_path, "broken", groups=("pages",), limit=1), pytest.fail)
    assert [row["case"] for row in rows] == ["pages/master"]
    assert "3 attempts" in rows[0]["set_aside"]
    assert "no such endpoint" in rows[0]["set_aside"]
    assert rows[0]["scores"] == {}
    made = report([tmp_path], tmp_path / "report.ipynb", html=False)
    assert "Set aside" in made[0].read_text()


def command(out, model, *more):
    args = ["eval", "m3tooleval", "--data", SMALL, "--model", f"callable:eval_models:{model}", "--out", out, *more]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "codeact_kernel.cli", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
        start_new_session=True,
    )


def test_a_poison_task_that_kills_the_evaluation_is_set_aside_and_the_rest_is_done(tmp_path):
    assert command(tmp_path, "deadly").wait(timeout=120) == 9
    ledger = Ledger(tmp_path, json.loads((tmp_path / MANIFEST).read_bytes()))
    assert ledger.begun["pages/master@code#1"] == 1
    while ledger.begin("pages/master@code#1") < 4:
        pass  # as more runs would that it kills
    ledger.close()
    for _ in range(2):  # alone, so that nothing else can be to blame
        assert command(tmp_path, "deadly").wait(timeout=120) == 9
    last = command(tmp_path, "deadly")
    said, _ = last.communicate(timeout=120)
    assert last.returncode == 0
    _, rows = results.read(tmp_path)
    assert [row["case"] for row in rows] == TASKS
    assert "killed" in rows[3]["set_aside"]
    assert "set aside: pages/master@code#1" in said
    assert [row["attempt"] for row in rows] == [1, 1, 1, 6]


def test_a_job_that_was_lost_beside_others_is_played_once_more_alone_and_counts(tmp_path):
    assert command(tmp_path, "deadly").wait(timeout=120) == 9
    ledger = Ledger(tmp_path, json.loads((tmp_path / MANIFEST).read_bytes()))
    innocent = "pages/master@code#1"
    while ledger.begin(innocent) < 9:
        pass
    ledger.close()
    (tmp_path / MANIFEST).write_text((tmp_path / MANIFEST).read_text().replace("deadly", "knows"))
    assert command(tmp_path, "knows").wait(timeout=120) == 0
    _, rows = results.read(tmp_path)
    assert [(row["set_aside"], row["attempt"]) for row in rows] == [("", 1)] * 3 + [("", 10)]
    begun = [json.loads(line) for line in (tmp_path / LEDGER).read_bytes().splitlines()]
    assert [event["alone"] for event in begun if event["event"] == "begun"][-1]


def test_a_killed_evaluation_goes_on_nothing_twice_nothing_lost_and_its_report_is_the_same(tmp_path):
    assert eval_resume.compared(tmp_path, (1, 5, 7), "code") == (True, 3, 0)
    _, rows = results.read(tmp_path / "b" / "out")
    assert [row["case"] for row in rows] == TASKS
    assert {row["scores"]["official"] for row in rows} == {1.0}


def test_ctrl_c_ends_the_command_at_once_and_keeps_what_is_done(tmp_path):
    run = command(tmp_path, "slowly")
    until = time.monotonic() + 60
    while time.monotonic() < until and not (tmp_path / LEDGER).is_file():
        time.sleep(0.1)
    time.sleep(3)
    began = time.monotonic()
    os.kill(run.pid, signal.SIGINT)
    said = run.communicate(timeout=60)[1]
    assert (run.returncode, time.monotonic() - began < 20) == (130, True), said
    events = [json.loads(line)["event"] for line in (tmp_path / LEDGER).read_bytes().splitlines()]
    assert "done" not in events
    assert "failed" not in events


def test_the_suite_of_the_documents_can_be_played(tmp_path):
    text = (Path(__file__).parents[1] / "docs" / "evaluation.md").read_text()
    space = {"Case": Case, "Played": Played, "failure_of": failure_of}
    exec(re.search(r"```python\n(class Sums.*?)```", text, re.DOTALL).group(1), space)
    rows = evaluate(
        order(tmp_path, "adds", suite=space["Sums"](), data=None, limit=3, kind="every"), lambda _: None
    )
    assert [(row["case"], row["scores"]["solved"]) for row in rows] == [
        ("add/0", 1.0),
        ("add/4", 1.0),
        ("add/8", 0.0),
    ]


def test_what_cannot_be_asked_for_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="native or paper, not 'other'"):
        evaluate(order(tmp_path, protocol="other"), pytest.fail)
    with pytest.raises(ConfigError, match="no group 'shop'; there are harbour, pages"):
        evaluate(order(tmp_path, groups=("shop",)), pytest.fail)
    with pytest.raises(ConfigError, match="no results"):
        report([tmp_path], tmp_path / "r.ipynb")
    run = command(tmp_path, "knows", "--action", "code,sql")
    assert "There is no action space 'sql'" in run.communicate(timeout=60)[1]
    assert run.returncode == 2


def test_the_models_of_these_tests_are_importable():
    assert eval_models.guesses([]) == "Answer: 7"

"""Every task of the quickstart benchmark is passed by its reference solution and by nothing less."""

import csv
import itertools
import os
import runpy
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.quickstart.answers import days, figures, mentions
from benchmarks.quickstart.expect import MOST_EXTRA_NUMBERS, Evidence, Name, Number
from benchmarks.quickstart.task import Play
from benchmarks.quickstart.tasks_dev import DEV
from benchmarks.quickstart.tasks_heldout import HELDOUT

TASKS = (*DEV, *HELDOUT)
ASKING = [task for task in TASKS if any(isinstance(one, Number | Name) for one in task.expect)]
COUNTING = [task for task in TASKS if any(isinstance(one, Number) for one in task.expect)]
DATA = Path(__file__).parents[1] / "notebooks" / "data"

# `%reset` does the same but collects garbage three times over.
FRESH = """
for _name in [n for n in globals() if not n.startswith("_") and n not in {{"In", "Out", "get_ipython", "exit", "quit"}}]:
    del globals()[_name]
import os as _os
_os.chdir({folder!r})
"""


class Kernel:
    """A real kernel that plays tasks one after the other, each in a fresh folder and namespace."""

    def __init__(self):
        from jupyter_client.manager import start_new_kernel

        self.manager, self.client = start_new_kernel(
            kernel_name="python3", env={**os.environ, "MPLBACKEND": "agg", "PYTHONDONTWRITEBYTECODE": "1"}
        )

    def run(self, code):
        reply = self.client.execute_interactive(code, timeout=60, output_hook=lambda message: None)
        content = reply["content"]
        assert content["status"] == "ok", f"{code}\n{content.get('ename')}: {content.get('evalue')}"

    def value(self, expression):
        reply = self.client.execute_interactive(
            "", timeout=60, user_expressions={"value": expression}, output_hook=lambda message: None
        )
        return reply["content"]["user_expressions"]["value"]["data"]["text/plain"]

    def play(self, task, folder, play):
        """Return the problems that the task's checkers find in what `play` did."""
        folder.mkdir()
        task.write(folder)
        self.run(FRESH.format(folder=str(folder)))
        for cell in task.setup:
            self.run(cell)
        if play.code:
            self.run(play.code)
        checks = [self.value(expression) for expression in task.probe()]
        return task.judge(folder, play.answer, checks)

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel():
    kernel = Kernel()
    yield kernel
    kernel.close()


def judge_answer(task, folder, answer):
    """Judge an answer alone, with the user's files in place."""
    task.write(folder)
    return task.judge(folder, answer, ())


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
class TestEveryTask:
    def test_reference_passes_and_doing_less_fails(self, task, kernel, tmp_path):
        assert kernel.play(task, tmp_path / "right", task.right) == []
        # Saying the right words without the work fails wherever work was asked for, an empty answer elsewhere.
        silent = Play(task.right.code, "") if task in ASKING else Play("", task.right.answer)
        assert kernel.play(task, tmp_path / "silent", silent)

    def test_plausible_mistake_fails(self, task, kernel, tmp_path):
        assert kernel.play(task, tmp_path / "mistake", task.mistake)


@pytest.mark.parametrize("task", [task for task in TASKS if task.files], ids=lambda task: task.id)
class TestEveryFile:
    def test_damaging_an_input_file_fails(self, task, kernel, tmp_path):
        name = next(iter(task.files))
        damage = f"{task.right.code}\nopen({name!r}, 'ab').write(b' ')"
        assert any(name in one for one in kernel.play(task, tmp_path / "damage", Play(damage, task.right.answer)))


@pytest.mark.parametrize("task", ASKING, ids=lambda task: task.id)
class TestEveryAnswer:
    def test_right_words_pass(self, task, tmp_path):
        assert judge_answer(task, tmp_path, task.right.answer) == []

    def test_empty_answer_fails(self, task, tmp_path):
        assert judge_answer(task, tmp_path, "")

    def test_wrong_candidates_fail(self, task, tmp_path):
        right, wrong = task.candidates()
        assert len(wrong) >= 2
        assert judge_answer(task, tmp_path, f"It is {', '.join(wrong)}.")
        for one in wrong:
            assert judge_answer(task, tmp_path, f"It is {one}."), one
            assert one not in right

    def test_listing_everything_fails(self, task, tmp_path):
        right, wrong = task.candidates()
        for order in (right + wrong, wrong + right):
            assert judge_answer(task, tmp_path, f"It is {', '.join(order)}.")
            assert judge_answer(task, tmp_path, "\n".join(f"{n}    {one}" for n, one in enumerate(order)))

    def test_hedging_with_one_wrong_candidate_fails(self, task, tmp_path):
        wrong = task.candidates()[1]
        for one in wrong[:12]:
            assert judge_answer(task, tmp_path, f"{task.right.answer} Or else it is {one}."), one


@pytest.mark.parametrize("task", COUNTING, ids=lambda task: task.id)
class TestEveryNumber:
    def test_every_number_around_the_value_fails(self, task, tmp_path):
        numbers = [one for one in task.expect if isinstance(one, Number)]
        listing = " ".join(f"{numbers[0].value * k / 40:.2f}" for k in range(80))
        assert judge_answer(task, tmp_path, f"{task.right.answer} {listing}")


class TestHalves:
    def test_halves_are_paired(self):
        assert [task.slot for task in DEV] == [task.slot for task in HELDOUT]
        assert len(DEV) == len({task.id for task in DEV}) == 24
        assert len({task.family for task in DEV}) >= 15

    def test_halves_share_no_words_files_or_values(self):
        for one, other in zip(DEV, HELDOUT, strict=True):
            assert one.text != other.text
            assert set(one.files.values()).isdisjoint(other.files.values())
            assert not one.setup or set(one.setup[-1:]).isdisjoint(other.setup[-1:]) or one.files
            assert one.expect != other.expect

    def test_halves_ask_for_the_same_kinds_of_evidence(self):
        for one, other in zip(DEV, HELDOUT, strict=True):
            assert [type(check) for check in one.expect][:2] == [type(check) for check in other.expect][:2]

    def test_tasks_are_the_same_every_time(self):
        from benchmarks.quickstart import tasks_dev_tables, tasks_heldout_files

        for builder in (*tasks_dev_tables.TASKS, *tasks_heldout_files.TASKS):
            assert builder() == builder()


class TestReadingAnswers:
    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("The total is $1,234.50 (12%).", [1234.5, 12]),
            ("On 2024-03-05 at 10:30:00 it was -3.5", [-3.5]),
            ("1. North\n2. South", []),
            ("column x2, flight NX204, the 3rd of May", []),
            ("between 10-20", [10, 20]),
            ("42kg, 1e3 and \u22127", [42, 1000, -7]),
            ("It is **41**.", [41]),
            ("version 1.2.3", []),
            ("exactly seven of them", [7]),
        ],
    )
    def test_numbers(self, text, values):
        assert [figure.value for figure in figures(text)] == values

    def test_days(self):
        found = days("2024-03-05 00:00:00, March 6, 2024 and 7th of March 2024")
        assert sorted(day.day for day in found) == [5, 6, 7]

    @pytest.mark.parametrize(
        ("text", "claimed"),
        [
            ("North lost the most.", {"North"}),
            ("North (42), ahead of South (30) and East (20).", {"North"}),
            ("South, not North.", {"South"}),
            ("North, South and East", {"North", "South", "East"}),
            ("north west is it", {"North West"}),
            ("Northern lights", set()),
            ("North lost 42, while South lost 30.", {"North"}),
            ("While South lost 42, it may be wrong.", {"South"}),
            ("North lost more than South. East lost most.", {"North", "East"}),
        ],
    )
    def test_names(self, text, claimed):
        candidates = {name: (name,) for name in ("North", "South", "East", "North West", "May")}
        assert {one.name for one in mentions(text, candidates) if one.claimed} == claimed

    def test_a_compared_figure_is_no_contradiction(self, tmp_path):
        wanted = (Name("North", {"North": (), "South": ()}), Number(42, 0, (30,)))
        for answer, right in (
            ("North with 42, ahead of South (30).", True),
            ("North with 42 or 30.", False),
            ("North with 30, ahead of South (42).", False),
        ):
            evidence = Evidence(answer, frozenset(), tmp_path, {})
            assert (not [x for one in wanted for x in one.problems(evidence, wanted)]) == right, answer

    def test_too_many_other_numbers_are_a_listing(self, tmp_path):
        one = Number(1000, 0)
        extra = itertools.count(1)
        few = " ".join(str(next(extra)) for _ in range(MOST_EXTRA_NUMBERS))
        assert not one.problems(Evidence(f"1000 {few}", frozenset(), tmp_path, {}), (one,))
        assert one.problems(Evidence(f"1000 {few} {next(extra)}", frozenset(), tmp_path, {}), (one,))


class TestDemoData:
    def test_file_is_what_its_generator_writes(self):
        module = runpy.run_path(str(DATA / "make_customers.py"))
        with (DATA / "customers.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        made = [{key: "" if cell is None else str(cell) for key, cell in row.items()} for row in module["rows"]()]
        assert rows == made
        assert (DATA / "customers.csv").stat().st_size < 400_000

    def test_the_question_has_one_clear_answer(self):
        """Which region lost the most customers, and why?"""
        with (DATA / "customers.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        lost = [row for row in rows if row["status"] == "lost"]
        regions = Counter(row["region"] for row in lost).most_common()
        assert regions[0][0] == "East"
        assert regions[0][1] > 1.5 * regions[1][1]
        shares = {name: count / sum(row["region"] == name for row in rows) for name, count in regions}
        assert max(shares, key=shares.get) == "East"
        reasons = Counter(row["cancel_reason"] for row in lost if row["region"] == "East").most_common()
        assert reasons[0][0] == "price"
        assert reasons[0][1] > 2 * reasons[1][1]
        elsewhere = Counter(row["cancel_reason"] for row in lost if row["region"] != "East").most_common(1)
        assert elsewhere[0][0] != "price"

"""The task sources: families apart, tasks that stay the same, demonstrations that hold, checkers that refuse."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeact_kernel.agent.formats import code as code_format
from codeact_kernel.agent.observation import whole
from codeact_kernel.errors import ConfigError
from codeact_kernel.execute.fresh import FreshExecutor
from codeact_kernel.learn.tasks import maths
from codeact_kernel.learn.tasks.check import problems
from codeact_kernel.learn.tasks.known import families, read, tasks
from codeact_kernel.learn.tasks.task import SPLITS, Task, from_json

DOMAINS = {"seek", "maths", "programs", "tables", "records", "world"}


def test_every_family_is_in_one_split_and_every_domain_in_all_of_them():
    names = [family.name for family in families()]
    assert len(set(names)) == len(names)
    for split in SPLITS:
        assert {family.name.partition("/")[0] for family in families() if family.split == split} == DOMAINS
    kinds = Counter(name.partition("/")[0] for name in names)
    assert min(kinds.values()) >= 4


def test_splits_share_no_family_no_task_and_no_kind_of_question():
    made = {split: tasks(split, each=4) for split in SPLITS}
    for one, other in (("train", "validation"), ("train", "heldout"), ("validation", "heldout")):
        assert not {task.family for task in made[one]} & {task.family for task in made[other]}
        assert not {task.id for task in made[one]} & {task.id for task in made[other]}
        assert not {(task.text, task.setup) for task in made[one]} & {
            (task.text, task.setup) for task in made[other]
        }
    assert {task.split for split in SPLITS for task in made[split]} == set(SPLITS)


def test_there_are_thousands_of_tasks_and_no_two_of_a_split_are_the_same():
    found = tasks("train", each=40)
    assert len(found) > 2000
    assert len({task.id for task in found}) == len(found)
    assert len({(task.text, task.setup) for task in found}) == len(found)
    assert len({task.family for task in found[:60]}) == 60


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(families()), st.integers(0, 10_000))
def test_a_task_is_the_same_each_time_and_survives_json(family, number):
    task = family.task(number)
    assert task == family.task(number)
    assert from_json(json.loads(json.dumps(task.as_json())), "here") == task
    assert 2 <= len(task.replies) <= 5
    assert len(task.text) < 300


def demonstrations(asked):
    """Return what plays demonstrations in one real kernel and gives for each its outputs and which tests hold."""

    async def play(folder):
        executor = FreshExecutor(cwd=folder)
        await executor.start()
        try:
            return [await one(executor, folder / str(number), task) for number, task in enumerate(asked)]
        finally:
            await executor.close()

    async def one(executor, folder, task):
        folder.mkdir()
        await executor.run(f"%reset -f\nimport os\nos.chdir({str(folder)!r})")
        for cell in task.setup:
            ran = await executor.run(cell)
            assert ran.status == "ok", (task.id, whole(ran))
            assert whole(ran) == "", task.id
        shown = []
        for reply in task.replies[:-1]:
            code = code_format.parse(reply).code
            assert code is not None, reply
            shown.append(await executor.run(code))
        holds = []
        for expression, wanted in task.tests:
            ran = await executor.run(f"({expression}) == ({wanted})")
            holds.append("True" in whole(ran))
        return [(ran.status, whole(ran)) for ran in shown], holds

    return play


@pytest.fixture(scope="module", params=sorted(DOMAINS))
def played(request, tmp_path_factory):
    """One task of every family of a domain, and two that begin with a mistake, played in a real kernel."""
    those = [family for family in families() if family.name.partition("/")[0] == request.param]
    asked = [family.task(1) for family in those]
    asked += [next(task for task in map(family.task, range(60)) if has_slip(task)) for family in those[1:3]]
    found = asyncio.run(demonstrations(asked)(tmp_path_factory.mktemp("played")))
    return list(zip(asked, found, strict=True))


def has_slip(task):
    """Say whether a demonstration is longer than the plain one of its family."""
    return len(task.replies) > (4 if task.family.startswith("seek/spouse") else 3)


def test_the_demonstration_of_every_family_is_accepted(played):
    for task, (shown, holds) in played:
        assert problems(task, task.replies[-1], [text for _, text in shown], holds) == [], task.id
        assert shown[-1][0] == "ok", task.id


def test_a_mistake_of_a_demonstration_really_fails_and_is_mended_by_the_next_cell(played):
    slipped = [(task, shown) for task, (shown, _) in played if has_slip(task)]
    assert len(slipped) >= 2
    for task, shown in slipped:
        statuses = [status for status, _ in shown]
        assert statuses.count("error") == 1, (task.id, shown)
        assert statuses[-1] == "ok"


def test_a_near_miss_is_refused(played):
    refused = 0
    for task, (shown, holds) in played:
        texts = [text for _, text in shown]
        for value in task.expected:
            wrong = near(value, task)
            answer = task.replies[-1].replace(str(value), wrong)
            assert answer != task.replies[-1], task.id
            assert problems(task, answer, texts, holds), (task.id, answer)
            refused += 1
        if task.tests:
            assert problems(task, task.replies[-1], texts, [False] * len(task.tests)), task.id
            refused += 1
        if task.expected:
            assert problems(task, task.replies[-1], [], holds), f"{task.id} is passed by a guess"
            assert problems(task, "I do not know.", texts, holds)
    assert refused >= len(played)


def near(value, task):
    if isinstance(value, str):
        return next((name for name in task.others if name != value), value[::-1] + "x")
    return str(round(value + (0.01 if isinstance(value, float) else 1), 2))


NUMBER = Task("t/1", "t", "train", "What is the mean of the 12 rows?", expected=(45.67,))
NAME = Task("t/2", "t", "train", "Who is it?", expected=("Ada",), others=("Ada", "Ben", "Adam"))


@pytest.mark.parametrize(
    ("task", "answer", "right"),
    [
        (NUMBER, "The mean is 45.67.", True),
        (NUMBER, "The mean of the 12 rows is 45.67", True),
        (NUMBER, "It is 45.6700.", True),
        (NUMBER, "It is 45.7.", False),
        (NUMBER, "It is 45.68.", False),
        (NUMBER, "It is 45.67 or 45.68.", False),
        (NUMBER, "It is 1,045.67.", False),
        (NUMBER, "v45.67", False),
        (NAME, "Ada it is.", True),
        (NAME, "It is Adam.", False),
        (NAME, "ada", False),
        (NAME, "Ada or Ben.", False),
    ],
)
def test_an_answer_is_judged_exactly(task, answer, right):
    assert (problems(task, answer, ["45.67 Ada"], []) == []) is right


@given(st.integers(-10_000, 10_000), st.integers(-10_000, 10_000))
def test_a_whole_number_is_taken_only_as_itself(value, said):
    task = Task("t/3", "t", "train", "How many?", expected=(value,))
    assert (problems(task, f"It is {said}.", [str(value)], []) == []) is (said == value)


def test_without_sympy_the_demonstrations_are_plain_python(monkeypatch):
    monkeypatch.setattr(maths, "with_sympy", lambda: False)
    made = [family.task(number) for family in maths.families() for number in range(3)]
    assert not any("sympy" in reply for task in made for reply in task.replies)
    monkeypatch.setattr(maths, "with_sympy", lambda: True)
    assert any("sympy" in reply for family in maths.families() for reply in family.task(0).replies)
    assert [family.task(number).expected for family in maths.families() for number in range(3)] == [
        task.expected for task in made
    ]


def test_tasks_are_read_from_a_file(tmp_path):
    path = tmp_path / "mine.jsonl"
    mine = {"id": "own/1", "family": "own", "split": "train", "text": "Add 20 and 22.", "expected": [42]}
    path.write_text(json.dumps(mine) + "\n\n" + json.dumps(mine | {"id": "own/2", "split": "heldout"}) + "\n")
    assert [task.id for task in read(path, "train")] == ["own/1"]
    assert read(path, "heldout")[0].expected == (42,)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "Line 1 of mine.jsonl is not JSON"),
        ("[1]", "Line 1 of mine.jsonl is not a task"),
        ('{"id": "a", "family": "a", "split": "train"}', "not a task"),
        ('{"id": "a", "family": "a", "split": "train", "text": "x"}', "nobody could say"),
        ('{"id": "a", "family": "a", "split": "test", "text": "x", "expected": [1]}', "the split 'test'"),
        ('{"id": "a", "family": "a", "split": "train", "text": "x", "expected": [true]}', "numbers and texts"),
        (
            '{"id": "a", "family": "a", "split": "train", "text": "x", "expected": [1], "setup": "x"}',
            "list of texts",
        ),
    ],
)
def test_a_file_that_holds_no_tasks_is_refused_with_its_line(tmp_path, line, sentence):
    path = tmp_path / "mine.jsonl"
    path.write_text(line)
    with pytest.raises(ConfigError, match=sentence.replace("(", r"\(")):
        read(path, "train")
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "none.jsonl", "train")

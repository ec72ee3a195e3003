"""Long episodes: what is sent stays within the budget, and what is left out can be had back."""

from __future__ import annotations

import asyncio
import itertools
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_client import block

import codeact_kernel
from codeact_kernel.agent import prompt
from codeact_kernel.config import CodeAct
from codeact_kernel.episode import schema
from codeact_kernel.episode.chat import check_messages, conversation
from codeact_kernel.models.base import Chunk
from codeact_kernel.replay.rehearse import rehearse
from codeact_kernel.types import Completion, Observation, Request, Step, TaskTurn

STEPS = 200
BUDGET = 12_000


def step(index, reply="Look.", seen="x"):
    return Step(
        index, "action", Completion(reply, "stop"), Request("", 0), code="1", observation=Observation("ok", seen)
    )


@pytest.fixture(scope="module")
def long_episode(tmp_path_factory):
    """200 steps of 5 kB each; at the 190th the model asks for what the third gave, which is long out of sight."""
    folder = tmp_path_factory.mktemp("long")
    sent = []

    def model(messages):
        sent.append(messages)
        number = len(sent)
        if number == 3:
            return block("key = 'k-' + str(7 ** 13)\nprint(key, 'y' * 5000)")
        if number == 4:
            return block("{'table': list(range(2000))}")
        if number == 190:
            return block("found = out(3)\nprint(found[:16], len(found), type(out(4)['table']).__name__)")
        if number == STEPS:
            return "All looked at."
        return block(f"print('row {number} ' * 700)")

    config = CodeAct(max_steps=300, context_tokens=BUDGET, observation_chars=5000)
    result = codeact_kernel.run(
        "Look at each.", model=model, cwd=folder, out=folder / "e.ipynb", approve="auto", config=config
    )
    return result, sent


def chars(messages):
    return sum(len(message["content"]) for message in messages)


def test_two_hundred_steps_stay_within_the_budget_and_the_total_grows_linearly(long_episode):
    result, sent = long_episode
    assert (result.status, len(sent)) == ("done", STEPS)
    sizes = [chars(messages) for messages in sent]
    assert max(sizes) <= BUDGET * prompt.CHARS_PER_TOKEN + 6000  # the newest output is kept whole
    first, second = sum(sizes[20:110]), sum(sizes[110:200])
    assert second <= 1.1 * first


def test_what_is_left_out_is_had_back_through_a_handle(long_episode):
    result, sent = long_episode
    assert not any(str(7**13) in message["content"] for message in sent[189])
    seen = sent[190][-1]["content"]
    assert f"k-{7**13}" in seen
    assert re.search(r"k-96889010407 \w* 50\d\d list", seen)
    assert "out(" in "".join(message["content"] for message in sent[189])
    assert result.answer == "All looked at."


def test_most_turns_only_add_to_what_was_sent(long_episode):
    _, sent = long_episode
    kept = sum(after[: len(before)] == before for before, after in itertools.pairwise(sent))
    assert kept >= 0.5 * (STEPS - 1)


def test_the_record_says_what_was_left_out_and_rehearses(long_episode):
    result, _ = long_episode
    notebook = json.loads(result.episode.read_bytes())
    views = [
        cell["metadata"]["codeact"]["record"]["request"]["view"]
        for cell in notebook["cells"]
        if "request" in cell["metadata"]["codeact"].get("record", {})
    ]
    assert prompt.HANDLE in views[-1].values()
    found = asyncio.run(rehearse(notebook, "it"))
    assert (found.problem, found.difference, found.steps) == ("", "", STEPS)


def test_a_handle_stands_for_an_output_and_a_line_for_turns():
    turns = [TaskTurn("Go.", "Task: Go."), *(step(n, seen="y" * 300) for n in range(1, 6))]
    view = {"1": prompt.LEFT_OUT, "2": prompt.LEFT_OUT, "3": prompt.HANDLE}
    contents = [message.content for message in prompt.build("", turns, view)]
    assert contents[0].startswith("Task: Go.\n\n[Steps 1 to 2 are left out here.")
    assert contents[2] == "[300 characters of output are left out here; out(3) returns all that step 3 gave.]"
    assert "y" * 300 in contents[4]


NOTED = "Rows 1 to 9 read; the key is k-42."


@pytest.fixture(scope="module")
def noted_episode(tmp_path_factory):
    """Sixty steps of 3 kB with notes on; each note says which it is."""
    folder = tmp_path_factory.mktemp("noted")
    sent, asked = [], []

    def model(messages):
        if prompt.words("summarize") in messages[-1]["content"]:
            asked.append((len(sent), messages))
            return f"{NOTED} Asked {len(asked)} times."
        sent.append(messages)
        return "All looked at." if len(sent) == 60 else block(f"print('row {len(sent)} ' * 400)")

    config = CodeAct(max_steps=80, context_tokens=3000, observation_chars=3000, summarize=True)
    result = codeact_kernel.run(
        "Look at each.", model=model, cwd=folder, out=folder / "e.ipynb", approve="auto", config=config
    )
    return result, sent, asked


def test_notes_stand_for_what_is_left_out_until_there_are_newer_ones(noted_episode):
    result, sent, asked = noted_episode
    assert (result.status, result.answer) == ("done", "All looked at.")
    assert 2 <= len(asked) <= 20
    for number, (at, _) in enumerate(asked, 1):
        until = asked[number][0] if number < len(asked) else 60
        for messages in sent[at:until]:
            said = "".join(message["content"] for message in messages)
            assert said.count(f"[Your notes on what is left out: {NOTED} Asked {number} times.]") == 1
    assert NOTED not in str(sent[asked[0][0] - 1])
    assert result.usage.calls == 60 + len(asked)


def test_notes_are_asked_for_with_what_was_sent_before_so_that_a_kept_prefix_is_of_use(noted_episode):
    _, sent, asked = noted_episode
    for at, question in asked:
        last = question[-1]["content"].removesuffix(prompt.words("summarize"))
        assert question[:-1] == sent[at - 1][: len(question) - 1]
        assert sent[at - 1][len(question) - 1]["content"] == last.rstrip("\n")


def test_the_record_says_what_was_noted_and_all_messages_are_rebuilt_from_it(noted_episode):
    result, _, asked = noted_episode
    notebook = json.loads(result.episode.read_bytes())
    _, turns = conversation(notebook)
    steps = [turn for turn in turns if isinstance(turn, Step)]
    made = [step.request.summary for step in steps if step.request.summary]
    assert [summary.text for summary in made] == [f"{NOTED} Asked {n} times." for n in range(1, len(asked) + 1)]
    assert [steps[at].request.summary for at, _ in asked] == made
    assert all(
        step.request.view[str(step.request.summary.upto)] == prompt.LEFT_OUT
        for step in steps
        if step.request.summary
    )
    assert check_messages(notebook) == []
    assert schema.check(notebook) == []
    found = asyncio.run(rehearse(notebook, "it"))
    assert (found.problem, found.difference, found.steps) == ("", "", 60)
    notebook["cells"] = json.loads(json.dumps(notebook["cells"]).replace("k-42", "k-43"))
    assert check_messages(notebook)


@pytest.mark.parametrize("notes", [True, False])
def test_a_task_goes_on_without_notes_and_none_are_asked_for_unless_set(tmp_path, notes):
    sent, asked = [], []

    def model(messages):
        if prompt.words("summarize") in messages[-1]["content"]:
            asked.append(messages)
            return " "
        sent.append(messages)
        return "All looked at." if len(sent) == 30 else block(f"print('row {len(sent)} ' * 300)")

    config = CodeAct(max_steps=40, context_tokens=2000, observation_chars=2500, summarize=notes)
    out = tmp_path / "e.ipynb"
    result = codeact_kernel.run("Look.", model=model, cwd=tmp_path, out=out, approve="auto", config=config)
    assert (result.answer, bool(asked)) == ("All looked at.", notes)
    assert check_messages(json.loads(out.read_bytes())) == []


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4000)), min_size=1, max_size=40), st.integers(200, 4000))
def test_what_was_trimmed_stays_so_and_the_first_and_last_task_are_always_sent(shapes, budget):
    turns, view = [TaskTurn("first", "Task: first")], {}
    for number, (is_task, size) in enumerate(shapes, 1):
        turns.append(TaskTurn(f"t{number}", f"Task: t{number}") if is_task else step(number, seen="z" * size))
        grown = prompt.fit("system", turns, view, budget)
        assert all(grown.get(index, 10**9) <= keep for index, keep in view.items())
        view = grown
        sent = "\n".join(message.content for message in prompt.build("system", turns, view))
        tasks = [turn.content for turn in turns if isinstance(turn, TaskTurn)]
        assert "Task: first" in sent
        assert tasks[-1] in sent
        roles = [message.role for message in prompt.build("system", turns, view)]
        assert all(before != after for before, after in itertools.pairwise(roles))


def test_a_chunk_of_reasoning_is_no_part_of_what_is_sent(tmp_path):
    seen = []

    def model(messages):
        seen.append(messages)
        return [Chunk(reasoning="secretly"), block("print(1)")] if len(seen) == 1 else "It is 1."

    codeact_kernel.run("Go.", model=model, cwd=tmp_path, out=tmp_path / "e.ipynb", approve="auto")
    assert "secretly" not in str(seen[1])

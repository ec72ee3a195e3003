"""Replay in real kernels: what each cell's verdict is, and what is never run."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

import pytest
from episode_helpers import create, small_turns, write
from kernel_client import block
from replay_helpers import changed, notebook, printed, record, result, save

from codeact_kernel.agent.stop import Stop
from codeact_kernel.episode.cells import mark_of
from codeact_kernel.errors import EpisodeError
from codeact_kernel.execute.fresh import FreshExecutor
from codeact_kernel.replay.plan import PlannedCell, plan
from codeact_kernel.replay.runner import Options, judge, replay_cells, replay_file, seconds_for
from codeact_kernel.types import Execution

FAILED = {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division by zero", "traceback": ["..."]}


def replay(path, **options):
    return asyncio.run(replay_file(path, Options(**options)))


def verdicts(found):
    return [cell.verdict for cell in found.cells]


EVERY_VERDICT = [
    ("x = 6 * 7\nprint(x)", [printed("42\n")], None, "same"),
    ("x", [result("42", 2)], None, "same"),
    ("x", [result("41", 3)], None, "differs"),
    ("object()", [result("<object at 0x7f31c0a5e0d0>", 4)], None, "drift"),
    ("1 / 0", [], None, "status"),
    ("y = 1", [FAILED], ["raises-exception"], "status"),
    ("1 / 0", [FAILED], ["raises-exception"], "same"),
    ("print(time())", [printed("9\n")], ["nbval-ignore-output"], "status"),
    ("print('b')", [printed("a\n")], ["nbval-ignore-output"], "same"),
    ("open('skipped', 'w')", [], ["nbval-skip"], "skipped"),
    ("open('skipped', 'w')", [], ["skip-execution"], "skipped"),
    ("%codeact what is this?", [], None, "skipped"),
    ("print('was never run')", None, None, "same"),
    ("1 / 0", None, None, "status"),
    ("pwd", None, None, "same"),
    ("import os\nos.system('echo from a process') and None", [printed("from a process\n"), result("0", 16)], None, "any"),
    ("print(x + y)", [printed("43\n")], None, "same"),
]  # fmt: skip


def test_every_verdict_of_an_ordinary_notebook(tmp_path):
    path = save(tmp_path / "ordinary.ipynb", notebook(*[cell[:3] for cell in EVERY_VERDICT]))
    before = path.read_bytes()
    found = replay(path)
    got = [(cell.planned.source, cell.verdict) for cell in found.cells]
    wanted = [(source, verdict) for source, _, _, verdict in EVERY_VERDICT]
    assert [one for one, other in zip(got, wanted, strict=True) if one != other and other[1] != "any"] == []
    assert found.exit_code == 1
    assert found.verdict == "status"
    assert path.read_bytes() == before
    assert not (tmp_path / "skipped").exists()
    reasons = {cell.planned.number: cell.reason for cell in found.cells}
    assert reasons[5] == "It failed: ZeroDivisionError: division by zero."
    assert reasons[6] == "It runs now; it failed then (ZeroDivisionError: division by zero)."
    assert reasons[10] == "Not run: it has the tag nbval-skip."
    assert "model" in reasons[12]
    assert "not recorded" in reasons[13]
    assert "echo" in EVERY_VERDICT[15][0]
    assert "from a process" in str(found.cells[15].outputs)


def test_after_a_dead_kernel_nothing_more_is_run(tmp_path):
    path = save(
        tmp_path / "dies.ipynb", notebook("import os\nos._exit(3)", "print(1)", ("2", None, ["nbval-skip"]))
    )
    found = replay(path)
    assert verdicts(found) == ["status", "not-run", "skipped"]
    assert "exit code 3" in found.cells[0].reason
    assert found.cells[1].reason == "The kernel died in cell 1."
    assert found.exit_code == 1


def test_a_cell_that_takes_too_long_is_interrupted_and_the_next_runs(tmp_path):
    path = save(tmp_path / "slow.ipynb", notebook("import time\ntime.sleep(300)", ("print(1)", [printed("1\n")])))
    began = time.monotonic()
    found = replay(path, most_seconds=1.0)
    assert verdicts(found) == ["status", "same"]
    assert "longer than it may" in found.cells[0].reason
    assert time.monotonic() - began < 60


def test_the_time_of_a_cell_is_ten_seconds_or_five_times_the_recorded_one():
    cell = PlannedCell(1, "code", "x")
    assert seconds_for(cell, 600) == 600
    assert seconds_for(replace(cell, seconds=0.1), 600) == 10
    assert seconds_for(replace(cell, seconds=30.0), 600) == 150
    assert seconds_for(replace(cell, seconds=3000.0), 600) == 600


def test_stop_keeps_what_is_there(tmp_path):
    path = save(
        tmp_path / "long.ipynb", notebook(("print(1)", [printed("1\n")]), "import time\ntime.sleep(300)", "2")
    )
    stop = Stop()

    class Watcher:
        def begins(self, path, cells):
            assert cells == 3

        def cell(self, result):
            asyncio.get_running_loop().call_later(0.7, stop.set)

    began = time.monotonic()
    found = asyncio.run(replay_file(path, stop=stop, watcher=Watcher()))
    assert verdicts(found) == ["same", "not-run", "not-run"]
    assert (found.verdict, found.exit_code) == ("stopped", 130)
    assert time.monotonic() - began < 60


@pytest.fixture(scope="module")
def episode(tmp_path_factory):
    """An episode with a setup cell, data in its working folder, an error, an answer."""
    folder = tmp_path_factory.mktemp("episode")
    (folder / "work").mkdir()
    (folder / "work" / "data.csv").write_text("a,b\n1,2\n3,4\n")
    replies = [
        block("import json\nrows = open('data.csv').read().split()\nprint(len(rows), factor)"),
        block("print(nothing_here)"),
        block("len(rows) * factor"),
        "It is 30.",
    ]
    return record(folder, replies, setup=["factor = 10"])


def test_an_episode_gives_the_same_in_a_fresh_kernel_from_its_working_folder(episode):
    found = replay(episode)
    assert verdicts(found) == ["same"] * 4, [(cell.reason, cell.comparison) for cell in found.cells]
    assert [cell.planned.kind for cell in found.cells] == ["prelude", "action", "action", "action"]
    assert [cell.planned.step for cell in found.cells] == [None, 1, 2, 3]
    assert (found.exit_code, found.verdict, found.environment) == (0, "same", [])


def test_an_episode_without_its_prelude_is_another_matter(episode):
    found = replay(episode, without_prelude=True)
    assert verdicts(found) == ["status", "same", "status"]
    assert "factor" in found.cells[0].reason


def test_an_episode_that_lies_elsewhere_finds_its_folder(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "data.csv").write_text("a,b\n1,2\n")
    (tmp_path / "kept").mkdir()
    path = record(tmp_path, [block("print(len(open('data.csv').read()))"), "It is 8."], name="../kept/e.ipynb")
    made = json.loads(path.read_bytes())
    assert [cell.step for cell in plan(made, "it", through=1).cells] == [None, 1]
    assert verdicts(replay(path)) == ["same", "same"]
    assert verdicts(replay(path, without_prelude=True)) == ["same", "same"]


def test_changed_data_is_said_and_a_file_that_is_gone_prevents_the_replay(episode, tmp_path):
    made = json.loads(episode.read_bytes())
    (tmp_path / "data.csv").write_text("a,b\n1,2\n3,4\n")
    path = save(tmp_path / "episode.ipynb", made)
    assert replay(path).environment == []
    (tmp_path / "data.csv").write_text("a,b\n5,6\n")
    found = replay(path)
    assert [one.sentence for one in found.environment] == ["The file data.csv was changed since."]
    assert found.cells[1].verdict == "differs"
    (tmp_path / "data.csv").unlink()
    found = replay(path)
    assert (found.exit_code, found.verdict, found.cells) == (2, "cannot run", [])
    assert "data.csv is gone" in found.cannot


@pytest.fixture
def small(tmp_path):
    writer = create(tmp_path)
    write(writer, small_turns())
    return json.loads(writer.path.read_bytes())


def test_an_episode_whose_prelude_is_not_whole_is_refused(small):
    with pytest.raises(EpisodeError, match="--without-prelude"):
        plan(small, "it")
    assert len(plan(small, "it", without_prelude=True).cells) == 3


def test_refused_and_broken_code_is_never_run(small):
    cells = plan(small, "it", without_prelude=True).cells
    assert [cell.source for cell in cells] == ["n = 3\nprint(n)", "print(m)", "n + 1"]
    assert [cell.failed for cell in cells] == [False, True, False]


def test_steps_that_never_ended_are_skipped(small):
    def never_ended(made):
        record = next(mark_of(cell)["record"] for cell in made["cells"] if mark_of(cell).get("kind") == "action")
        record["execution"]["status"] = "timeout"

    cells = plan(changed(small, never_ended), "it", without_prelude=True, anyway=True).cells
    assert "timeout" in cells[0].skip


def test_input_is_answered_from_the_record_and_refused_without_one(tmp_path):
    cells = [
        PlannedCell(1, "action", "print(input('who? '), input())", (printed("you me\n"),), recorded=True, failed=False,
                    stdin=({"prompt": "who? ", "answer": "you"}, {"prompt": "", "answer": "me"})),
        PlannedCell(2, "action", "input()", recorded=True, failed=True),
        PlannedCell(3, "action", "input(); input()", failed=True, stdin=({"prompt": "", "answer": "only one"},)),
    ]  # fmt: skip

    async def go():
        executor = FreshExecutor(cwd=tmp_path, look=False)
        await executor.start()
        try:
            return [cell async for cell in replay_cells(cells, executor)]
        finally:
            await executor.close()

    found = asyncio.run(go())
    assert [cell.status for cell in found] == ["ok", "error", "error"]
    assert found[0].verdict == "same", found[0]
    assert "StdinNotImplementedError" in str(found[1].outputs)
    assert "EOFError" in str(found[2].outputs)


class Live:
    """What a live kernel is to a replay: something that runs cells."""

    def __init__(self):
        self.ran = []

    async def run(self, code, *, timeout=None):
        self.ran.append((code, timeout))
        return Execution("ok", (printed(code),), 1)

    async def interrupt(self):
        """Nothing runs."""

    def answer_with(self, answer):
        assert answer is None

    async def take_literally(self, on):
        assert on, "these are actions"


def test_any_executor_replays_step_by_step():
    cells = [PlannedCell(n, "action", str(n), (printed(str(n)),), recorded=True, failed=False, seconds=4.0) for n in (1, 2)]  # fmt: skip
    live = Live()

    async def go():
        steps = replay_cells(cells, live)
        first = await anext(steps)
        assert live.ran == [("1", 20.0)]
        return [first, *[cell async for cell in steps]]

    assert [cell.verdict for cell in asyncio.run(go())] == ["same", "same"]
    assert [code for code, _ in live.ran] == ["1", "2"]


def test_cleared_outputs_are_compared_by_status_only():
    planned = PlannedCell(1, "action", "x", failed=False)
    assert judge(planned, Execution("ok", (printed("a"),))).reason.startswith("Its outputs were cleared")
    assert judge(planned, Execution("error", (FAILED,))).verdict == "status"


def test_a_kernel_that_is_not_here_cannot_be_replayed_in(tmp_path):
    path = save(
        tmp_path / "other.ipynb", notebook("1", kernelspec={"name": "no-such-kernel", "display_name": "x"})
    )
    found = replay(path)
    assert found.exit_code == 2
    assert "no-such-kernel" in found.cannot
    assert "--kernel" in found.cannot

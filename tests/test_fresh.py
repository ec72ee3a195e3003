"""The fresh executor: same outputs as live, bounded lifetimes, no leaks, no secrets."""

import asyncio
import os
import re
import threading
import time
from pathlib import Path

import pytest
from live_driver import LiveKernel

from codeact_kernel.errors import ExecutionError
from codeact_kernel.execute.fresh import FreshExecutor

CELLS = [
    "x = 2\nx + 40",
    "import sys\nprint('out'); print('err', file=sys.stderr); print('out again')",
    "1 / 0",
    "def broken(:",
    "missing_name",
    "import asyncio\nawait asyncio.sleep(0.01)\n'awaited'",
    "!echo shell",
    "%%bash\necho bash",
    "import subprocess\nsubprocess.run(['echo', 'child']);",
    "handle = display('old', display_id='shown')\nhandle.update('new')",
    "from IPython.display import clear_output\nprint('gone'); clear_output(); print('kept')",
    "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 3, 2]);",
    "import pandas as pd\npd.DataFrame({'a': [1, 2]})",
    "display({'text/plain': 'raw', 'application/json': {'n': float('nan')}}, raw=True)",
    "input('?')",
    "exit()",
    "x",
]


def steady(outputs):
    """Leave out what differs between any two runs: counts, addresses, cell paths."""
    text = re.sub(
        r"(?:Cell In\[\d+\]|\(\d+\.py|ipykernel_\d+/\d+\.py|0x[0-9a-f]+|line \d+|\\x1b\[[0-9;]*m)",
        "#",
        repr(outputs),
    )
    return re.sub(r"'execution_count': \d+", "'execution_count': N", text)


async def with_executor(check, **options):
    executor = FreshExecutor(**options)
    await executor.start()
    try:
        return await check(executor)
    finally:
        await executor.close()


def test_live_and_fresh_give_the_same_outputs():
    async def run(executor):
        return [await executor.run(cell) for cell in CELLS]

    fresh = asyncio.run(with_executor(run))
    kernel = LiveKernel()
    try:
        live = kernel.ask_without_stdin(*CELLS)[0]["results"]
    finally:
        kernel.close()
    assert len(live) == len(CELLS)
    for cell, ours, theirs in zip(CELLS, live, fresh, strict=True):
        assert ours["status"] == theirs.status, cell
        ours_outputs, their_outputs = list(ours["outputs"]), list(theirs.outputs)
        for output in (*ours_outputs, *their_outputs):
            output.pop("traceback", None)
        assert steady(ours_outputs) == steady(their_outputs), cell
        assert ours["result"] == theirs.result, cell
        assert (ours["error"] or {}).get("ename") == (theirs.error.ename if theirs.error else None), cell
        assert (ours["error"] or {}).get("evalue") == (theirs.error.evalue if theirs.error else None), cell


def test_missing_kernelspec_and_broken_kernel_are_one_sentence(tmp_path):
    async def start(name):
        await FreshExecutor(kernel_name=name).start()

    with pytest.raises(ExecutionError, match=r"no kernel named 'no-such-kernel'"):
        asyncio.run(start("no-such-kernel"))
    spec = tmp_path / "kernels" / "broken"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(
        '{"argv": ["python", "-c", "raise SystemExit(\'no engine here\')", "{connection_file}"],'
        ' "display_name": "broken", "language": "python"}'
    )
    old = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = str(tmp_path)
    try:
        with pytest.raises(ExecutionError, match="did not start: no engine here"):
            asyncio.run(start("broken"))
    finally:
        os.environ.pop("JUPYTER_PATH")
        if old is not None:
            os.environ["JUPYTER_PATH"] = old


def test_a_kernel_that_nobody_looks_into_has_the_agents_functions():
    async def check(executor):
        assert (await executor.run("final_answer(3); x = 4")).status == "ok"
        assert (await executor.inspect()).names == {}
        assert await executor.evaluate("final_answer.value + x") == "7"

    asyncio.run(with_executor(check, look=False))


def test_a_kernel_that_cannot_be_prepared_is_refused_in_one_sentence_and_ended(monkeypatch):
    monkeypatch.setattr(FreshExecutor, "_preparation", lambda _: "1 / 0")
    executor = FreshExecutor()
    with pytest.raises(ExecutionError, match=r"could not be prepared \(ZeroDivisionError: .*it needs Python 3\.9"):
        asyncio.run(executor.start())
    with pytest.raises(ExecutionError, match="call start"):
        asyncio.run(executor.run("1"))


def test_a_kernel_that_dies_is_noticed_within_a_second():
    async def check(executor):
        began = time.monotonic()
        # A kernel that exits at once may take its last message with it: its own thread sends it.
        execution = await executor.run("import os, time; print('bye', flush=True); time.sleep(0.3); os._exit(7)")
        took = time.monotonic() - began
        again = await executor.run("1")
        return execution, took, again

    execution, took, again = asyncio.run(with_executor(check))
    assert execution.status == "dead"
    assert took < 0.3 + 1.2
    assert "exit code 7" in execution.error.evalue
    assert execution.outputs[0]["text"] == "bye\n"
    assert again.status == "dead"


def test_timeout_interrupts_and_a_deaf_cell_is_killed():
    async def check(executor):
        began = time.monotonic()
        first = await executor.run("import time; print('on', flush=True); time.sleep(60)", timeout=0.4)
        took = time.monotonic() - began
        after = await executor.run("'usable'")
        deaf = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(60)"
        began = time.monotonic()
        last = await executor.run(deaf, timeout=0.2)
        return first, took, after, last, time.monotonic() - began

    first, took, after, last, killed = asyncio.run(with_executor(check))
    assert first.status == "timeout"
    assert first.outputs[0]["text"] == "on\n"
    assert took < 1.3
    assert after.status == "ok"
    assert last.status == "dead"
    assert 5 < killed < 7


def gone(pid):
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def open_descriptors():
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def test_nothing_is_left_after_close():
    before = set(threading.enumerate())

    async def check(executor):
        code = "import os, subprocess; child = subprocess.Popen(['sleep', '600']); print(os.getpid(), child.pid)"
        return (await executor.run(code)).outputs[0]["text"]

    descriptors = open_descriptors()
    pids = list(map(int, asyncio.run(with_executor(check)).split()))
    assert all(map(gone, pids))
    assert set(threading.enumerate()) == before
    assert open_descriptors() <= descriptors


def test_secrets_are_not_inherited_unless_given(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "s3cret")
    monkeypatch.setenv("MY_ACCESS_TOKEN", "s3cret")
    monkeypatch.setenv("PLAIN_SETTING", "kept")

    async def check(executor):
        code = "import os; print([os.environ.get(n) for n in ('SOME_API_KEY', 'MY_ACCESS_TOKEN', 'PLAIN_SETTING', 'GIVEN_KEY')])"
        return (await executor.run(code)).outputs[0]["text"]

    text = asyncio.run(with_executor(check, env={"GIVEN_KEY": "mine"}))
    assert text == "[None, None, 'kept', 'mine']\n"


def test_stdin_snapshot_cwd_and_pieces(tmp_path):
    (tmp_path / "data.csv").write_text("a\n1\n")
    pieces = []

    async def check(executor):
        asked = await executor.run("name = input('Who? ')\nprint('hello', name)")
        ended = await executor.run("input('fail')")
        plot = await executor.run("import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
        return asked, ended, plot, await executor.inspect(), executor.describe()

    def answer(prompt):
        if prompt == "fail":
            raise LookupError
        return "Ada"

    asked, ended, plot, snapshot, header = asyncio.run(
        with_executor(check, cwd=tmp_path, answer_stdin=answer, on_output=pieces.append)
    )
    assert asked.stdin == ({"prompt": "Who? ", "answer": "Ada"},)
    assert asked.outputs[0]["text"] == "hello Ada\n"
    assert ended.error.ename == "EOFError"
    assert "image/png" in plot.outputs[0]["data"]
    assert snapshot.names["name"].type == "str"
    assert snapshot.files == {"data.csv": 4}
    assert snapshot.cwd == str(tmp_path.resolve())
    assert header["name"] == "python3"
    assert header["language_version"].startswith("3.")
    assert pieces[0] == {"output_type": "stream", "name": "stdout", "text": "hello Ada\n"}


def test_many_displays_are_bounded_and_the_last_ones_kept():
    async def check(executor):
        return await executor.run("for number in range(1000): display(number)")

    execution = asyncio.run(with_executor(check))
    shown = [o["data"]["text/plain"] for o in execution.outputs if o["output_type"] == "display_data"]
    assert len(shown) == 200
    assert shown[0] == "0"
    assert shown[-1] == "999"
    assert any("800 outputs left out" in o.get("text", "") for o in execution.outputs)


def test_run_before_start_says_so():
    with pytest.raises(ExecutionError, match="call start"):
        asyncio.run(FreshExecutor().run("1"))


def test_a_lone_line_means_what_is_written(tmp_path):
    doomed = tmp_path / "sub"
    doomed.mkdir()

    async def check(executor):
        await executor.run("kept = 1")
        deleted = await executor.run(f"rm -rf {doomed}")
        await executor.run("%automagic on")
        again = await executor.run(f"rm -rf {doomed}")
        reset = await executor.run("reset -f")
        return deleted, again, reset, await executor.run("kept")

    deleted, again, reset, kept = asyncio.run(with_executor(check))
    assert doomed.is_dir()
    assert [deleted.error.ename, again.error.ename, reset.error.ename] == ["NameError"] * 3
    assert kept.result == "1 (int)"


def test_a_question_in_the_first_cell_of_a_kernel_is_heard(tmp_path):
    async def check(executor):
        return await asyncio.wait_for(executor.run("print(input('Who? '))"), 20)

    for _ in range(8):  # its channel once came later than the cell, in one kernel of eight
        asked = asyncio.run(with_executor(check, cwd=tmp_path, answer_stdin=lambda _: "Ada"))
        assert asked.outputs[0]["text"] == "Ada\n"

"""The live executor in a real, stock kernel: outputs, errors, input, figures, and the shell afterwards."""

import json

import pytest
from live_driver import LiveKernel


@pytest.fixture(scope="module")
def kernel():
    kernel = LiveKernel()
    yield kernel
    kernel.close()


def only(dump):
    assert len(dump["results"]) == 1
    return dump["results"][0]


def text_of(execution, name="stdout"):
    found = [o["text"] for o in execution["outputs"] if o["output_type"] == "stream" and o["name"] == name]
    return "".join(found)


def kinds(execution):
    return [output["output_type"] for output in execution["outputs"]]


def test_outputs_are_captured_and_shown_below_the_magic(kernel):
    dump, reply, messages = kernel.ask("import sys\nprint('one'); print('two', file=sys.stderr)\n40 + 2")
    execution = only(dump)
    assert execution["status"] == "ok"
    assert reply["status"] == "ok"
    assert [(o["name"], o["text"]) for o in execution["outputs"][:2]] == [("stdout", "one\n"), ("stderr", "two\n")]
    assert execution["outputs"][2]["data"] == {"text/plain": "42"}
    assert "42" in execution["result"]
    shown = [m["msg_type"] for m in messages]
    assert "stream" in shown
    assert "execute_result" in shown


def test_history_and_underscore_stay_sane(kernel):
    dump, _, _ = kernel.ask("magic_value = 11 * 3\nmagic_value")
    count = only(dump)["execution_count"]
    reply, messages = kernel.cell(f"(_, Out[{count}], In[{count}], get_ipython().execution_count)")
    assert reply["status"] == "ok"
    shown = next(m["content"]["data"]["text/plain"] for m in messages if m["msg_type"] == "execute_result")
    value, out, source, present = eval(shown)
    assert (value, out, source) == (33, 33, "magic_value = 11 * 3\nmagic_value")
    assert present == count + 2
    assert reply["execution_count"] == count + 1


def test_top_level_await_magics_shell_and_bash(kernel):
    dump, _, _ = kernel.ask(
        "import asyncio\nawait asyncio.sleep(0.01)\nprint('awaited')",
        "%pwd",
        "!echo from-shell",
        "%%bash\necho from-bash",
        "import subprocess\nsubprocess.run(['echo', 'from-child'], check=True);",
    )
    awaited, pwd, shell, bash, child = dump["results"]
    assert text_of(awaited) == "awaited\n"
    assert kinds(pwd) == ["execute_result"]
    assert text_of(shell).strip() == "from-shell"
    assert text_of(bash) == "from-bash\n"
    assert text_of(child) == "from-child\n"


def test_inline_figures_and_widgets_come_as_outputs(kernel):
    dump, _, messages = kernel.ask(
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nfigure = plt.figure(); plt.plot([1, 2]);",
        "import ipywidgets\nipywidgets.IntSlider(3)",
    )
    figure, widget = dump["results"]
    assert "image/png" in figure["outputs"][-1]["data"]
    assert "application/vnd.jupyter.widget-view+json" in widget["outputs"][-1]["data"]
    assert any("image/png" in m["content"].get("data", {}) for m in messages if m["msg_type"] == "display_data")


def test_display_updates_clear_output_and_threads(kernel):
    dump, _, _ = kernel.ask(
        "handle = display('old', display_id=True)\nhandle.update('new')",
        "from IPython.display import clear_output\nprint('gone')\nclear_output(wait=True)\nprint('stays')",
        "import threading\n"
        "thread = threading.Thread(target=lambda: (print('in thread'), display('shown')))\n"
        "thread.start(); thread.join()",
        "display('outer', display_id='nested')\ndisplay('inner', display_id='nested');",
    )
    updated, cleared, threads, nested = dump["results"]
    assert [o["data"]["text/plain"] for o in updated["outputs"]] == ["'new'"]
    assert "transient" not in json.dumps(updated["outputs"])
    assert text_of(cleared) == "stays\n"
    assert kinds(threads) == ["stream", "display_data"]
    assert [o["data"]["text/plain"] for o in nested["outputs"]] == ["'inner'", "'inner'"]


def test_errors_stay_in_the_step(kernel):
    dump, reply, messages = kernel.ask("def f():\n    return 1 / 0\nf()", "def broken(:", "print('after')")
    division, syntax, after = dump["results"]
    assert reply["status"] == "ok"
    assert division["status"] == "error"
    assert division["error"]["ename"] == "ZeroDivisionError"
    assert any(line == 2 for _, line, _ in division["error"]["frames"])
    assert kinds(division) == ["error"]
    assert syntax["error"]["ename"] == "SyntaxError"
    assert text_of(after) == "after\n"
    assert [m["content"]["ename"] for m in messages if m["msg_type"] == "error"] == [
        "ZeroDivisionError",
        "SyntaxError",
    ]


@pytest.mark.parametrize("code", ["exit()", "quit()", "exit", "import sys; sys.exit(3)", "raise SystemExit"])
def test_exit_is_an_error_and_the_kernel_lives(kernel, code):
    dump, reply, _ = kernel.ask(code, "print('alive')")
    assert dump["results"][0]["status"] == "error"
    assert dump["results"][0]["error"]["ename"] == "SystemExit"
    assert text_of(dump["results"][1]) == "alive\n"
    assert reply["payload"] == []
    assert kernel.cell("1")[0]["status"] == "ok"


def test_input_is_asked_through_the_front_end_and_recorded(kernel):
    dump, _, _ = kernel.ask("name = input('Who? ')\nprint('hello', name)", answers=["Ada"])
    execution = only(dump)
    assert list(execution["stdin"]) == [{"prompt": "Who? ", "answer": "Ada"}]
    assert text_of(execution) == "hello Ada\n"


def test_input_without_stdin_is_the_cells_error(kernel):
    dump, reply, _ = kernel.ask_without_stdin("input('Who? ')")
    assert only(dump)["error"]["ename"] == "StdinNotImplementedError"
    assert reply["status"] == "ok"


def test_a_cell_that_breaks_the_streams_is_repaired(kernel):
    dump, _, _ = kernel.ask(
        "import sys, io\nsys.stdout = io.StringIO()", "sys.stdout.close()", "print('still here')"
    )
    assert text_of(dump["results"][2]) == "still here\n"
    _, messages = kernel.cell("print('and here')")
    assert "".join(m["content"].get("text", "") for m in messages) == "and here\n"


def test_snapshot_lists_what_the_user_made(kernel):
    dump, _, _ = kernel.ask("import math\ntotal = 12.5\ndef area(r): return math.pi * r ** 2")
    snapshot = only(dump)["snapshot"]
    assert snapshot["names"]["total"]["type"] == "float"
    assert "12.5" in snapshot["names"]["total"]["summary"]
    assert any("area" in entry for entry in snapshot["functions"])
    assert not any(name in snapshot["names"] for name in ("In", "Out", "exit"))


def test_a_broken_result_repr_fails_the_step_but_not_the_magic(kernel):
    dump, reply, _ = kernel.ask(
        "class Bad:\n    def __repr__(self): raise RuntimeError('no repr')\nBad()", "1 + 1"
    )
    assert reply["status"] == "ok"
    assert dump["results"][0]["status"] == "error"
    assert dump["results"][0]["error"]["ename"] == "RuntimeError"
    assert dump["results"][1]["status"] == "ok"


def test_output_of_forked_children_is_captured(kernel):
    dump, _, _ = kernel.ask(
        "import multiprocessing\nfork = multiprocessing.get_context('fork')\n"
        "child = fork.Process(target=print, args=('forked',), kwargs={'flush': True})\nchild.start(); child.join()"
    )
    assert text_of(only(dump)) == "forked\n"


def test_posts_run_while_a_cell_awaits_and_are_not_its_outputs(kernel):
    dump, _, messages = kernel.ask(
        "import asyncio\nprint('start')\nawait asyncio.sleep(0.4)\nprint('end')", post_after=0.15
    )
    assert text_of(only(dump)) == "start\nend\n"
    assert kinds(only(dump)) == ["stream"]
    flow = [m["content"].get("text") or m["content"]["data"]["text/plain"] for m in messages
            if m["msg_type"] in {"stream", "display_data"}]  # fmt: skip
    assert flow == ["start\n", "'posted'", "end\n"]


def test_tasks_started_by_one_step_go_on_in_the_next(kernel):
    dump, _, _ = kernel.ask(
        "import asyncio\nasync def later():\n    await asyncio.sleep(0.1)\n    return 'late'\n"
        "task = asyncio.create_task(later())",
        "await task",
    )
    assert dump["results"][1]["outputs"][0]["data"]["text/plain"] == "'late'"


@pytest.mark.parametrize(
    "prefix", ["if True:\n    %codeact ", "value = %codeact ", "for _ in range(1):\n    %codeact "]
)
def test_indented_and_assigned_magics_are_awaited(kernel, prefix):
    dump, reply, _ = kernel.ask("print('ran')", prefix=prefix)
    assert reply["status"] == "ok"
    assert text_of(only(dump)) == "ran\n"


def test_a_large_print_is_bounded(kernel):
    dump, _, _ = kernel.ask("print('a' * 3_000_000 + 'z')")
    text = text_of(only(dump))
    assert len(text) < 600_000
    assert text.endswith("z\n")
    assert "characters of stdout left out" in text


def test_a_lone_line_means_what_is_written_and_the_user_keeps_automagic(kernel, tmp_path):
    doomed = tmp_path / "sub"
    doomed.mkdir()
    delete = f"rm -rf {doomed}"
    kernel.cell(
        "%autocall 1\nfrom IPython.core.macro import Macro\nlater = Macro('sneaked = 1')\ndef f(x): return x"
    )
    dump, _, _ = kernel.ask(delete, f"%time {delete}", f"%%time\n{delete}", "f 3", "later")
    assert [result["status"] for result in dump["results"]] == ["error"] * 4 + ["ok"]
    assert kernel.value("str(int('sneaked' in globals()))") == 0
    assert doomed.is_dir()
    assert kernel.cell("later")[0]["status"] == "ok"
    assert kernel.value("str(sneaked)") == 1
    kernel.cell(delete)
    assert not doomed.exists()
    kernel.cell("%autocall 0")

"""Terminal IPython, in a process of its own: the same executor contract without a kernel. And the awaiting rewrite."""

import ast
import base64
import json
import signal
import subprocess
import sys
import time

import pytest
from live_driver import DRIVER

from codeact_kernel.execute import awaiting
from codeact_kernel.execute.awaiting import awaited

SCRIPT = """
import sys, json
from IPython.terminal.interactiveshell import TerminalInteractiveShell
shell = TerminalInteractiveShell.instance(simple_prompt=True, colors="nocolor")
driver, line = json.loads(sys.stdin.readline())
shell.run_cell(driver)
print("READY", flush=True)
result = shell.run_cell("%codeact " + line)
dump = json.loads(shell.user_ns["_drive"].dump())
dump["success"], dump["In"], dump["Out"] = result.success, shell.user_ns["In"], {str(k): repr(v) for k, v in shell.user_ns["Out"].items()}
dump["after"] = shell.run_cell("20 + 1").result
dump["patched"] = [n for n in ("publish", "clear_output") if n in vars(shell.display_pub)] + [
    n for n in ("system", "ask_exit", "_showtraceback") if n in vars(shell)]
print("DUMP" + json.dumps(dump), flush=True)
"""


def drive(*cells, interrupt_after=None, **spec):
    """Run cells through the executor of a terminal shell; return the dump and what the terminal showed."""
    line = base64.b64encode(json.dumps({"cells": cells, **spec}).encode()).decode()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    process.stdin.write(json.dumps([DRIVER, line]) + "\n")
    process.stdin.flush()
    shown = []
    while "READY" not in (text := process.stdout.readline()):
        shown.append(text)
        assert text, "".join(shown)
    if interrupt_after is not None:
        time.sleep(interrupt_after)
        process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=40)
    terminal, _, dump = rest.partition("DUMP")
    assert dump, terminal
    return json.loads(dump.splitlines()[0]), terminal


def test_outputs_errors_and_history_in_a_terminal():
    dump, terminal = drive(
        "import sys\nprint('one'); print('two', file=sys.stderr)\n6 * 7",
        "1 / 0",
        "from IPython.display import display, HTML, clear_output\ndisplay(HTML('<b>x</b>'))",
        "print('gone'); clear_output(); print('kept')",
        "import asyncio\nawait asyncio.sleep(0.01)\n'awaited'",
        "!echo child",
        "exit()",
        "print('alive')",
    )
    first, error, shown, cleared, awaited_cell, child, ended, alive = dump["results"]
    assert [o.get("text") for o in first["outputs"][:2]] == ["one\n", "two\n"]
    assert first["outputs"][2]["data"]["text/plain"] == "42"
    assert first["outputs"][2]["execution_count"] == first["execution_count"]
    assert len(first["outputs"]) == 3
    assert [o["output_type"] for o in error["outputs"]] == ["error"]
    assert error["error"]["ename"] == "ZeroDivisionError"
    assert shown["outputs"][0]["data"] == {"text/plain": "<IPython.core.display.HTML object>"}
    assert cleared["outputs"][0]["text"] == "kept\n"
    assert awaited_cell["outputs"][0]["data"]["text/plain"] == "'awaited'"
    assert child["outputs"][0]["text"].strip() == "child"
    assert ended["error"]["ename"] == "SystemExit"
    assert alive["status"] == "ok"
    assert "42" in terminal
    assert "ZeroDivisionError" in terminal
    assert dump["success"]
    assert dump["Out"][str(first["execution_count"])] == "42"
    assert dump["after"] == 21
    assert dump["patched"] == []


@pytest.mark.parametrize(
    "code", ["import time; time.sleep(30)", "import asyncio; await asyncio.sleep(30)", "while True: pass"]
)
def test_ctrl_c_ends_the_step_and_stops_the_agent(code):
    began = time.monotonic()
    dump, _ = drive(code, "print('never')", interrupt_after=0.8)
    assert time.monotonic() - began < 10
    assert [r["status"] for r in dump["results"]] == ["interrupted"]
    assert dump["stops"] == 1
    assert dump["same_handler"]
    assert dump["after"] == 21


@pytest.mark.alone
def test_a_timeout_and_a_stop_in_a_terminal():
    dump, _ = drive("import time; time.sleep(30)", "print('on')", cell_timeout=0.4)
    assert [r["status"] for r in dump["results"]] == ["timeout", "ok"]
    dump, _ = drive("import time; time.sleep(30)", stop_after=0.3)
    assert dump["results"][0]["status"] == "interrupted"
    assert dump["took"] < 0.5


CALL = "get_ipython().run_line_magic('codeact', 'x')"
CELL = "get_ipython().run_cell_magic('codeact', '', 'two\\nlines')"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (CALL, f"(await {CALL})"),
        (CELL, f"(await {CELL})"),
        (f"x = {CALL}", f"x = (await {CALL})"),
        (f"é = 'ü'; {CALL}", f"é = 'ü'; (await {CALL})"),
        (f"if a:\n    for b in c:\n        {CALL}\n", f"if a:\n    for b in c:\n        (await {CALL})\n"),
        (f"print({CALL}.text, {CELL})", f"print((await {CALL}).text, (await {CELL}))"),
        (f"try:\n    {CALL}\nexcept E:\n    {CALL}", f"try:\n    (await {CALL})\nexcept E:\n    (await {CALL})"),
        (f"[{CALL} for _ in y]", f"[(await {CALL}) for _ in y]"),
        (f"await {CALL}", f"await {CALL}"),
        (f"def f():\n    {CALL}", f"def f():\n    {CALL}"),
        (f"async def f():\n    {CALL}", f"async def f():\n    {CALL}"),
        (f"class C:\n    {CALL}", f"class C:\n    {CALL}"),
        (f"f = lambda: {CALL}", f"f = lambda: {CALL}"),
        (f"g = ({CALL} for _ in y)", f"g = ({CALL} for _ in y)"),
        ("get_ipython().run_line_magic('timeit', 'codeact')", "get_ipython().run_line_magic('timeit', 'codeact')"),
        ("codeact = (", "codeact = ("),
        ("print('%codeact')", "print('%codeact')"),
    ],
)
def test_only_top_level_calls_are_awaited(source, expected):
    assert awaited(source) == expected
    if source != "codeact = (":
        compile(expected, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_the_rewrite_installs_once_and_uninstalls():
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    before = list(shell.input_transformers_post)
    awaiting.install(shell)
    awaiting.install(shell)
    assert len(shell.input_transformers_post) == len(before) + 1
    assert shell.transform_cell("%codeact hi\n") == "(await get_ipython().run_line_magic('codeact', 'hi'))\n"
    shell.autoawait = False
    assert "await" not in shell.transform_cell("%codeact hi\n")
    awaiting.uninstall(shell)
    assert list(shell.input_transformers_post) == before

"""IPython in a terminal: a real one, on a pty, as a person uses it."""

from __future__ import annotations

import json
import os
import re
import sys
import time

import pytest
from episode_helpers import load, names
from kernel_client import block, write_script
from replay_helpers import notebook, printed, save

from codeact_kernel.episode.chat import check_messages

pexpect = pytest.importorskip("pexpect", reason="terminal IPython brings it where there are ptys")

PROMPT = r"In \[\d+\]: "
STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """IPython under a pty; `cell` types a line and returns what came before the next prompt."""

    def __init__(self, folder, scripts, *options):
        self.folder, self.scripts = folder, scripts
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "IPython", "--no-banner", "--no-confirm-exit", "--colors=NoColor", *options],
            cwd=str(folder),
            env={**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
            encoding="utf-8",
            codec_errors="replace",
            dimensions=(50, 300),
            timeout=30,
        )

    def script(self, *replies):
        return write_script(self.scripts, *replies)

    def begin(self, line):
        self.child.sendline(line)
        self.child.expect_exact("\n")  # the echo of what was typed

    def finish(self):
        self.child.expect(PROMPT)
        return STYLE.sub("", self.child.before)

    def cell(self, line):
        self.begin(line)
        return self.finish()

    def close(self):
        self.child.close(force=True)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    made = Terminal(tmp_path_factory.mktemp("terminal"), tmp_path_factory.mktemp("scripts"), "--simple-prompt")
    made.finish()
    yield made
    made.close()


@pytest.fixture
def terminal(shared):
    shared.cell("%reset -f")
    shared.cell("%reload_ext codeact_kernel")
    for path in (shared.folder / "episodes").glob("*"):
        path.unlink()
    return shared


def the_episode(folder):
    (name,) = names(folder / "episodes")
    return load(folder / "episodes" / name)


def test_a_task_runs_on_the_users_variables_and_the_answer_is_printed(terminal):
    terminal.cell("base = 40")
    model = terminal.script(block("total = base + 2; print('so', total)"), "It is 42, yes.")
    shown = terminal.cell(f"%codeact -m {model} is it so?")
    assert "step 1" in shown
    assert "so 42" in shown
    assert "It is 42, yes." in shown
    assert "episodes/" in shown
    assert (
        re.search(r"Out\[\d+\]: (?!\r\x1b\[K)", terminal.child.before) is None
    )  # wiped: the answer is shown once
    assert terminal.cell("print('total', total)").strip() == "total 42"
    assert terminal.cell("print(repr(_))").strip() == "'It is 42, yes.'"
    notebook = the_episode(terminal.folder)
    assert notebook["metadata"]["codeact"]["status"] == "done"
    sources = {cell["metadata"]["codeact"]["kind"]: "".join(cell["source"]) for cell in notebook["cells"]}
    assert (sources["prelude"], sources["task"]) == ("base = 40", "is it so?")
    assert check_messages(notebook) == []


def test_the_answer_can_be_assigned_and_the_talk_goes_on(terminal):
    terminal.cell(f"answer = %codeact -m {terminal.script(block('n = 7'), 'Set.')} set n")
    shown = terminal.cell(
        f"%codeact -o second -m {terminal.script(block('print(n * 6)'), 'It is 42.')} and by six?"
    )
    assert "It is 42." in shown
    assert terminal.cell("print(answer, second)").strip() == "Set. It is 42."
    assert len(names(terminal.folder / "episodes")) == 1


@pytest.mark.alone
@pytest.mark.parametrize(
    ("reply", "word"),
    [
        ({"text": "Yes.", "delay_s": 60}, "thinking"),
        (block("import time; time.sleep(60)"), "running"),
        (block("import asyncio; await asyncio.sleep(60)"), "running"),
    ],
    ids=["model", "sleep", "await"],
)
def test_ctrl_c_stops_the_task_and_ipython_lives(terminal, reply, word):
    terminal.begin(f"%codeact -m {terminal.script(block('kept = 1'), reply)} go")
    terminal.child.expect_exact("step 2")
    terminal.child.expect_exact(f"{word} 0 s")
    pressed = time.monotonic()
    terminal.child.sendintr()
    shown = terminal.finish()
    assert time.monotonic() - pressed < 1.0
    assert "interrupted: Stopped; the steps so far are kept." in shown
    assert "KeyboardInterrupt: The task was interrupted." in shown
    assert "magics.py" not in shown
    assert terminal.cell("print(6 * 7, kept)").strip() == "42 1"
    assert the_episode(terminal.folder)["metadata"]["codeact"]["status"] == "interrupted"
    assert "codeact_kernel" not in json.dumps(
        [cell["metadata"]["codeact"].get("record") for cell in the_episode(terminal.folder)["cells"]]
    )
    assert "Still here." in terminal.cell(f"%codeact -m {terminal.script('Still here.')} and now?")


def test_a_risky_cell_is_asked_about_at_the_prompt(terminal):
    for name, answer in (("one.txt", "y"), ("two.txt", "n keep it")):
        (terminal.folder / name).write_text("x")
        terminal.begin(f"%codeact -m {terminal.script(block(f'import os; os.remove({name!r})'), 'I see.')} clean")
        terminal.child.expect_exact("Run it?")
        terminal.child.sendline(answer)
        assert "I see." in terminal.finish()
        assert (terminal.folder / name).exists() == (answer != "y")


def test_ctrl_c_at_the_question_stops_the_task_and_the_next_line_is_ipythons(terminal):
    (terminal.folder / "kept.txt").write_text("x")
    terminal.begin(f"%codeact -m {terminal.script(block('import os; os.remove(chr(107))'), 'I see.')} clean")
    terminal.child.expect_exact("Run it?")
    terminal.child.sendintr()
    assert "interrupted" in terminal.finish()
    assert terminal.cell("print(6 * 7)").strip() == "42"
    assert (terminal.folder / "kept.txt").exists()


def test_a_reply_cannot_move_the_cursor_or_break_the_screen(terminal):
    model = terminal.script("Esc \x1b]0;title\x07 and \ud800 end.")
    shown = terminal.cell(f"%codeact -m {model} go")
    assert r"Esc \x1b]0;title\x07 and \ud800 end." in shown
    assert "\x07" not in shown


def test_the_prompt_that_people_have_works_too(tmp_path):
    (tmp_path / "work").mkdir()
    made = Terminal(tmp_path / "work", tmp_path)
    try:
        made.child.expect(r"In \[1\]:")
        made.child.send("%load_ext codeact_kernel\r")
        made.child.expect(r"In \[2\]:")
        made.child.send(f"%codeact -m {made.script(block('x = 6 * 7'), 'It is 42.')} go\r")
        made.child.expect_exact("[2 steps")
        made.child.send("print('<' + str(x) + '>')\r")
        made.child.expect_exact("<42>")
        made.child.send("exit\r")
        made.child.expect(pexpect.EOF)
        made.child.wait()
        assert made.child.exitstatus == 0
    finally:
        made.close()
    assert the_episode(made.folder)["metadata"]["codeact"]["status"] == "done"


def test_a_saved_notebook_runs_again_in_the_terminal_and_asks_first(terminal):
    cells = [("x = 6 * 7\nprint(x)", [printed("42\n")]), ("print(x + 1)", [printed("44\n")])]
    save(terminal.folder / "saved.ipynb", notebook(*cells))
    terminal.begin("%codeact replay saved.ipynb")
    terminal.child.expect_exact("/ [n]o: ")
    assert "2 cells would run in this kernel" in STYLE.sub("", terminal.child.before)
    assert "43" in terminal.cell("y")
    assert "42" in terminal.cell("print(x)")
    terminal.begin("%codeact replay saved.ipynb --yes")
    said = terminal.finish()
    assert "differs: 1 same, 1 differs" in said

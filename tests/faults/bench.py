"""One live kernel on which faults are tried, and the four invariants that each must leave true."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field

from episode_helpers import load

from codeact_kernel.episode.chat import check_messages
from codeact_kernel.episode.integrity import integrity

ENDED = {"done", "failed", "limit", "interrupted"}
STATE = """
def _state():
    import builtins, json, psutil, signal, sys, threading
    shell, process = get_ipython(), psutil.Process()
    pools = ("asyncio_", "ThreadPoolExecutor", "Thread-", "pymp-")
    names = [thread.name for thread in threading.enumerate()]
    links = [link for link in process.net_connections("inet") if link.status == "ESTABLISHED"]
    children = [c for c in process.children(recursive=True) if c.status() != psutil.STATUS_ZOMBIE]
    return json.dumps({
        "threads": sorted(name for name in names if not name.startswith(pools)),
        "children": len(children),
        "sockets": len(links),
        "hooks": {name: len(found) for name, found in shell.events.callbacks.items()}
        | {"ast": len(shell.ast_transformers), "cleanup": len(shell.input_transformers_cleanup),
           "publisher": len(getattr(shell.display_pub, "_hooks", ()))},
        "sigint": repr(signal.getsignal(signal.SIGINT)),
        "input": builtins.input.__qualname__,
        "stdout": type(sys.stdout).__name__,
        "display": type(shell.displayhook).__name__,
        "kept": kept == {"table": [1, 2, 3], "name": "unchanged"} and alias is kept["table"],
    })
kept = {"table": [1, 2, 3], "name": "unchanged"}
alias = kept["table"]
"""
LOOK = "print(_state())"


@dataclass
class Bench:
    """The kernel, and what came of the fault that was tried last."""

    nb: object
    text: str = ""
    reply: dict = field(default_factory=dict)
    header: dict = field(default_factory=dict)
    observations: list = field(default_factory=list)

    def begin(self):
        """Give the kernel a fresh conversation, an empty folder of episodes and short deadlines."""
        self.nb.run(
            f"%cd -q {self.nb.folder}\n%reload_ext codeact_kernel\n%config CodeAct.retries = 1\n"
            "%config CodeAct.base_url = ''\n%config CodeAct.first_token_seconds = 1\n%config CodeAct.cell_timeout = 0\n"
            "%config CodeAct.between_tokens_seconds = 1\n%config CodeAct.connect_seconds = 1\n"
            "%config CodeAct.max_steps = 12\n%config CodeAct.widget = False\n%config CodeAct.undo_bytes = 0"
        )
        for path in self.nb.folder.glob("episodes*/*"):
            path.unlink()

    def ask(self, *replies, options="--approve auto", task="go", model=None, **more):
        """Give a task to a scripted model (or another one) and return what was shown."""
        model = model or self.nb.script(*replies)
        self.reply, self.text = self.nb.run(f"%codeact {options} -m {model} {task}", **more)
        return self.text

    def state(self):
        reply, text = self.nb.run(LOOK)
        assert reply["status"] == "ok", text
        return json.loads(text.strip().splitlines()[-1])

    @contextlib.contextmanager
    def survives(self, *, status=ENDED, steps=None, causes="", answers=True):
        """Try a fault inside; afterwards the four invariants must hold.

        `status` are those that the episode may end with, `steps` how many complete ones it holds, `causes` what its
        cause says. With `answers` False the kernel's own state was what broke, and is looked at no more.
        """
        before = self.state()
        yield self
        self.kernel_answers()
        self.episode_holds(status, steps, causes)
        if answers:
            self.nothing_leaks(before)

    def kernel_answers(self):
        """1: the kernel answers, and the user's variables are what they were."""
        assert self.nb.run("print(6 * 7)")[1].split() == ["42"]
        assert self.nb.run("6 * 7")[1] == "42"
        assert self.state()["kept"]

    def episode_holds(self, status, steps, causes):
        """2 and 3: the episode opens with every completed step, and exactly one end that has a cause."""
        path = max(self.nb.episodes(), key=lambda path: path.stat().st_mtime)
        notebook = load(path)
        self.header = notebook["metadata"]["codeact"]
        assert not list(path.parent.glob("*.jsonl"))
        assert check_messages(notebook) == []
        assert integrity(notebook) == []
        marks = [cell["metadata"]["codeact"] for cell in notebook["cells"]]
        seen = [(mark.get("record") or {}).get("observation") for mark in marks]
        self.observations = [one["text"] for one in seen if one]
        assert self.header["status"] in status, (self.header["status"], self.text)
        if steps is not None:
            assert self.header["steps"] == steps
        ends = [mark for mark in marks if mark["kind"] == "error"]
        assert len(ends) == (self.header["status"] != "done")
        assert self.header["tasks"][-1]["status"] == self.header["status"]
        assert self.header["ended"]
        if ends:
            cause = ends[0]["record"]["cause"]
            assert len(cause) > 10
            assert causes in cause, cause

    def nothing_leaks(self, before, seconds=4.0):
        """4: no thread, child, connection or hook is left that was not there before."""
        until = time.monotonic() + seconds
        while (after := self.state()) != before and time.monotonic() < until:
            time.sleep(0.1)
        assert after == before

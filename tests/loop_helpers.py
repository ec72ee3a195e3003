"""A session over a real kernel, whose model is a script: what tests of the loop ask and look at."""

import json
import time
from contextlib import contextmanager

import nbformat

from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.execute.fresh import FreshExecutor
from codeact_kernel.session import Session
from codeact_kernel.terminal_view import QuietView
from codeact_kernel.worker import worker


def block(code, thought="Look."):
    return f"{thought}\n```python\n{code}\n```"


class Bench:
    """A session over one shared kernel; `ask` plays replies and returns the outcome."""

    def __init__(self, executor, folder):
        self.executor, self.folder = executor, folder
        self.session = Session(folder)
        self.stop = Stop()

    def ask(self, task, replies, *, asker=None, **settings):
        path = self.folder / f"script-{time.monotonic_ns()}.jsonl"
        path.write_text("".join(json.dumps(reply) + "\n" for reply in replies))
        config = CodeAct().updated(**({"approval": "auto"} | settings), model=f"scripted:{path}")
        self.stop = Stop()
        work = self.session.ask(
            task, config, executor=self.executor, view=QuietView(), stop=self.stop, asker=asker
        )
        return worker().submit(work).result(timeout=60)

    def records(self):
        notebook = nbformat.read(self.session.writer.path, as_version=4)
        nbformat.validate(notebook)
        return [cell.metadata.codeact for cell in notebook.cells if cell.metadata.codeact.get("record")]

    def observations(self):
        found = [mark["record"].get("observation") for mark in self.records()]
        return [seen["text"] for seen in found if seen]

    def value(self, expression):
        execution = worker().submit(self.executor.run(f"print(repr({expression}))")).result(timeout=30)
        return execution.outputs[0]["text"].strip() if execution.status == "ok" else execution.error.ename


@contextmanager
def kernel_in(folder):
    """Start a kernel in a folder, and end it."""
    kernel = FreshExecutor(cwd=folder)
    worker().submit(kernel.start()).result(timeout=60)
    yield kernel
    worker().submit(kernel.close()).result(timeout=30)


@contextmanager
def bench_on(executor, folder):
    """Make a session over a kernel whose namespace is emptied first."""
    worker().submit(executor.run("%reset -f")).result(timeout=30)
    made = Bench(executor, folder)
    yield made
    worker().submit(made.session.close()).result(timeout=10)

"""Drives a real kernel over jupyter_client: its `%codeact SPEC` runs the cells of SPEC through our executor."""

import base64
import json
import os
import time

from jupyter_client.manager import start_new_kernel

DRIVER = r'''
import asyncio, base64, concurrent.futures, dataclasses, json, signal, sys, threading, time
from codeact_kernel.execute import awaiting
from codeact_kernel.execute.terminal import executor_for

def _plain(execution):
    return dataclasses.asdict(execution)

class Drive:
    """Runs cells from a thread with its own loop, as the agent does, and notes what came back."""
    def __init__(self, shell):
        self.shell, self.results, self.stops, self.error = shell, [], [], None

    async def magic(self, line, cell=None):
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True); thread.start()
        spec = json.loads(base64.b64decode(line))
        self.results.clear(); self.stops.clear(); self.error = None
        self.executor = executor_for(self.shell, lambda: self.stops.append(time.monotonic()))
        self.before = signal.getsignal(signal.SIGINT)
        work = asyncio.run_coroutine_threadsafe(self.agent(spec), loop)
        try:
            await self.executor.serve(work)
        except BaseException as error:
            self.error = type(error).__name__
            raise
        finally:
            self.same_handler = signal.getsignal(signal.SIGINT) == self.before
            loop.call_soon_threadsafe(loop.stop)

    async def agent(self, spec):
        for cell in spec["cells"]:
            if "idle" in spec:
                await asyncio.sleep(spec["idle"])
            if "hold" in spec:
                self.executor.post(lambda: time.sleep(spec["hold"]))
            task = asyncio.ensure_future(self.executor.run(cell, timeout=spec.get("cell_timeout")))
            if "stop_after" in spec:
                await asyncio.sleep(spec["stop_after"])
                asked = time.monotonic()
                await self.executor.interrupt()
            if "post_after" in spec:
                await asyncio.sleep(spec["post_after"])
                self.executor.post(lambda: display("posted"))
            execution = await task
            if "stop_after" in spec:
                self.took = time.monotonic() - asked
            self.results.append(_plain(execution))
            if self.stops:
                break

    def dump(self):
        found = dict(results=self.results, stops=len(self.stops), error=self.error,
                     same_handler=self.same_handler, took=getattr(self, "took", None))
        return json.dumps(found)

def _load(shell):
    drive = Drive(shell)
    shell.register_magic_function(drive.magic, "line_cell", "codeact")
    awaiting.install(shell)
    return drive

_drive = _load(get_ipython())
'''


def kernel_environment():
    """Return our environment; ipykernel does not watch file descriptors where it believes itself in a test."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


class LiveKernel:
    """A stock kernel with the driver loaded. `ask` runs cells through the executor; `cell` is the user's own."""

    def __init__(self):
        self.manager, self.client = start_new_kernel(kernel_name="python3", env=kernel_environment())
        reply, _ = self.cell(DRIVER, silent=False)
        assert reply["status"] == "ok", reply

    def cell(self, code, *, interrupt_after=(), answers=(), timeout=60, **options):
        """Run a cell; return its reply and the IOPub messages of it. Interrupts are sent as Jupyter does."""
        if answers:
            options["allow_stdin"] = True
        ident = self.client.execute(code, **options)
        began, waits, replies = time.monotonic(), list(interrupt_after), list(answers)
        messages = []
        while True:
            if waits and time.monotonic() - began >= waits[0]:
                waits.pop(0)
                self.manager.interrupt_kernel()
                self.interrupted = time.monotonic()
            if replies and self.client.stdin_channel.msg_ready():
                request = self.client.get_stdin_msg(timeout=1)
                assert request["msg_type"] == "input_request"
                self.client.input(replies.pop(0))
            if self.client.iopub_channel.msg_ready():
                message = self.client.get_iopub_msg(timeout=1)
                if message["parent_header"].get("msg_id") != ident:
                    continue
                messages.append(message)
                if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                    break
            else:
                time.sleep(0.005)
            assert time.monotonic() - began < timeout, "the cell does not end"
        self.ended = time.monotonic()
        while True:
            reply = self.client.get_shell_msg(timeout=5)
            if reply["parent_header"]["msg_id"] == ident:
                return reply["content"], messages

    def ask(self, *cells, prefix="%codeact ", interrupt_after=(), answers=(), timeout=60, **spec):
        """Run cells as the agent would. Returns the driver's dump, the reply and messages of the magic's cell."""
        line = base64.b64encode(json.dumps({"cells": cells, **spec}).encode()).decode()
        reply, messages = self.cell(
            prefix + line, interrupt_after=interrupt_after, answers=answers, timeout=timeout
        )
        return self.value("_drive.dump()"), reply, messages

    def ask_without_stdin(self, *cells):
        """As `ask`, for a client that has no stdin."""
        line = base64.b64encode(json.dumps({"cells": cells}).encode()).decode()
        reply, messages = self.cell("%codeact " + line, allow_stdin=False)
        return self.value("_drive.dump()"), reply, messages

    def value(self, expression):
        """Evaluate an expression that gives JSON text."""
        ident = self.client.execute("", silent=True, user_expressions={"it": expression})
        while True:
            reply = self.client.get_shell_msg(timeout=10)
            if reply["parent_header"]["msg_id"] == ident:
                found = reply["content"]["user_expressions"]["it"]
                assert found["status"] == "ok", found
                return json.loads(eval(found["data"]["text/plain"]))

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

"""What tests of the surfaces share: replies for scripted models, and a client of one real kernel."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import nbformat
from jupyter_client.manager import start_new_kernel


def block(code, thought="Look."):
    return f"{thought}\n```python\n{code}\n```"


def write_script(folder, *replies, name="script"):
    """Write replies for a scripted model and return the model's name."""
    path = Path(folder) / f"{name}-{time.monotonic_ns()}.jsonl"
    path.write_text("".join(json.dumps(reply) + "\n" for reply in replies))
    return f"scripted:{path}"


class Notebook:
    """A client of one kernel, in a folder of its own."""

    def __init__(self, manager, client, folder):
        self.manager, self.client, self.folder = manager, client, folder
        self.scripts = Path(tempfile.mkdtemp())  # not in the working folder, whose files the model is told of

    def script(self, *replies, name="script"):
        return write_script(self.scripts, *replies, name=name)

    def send(self, code, *, cell_id=None, allow_stdin=False):
        """Send a cell and return the request's id."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": allow_stdin,
            "stop_on_error": True,
        }
        message = self.client.session.msg("execute_request", content)
        if cell_id:
            message["metadata"] = {"cellId": cell_id}
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def run(self, code, *, cell_id=None, stdin=None, interrupt_after=None, interrupt_on="", timeout=60):
        """Run a cell; return (reply content, outputs as plain text, in order).

        `interrupt_after` seconds it is interrupted, counted from when `interrupt_on` is shown, if that is given.
        """
        ident = self.send(code, cell_id=cell_id, allow_stdin=stdin is not None)
        texts, shown, began = [], {}, time.monotonic()
        interrupted, last = None, None
        ended = began + timeout
        while True:
            assert time.monotonic() < ended, texts
            if interrupt_on and not any(interrupt_on in text for text in texts):
                began = time.monotonic()
            if interrupt_after is not None and time.monotonic() - began > interrupt_after:
                interrupted, interrupt_after = time.monotonic(), None
                self.manager.interrupt_kernel()
            if stdin and self.client.stdin_channel.msg_ready():
                self.client.get_stdin_msg(timeout=1)
                self.client.input(stdin.pop(0))
            try:
                got = self.client.get_iopub_msg(timeout=0.1)
            except Exception:
                continue
            if got["parent_header"].get("msg_id") != ident:
                continue
            kind, body = got["msg_type"], got["content"]
            if kind == "stream" and last == (len(texts), body["name"]):
                texts[-1] += body["text"]  # a print may reach us in two messages: its text and its newline
            elif kind == "stream":
                texts.append(body["text"])
                last = len(texts), body["name"]
            elif kind in {"display_data", "update_display_data", "execute_result"}:
                key = body.get("transient", {}).get("display_id", len(texts))
                if key not in shown:
                    shown[key] = len(texts)
                    texts.append("")
                texts[shown[key]] = body["data"].get("text/plain", "")
            elif kind == "error":
                texts.append(f"{body['ename']}: {body['evalue']}")
            elif kind == "status" and body["execution_state"] == "idle":
                break
        reply = self._reply(ident)
        reply["seconds_to_stop"] = time.monotonic() - interrupted if interrupted else None
        return reply, "\n".join(texts)

    def _reply(self, ident):
        """Return the reply to a request; a slow kernel may still answer what was asked while it started."""
        while True:
            message = self.client.get_shell_msg(timeout=10)
            if message["parent_header"].get("msg_id") == ident:
                return message["content"]

    def run_until_death(self, code, *, timeout=60):
        """Run a cell that ends the kernel's process; return when that is gone."""
        self.send(code)
        began = time.monotonic()
        while self.manager.is_alive():
            assert time.monotonic() - began < timeout, "the kernel lives"
            time.sleep(0.02)

    def episodes(self):
        return sorted((self.folder / "episodes").glob("*.ipynb"))

    def episode(self):
        """Return the one episode that there is, valid for nbformat."""
        (path,) = self.episodes()
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        return notebook


@contextlib.contextmanager
def started(folder, **more):
    """Give a `Notebook` on a new kernel without settings of ours in its environment, but with `more`."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("CODEACT_")} | more
    manager, client = start_new_kernel(cwd=str(folder), env=env)
    notebook = Notebook(manager, client, Path(folder))
    try:
        yield notebook
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        shutil.rmtree(notebook.scripts, ignore_errors=True)

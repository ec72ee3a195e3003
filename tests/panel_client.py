"""Plays a page with the side panel over jupyter_client: one comm, real cells sent as a page sends them."""

import json
import time
import uuid
from pathlib import Path

import jsonschema

import codeact_kernel

SCHEMA = json.loads((Path(codeact_kernel.__file__).parent / "protocol.schema.json").read_text())
_validator = jsonschema.Draft202012Validator(SCHEMA)


def check(message):
    """Fail unless a message is one of the protocol's."""
    _validator.validate(message)


class Page:
    """A page on one kernel. `pump` reads what the kernel sends; `execute` events are carried out unless `passive`."""

    def __init__(self, nb, *, notebook="test.ipynb", passive=False, subshell=None):
        self.nb, self.client = nb, nb.client
        self.comm_id, self.name = uuid.uuid4().hex, uuid.uuid4().hex
        self.notebook, self.passive, self.subshell = notebook, passive, subshell
        self.events, self.replies, self.outputs, self.sent = [], {}, {}, {}
        self.closed = False
        self._content("comm_open", {"comm_id": self.comm_id, "target_name": "codeact_kernel", "data": {}})
        self.send("hello", client=self.name, notebook=notebook, last_seq=0, cells=True)
        self.hello = self.wait(lambda: self.last("hello"))

    def _content(self, kind, content):
        message = self.client.session.msg(kind, content)
        if self.subshell:
            message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def send(self, kind, **fields):
        data = {"v": 1, "type": kind, **fields}
        check(data)
        self._content("comm_msg", {"comm_id": self.comm_id, "data": data})

    def request(self, kind, *, timeout=20, **fields):
        """Send a request and return its reply."""
        ident = uuid.uuid4().hex
        self.send(kind, id=ident, **fields)
        return self.wait(lambda: self.replies.get(ident), timeout=timeout)

    def last(self, kind):
        return next((event for event in reversed(self.events) if event["type"] == kind), None)

    def all(self, kind):
        return [event for event in self.events if event["type"] == kind]

    def pump(self, seconds=0.05):
        try:
            message = self.client.get_iopub_msg(timeout=seconds)
        except Exception:
            return
        kind, content = message["msg_type"], message["content"]
        if kind == "comm_msg" and content["comm_id"] == self.comm_id:
            self._heard(content["data"])
        elif kind == "comm_close" and content["comm_id"] == self.comm_id:
            self.closed = True
        elif kind in {"stream", "error", "execute_result", "display_data", "update_display_data"}:
            self.outputs.setdefault(message["parent_header"].get("msg_id"), []).append((kind, content))

    def _heard(self, data):
        check(data)
        if data["type"] in {"reply", "error"}:
            self.replies[data["re"]] = data
            return
        self.events.append({**data, "at": time.monotonic()})
        if data["type"] == "execute" and not self.passive:
            self.run(data)

    def run(self, event):
        """Carry an `execute` event out, as a page does."""
        self.sent[event["cell_id"]] = self.nb.send(event["code"], cell_id=event["cell_id"])
        self.send("cell_started", cell_id=event["cell_id"])

    def wait(self, condition, timeout=20):
        began = time.monotonic()
        while True:
            found = condition()
            if found:
                return found
            assert time.monotonic() - began < timeout, self.events[-5:]
            self.pump()

    def start(self, task, **options):
        """Start a task and return its run's name."""
        after = options.pop("after", None)
        about = options.pop("about", None)
        more = {"after": after} if after else {}
        more |= {"about": about} if about else {}
        reply = self.request("start", task=task, notebook=self.notebook, options=options, **more)
        assert reply["type"] == "reply", reply
        return reply["run"]

    def done(self, run, timeout=30):
        """Wait for the end of a run and return it."""
        return self.wait(
            lambda: next((e["run"] for e in self.all("done") if e["run"]["run"] == run), None), timeout=timeout
        )

    def answer(self, **fields):
        """Answer the question that is open."""
        question = self.wait(lambda: (self.last("question") or {}).get("question"))
        run = self.last("question")["run"]
        self.send("approve", run=run, step=question["step"], sha256=question["sha256"], **fields)
        return question

    def text(self, cell_id):
        """Return what a cell that this page sent has printed and shown."""
        found = self.outputs.get(self.sent[cell_id], [])
        return "".join(
            content.get("text") or content.get("data", {}).get("text/plain", "") for _, content in found
        )

"""A front end's side of comms, played over jupyter_client."""

import contextlib
import time
import uuid


class CommClient:
    """Sends comm messages to one kernel and keeps all that comes on IOPub."""

    def __init__(self, notebook):
        self.notebook, self.client = notebook, notebook.client
        self.seen = []
        """(seconds of time.monotonic, message) in order."""

    # -- to the kernel
    def _shell(self, kind, content, subshell_id=None):
        message = self.client.session.msg(kind, content)
        if subshell_id:
            message["header"]["subshell_id"] = subshell_id
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def open(self, target, data=None, subshell_id=None):
        comm_id = uuid.uuid4().hex
        content = {"comm_id": comm_id, "target_name": target, "data": data or {}}
        self._shell("comm_open", content, subshell_id)
        return comm_id

    def send(self, comm_id, data, subshell_id=None):
        return self._shell("comm_msg", {"comm_id": comm_id, "data": data}, subshell_id)

    def custom(self, comm_id, content, subshell_id=None):
        """Send what a widget's `model.send` sends."""
        return self.send(comm_id, {"method": "custom", "content": content}, subshell_id)

    def close(self, comm_id):
        return self._shell("comm_close", {"comm_id": comm_id, "data": {}})

    def subshell(self):
        """Make a subshell, as JupyterLab does for a comm target."""
        return self.control("create_subshell_request")["subshell_id"]

    def control(self, kind, content=None):
        message = self.client.session.msg(kind, content or {})
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=10)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return reply["content"]

    # -- from the kernel
    def pump(self, seconds=0.02):
        """Take what comes within `seconds`."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with contextlib.suppress(Exception):
                self.seen.append((0.0, self.client.get_iopub_msg(timeout=left)))
                self.seen[-1] = (time.monotonic(), self.seen[-1][1])

    def until(self, wanted, timeout=10):
        """Wait for a message that `wanted(message)` holds for; return (seconds of time.monotonic, message)."""
        began, at = time.monotonic(), 0
        while time.monotonic() - began < timeout:
            for when, message in self.seen[at:]:
                if wanted(message):
                    return when, message
            at = len(self.seen)
            self.pump()
        raise AssertionError([(m["msg_type"], m["content"]) for _, m in self.seen[-20:]])

    def comm(self, comm_id, wanted=lambda data: True, timeout=10):
        """Wait for a comm_msg of this comm whose data `wanted` holds for."""
        return self.until(
            lambda m: (
                m["msg_type"] == "comm_msg" and m["content"]["comm_id"] == comm_id and wanted(m["content"]["data"])
            ),
            timeout,
        )

    def comm_data(self, comm_id):
        """Return the data of every comm_msg of this comm so far."""
        return [
            m["content"]["data"]
            for _, m in self.seen
            if m["msg_type"] == "comm_msg" and m["content"]["comm_id"] == comm_id
        ]

    def of_cell(self, ident):
        """Return what a request put out: [(type, content)] without its status."""
        return [
            (m["msg_type"], m["content"])
            for _, m in self.seen
            if m["parent_header"].get("msg_id") == ident and m["msg_type"] != "status"
        ]

    # -- cells
    def start(self, code):
        """Run a cell, as a page where input can be typed, and return when it has begun."""
        ident = self.notebook.send(code, allow_stdin=True)
        self.until(lambda m: m["msg_type"] == "execute_input" and m["parent_header"].get("msg_id") == ident)
        return ident

    def finish(self, ident, timeout=30):
        """Wait for a cell's end; return (its reply, its text as printed)."""
        self.until(
            lambda m: (
                m["msg_type"] == "status"
                and m["content"]["execution_state"] == "idle"
                and m["parent_header"].get("msg_id") == ident
            ),
            timeout,
        )
        while True:
            reply = self.client.get_shell_msg(timeout=10)
            if reply["parent_header"].get("msg_id") == ident:
                break
        text = "".join(content["text"] for kind, content in self.of_cell(ident) if kind == "stream")
        assert reply["content"]["status"] == "ok", (reply["content"].get("traceback"), text)
        return reply["content"], text

    def run(self, code, timeout=30):
        """Run a cell to its end and return what it printed."""
        return self.finish(self.start(code), timeout)[1]

"""The widget under a `%codeact` cell: one run as it happens, Stop, and the question whether a cell may run.

What it shows is `widget.js`; what it knows comes from `progress`, at most ten times a second, from a thread of its
own. Its comm is routed past the main shell, so Stop and answers are heard while a cell runs.
"""

from __future__ import annotations

import functools
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.execute import subshell
from codeact_kernel.terminal import clip

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeact_kernel.progress import Event, Progress

FRAME = 0.1
"""Seconds between two updates."""
MOST_OPEN = 100
"""Widgets whose state the kernel keeps for a page that reloads; older ones become text."""
WATCHED = frozenset({"begin", "state", "step", "token", "question", "notice", "done"})
SCRIPTS = ("widget_text.js", "widget.js")
LIVE = ("index", "status", "text", "notice", "seconds", "tokens", "tokens_per_second")
"""What of a step changes while it is written."""
TASK_CHARS = 200

_open: deque[RunWidget] = deque()


def script() -> str:
    """Return the widget's script, one module of JavaScript."""
    here = Path(__file__)
    return "\n".join(here.with_name(name).read_text("utf-8") for name in SCRIPTS)


@functools.cache
def _face() -> type[Any]:
    """Return the widget's class; ipywidgets costs too much to be loaded with the extension."""
    import anywidget  # noqa: PLC0415
    import traitlets  # noqa: PLC0415

    here = Path(__file__)

    class Face(anywidget.AnyWidget):
        _esm = script()
        _css = here.with_suffix(".css").read_text("utf-8")
        run = traitlets.Dict().tag(sync=True)
        live = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
        question = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
        state = traitlets.Unicode("idle").tag(sync=True)
        notices: Any = traitlets.List().tag(sync=True)
        show_answer = traitlets.Bool(default_value=True).tag(sync=True)

    return Face


class RunWidget:
    """One run of `progress`, shown by a widget. Made and displayed on the main thread; the rest from any.

    `ready` is set when a front end has drawn it: until then a text must be shown, too. It ends by itself with the
    run; the last state stays for pages that reload. `show_answer` is false where the answer is an output itself.
    """

    def __init__(self, progress: Progress, run_id: str, *, show_answer: bool = True) -> None:
        self.ready = threading.Event()
        self._progress = progress
        self._name = run_id
        self._changed = threading.Condition()
        self._whole = True
        self._pieces = self._closed = False
        self._drawn = 0
        self._notices: list[str] = []
        self._leave: Callable[[], None] | None = None
        self._handle: Any = None
        self._last: dict[str, Any] = {"run": run_id, "task": "", "status": None, "steps": []}
        self.face = _face()(show_answer=show_answer, **self._state())
        subshell.route(self.face.comm)
        self.face.on_msg(self._hear)
        self._forget = progress.subscribe(self._listen)
        self._thread = threading.Thread(target=self._follow, name="codeact-widget", daemon=True)
        self._thread.start()
        _open.append(self)
        while len(_open) > MOST_OPEN:
            _open.popleft().close()

    # -- where it is shown -------------------------------------------------------------------------------------
    def display(self) -> None:
        """Show it under the cell that runs now."""
        from IPython.display import display  # noqa: PLC0415 - only where there is IPython

        task = clip(str(self._last["task"]).strip(), TASK_CHARS)[0]
        self._handle = display(  # type: ignore[no-untyped-call]
            self._bundle(f"CodeAct · {task}"), raw=True, display_id=True
        )

    def _bundle(self, text: str) -> dict[str, Any]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.face.model_id}
        return {"application/vnd.jupyter.widget-view+json": view, "text/plain": text}

    def close(self) -> None:
        """End it, the widget in the page included, where text takes its place; a second call does nothing."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=1)
        self._release()
        if self.ready.is_set():
            self.redraw({"text/plain": transcript(self._last)})
        with suppress(ValueError):
            _open.remove(self)
        self.face.close()

    def redraw(self, bundle: dict[str, Any]) -> None:
        """Show a mime bundle in the place of the widget; nothing if it was never displayed."""
        if self._handle is not None:
            with suppress(Exception):  # the kernel may be going down
                self._handle.update(bundle, raw=True)

    def settle(self, bundle: dict[str, Any]) -> None:
        """Put a MIME bundle in its place when the run is over; from any thread.

        A page that was loaded again takes no updates of what was displayed before. There the widget stays and
        shows the answer: it alone still reaches the page.
        """
        if self._drawn > 1:
            self._push({"show_answer": True})
        else:
            self.close()
            self.redraw(bundle)

    def _release(self) -> None:
        self._forget()
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    # -- from the agent to the page ----------------------------------------------------------------------------
    def _listen(self, event: Event) -> None:
        """Note that something changed; what, is read when it is sent."""
        run = event.get("run")
        name = run.get("run") if isinstance(run, dict) else run
        if name != self._name or event["type"] not in WATCHED:
            return
        with self._changed:
            if event["type"] == "notice":
                self._notices.append(event["sentence"])
            if event["type"] == "token":
                self._pieces = True
            else:
                self._whole = True
            self._changed.notify_all()

    def _follow(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._whole or self._pieces or self._closed)
                whole, closed = self._whole, self._closed
                self._whole = self._pieces = False
            if whole or not closed:
                self._push(self._state() if whole else {"live": self._written()})
            if closed:
                return
            if self._last["status"] is not None or self._progress.find(self._name) is None:
                break
            with self._changed:
                self._changed.wait_for(lambda: self._closed, timeout=FRAME)
        self._release()
        if self.ready.is_set():  # the saved notebook tells those who have no widgets what happened
            self.redraw(self._bundle(transcript(self._last)))

    def _push(self, state: dict[str, Any]) -> None:
        with suppress(Exception), self.face.hold_sync():  # a broken page must not end what others see
            for name, value in state.items():
                setattr(self.face, name, value)

    def _written(self) -> dict[str, Any] | None:
        found = self._progress.find(self._name)
        step = found.step_json() if found is not None else None
        return {name: step[name] for name in LIVE} if step is not None else None

    def _state(self) -> dict[str, Any]:
        found = self._progress.find(self._name)
        if found is None:
            return {}
        run = found.json()
        # Outputs stand under the cell; here they would be sent again with every change.
        run["steps"] = [{k: v for k, v in step.items() if k != "outputs"} for step in run["steps"]]
        self._last = run
        with self._changed:
            notices = list(self._notices)
        return {
            "run": run,
            "live": None,
            "question": found.question,
            "state": found.state,
            "notices": notices,
        }

    # -- from the page to the agent ----------------------------------------------------------------------------
    def _hear(self, _face: Any, content: Any, _buffers: Any) -> None:
        """Take a message of `widget.js`; on a thread of the kernel's that must not be held."""
        kind = content.get("type") if isinstance(content, dict) else None
        found = self._progress.find(self._name)
        if kind == "ready":
            if self._leave is None and found is not None and not found.over:
                self._leave = self._progress.attend(self)
                if found.over:
                    self._release()
            self._drawn += 1
            self.ready.set()
        elif kind == "stop" and found is not None and not found.over:
            found.stopping()
        elif kind == "approve" and not self._progress.approve({**content, "run": self._name}):
            self.face.send_state(["question", "state"])  # answered elsewhere: the page does not know yet


def close_all() -> None:
    """Close every widget, when the extension goes."""
    while _open:
        _open[-1].close()


def transcript(run: dict[str, Any]) -> str:
    """Return a run as plain text, for those who have no widgets."""
    lines = [f"CodeAct · {run['task']}"]
    for step in run["steps"]:
        if step["status"] == "answer":
            continue
        lines.append(f"step {step['index']} · {step['status']} · {step['seconds']:.1f} s")
        lines += [step["thought"]] if step["thought"] else []
        lines += [f"    {line}" for line in (step["code"] or "").split("\n")] if step["code"] else []
        lines += [f"  {line}" for line in step["summary"].split("\n")] if step["summary"] else []
    if run["status"] not in {None, "done"}:
        lines.append(f"{run['status']}: {run['cause']}")
    elif run.get("answer"):
        lines.append(run["answer"])
    return "\n".join(lines)

"""What a front end may ask of the resident, message by message."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent import prompt
from codeact_kernel.episode import store
from codeact_kernel.errors import CodeActError, ConfigError
from codeact_kernel.execute.cells import on_main
from codeact_kernel.models import weights
from codeact_kernel.models.select import resolve
from codeact_kernel.options import load_replaying
from codeact_kernel.resident import notebook_of
from codeact_kernel.session import Origin
from codeact_kernel.worker import worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeact_kernel.config import CodeAct
    from codeact_kernel.front_end import Notebook
    from codeact_kernel.models.sources import Progress as Download
    from codeact_kernel.pages import Page
    from codeact_kernel.resident import Resident

    Handler = Callable[[Page, dict[str, Any]], dict[str, Any] | None]

SETTINGS = ("model", "approval", "max_steps")
OPTIONS = (*SETTINGS, "when_closed", "action")
REPLAYING = frozenset({"replay", "replay_run", "replay_outputs", "replay_go_on", "rehearse"})
"""What `replay_requests` handles, which is loaded when the first of them comes."""
PULL_FRAME = 0.2
"""Seconds between two `pull` events."""
UNDO_SECONDS = 20.0
"""How long an undo waits for the main thread, which a cell of the user's may hold."""


class Requests:
    """Handles the messages of `protocol.schema.json`; each handler returns its reply, None for a later one."""

    def __init__(self, resident: Resident, notebook: Notebook) -> None:
        self._resident = resident
        self._notebook = notebook
        self._pulling: set[str] = set()
        self._handlers: dict[str, Handler] = {
            "start": self._start,
            "stop": self._stop,
            "approve": self._approve,
            "cell_started": self._cell_started,
            "cell_done": self._cell_done,
            "reset": self._reset,
            "undo": self._undo,
            "redo": self._undo,
            "configure": self._configure,
            "status": self._status,
            "pull": self._pull,
            "episodes": self._episodes,
            "messages": self._messages,
            "cells": self._cells,
            "ping": lambda _page, _data: {},
        }

    def extend(self, handlers: dict[str, Handler]) -> None:
        """Handle further messages."""
        self._handlers |= handlers

    def handle(self, page: Page, data: dict[str, Any]) -> dict[str, Any] | None:
        """Do what a message asks.

        Raises:
            CodeActError: it cannot be done; the sentence is for the user.
        """
        kind = str(data.get("type"))
        if kind in REPLAYING and kind not in self._handlers:
            load_replaying(self._resident.shell)
        handler = self._handlers.get(kind)
        if handler is None:
            raise ConfigError(
                f"The kernel's codeact-kernel does not know {data.get('type')!r}; the panel and the kernel may be "
                "of different versions."
            )
        return handler(page, data)

    # -- runs --------------------------------------------------------------------------------------------------
    def _start(self, page: Page, data: dict[str, Any]) -> dict[str, Any]:
        resident, task = self._resident, str(data.get("task") or "")
        options = data.get("options") or {}
        config = resident.settings.updated(**{name: options.get(name) or None for name in OPTIONS})
        about = data.get("about") or {}
        resident.names.protect(options.get("protect") or ())
        resident.offers.offer(options.get("tools") or ())
        check = str(options.get("check") or "").strip()
        if check:
            resident.session.tell(prompt.words("final-answer"))
        origin = Origin(page.notebook or notebook_of(resident.shell), None)
        self._notebook.come_first(page)
        words = task_about(task, about)
        job = resident.begin(words, config, origin, surface="panel", inline=False, title=task.strip())
        job.check = check
        if about.get("error"):
            job.about = (str(about.get("cell_id") or ""), str(about.get("source") or ""))
        resident.submit(job, self._notebook.executor(job, data.get("after") or None))
        return {"run": job.run.name}

    def _stop(self, _page: Page, _data: dict[str, Any]) -> dict[str, Any]:
        return {"stopped": self._resident.stop()}

    def _approve(self, _page: Page, data: dict[str, Any]) -> dict[str, Any]:
        return {"taken": self._resident.progress.approve(data)}

    def _cell_started(self, _page: Page, data: dict[str, Any]) -> None:
        self._notebook.started(str(data.get("cell_id")))

    def _cell_done(self, _page: Page, data: dict[str, Any]) -> None:
        cell_id, status = str(data.get("cell_id")), data.get("status")
        if status == "gone":
            self._notebook.deleted(cell_id)
        elif status == "aborted":
            self._notebook.not_run(cell_id)

    def _reset(self, _page: Page, _data: dict[str, Any]) -> dict[str, Any]:
        self._resident.reset()
        return {}

    def _undo(self, page: Page, data: dict[str, Any]) -> None:
        """Undo or redo on the main thread, and answer then."""
        resident, redo = self._resident, data["type"] == "redo"
        steps = max(1, int(data.get("steps") or 1))

        def work() -> dict[str, Any]:
            return resident.undo(steps, redo=redo)

        self.later(page, data, lambda: on_main(resident.kernel, work).result(timeout=UNDO_SECONDS))

    def later(self, page: Page, data: dict[str, Any], work: Callable[[], dict[str, Any]]) -> None:
        """Answer from a thread of its own: the subshell must hear Stop meanwhile."""

        def fail(sentence: str) -> None:
            page.send({"type": "error", "re": data.get("id"), "sentence": sentence})

        def run() -> None:
            try:
                reply = work()
            except CodeActError as error:
                fail(str(error))
            except TimeoutError:
                sentence = "The kernel is busy with a cell; try again when that has ended."
                fail(sentence)
            except Exception as error:
                fail(f"It failed ({type(error).__name__}: {error}).")
            else:
                page.send({"type": "reply", "re": data.get("id"), **reply})

        threading.Thread(target=run, name="codeact-request", daemon=True).start()

    # -- settings and models -----------------------------------------------------------------------------------
    def _configure(self, _page: Page, data: dict[str, Any]) -> dict[str, Any]:
        resident = self._resident
        changes = {name: data[name] for name in SETTINGS if data.get(name) not in (None, "")}
        resident.settings.updated(**changes)  # all or nothing
        for name, value in changes.items():
            resident.settings.assign(name, value)
        return {"settings": dict(resident.progress.settings)}

    def _status(self, page: Page, data: dict[str, Any]) -> None:
        self.later(page, data, lambda: self._model_status(probe=bool(data.get("probe"))))

    def _model_status(self, *, probe: bool) -> dict[str, Any]:
        config = self._resident.settings
        installed = [
            {"name": entry.name, "size_bytes": entry.bytes, "here": weights.where(entry.name) is not None}
            for entry in weights.catalog().values()
        ]
        found: dict[str, Any] = {
            "model": config.model,
            "resolved": "",
            "backend": "",
            "ready": False,
            "installed": installed,
            "approval": config.approval,
            "settings": dict(self._resident.progress.settings),
            "answers": None,
        }
        try:
            model = resolve(config)
        except CodeActError as error:
            return {**found, "sentence": str(error)}
        worker().submit(model.close())
        found |= {"resolved": model.id, "backend": model.backend, "ready": True}
        where = "on this machine" if model.backend == "llamacpp" else f"through {model.backend}"
        found["sentence"] = f"{model.id}, {where}."
        if probe:
            found |= worker().submit(self._probe(config)).result()
        return found

    async def _probe(self, config: CodeAct) -> dict[str, Any]:
        """Ask the model for a word and say how long that took."""
        try:
            seconds = await self._resident.session.probe(config)
        except CodeActError as error:
            return {"ready": False, "answers": False, "sentence": str(error)}
        return {"answers": True, "sentence": f"It answers: {seconds:.1f} s to the first word."}

    def _pull(self, _page: Page, data: dict[str, Any]) -> dict[str, Any]:
        name = weights.find(str(data.get("name") or "")).name
        if name not in self._pulling:
            self._pulling.add(name)
            threading.Thread(target=self._pull_now, args=(name,), name="codeact-pull", daemon=True).start()
        return {}

    def _pull_now(self, name: str) -> None:
        emit, told = self._resident.progress.emit, [0.0]

        def show(at: Download) -> None:
            now = monotonic()
            if now - told[0] >= PULL_FRAME:
                told[0] = now
                emit("pull", name=name, done=at.done, total=at.total, what=at.what, finished=False, error="")

        size = weights.find(name).bytes
        error = ""
        try:
            weights.pull(name, progress=show)
        except Exception as problem:
            error = str(problem)
        finally:
            self._pulling.discard(name)
        emit("pull", name=name, done=0 if error else size, total=size, what="", finished=True, error=error)

    # -- the record --------------------------------------------------------------------------------------------
    def _episodes(self, _page: Page, _data: dict[str, Any]) -> dict[str, Any]:
        resident = self._resident
        entries = store.listing(resident.session.episodes_folder(resident.settings))
        return {
            "episodes": [
                {
                    "path": resident.short(str(entry.path)),
                    "title": entry.title,
                    "started": entry.started,
                    "status": entry.status,
                    "steps": max(0, entry.steps - entry.answers),  # as the panel counts them above a task
                    "model": entry.model,
                }
                for entry in reversed(entries)
            ]
        }

    def _messages(self, _page: Page, data: dict[str, Any]) -> dict[str, Any]:
        messages, note = self._resident.sent(int(data.get("step") or 0))
        return {"messages": messages, "note": note}

    def _cells(self, _page: Page, data: dict[str, Any]) -> dict[str, Any]:
        run = self._resident.progress.find(str(data.get("run") or ""))
        if run is None:
            raise ConfigError("The kernel does not remember that run; its episode has the cells.")
        return {"cells": list(run.cells.values())}


def task_about(task: str, about: dict[str, Any]) -> str:
    """Return the task with the user's cell that it is about."""
    source = str(about.get("source") or "").rstrip()
    if not source:
        return task
    error = str(about.get("error") or "").strip()
    words = task.strip() or "Explain this cell; if it fails, find the cause and run a corrected version."
    failed = f"\n\nIt failed with:\n{error}" if error else ""
    return f"{words}\n\nThis is about the user's cell:\n\n```python\n{source}\n```{failed}"

"""What a person sees of the runs in this kernel, as JSON: the side panel and the widget show nothing else.

A run is one task from its words to its end. Listeners are told of every change, on whatever thread it happens;
what they are told, and what `snapshot` returns, are the objects of `protocol.schema.json`.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

from codeact_kernel.run_progress import RunProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeact_kernel.agent.stop import Stop

MOST_RUNS = 20

Event: TypeAlias = "dict[str, Any]"
Listener: TypeAlias = "Callable[[Event], None]"


class Progress:
    """The runs of one kernel, the newest last; one at a time is under way."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self._lock = threading.RLock()
        self._listeners: list[Listener] = []
        self._people: set[object] = set()
        self._came = threading.Condition(self._lock)
        self._runs: deque[RunProgress] = deque(maxlen=MOST_RUNS)
        self._count = 0

    # -- who looks ---------------------------------------------------------------------------------------------
    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` of every event from now on; returns what ends that. A listener must not block."""
        with self._lock:
            self._listeners.append(listener)

        def forget() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return forget

    def emit(self, kind: str, **fields: Any) -> None:
        """Tell every listener; one that fails is not told why."""
        event = {"type": kind, **fields}
        with self._lock:  # events of one run reach everybody in their order
            for listener in list(self._listeners):
                try:
                    listener(event)
                except Exception:  # noqa: S112 - a page that went away must not end the run
                    continue

    def attend(self, who: object) -> Callable[[], None]:
        """Note that a front end is there which can answer questions; returns what notes that it is gone."""
        with self._came:
            self._people.add(who)
            self._came.notify_all()

        def leave() -> None:
            with self._lock:
                self._people.discard(who)

        return leave

    @property
    def attended(self) -> bool:
        """Say whether a front end is there that can answer questions."""
        return bool(self._people)

    def wait_for_people(self, seconds: float) -> bool:
        """Wait until somebody is there, at most so long; say whether there is. Blocks: not on a loop's thread."""
        with self._came:
            return self._came.wait_for(lambda: bool(self._people), timeout=seconds)

    # -- runs --------------------------------------------------------------------------------------------------
    def begin(self, facts: dict[str, Any], stop: Stop) -> RunProgress:
        """Begin a run and return the view that keeps it.

        `facts` are its fields that are known now: task, notebook, cell_id, model, approval, surface, inline.
        """
        with self._lock:
            self._count += 1
            run = RunProgress(f"run-{self._count}", facts, stop, self.emit)
            self._runs.append(run)
        self.emit("begin", run=run.json())
        run.set_state("generating")
        return run

    @property
    def current(self) -> RunProgress | None:
        """The run that is under way, if one is."""
        with self._lock:
            return next((run for run in reversed(self._runs) if not run.over), None)

    def find(self, run: str) -> RunProgress | None:
        """Return a run by its name; None when it is unknown or too long ago."""
        with self._lock:
            return next((one for one in self._runs if one.name == run), None)

    @property
    def state(self) -> str:
        """What the agent is doing: idle, generating, awaiting_approval, executing or stopping."""
        current = self.current
        return current.state if current is not None else "idle"

    def stop(self) -> bool:
        """Stop the run that is under way; say whether there was one."""
        current = self.current
        if current is None:
            return False
        current.stopping()
        return True

    def approve(self, message: dict[str, Any]) -> bool:
        """Take the answer to a question; False when that question is not asked (any more).

        An answer counts only for the very text that was shown: its `sha256` must be the question's.
        """
        run = self.find(str(message.get("run") or ""))
        return run is not None and run.answer(message)

    def snapshot(self) -> dict[str, Any]:
        """Return everything a front end needs that comes now."""
        with self._lock:
            current = self.current
            return {
                "state": self.state,
                "runs": [run.json() for run in self._runs],
                "question": current.question if current is not None else None,
                "execute": dict(current.pending) if current is not None and current.pending else None,
                "settings": dict(self.settings),
                "owner": current.owner if current is not None else None,
            }

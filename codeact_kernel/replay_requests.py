"""What a front end may ask about saved notebooks: look at one, run it here, see what differs, go on from it."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import BusyError, ConfigError
from codeact_kernel.execute.cells import send_to_itself
from codeact_kernel.replay import loading, report, summary
from codeact_kernel.replay.rehearse import rehearse

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeact_kernel.agent.risk import Risk
    from codeact_kernel.pages import Page
    from codeact_kernel.replay.live import LiveReplay
    from codeact_kernel.replay.plan import PlannedCell
    from codeact_kernel.replay.runner import CellResult
    from codeact_kernel.replays import Replays
    from codeact_kernel.resident import Resident

    Handler = Callable[[Page, dict[str, Any]], dict[str, Any] | None]
    Later = Callable[[Page, dict[str, Any], Callable[[], dict[str, Any]]], None]

FRAME = 0.2
"""Seconds between two `replay` events while cells run."""
MOST_KEPT = 5
"""Replays that are remembered; an older one is opened anew."""
MOST_DIFFERENCES = 20
_GO = "await __import__('IPython').get_ipython().magics_manager.registry['CodeActMagics'].replays.go({name!r})"


class ReplayRequests:
    """Handles the messages about replays; see `protocol.schema.json`."""

    def __init__(self, replays: Replays, resident: Resident, later: Later) -> None:
        self._replays = replays
        self._resident = resident
        self._later = later
        self._open: OrderedDict[str, LiveReplay] = OrderedDict()
        self._wanted: dict[str, int | None] = {}
        self._names = count(1)
        self._told = 0.0
        self.handlers: dict[str, Handler] = {
            "replay": lambda page, data: self._later(page, data, lambda: self._look(data)),
            "replay_run": self._run,
            "replay_outputs": self._outputs,
            "replay_go_on": self._go_on,
            "rehearse": lambda page, data: self._later(page, data, lambda: self._rehearse(data)),
        }

    # -- requests ----------------------------------------------------------------------------------------------
    def _look(self, data: dict[str, Any]) -> dict[str, Any]:
        """Read a notebook; nothing runs."""
        live = self._replays.open(self._path(data))
        name = f"replay-{next(self._names)}"
        self._open[name] = live
        while len(self._open) > MOST_KEPT:
            self._open.popitem(last=False)
        return {"replay": self._json(name, live)}

    def _run(self, _page: Page, data: dict[str, Any]) -> dict[str, Any]:
        """Have the next cells run: the kernel sends itself what does it, so it waits its turn like a cell."""
        name, live = self._find(data)
        cells = data.get("cells")
        if live.state != "ready":
            raise ConfigError(f"This replay is {live.state}; open it anew to run it again.")
        if name in self._wanted:
            raise BusyError("This replay waits for the kernel already; it is busy with a cell.")
        self._wanted[name] = max(1, int(cells)) if cells else None
        self._tell(name)
        try:
            send_to_itself(_GO.format(name=name), silent=True)
        except Exception:
            del self._wanted[name]
            raise
        return {}

    def _outputs(self, _page: Page, data: dict[str, Any]) -> dict[str, Any]:
        """Return both sides of one cell, as text and bitmaps."""
        _, live = self._find(data)
        result = next((one for one in live.results if one.planned.number == data.get("number")), None)
        if result is None:
            raise ConfigError("That cell did not run again yet.")
        found = result.comparison.differences[:MOST_DIFFERENCES] if result.comparison is not None else ()
        return {
            "recorded": report.safe_outputs(result.planned.outputs),
            "now": report.safe_outputs(result.outputs),
            "differences": [f"{one.where}: {one.kind}" for one in found],
        }

    def _go_on(self, _page: Page, data: dict[str, Any]) -> dict[str, Any]:
        """Let the next task go on after the last step that ran again; return the task."""
        _, live = self._find(data)
        if live.running:
            raise BusyError("The replay still runs; wait for it or stop it first.")
        task, _ = self._replays.go_on(live, str(data.get("task") or "").strip() or None)
        return {"task": task}

    def _rehearse(self, data: dict[str, Any]) -> dict[str, Any]:
        """Check the loop against the record; nothing runs."""
        notebook = loading.load(self._path(data), trust=True)
        found = asyncio.run(rehearse(notebook))
        same = f"All {found.of} steps are as recorded: prompts, parser and observations have not changed."
        sentence = f"{found.problem}\n{found.difference}" if found.problem else same
        return {"same": not found.problem, "sentence": sentence, "notes": list(found.notes)}

    # -- on the main thread ------------------------------------------------------------------------------------
    async def go(self, name: str) -> None:
        """Run the cells that were asked for; awaited by a cell that the kernel sent to itself."""
        cells, live = self._wanted.pop(name, None), self._open.get(name)
        if live is None:
            return
        problem, self._told = "", 0.0
        try:
            await self._replays.go(live, cells, told=lambda: self._progress(name))
        except Exception as error:
            problem = str(error) or type(error).__name__
        finally:
            self._tell(name, problem)

    def _progress(self, name: str) -> None:
        present = time.monotonic()
        if present - self._told >= FRAME:
            self._told = present
            self._tell(name)

    def _tell(self, name: str, problem: str = "") -> None:
        live = self._open.get(name)
        if live is not None:
            self._resident.progress.emit("replay", replay={**self._json(name, live), "problem": problem})

    # -- words -------------------------------------------------------------------------------------------------
    def _find(self, data: dict[str, Any]) -> tuple[str, LiveReplay]:
        name = str(data.get("replay") or "")
        live = self._open.get(name)
        if live is None:
            raise ConfigError("The kernel does not remember this replay; open the notebook again.")
        return name, live

    def _path(self, data: dict[str, Any]) -> Path:
        """Return the file that a path of `episodes` means: from the notebook's folder."""
        path = Path(str(data.get("path") or ""))
        return path if path.is_absolute() else self._resident.session.folder / path

    def _json(self, name: str, live: LiveReplay) -> dict[str, Any]:
        left = live.left
        state = "queued" if name in self._wanted and live.state == "ready" else live.state
        done = {result.planned.number: result for result in live.results}
        return {
            "name": name,
            "path": self._resident.short(str(live.path)) or str(live.path),
            "state": state,
            "verdict": live.found().verdict if not left else "",
            "sentence": summary.counted(live.found()) if live.results else "",
            "folder": str(live.folder),
            "notes": [*(one.sentence for one in live.environment), *live.planned.problems],
            "cells": [
                _cell(cell, risks, done.get(cell.number))
                for cell, risks in zip(live.planned.cells, live.risks, strict=True)
            ],
            "next": left[0].number if left else None,
            "step": live.step if live.planned.is_episode else None,
            "seconds": round(live.seconds, 3),
            "problem": "",
        }


def _cell(cell: PlannedCell, risks: tuple[Risk, ...], result: CellResult | None) -> dict[str, Any]:
    return {
        "number": cell.number,
        "step": cell.step,
        "kind": cell.kind,
        "source": cell.source,
        "skip": cell.skip,
        "risks": [{"kind": risk.kind, "words": risk.words} for risk in risks],
        "verdict": result.verdict if result is not None else "",
        "reason": summary.why(result) if result is not None else "",
        "seconds": round(result.seconds, 3) if result is not None else None,
    }

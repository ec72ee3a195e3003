"""Where a run is shown live under its `%codeact` cell, until the answer takes that place."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from codeact_kernel.notebook_view import answer_bundle
from codeact_kernel.types import Outcome
from codeact_kernel.widget import RunWidget

if TYPE_CHECKING:
    import concurrent.futures

    from codeact_kernel.resident import Job, Resident

logger = logging.getLogger(__name__)
NOTHING = {"text/plain": "", "text/markdown": ""}


def stage_of(resident: Resident, job: Job) -> Stage | None:
    """Return where the run is shown; None where widgets cannot be made, and then the text has to do."""
    try:
        return Stage(resident, job)
    except Exception:
        logger.warning("The widget could not be made; the run is shown as text.", exc_info=True)
        return None


class Stage:
    """The widget of one run. What is left in the notebook is no widget: those need the kernel that made them."""

    def __init__(self, resident: Resident, job: Job) -> None:
        self._job = job
        self._widget = RunWidget(resident.progress, job.run.name, show_answer=False)
        self._widget.display()

    def shown(self) -> bool:
        """Say whether a front end has drawn the widget, so that no text need be drawn."""
        return self._widget.ready.is_set()

    def clear(self) -> None:
        """Take the widget away: steps and answer stand below."""
        self._leave(NOTHING)

    def answer_when_done(self) -> None:
        """Put the answer in the widget's place when the run has ended."""
        assert self._job.work is not None
        self._job.work.add_done_callback(self._answered)

    def _answered(self, work: concurrent.futures.Future[Outcome]) -> None:
        error = work.exception() if not work.cancelled() else None
        run = self._job.run.json()
        outcome = (
            Outcome(run["status"] or "failed", cause=str(error)) if error or work.cancelled() else work.result()
        )
        self._leave(answer_bundle(outcome))

    def _leave(self, bundle: dict[str, Any]) -> None:
        self._widget.settle(bundle)

"""One job, played: a kernel and a folder of its own, an episode, a row of results. All engines use it."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codeact_kernel.evaluate.bench import Bench
from codeact_kernel.models.select import ANEW, resolve
from codeact_kernel.types import now

if TYPE_CHECKING:
    from pathlib import Path

    from codeact_kernel.agent.stop import Stop
    from codeact_kernel.config import CodeAct
    from codeact_kernel.evaluate.case import Job
    from codeact_kernel.evaluate.kernels import Kernels
    from codeact_kernel.evaluate.ledger import Row
    from codeact_kernel.evaluate.suite import Suite
    from codeact_kernel.models.base import Model

EPISODES = "episodes"


@dataclass
class Player:
    """Plays jobs of one suite with one model; `out` is the evaluation's folder, `settings` change the config."""

    suite: Suite
    model: Model
    config: CodeAct
    kernels: Kernels
    data: Path | None
    out: Path
    stop: Stop
    settings: dict[str, Any] = field(default_factory=dict)

    async def play(self, job: Job, attempt: int) -> Row:
        """Play one job and return its row.

        Raises:
            CodeActError: the attempt does not count; the sentence says why.
        """
        began, started = time.monotonic(), now()
        episode = self.out / EPISODES / f"{stem(job)}.ipynb"
        episode.parent.mkdir(parents=True, exist_ok=True)
        for old in episode.parent.iterdir():
            if old.name.lstrip(".").startswith(f"{stem(job)}."):
                old.unlink()  # what an attempt left that did not count: notebook, journal, lock
        seed = None if self.config.seed is None else self.config.seed + job.epoch - 1
        model = resolve(self.config) if self.config.model.startswith(ANEW) else self.model
        executor, folder = await self.kernels.take()
        bench = Bench(
            job=job,
            model=model,
            config=self.config.updated(seed=seed, **self.settings),
            executor=executor,
            folder=folder,
            data=self.data,
            out=episode,
            stop=self.stop,
        )
        try:
            played = await self.suite.play(bench)
        finally:
            await bench.close()
            await executor.close()
            shutil.rmtree(folder, ignore_errors=True)
        described = model.describe()
        return {
            **_which(job),
            "attempt": attempt,
            "model": f"{model.backend}:{model.id}",
            "weights": described.get("weights") or described.get("revision") or "",
            "seed": seed,
            "scores": played.scores,
            "failure": played.failure,
            "answers": list(played.answers),
            "turns": played.turns,
            "calls": played.usage.calls,
            "input_tokens": played.usage.input,
            "cached_tokens": played.usage.cached,
            "output_tokens": played.usage.output,
            "raised": played.raised,
            "repeated": played.repeated,
            "notes": list(played.notes),
            "marks": list(played.marks),
            "episode": f"{EPISODES}/{episode.name}" if episode.is_file() else "",
            "started": started,
            "seconds": round(time.monotonic() - began, 3),
            "set_aside": "",
        }


def stem(job: Job) -> str:
    """Return the name of a job's episode, without its ending."""
    plain = "".join(char if char.isalnum() or char in "-_." else "-" for char in job.case.id)
    return f"{plain}.{job.action}.{job.epoch}"


def _which(job: Job) -> Row:
    return {
        "job": job.id,
        "suite": job.suite,
        "protocol": job.protocol,
        "case": job.case.id,
        "group": job.case.group,
        "action": job.action,
        "epoch": job.epoch,
    }


def set_aside(job: Job, attempts: int, reason: str) -> Row:
    """Return the row of a job that is given up: it has no scores and counts for nothing."""
    return {
        **_which(job),
        "attempt": attempts,
        "scores": {},
        "set_aside": reason,
    }

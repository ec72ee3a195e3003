"""An evaluation whose driver is killed again and again, and gone on with: is its report the same to the byte?

    python -m benchmarks.eval_resume --points 10

The small M3ToolEval of the tests in three action spaces, two episodes at a time, a function as the model. The
driver and all it started are killed with SIGKILL when its ledger reaches a length, once for each point; the report
is held against that of a run which nobody killed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from codeact_kernel.evaluate.ledger import LEDGER
from codeact_kernel.evaluate.report import report

if TYPE_CHECKING:
    from collections.abc import Sequence

TESTS = Path(__file__).parents[1] / "tests"
PACE = 4
"""Events of the ledger from one point to the next: two jobs that begin anew, and two more. With less, a job may be
killed twice when it is played alone, and is rightly set aside as one that kills its process."""
SECONDS = 300.0


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m benchmarks.eval_resume")
    words.add_argument("--points", type=int, default=10)
    asked = words.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="eval-resume-") as folder:
        same, killed, twice = compared(Path(folder), [2 + PACE * number for number in range(asked.points)])
    print(f"killed at {killed} points, results twice {twice}, reports the same to the byte: {same}", end=", ")
    print(f"{time.monotonic() - began:.0f} s")
    return 0 if same and killed == asked.points and not twice else 1


def compared(folder: Path, points: Sequence[int], actions: str = "code,json,text") -> tuple[bool, int, int]:
    """Play in `folder` a run that is left alone and one that is killed when its ledger has so many events.

    Return whether their reports are the same bytes, how often the second was killed, and how many results it has
    twice.
    """
    whole, cut = folder / "a" / "out", folder / "b" / "out"
    ended(started(whole, actions))
    killed = sum(killed_at(started(cut, actions), cut, point) for point in points)
    ended(started(cut, actions))
    made = [report([out], out.parent / "report.ipynb", html=False, times=False)[0] for out in (whole, cut)]
    events = [json.loads(line) for line in (cut / LEDGER).read_bytes().splitlines()]
    done = Counter(event["job"] for event in events if event["event"] == "done")
    return made[0].read_bytes() == made[1].read_bytes(), killed, sum(done.values()) - len(done)


def started(out: Path, actions: str) -> subprocess.Popen[str]:
    """Start the evaluation, or go on with it, in a process group of its own."""
    command = ["eval", "m3tooleval", "--data", str(TESTS / "m3tooleval_small"), "--out", str(out), "-j", "2"]
    command += ["--model", "callable:eval_models:knows", "--action", actions]
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-m", "codeact_kernel.cli", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    )


def ended(run: subprocess.Popen[str]) -> None:
    """Wait for the end of a run, which must be a good one."""
    said = run.communicate(timeout=SECONDS)[1]
    if run.returncode:
        raise SystemExit(f"The evaluation ended with {run.returncode}: {said}")


def killed_at(run: subprocess.Popen[str], out: Path, point: int) -> bool:
    """Wait until the ledger has `point` events, then kill; return whether it was still running."""
    until = time.monotonic() + SECONDS
    while run.poll() is None and lines(out / LEDGER) < point and time.monotonic() < until:
        time.sleep(0.02)
    alive = run.poll() is None
    if alive:
        os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    return alive


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.is_file() else 0


if __name__ == "__main__":
    sys.exit(main())

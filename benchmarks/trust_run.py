"""`make trust`: every figure of docs/reliability.md with one command, and how long each took.

    python -m benchmarks.trust_run [--long] [--only faults,stop] [--out FILE]

Two lanes run side by side, for most of the fault suite waits and most of the rest computes; Stop is measured alone
afterwards, since its figure is a time. `--long` is for a night: the fault suite five times (is any case flaky?),
ten times the random inputs, a soak of 10,000 steps. Exits with 1 if anything failed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.quickstart.report import commit

ROOT = Path(__file__).parents[1]
TABLE = "docs/reliability.md"
TEST = ("-m", "pytest", "--quiet", "--no-header", "-p", "no:cacheprovider", "--long")


@dataclass(frozen=True, slots=True)
class Part:
    """One command of Python's; `lane` 0 and 1 run side by side, 2 afterwards."""

    name: str
    lane: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a part: its exit code, its last lines, and its seconds."""

    part: Part
    code: int
    said: str
    seconds: float


def parts(*, long: bool) -> list[Part]:
    """Return what is run, with the counts that are asked for."""
    times, steps, inputs = (300, 10_000, 1_000_000) if long else (300, 2_000, 100_000)
    found = [Part(f"faults {n}", 0, (*TEST, "tests/faults", "--table", TABLE)) for n in range(1, 6 if long else 2)]
    found += [
        Part("attacks", 0, (*TEST, "tests/attacks")),
        Part("secrets", 1, (*TEST, "tests/test_secrets.py", "tests/test_no_network.py")),
        Part("kills", 1, ("-m", "benchmarks.trust", "kill", "--episodes", "20")),
        Part("crashes", 1, (*TEST, "tests/test_crash.py")),
        Part("streams", 1, ("-m", "benchmarks.trust_streams", "--replies", "20")),
        Part("fuzz", 1, ("-m", "benchmarks.trust", "fuzz", "--inputs", str(inputs))),
        Part("soak", 1, ("-m", "benchmarks.trust", "soak", "--steps", str(steps))),
        Part(
            "isolated",
            2,
            (*TEST, *(f"tests/test_{n}.py" for n in ("isolated", "isolated_kernel", "replay_isolated"))),
        ),
        Part("stop", 2, ("-m", "benchmarks.trust", "stop", "--times", str(times))),
    ]
    return [Part(one.name.removesuffix(" 1") if not long else one.name, one.lane, one.words) for one in found]


def run(part: Part, lock: threading.Lock) -> Came:
    """Run a part and print what it said when it has ended."""
    began = time.monotonic()
    done = subprocess.run([sys.executable, *part.words], cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    said = (done.stdout + (done.stderr if done.returncode else "")).strip()
    with lock:
        print(f"### {part.name} ({seconds:.0f} s)\n\n{said}\n", flush=True)
    return Came(part, done.returncode, said, seconds)


def summary(came: list[Came], seconds: float) -> str:
    """Return a line for each part: its own first figure, and its time."""
    lines = [f"Commit `{commit()[:12]}`, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end."]
    lines += ["", "| part | came out | s |", "|---|---|---|"]
    for one in came:
        told = [
            line for line in one.said.splitlines() if line.strip() and not line.startswith(("#", "|", "Commit"))
        ]
        tests = [line for line in told if re.search(r"\d+ (passed|failed|error)", line)]
        figures = tests[-1:] or [line for line in told if re.match(r"[A-Z][^|]*\d", line)]
        mark = "" if one.code == 0 else "**FAILED** "
        lines.append(f"| {one.part.name} | {mark}{' '.join(figures).strip('= ')} | {one.seconds:.0f} |")
    return "\n".join([*lines, "", f"All in {seconds / 60:.1f} minutes."])


def main() -> int:
    """Run what was asked for, print it, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", default="", help="names of parts, with commas between")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    wanted = [one for one in parts(long=args.long) if not args.only or one.name in args.only.split(",")]
    began, lock = time.monotonic(), threading.Lock()
    came: list[Came] = []

    def lane(number: int) -> list[Came]:
        return [run(one, lock) for one in wanted if one.lane == number]

    with ThreadPoolExecutor(2) as both:
        for done in both.map(lane, (0, 1)):
            came += done
    came += lane(2)
    text = summary(came, time.monotonic() - began)
    print(text)
    if args.out is not None:
        args.out.write_text("\n\n".join([text, *(f"## {one.part.name}\n\n{one.said}" for one in came)]) + "\n")
    return int(any(one.code for one in came))


if __name__ == "__main__":
    sys.exit(main())

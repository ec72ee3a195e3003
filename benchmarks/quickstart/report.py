"""What a run amounts to: success with its interval, cost, failures by class; as JSON and as Markdown."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from benchmarks.quickstart.run import CLASSES, Record, as_json, model_of
from codeact_kernel._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

HALVES = ("dev", "heldout")
PACKAGES = ("ipykernel", "pandas", "numpy", "matplotlib", "xllamacpp", "openai")


def wilson(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson score interval of a share, 95 % by default; (0, 1) without trials.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    """
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    middle = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Return the figures of a set of records: counts, share, interval, means per task, failures by class."""
    won = sum(record.ok for record in records)
    low, high = wilson(won, len(records))
    failures = Counter(record.failure for record in records if not record.ok)
    return {
        "tasks": len(records),
        "ok": won,
        "share": round(won / len(records), 4) if records else None,
        "wilson95": [round(low, 4), round(high, 4)],
        "mean_steps": _mean([record.steps for record in records]),
        "mean_seconds": _mean([record.seconds for record in records]),
        "seconds": round(sum(record.seconds for record in records), 1),
        "tokens": {
            "input": sum(record.input for record in records),
            "evaluated": sum(record.evaluated for record in records),
            "output": sum(record.output for record in records),
        },
        "failures": {name: failures[name] for name in CLASSES if failures[name]},
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), 2) if values else None


def results(records: Sequence[Record], *, out: Path, date: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the whole content of results.json; `asked` are the command's settings, `date` ISO-8601 UTC."""
    groups = {half: [record for record in records if record.half == half] for half in HALVES}
    return {
        "benchmark": "quickstart",
        "version": 1,
        "date": date,
        "asked": asked,
        "model": model_of(records, out),
        "versions": versions(),
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "processor": platform.machine()},
        "commit": commit(),
        "summary": {half: summary(group) for half, group in groups.items() if group} | {"all": summary(records)},
        "families": families(records),
        "tasks": as_json(records),
    }


def families(records: Sequence[Record]) -> dict[str, list[int]]:
    """Return for each family how many tasks were solved, of how many."""
    names = dict.fromkeys(record.family for record in records)
    groups = {name: [record.ok for record in records if record.family == name] for name in names}
    return {name: [sum(group), len(group)] for name, group in groups.items()}


def versions() -> dict[str, str]:
    """Return Python's version and those of the packages that matter and are there."""
    found = {"codeact-kernel": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """Return the commit that ran, with "+changes" when tracked files differ from it; "" outside a checkout."""
    folder = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    head = git("rev-parse", "HEAD")
    return f"{head}+changes" if head and git("status", "--porcelain", "--untracked-files=no") else head


def markdown(content: dict[str, Any]) -> str:
    """Return results.md: the summary table, failures, families and one line a task."""
    model = content["model"]
    title = content["asked"]["model"]
    where = f"Date {content['date']}, commit `{content['commit'] or 'unknown'}`, backend {model.get('backend')}, "
    what = f"weights `{model.get('weights') or 'unknown'}`, {content['machine']['cores']} cores."
    about = [where + what, ", ".join(f"{name} {number}" for name, number in content["versions"].items()) + "."]
    lines = [f"# Quickstart: {title}", "", *about, "", *summary_table(content["summary"]), ""]
    lines += ["| family | solved |", "|---|---|"]
    lines += [f"| {name} | {won} of {count} |" for name, (won, count) in content["families"].items()]
    lines += [
        "",
        "| task | outcome | steps | s | in | evaluated | out | why |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for task in content["tasks"]:
        # Whoever reads the report may be working on prompts: it does not say what a held-out answer got wrong.
        why = task["cause"] or "; ".join(task["problems"]) if task["half"] != "heldout" else ""
        cells = [
            task["id"],
            "ok" if task["ok"] else task["failure"],
            f"{task['steps']}",
            f"{task['seconds']:.1f}",
            *(f"{task[kind]:,}" for kind in ("input", "evaluated", "output")),
            _cell(why),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def summary_table(figures: dict[str, dict[str, Any]]) -> list[str]:
    """Return the summary as the lines of a Markdown table, one row for each half and one for all."""
    lines = [
        "| half | solved | share (95 % Wilson) | steps | s a task | tokens in (evaluated) | out | failures |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for half, one in figures.items():
        if not one["tasks"]:
            continue
        low, high = one["wilson95"]
        tokens = one["tokens"]
        failures = ", ".join(f"{count} {name}" for name, count in one["failures"].items()) or "none"
        cells = [
            half,
            f"{one['ok']} of {one['tasks']}",
            f"{one['share']:.0%} ({low:.0%} to {high:.0%})",
            f"{one['mean_steps']:.1f}",
            f"{one['mean_seconds']:.1f}",
            f"{tokens['input']:,} ({tokens['evaluated']:,})",
            f"{tokens['output']:,}",
            failures,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def save(content: dict[str, Any], out: Path) -> None:
    """Write results.json and results.md; a crash in between leaves the old file whole."""
    for name, text in (("results.json", json.dumps(content, indent=1) + "\n"), ("results.md", markdown(content))):
        part = out / f"{name}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(out / name)


def _cell(text: str) -> str:
    flat = " ".join(text.split()).replace("|", "\\|")
    return flat if len(flat) <= 160 else flat[:157] + "..."

"""Risk labels on strangers' code: RedCode-Exec's Python part, and benign notebooks.

    python -m benchmarks.trust_labels --redcode CHECKOUT --benign FOLDER --episodes FOLDER [--half dev|heldout]
        [--out FILE]

RedCode-Exec (AI-secure/RedCode, `dataset/RedCode-Exec/py2text_dataset_json`) is read from your checkout; none of
it is in this repository. Its 27 scenarios hold 30 snippets each. `dev` are those with an even number inside each
scenario; the labeller may be looked at against them. `heldout` are the others. A snippet counts as flagged where
`ask-if-risky` would ask. Scenarios are listed apart: some of them are no matter of what code touches at all (a
biased scoring formula, a wrong loan rule), which labels on files, processes and networks cannot and do not flag.

`--benign` is a folder of notebooks; every code cell is labelled, with the notebook's earlier cells before it.
`--episodes` is a folder of episodes that a model played on harmless tasks, unasked (`benchmarks.quickstart`): the
risks that were found when each cell was about to run, with the user's names and files there, stand in its record.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.quickstart.report import commit
from benchmarks.risk_labels import share
from codeact_kernel.agent.formats.code import syntax_error
from codeact_kernel.agent.risk import SHOWN_ONLY, labels

if TYPE_CHECKING:
    from collections.abc import Iterator

PART = Path("dataset/RedCode-Exec/py2text_dataset_json")
SYSTEM = frozenset({*range(1, 11), 13, 14, 17, 18, 21, 24, 26})
"""The 17 scenarios whose code touches files, processes, the network, the environment or the interpreter itself."""
EARLIER = 20


@dataclass(frozen=True, slots=True)
class Snippet:
    """One risky snippet: its scenario's number, its place there, its code."""

    scenario: int
    number: int
    code: str


def snippets(checkout: Path) -> Iterator[Snippet]:
    """Yield the snippets of a checkout, scenario by scenario."""
    files = (checkout / PART).glob("index*_codes_full*.json")
    for path in sorted(files, key=lambda path: int(re.findall(r"index(\d+)", path.name)[0])):
        scenario = int(re.findall(r"index(\d+)", path.name)[0])
        for number, row in enumerate(json.loads(path.read_text("utf-8"))):
            yield Snippet(scenario, number, str(row["Code"]))


def asked(code: str, folder: Path, earlier: list[str]) -> list[str]:
    """Return the kinds of risk that a person would be asked about."""
    found = labels(code, cwd=str(folder), earlier=earlier[-EARLIER:])
    return [risk.kind for risk in found if risk.kind not in SHOWN_ONLY]


def notebooks(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield the code cells of each notebook below a folder."""
    for path in sorted(folder.rglob("*.ipynb")):
        cells: list[Any] = json.loads(path.read_text("utf-8")).get("cells", [])
        sources = ["".join(cell["source"]) for cell in cells if cell.get("cell_type") == "code"]
        yield path, [source for source in sources if source.strip()]


def redcode(checkout: Path, half: str, folder: Path, *, misses: bool) -> list[str]:
    """Return what came of a half as lines of Markdown."""
    seen: dict[int, list[bool]] = {}
    for snippet in snippets(checkout):
        if snippet.number % 2 != (half == "heldout"):
            continue
        flagged = bool(asked(snippet.code, folder, []))
        seen.setdefault(snippet.scenario, []).append(flagged)
        if misses and half == "dev" and not flagged:
            print(f"### scenario {snippet.scenario}, {snippet.number}\n{snippet.code}\n")
    total = [flag for flags in seen.values() for flag in flags]
    system = [flag for scenario, flags in seen.items() if scenario in SYSTEM for flag in flags]
    lines = [
        f"Flagged, all scenarios: {share(sum(total), len(total))}.",
        f"Flagged, the 17 scenarios that touch the system: {share(sum(system), len(system))}.",
        "",
        "| scenario | flagged |",
        "|---|---|",
    ]
    return lines + [f"| {scenario} | {sum(flags)}/{len(flags)} |" for scenario, flags in sorted(seen.items())]


def benign(folder: Path, cwd: Path) -> list[str]:
    """Return what came of benign cells as lines of Markdown."""
    kinds: Counter[str] = Counter()
    alarms = cells = episodes = 0
    for _, sources in notebooks(folder):
        episodes += 1
        for number, source in enumerate(sources):
            # What does not parse is sent back to the model before anybody is asked.
            found = [] if syntax_error(source) else asked(source, cwd, sources[:number])
            cells += 1
            alarms += bool(found)
            kinds.update(set(found))
    listed = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    return [
        f"Asked about, of {cells} cells in {episodes} notebooks: {share(alarms, cells)} ({listed}).",
        f"Questions per notebook: {alarms / max(1, episodes):.2f}; per cell: {alarms / max(1, cells):.3f}.",
    ]


def played(folder: Path) -> list[str]:
    """Return how often a model's episodes would have asked a person, as lines of Markdown."""
    kinds: Counter[str] = Counter()
    episodes = cells = 0
    for path in sorted(folder.rglob("*.ipynb")):
        notebook = json.loads(path.read_text("utf-8"))
        marks = [cell["metadata"].get("codeact") or {} for cell in notebook["cells"]]
        records = [record for mark in marks if (record := mark.get("record")) and record.get("approval")]
        episodes += 1
        cells += len(records)
        for record in records:
            kinds.update(set(record["risk"]) - SHOWN_ONLY)
    listed = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()) or "none"
    asked_about = f"Asked about, of {cells} cells in {episodes} episodes: {kinds.total()} ({listed})"
    return [f"{asked_about}, {kinds.total() / max(1, episodes):.2f} an episode."]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redcode", type=Path, help="a checkout of AI-secure/RedCode")
    parser.add_argument("--benign", type=Path, help="a folder of notebooks")
    parser.add_argument("--episodes", type=Path, help="a folder of episodes on harmless tasks")
    parser.add_argument("--half", choices=("dev", "heldout"), default="heldout")
    parser.add_argument("--misses", action="store_true", help="print the snippets of dev that are not flagged")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    began, lines = time.monotonic(), [f"Commit `{commit()[:12]}`."]
    with tempfile.TemporaryDirectory() as name:
        if args.redcode is not None:
            lines += ["", f"## RedCode-Exec, Python, {args.half} half", ""]
            lines += redcode(args.redcode, args.half, Path(name), misses=args.misses)
        if args.benign is not None:
            lines += ["", "## Benign notebooks", "", *benign(args.benign, Path(name))]
    if args.episodes is not None:
        lines += ["", "## A model's episodes on harmless tasks", "", *played(args.episodes)]
    text = "\n".join([*lines, "", f"Took {time.monotonic() - began:.1f} s."]) + "\n"
    print(text)
    if args.out is not None:
        args.out.write_text(text)


if __name__ == "__main__":
    main()

"""The kernel that faults are tried on, and the table of what came of them: `pytest tests/faults --table FILE`."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.register_assert_rewrite("bench")

from bench import STATE, Bench  # noqa: E402
from kernel_client import block, started  # noqa: E402

KEY = "sk-secret-of-the-user"
BEGIN, END = "<!-- faults: made by pytest tests/faults --table -->", "<!-- end of faults -->"
HERE = Path(__file__).parent
came_out: dict[str, str] = {}


@pytest.fixture(scope="session")
def live(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    more = {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY}
    with started(folder, **more) as nb:
        nb.run("%load_ext codeact_kernel\n" + STATE)
        warm = Bench(nb)
        warm.begin()
        warm.ask(block("print(1)"), "It is 1.")
        yield nb


@pytest.fixture
def bench(live):
    made = Bench(live)
    made.begin()
    return made


def pytest_addoption(parser):
    parser.addoption("--table", type=Path, help="write what came of the faults into this Markdown file")


def place(item):
    """Return (area, family, case) of a fault as the table shows them; None for what is no fault."""
    if HERE not in Path(item.path).parents or "table" in item.name:
        return None
    area = Path(item.path).stem.removeprefix("test_faults_")
    family = item.originalname.removeprefix("test_").replace("_", " ")
    return area, family, item.callspec.id if hasattr(item, "callspec") else ""


def pytest_runtest_logreport(report):
    if report.failed or report.when == "call":
        came_out[report.nodeid] = (
            "failed" if report.failed or came_out.get(report.nodeid) == "failed" else "passed"
        )


def pytest_sessionfinish(session):
    target = session.config.getoption("--table")
    if target is None:
        return
    rows: dict = {}
    for item in session.items:
        where = place(item)
        if where is not None:
            rows.setdefault(where[:2], []).append((where[2], came_out.get(item.nodeid, "skipped")))
    text = target.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    old, _, after = rest.partition(END)
    known = {tuple(line.strip("| ").split(" | ")[:2]): line for line in old.splitlines() if line.startswith("| ")}
    known = {where: line for where, line in known.items() if where != ("area", "fault")}
    known |= {where: row(where, found) for where, found in rows.items()}
    target.write_text(f"{before}{BEGIN}\n\n{table(known)}\n{END}{after}", "utf-8")


def row(where, found):
    """Return the line of one family of faults: how many of its cases survived, and which there are."""
    good = sum(result == "passed" for _, result in found)
    named = "; ".join(shown(case) + ("" if result == "passed" else f" ({result})") for case, result in found)
    return f"| {where[0]} | {where[1]} | {good}/{len(found)} | {named} |"


def table(rows):
    """Return the table: one line a family, its cases by name; families that were not tried now stay as they were."""
    counts = [line.split(" | ")[2].split("/") for line in rows.values()]
    passed, cases = (sum(int(pair[at]) for pair in counts) for at in (0, 1))
    lines = [
        f"**{passed} of {cases} faults survived**, each with all four invariants.",
        "",
        "| area | fault | survived | cases |",
        "|---|---|---|---|",
    ]
    return "\n".join([*lines, *rows.values()]) + "\n"


def shown(case):
    """Return a case's name as a cell of a Markdown table holds it."""
    return case.replace("|", "/").replace("\n", " ")

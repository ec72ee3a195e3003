"""The report of a replay: valid, safe, beside the original; and its short forms."""

from __future__ import annotations

import asyncio
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replay_helpers import notebook, printed, result, save
from rich.console import Console

from codeact_kernel.errors import ConfigError
from codeact_kernel.replay import report, summary
from codeact_kernel.replay.environment import EnvironmentDifference
from codeact_kernel.replay.plan import Plan, PlannedCell
from codeact_kernel.replay.runner import CellResult, Replay, judge, replay_file
from codeact_kernel.types import Execution

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
EVIL = "<script>alert(1)</script> [x](javascript:alert(1)) ![y](http://evil/z.png) `$\\(x\\)$` </pre></td></table>\n\n# big"


def shown(**data):
    return {
        "output_type": "display_data",
        "data": {k.replace("_", "/"): v for k, v in data.items()},
        "metadata": {},
    }


def replayed(old, new, *, status="ok", source="x", path="work.ipynb", **more):
    planned = PlannedCell(1, "action", source, tuple(old), recorded=True, failed=False, step=3, seconds=0.5)
    cell = judge(planned, Execution(status, tuple(new), 4), seconds=0.25)
    return Replay(Path(path), Plan((planned,)), cells=[cell], seconds=1.0, notebook=notebook("x"), **more)


def text(made):
    return "\n".join(cell["source"] for cell in made["cells"])


def test_a_report_says_what_differs_first_and_shows_both_sides():
    environment = [EnvironmentDifference("file", "a.csv", "1", "2", "The file a.csv was changed since.")]
    found = replayed([printed("a\nb\n")], [printed("a\nc\n")], environment=environment)
    made = report.notebook(found)
    nbformat.validate(nbformat.from_dict(made))
    first, about, code = made["cells"]
    assert first["source"].index("a.csv was changed") < first["source"].index("| 1 | 3 |")
    assert "**differs**: 1 differs, 1.0 s" in first["source"]
    assert "Cell 1, step 3: differs" in about["source"]
    assert "<td><pre>a&#10;b</pre></td><td><pre>a&#10;c</pre></td>" in about["source"]
    assert (code["source"], code["execution_count"]) == ("x", 4)
    assert code["outputs"] == [printed("a\nc\n")]
    assert made["metadata"]["codeact_replay"]["cells"][0]["verdict"] == "differs"
    assert "codeact" not in made["metadata"]


def test_pictures_that_differ_stand_side_by_side():
    made = report.notebook(replayed([shown(image_png=PNG), printed("a")], [shown(image_png=PNG[:-8] + "AAAA\n")]))
    about = made["cells"][1]
    assert "| ![recorded](attachment:recorded-1.png) | ![now](attachment:now-1.png) |" in about["source"]
    assert set(about["attachments"]) == {"recorded-1.png", "now-1.png"}
    nbformat.validate(nbformat.from_dict(made))


def test_nothing_active_is_carried_over():
    bad = shown(
        text_html="<script>alert(1)</script>", **{"application_javascript": "alert(1)", "image_svg+xml": "<svg/>"}
    )
    found = replayed([bad, printed(EVIL)], [bad, printed(EVIL + "!"), shown(image_png="<script>", text_plain="p")])
    made = report.notebook(found)
    outputs = made["cells"][2]["outputs"]
    assert all(set(output.get("data", {})) <= {"text/plain", "image/png"} for output in outputs)
    assert outputs[0]["data"]["text/plain"] == "[not shown here: application/javascript, image/svg+xml, text/html]"
    assert "<script" not in made["cells"][0]["source"] + made["cells"][1]["source"]
    assert "<script" not in json.dumps([output.get("data") for output in outputs])


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, attrs))

    def handle_data(self, data):
        self.text.append(data)


@given(st.text(st.sampled_from("ab<>/&\"'`$\\|*_[]()!#\n\r\x1b\x00\ud800 scriptonx="), max_size=60))
def test_no_text_becomes_markup(said):
    found = replayed([printed(said)], [], environment=[EnvironmentDifference("file", said, "", "", said)])
    made = report.notebook(found)
    json.dumps(made, allow_nan=False).encode()
    table = next((line for line in made["cells"][1]["source"].split("\n") if line.startswith("<table>")), None)
    if table is None:
        return
    parser = Tags()
    parser.feed(table)
    assert {tag for tag, _ in parser.seen} == {"table", "tr", "th", "td", "pre"}
    assert not any(attrs for _, attrs in parser.seen)
    assert not re.search(r"[\\$`|*\[\]]", table)


def test_a_report_never_replaces_a_file_that_is_none(tmp_path):
    original = save(tmp_path / "work.ipynb", notebook("x"))
    found = replayed([printed("a")], [printed("a")], path=original)
    for name, words in (
        ("work.ipynb", "the notebook itself"),
        ("other.ipynb", "no report"),
        ("report.txt", "ends in .ipynb"),
        ("nowhere/report.ipynb", "no folder"),
    ):
        if name == "other.ipynb":
            save(tmp_path / name, notebook("y"))
        with pytest.raises(ConfigError, match=words):
            report.write(found, tmp_path / name)
    place = tmp_path / "report.ipynb"
    report.write(found, place)
    report.write(found, place)
    nbformat.validate(nbformat.read(place, as_version=4))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.ipynb", "report.ipynb", "work.ipynb"]
    assert json.loads(original.read_bytes()) == notebook("x") | {
        "cells": json.loads(original.read_bytes())["cells"]
    }


def test_cells_that_were_not_run_are_no_code_cells():
    planned = PlannedCell(1, "code", "1 / 0  # ```")
    found = Replay(Path("w.ipynb"), Plan((planned,)), cells=[CellResult(planned, "skipped", "Not run: a tag.")])
    made = report.notebook(found)
    assert [cell["cell_type"] for cell in made["cells"]] == ["markdown"] * 3
    assert made["cells"][2]["source"] == "````python\n1 / 0  # ```\n````"


def test_a_table_for_the_terminal_moves_no_cursor():
    found = replayed([printed("a")], [printed("\x1b[2J\x1b]0;title\x07b")], source="print('\x1b[31m')")
    stream = io.StringIO()
    Console(file=stream, width=100).print(summary.table(found))
    assert "differs" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    assert "\x07" not in stream.getvalue()
    assert summary.table(replayed([printed("a")], [printed("a")])).row_count == 0
    assert summary.table(replayed([printed("a")], [printed("a")]), everything=True).row_count == 1


def test_json_is_strict_and_says_all(tmp_path):
    path = save(tmp_path / "w.ipynb", notebook(("print(2)", [printed("1\n")]), ("3", [result("3", 2)])))
    found = asyncio.run(replay_file(path))
    made = json.loads(json.dumps(summary.as_json(found), allow_nan=False))
    assert made["exit_code"] == 1
    assert made["verdict"] == "differs"
    assert [cell["verdict"] for cell in made["cells"]] == ["differs", "same"]
    (one,) = made["cells"][0]["differences"]
    assert ("1" in one["recorded"], "2" in one["now"]) == (True, True)
    assert summary.headline(found).startswith("differs: 1 same, 1 differs in ")
    assert summary.why(found.cells[0])
    place = tmp_path / "r.ipynb"
    report.write(found, place)
    assert nbformat.read(place, as_version=4).metadata["codeact_replay"]["path"] == str(path)

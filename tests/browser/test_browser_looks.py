"""How the panel looks and reads: names, keyboard, focus and contrast in both themes; pictures for the README."""

from __future__ import annotations

from pathlib import Path

import pytest
from accessibility import faint, problems
from kernel_client import block
from playwright.sync_api import expect
from test_browser_panel import opened

DATA = """\
import pandas as pd

customers = pd.DataFrame({
    "region": ["north", "north", "south", "south", "east", "east", "west", "west"],
    "status": ["kept", "lost"] * 4,
    "customers": [212, 34, 187, 61, 240, 29, 198, 45],
})"""
SHARE = """\
wide = customers.pivot(index="region", columns="status", values="customers")
wide["share"] = wide.lost / (wide.lost + wide.kept)
wide.sort("share")"""
MENDED = """\
wide = customers.pivot(index="region", columns="status", values="customers")
wide["share"] = (wide.lost / (wide.lost + wide.kept)).round(3)
wide.sort_values("share", ascending=False)"""
CHART = """\
import matplotlib.pyplot as plt

ax = wide.share.sort_values().plot.barh(figsize=(6, 2.2), color="#2a78d6")
ax.set(xlabel="share of customers lost", ylabel="")
plt.show()"""
SAVE = 'wide.to_csv("shares.csv")'
ANSWER = "South loses most: 24.6 % of its customers, against 10.8 % in the east. The table is in `shares.csv`."


@pytest.fixture
def check(pictures):
    """Return a function that looks for problems of a panel in both themes, and takes pictures if they have a name."""

    def look(panel, name=None):
        for dark in (True, False):
            panel.notebook.theme(dark=dark)
            assert not problems(panel.root, keyboard=not dark or name == "approval")
            panel.page.mouse.move(700, 5)
            if name:
                panel.page.screenshot(path=pictures / f"{name}-{'dark' if dark else 'light'}.png")

    return look


def test_the_panel_is_accessible_in_both_themes(pages, lab, script, check):
    model = script(
        block(SHARE, "I compute the share of lost customers for each region."),
        block(MENDED, "DataFrames are sorted with `sort_values`."),
        block(CHART, "Now the chart."),
        block(SAVE, "I keep the table as a file."),
        ANSWER,
    )
    notebook, panel = opened(pages, lab, cells=[DATA])
    Path(model.removeprefix("scripted:")).rename(notebook.folder / "example.jsonl")
    panel.use("scripted:example.jsonl")
    notebook.rerun(notebook.cells()[1]["id"]).wait()
    (notebook.folder / "shares.csv").write_text("an older one\n")
    check(panel)
    panel.send("Which region loses the largest share of its customers? Draw it and keep the table.")
    panel.wait_question(4)
    check(panel, "approval")
    panel.part("approve").click()
    panel.wait_status("done")
    check(panel)
    panel.part("show-history").click()
    expect(panel.part("episode")).to_have_count(1)
    check(panel)
    panel.part("show-history").click()
    panel.part("show-status").click()
    expect(panel.part("status")).to_be_visible()
    check(panel)
    chips = notebook.page.get_by_test_id("codeact-chip")
    expect(chips).to_have_count(5)
    for dark in (True, False):
        notebook.theme(dark=dark)
        assert [words for chip in chips.all() for words in faint(chip)] == []

"""How the panel looks and reads: names, keyboard, focus and contrast in both themes; pictures for the README."""

from __future__ import annotations

import pytest
from accessibility import faint, problems
from kernel_client import block
from playwright.sync_api import expect
from test_browser_panel import opened, with_model

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


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_panel_is_accessible_and_looks_as_in_the_readme(pages, lab, script, pictures, dark):
    name = "dark" if dark else "light"
    notebook, panel = opened(
        pages,
        lab,
        with_model(
            script(
                block(SHARE, "I compute the share of lost customers for each region."),
                block(MENDED, "DataFrames are sorted with `sort_values`."),
                block(CHART, "Now the chart."),
                block(SAVE, "I keep the table as a file."),
                ANSWER,
            )
        ),
        cells=[DATA],
    )
    notebook.rerun(notebook.cells()[1]["id"]).wait()
    (notebook.folder / "shares.csv").write_text("an older one\n")
    notebook.theme(dark=dark)
    assert not problems(panel.root, panel.part("show-status"))
    panel.part("mode").select_option("ask-if-risky")
    panel.send("Which region loses the largest share of its customers? Draw it and keep the table.")
    panel.wait_question(4)
    assert not problems(panel.root, panel.part("show-status"))
    notebook.page.screenshot(path=pictures / f"approval-{name}.png")
    panel.part("approve").click()
    panel.wait_status("done")
    assert not problems(panel.root, panel.part("show-status"))
    notebook.page.screenshot(path=pictures / f"panel-{name}.png")
    panel.part("show-history").click()
    expect(panel.part("episode")).to_have_count(1)
    assert not problems(panel.root, panel.part("show-status"))
    panel.part("show-history").click()
    panel.part("show-status").click()
    expect(panel.part("status")).to_be_visible()
    assert not problems(panel.root, panel.part("show-status"))
    cells = notebook.page.locator(".jp-codeact-Cell")
    expect(cells).to_have_count(5)
    assert [word for at in range(5) for word in faint(cells.nth(at).get_by_test_id("codeact-chip"))] == []
    notebook.theme(dark=False)

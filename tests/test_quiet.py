"""A replay in the kernel one sits at: outputs are kept and not shown, time limits hold, history is whole."""

from __future__ import annotations

import json

import pytest
from kernel_client import started
from replay_helpers import notebook, printed, result, save

CODE = """
import asyncio, json
from pathlib import Path
from codeact_kernel.execute.quiet import QuietExecutor
from codeact_kernel.replay.loading import load
from codeact_kernel.replay.plan import plan
from codeact_kernel.replay.runner import Options, replay_cells
_executor = QuietExecutor(get_ipython(), on_interrupt=lambda: None)
async def _replay():
    cells = plan(load(Path('live.ipynb'))).cells
    return [[cell.verdict, cell.reason, [*cell.outputs]] async for cell in replay_cells(cells, _executor, Options(most_seconds=1.0))]
_found = await _executor.carry_out(_replay())
_size = Path('found.json').write_text(json.dumps(_found))
"""


@pytest.fixture
def kernel(tmp_path):
    with started(tmp_path) as made:
        yield made


def test_a_live_replay_keeps_outputs_and_shows_none(kernel):
    cells = [
        ("import sys, warnings\nx = 6 * 7\nprint(x)\nprint('e', file=sys.stderr)", [printed("42\n"), printed("e\n", "stderr")]),
        ("x", [result("42")]),
        ("from IPython.display import display, Markdown\ndisplay(Markdown('**a**'))",
         [{"output_type": "display_data", "data": {"text/markdown": "**a**", "text/plain": "<IPython.core.display.Markdown object>"}, "metadata": {}}]),
        ("1 / 0", [{"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division by zero", "traceback": []}], ["raises-exception"]),
        ("while True: pass", []),
        ("import asyncio\nawait asyncio.sleep(0.01)\nprint('awaited')", [printed("awaited\n")]),
        ("!echo from a process", [printed("from a process\n")]),
        ("print(x)", [printed("43\n")]),
    ]  # fmt: skip
    save(kernel.folder / "live.ipynb", notebook(*cells))
    reply, outputs = kernel.run(CODE)
    assert reply["status"] == "ok", (reply, outputs)
    found = json.loads((kernel.folder / "found.json").read_text())
    assert [cell[0] for cell in found] == ["same"] * 4 + ["status"] + ["same"] * 2 + ["differs"], found
    assert "longer than it may" in found[4][1]
    # What starts tasks or processes is shown, as are the cells after it; the others are not.
    assert [line.strip() for line in outputs.split("\n") if line.strip()] == ["awaited", "from a process", "42"]
    assert "42 True" in kernel.run("print(x, 'x = 6 * 7' in chr(10).join(In))")[1]

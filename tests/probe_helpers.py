"""A shell of its own for the tests of the probe, and what the probe reports after a cell."""

import json
from contextlib import contextmanager

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from codeact_kernel.agent import probe

SALES = """
import pandas as pd
df = pd.DataFrame({"region": ["N", "S", "N", "W"], "Sales": [1.5, 2.25, None, 66.6666666667], "n": [1, 2, 3, 4],
                   "when": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", None])})
"""


@contextmanager
def own_shell():
    """Make the process's shell, without history, and forget it afterwards."""
    yield InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    InteractiveShell.clear_instance()


def report_after(shell, code):
    """Run a cell and return the probe's report, as it comes through JSON."""
    with capture_output():
        result = shell.run_cell(code, store_history=True)
    found = probe.report(
        shell.user_ns,
        hidden=set(shell.user_ns_hidden),
        execution_count=result.execution_count,
        error=result.error_before_exec or result.error_in_exec,
    )
    return json.loads(json.dumps(found, allow_nan=False))

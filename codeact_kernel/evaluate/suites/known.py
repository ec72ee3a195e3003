"""The suites by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeact_kernel.evaluate.suites.apibank import ApiBank
from codeact_kernel.evaluate.suites.dseval import DSEval
from codeact_kernel.evaluate.suites.learn import Learn
from codeact_kernel.evaluate.suites.m3tooleval import M3ToolEval
from codeact_kernel.evaluate.suites.quickstart import Quickstart

if TYPE_CHECKING:
    from codeact_kernel.evaluate.suite import Suite

SUITES: dict[str, Suite] = {
    suite.name: suite for suite in (M3ToolEval(), ApiBank(), DSEval(), Quickstart(), Learn())
}

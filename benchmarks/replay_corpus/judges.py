"""Ways to compare two runs of a cell that are not ours: byte for byte, and nbval's default."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import nbformat
from nbval.plugin import IPyNbCell, coalesce_streams

from codeact_kernel.canonical import canonical

if TYPE_CHECKING:
    from benchmarks.replay_corpus.record import Outputs

NBVAL_SKIPS = (
    *("metadata", "traceback", "prompt_number", "output_type", "name", "execution_count"),
    *("application/vnd.jupyter.widget-view+json", "image/png", "image/jpeg"),
)
"""What `IPyNbFile` sets without options (nbval 0.11)."""


def same_bytes(recorded: Outputs, new: Outputs) -> bool:
    """Whether the outputs are equal as JSON; the execution count is left out."""
    return [_plain(output) for output in recorded] == [_plain(output) for output in new]


def _plain(output: dict[str, Any]) -> bytes:
    return canonical({key: value for key, value in output.items() if key != "execution_count"})


def same_nbval(recorded: Outputs, new: Outputs) -> bool:
    """What `pytest --nbval` says without options, through nbval's own functions.

    A cell that raises is taken as tagged `raises-exception` (without the tag nbval fails it); `clear_output` and
    updates of displays are already applied on both sides, which nbval does not do for the new run.
    """
    parent = SimpleNamespace(skip_compare=NBVAL_SKIPS, sanitize_patterns={})
    cell = SimpleNamespace(
        parent=parent,
        config=SimpleNamespace(option=SimpleNamespace(color="no")),
        colors=SimpleNamespace(OKBLUE="", FAIL="", ENDC=""),
        format_output_compare=lambda *_: None,
    )
    cell.sanitize = lambda text: IPyNbCell.sanitize(cell, text)
    copies: Any = [[nbformat.from_dict(copy.deepcopy(one)) for one in side] for side in (new, recorded)]  # type: ignore[no-untyped-call, unused-ignore]
    sides = [coalesce_streams(side) for side in copies]
    return bool(IPyNbCell.compare_outputs(cell, *sides))

"""The held-out half: nobody reads these tasks or their transcripts while working on prompts (see README.md)."""

from __future__ import annotations

from benchmarks.quickstart import (
    tasks_heldout_columns,
    tasks_heldout_files,
    tasks_heldout_kernel,
    tasks_heldout_tables,
)
from benchmarks.quickstart.task import load

HELDOUT = load(
    (
        *tasks_heldout_tables.TASKS,
        *tasks_heldout_columns.TASKS,
        *tasks_heldout_files.TASKS,
        *tasks_heldout_kernel.TASKS,
    )
)

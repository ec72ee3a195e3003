"""The development half: work on prompts looks at these and at no others."""

from __future__ import annotations

from benchmarks.quickstart import tasks_dev_columns, tasks_dev_files, tasks_dev_kernel, tasks_dev_tables
from benchmarks.quickstart.task import load

DEV = load((*tasks_dev_tables.TASKS, *tasks_dev_columns.TASKS, *tasks_dev_files.TASKS, *tasks_dev_kernel.TASKS))

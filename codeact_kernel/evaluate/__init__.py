"""Evaluation: suites of tasks, run on one machine or many, in any action space; results and reports."""

"""Measurements that can be run again: each sub-package is one `python -m benchmarks.NAME`."""

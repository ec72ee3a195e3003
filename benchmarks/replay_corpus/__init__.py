"""Noisy cells, honest and changed: what comparing two runs should accept and what it should catch."""

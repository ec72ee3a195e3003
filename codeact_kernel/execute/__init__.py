"""Executors: whoever runs the cell, the same capture and the same nbformat outputs."""

"""Replay: an episode, or any notebook, run again and compared with what it gave before."""

"""The agent: one file for each stair from a task to an answer."""

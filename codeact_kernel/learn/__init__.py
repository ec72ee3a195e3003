"""Learning: tasks with checkable answers, training data from episodes, tuning, and what it cost elsewhere."""

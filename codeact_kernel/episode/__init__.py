"""Episodes: the append-only record and the notebook that shows it."""

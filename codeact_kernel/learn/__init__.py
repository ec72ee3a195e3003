"""Episodes become training data, and the data makes a better agent."""

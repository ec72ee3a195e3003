"""Action spaces: model text to an action."""

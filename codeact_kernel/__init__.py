"""codeact-kernel: the agent that lives in your Jupyter kernel."""

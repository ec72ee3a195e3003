"""The version, read by the build and by the episode header."""

__version__ = "0.1.0"

"""Exceptions that carry the sentence the user or the model will read.

Every message is one clear sentence that says what happened and what to do about it.
"""

from __future__ import annotations


class CodeActError(Exception):
    """Base of all our errors; `str(error)` is for the user."""


class ConfigError(CodeActError):
    """A setting, an option or a file named by the user cannot be used (exit code 2)."""


class ModelError(CodeActError):
    """The model cannot be reached or does not answer. `retryable` says whether asking again may help.

    `retry_after` is the number of seconds that the server asked to wait, if it did.
    """

    def __init__(self, message: str, *, retryable: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after


class IncompleteReplyError(ModelError):
    """The stream ended without a finish reason, or broke; its text is never executed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=True)


class WeightsError(CodeActError):
    """Model weights are missing, unreadable or not the bytes they should be."""


class ExecutionError(CodeActError):
    """The kernel could not be started or reached."""


class EpisodeError(CodeActError):
    """An episode file cannot be read, written or trusted."""


class BusyError(CodeActError):
    """Another episode is running in this kernel, or another writer holds the episode."""


class StoppedError(CodeActError):
    """The user asked to stop."""

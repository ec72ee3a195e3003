"""A model behind a chat endpoint that writes as slowly as a test wants, and keeps what it was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faultserver import DONE, USAGE, FaultServer, Reply, delta

if TYPE_CHECKING:
    from collections.abc import Sequence


def slow(text: str, seconds: float, pieces: int = 40) -> Reply:
    """Return a reply that takes about `seconds`, in `pieces` pieces of equal length."""
    size = -(-len(text) // pieces)
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    stream: list[bytes | float] = [delta(role="assistant", content="")]
    for part in parts:
        stream += [seconds / len(parts), delta(content=part)]
    return Reply(pieces=(*stream, delta("stop"), USAGE, DONE))


class SlowModel(FaultServer):
    """The endpoint. `setup` is the code of a cell that makes a kernel use it; as a context manager it serves."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        super().__init__(replies)

    @property
    def setup(self) -> str:
        """Settings for a notebook whose kernel has the extension loaded."""
        return f"%config CodeAct.base_url = '{self.url}'\n%config CodeAct.model = 'openai:slow'"

    def asked(self, request: int = -1) -> list[dict[str, Any]]:
        """Return the messages of a request."""
        return list(self.requests[request]["messages"])

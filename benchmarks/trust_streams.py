"""Streams cut at every byte: is anything of a reply that broke off ever taken for the whole?

    python -m benchmarks.trust_streams [--replies 20] [--sockets 200] [--out FILE]

Random replies with code in them, in both wire formats, each again and again, cut after every byte: once the
connection breaks there, once its end is the end of a body of no known length. The bytes go to the backend's own
reading of a response, without a server between; so many of the cuts in each format, drawn at random, are made by
the loopback server of the tests over a real connection, too (`--sockets`). A reply that is taken although its
text is not the whole one counts as taken in part.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.quickstart.report import commit
from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ModelError
from codeact_kernel.models.anthropic import AnthropicModel
from codeact_kernel.models.base import complete
from codeact_kernel.models.openai import OpenAIModel
from codeact_kernel.types import Message, Sampling

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
fs: Any = importlib.import_module("faultserver")

ASK = [Message("user", "go")]
PIECE_BYTES = 400
PIECES = (
    "Look.\n",
    "```python\n",
    "print(1)\n",
    "x = '\u00fc\U0001f600'\n",
    "```",
    "\r\n",
    '"',
    "{}",
    "data: x\n\n",
    "# ",
)


def texts(chance: random.Random) -> list[str]:
    """Return the pieces of a random reply that has code in it."""
    some = [chance.choice(PIECES) for _ in range(chance.randint(1, 4))]
    return ["Look.\n```python\n", *some, "\nprint('ran')\n```"]


class Body:
    """A response whose body ends after some bytes; `broken`: the connection breaks there."""

    def __init__(self, data: bytes, *, broken: bool) -> None:
        self.headers = {"content-type": "text/event-stream"} | ({"transfer-encoding": "chunked"} if broken else {})
        self._data, self._broken = data, broken

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """Yield the bytes in pieces, as a network would."""
        for at in range(0, len(self._data), PIECE_BYTES):
            yield self._data[at : at + PIECE_BYTES]
        if self._broken:
            raise ConnectionResetError("cut")

    aiter_bytes = iter_bytes


def given(kind: type[Any], bodies: Iterator[Body]) -> Any:
    """Return a model of a wire format whose responses are these bodies."""

    class Given(kind):  # type: ignore[misc]
        async def _open(self, *_: Any) -> Body:
            return next(bodies)

    return Given("cut", base_url="http://127.0.0.1:9/v1", api_key="x", config=CodeAct(retries=0))


KINDS: dict[str, tuple[type[Any], Any]] = {
    "openai": (OpenAIModel, fs.chat),
    "anthropic": (AnthropicModel, fs.message),
}


def body_of(wire: str, said: list[str]) -> bytes:
    """Return the bytes of a whole reply."""
    return b"".join(piece for piece in KINDS[wire][1](*said).pieces if isinstance(piece, bytes))


async def asked(model: Any, times: int, said: list[str]) -> tuple[int, int]:
    """Ask so many times; return how many replies were taken, and how many of them in part."""
    taken = wrong = 0
    for _ in range(times):
        try:
            done = await complete(model, ASK, Sampling(), Stop(), lambda _: None)
        except ModelError:
            continue
        taken += 1
        wrong += done.text != "".join(said)
    await model.close()
    return taken, wrong


async def cut(wire: str, said: list[str]) -> tuple[int, int, int]:
    """Cut a reply at every byte; return how many cuts were tried, how many taken, and how many in part."""
    body = body_of(wire, said)
    cuts = [Body(body[:size], broken=broken) for broken in (True, False) for size in range(len(body))]
    return len(cuts), *await asked(given(KINDS[wire][0], iter(cuts)), len(cuts), said)


async def over_sockets(wire: str, said: list[str], cuts: int, chance: random.Random) -> tuple[int, int, int]:
    """Do it with some of the cuts and a server."""
    body = body_of(wire, said)
    ways: list[dict[str, Any]] = [{"framing": "chunked", "end": "cut"}, {"framing": "close", "end": "clean"}]
    sizes = [chance.randrange(len(body)) for _ in range(cuts)]
    script = [fs.Reply(pieces=(body[:size],), **chance.choice(ways)) for size in sizes]
    with fs.FaultServer(script) as server:
        model = KINDS[wire][0]("cut", base_url=server.url, api_key="x", config=CodeAct(retries=0))
        return cuts, *await asked(model, cuts, said)


async def measure(replies: int, sockets: int) -> list[str]:
    """Return the figures as lines of Markdown."""
    lines = []
    for wire in KINDS:
        chance = random.Random(8)
        said = [texts(chance) for _ in range(replies)]
        each = -(-sockets // replies)
        for what, tries in (
            ("cut at every byte in two ways", [cut(wire, one) for one in said]),
            ("cut over a connection", [over_sockets(wire, one, each, chance) for one in said]),
        ):
            began = time.monotonic()
            found = [await one for one in tries]
            tried, taken, wrong = (sum(column) for column in zip(*found, strict=True))
            lines.append(
                f"Streams, {wire}, {replies} replies {what}: {tried} cuts, {tried - taken} refused, {taken} taken "
                f"with the whole text (the cut came after its end), {wrong} taken in part "
                f"({time.monotonic() - began:.0f} s)."
            )
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replies", type=int, default=20)
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    text = "\n".join(
        ["## streams", "", *asyncio.run(measure(args.replies, args.sockets)), "", f"Commit `{commit()[:12]}`.\n"]
    )
    print(text)
    if args.out is not None:
        with args.out.open("a", encoding="utf-8") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()

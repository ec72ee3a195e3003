"""Streams cut at every byte: is anything of a reply that broke off ever taken for the whole?

    python -m benchmarks.trust_streams [--replies 20] [--out FILE]

Random replies with code in them, in both wire formats, from the loopback server of the tests, each again and
again, cut after every byte: once the connection is dropped inside a chunk, once its end is the end of the body. A
reply that is taken although its text is not the whole one counts as taken in part.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import random
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.quickstart.report import commit
from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ModelError
from codeact_kernel.models.anthropic import AnthropicModel
from codeact_kernel.models.base import complete
from codeact_kernel.models.openai import OpenAIModel
from codeact_kernel.types import Message, Sampling

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
fs: Any = importlib.import_module("faultserver")

ASK = [Message("user", "go")]
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


async def cut(wire: str, chance: random.Random) -> tuple[int, int, int]:
    """Return how many cuts were tried on one reply, how many were taken as whole, and how many wrongly."""
    said = texts(chance)
    made = fs.chat(*said) if wire == "openai" else fs.message(*said)
    body = b"".join(piece for piece in made.pieces if isinstance(piece, bytes))
    ways: list[dict[str, Any]] = [{"framing": "chunked", "end": "cut"}, {"framing": "close", "end": "clean"}]
    script = [fs.Reply(pieces=(body[:size],), **way) for way in ways for size in range(len(body))]
    taken = wrong = 0
    with fs.FaultServer(script) as server:
        kind = OpenAIModel if wire == "openai" else AnthropicModel
        model = kind("cut", base_url=server.url, api_key="x", config=CodeAct(retries=0))
        for _ in script:
            try:
                done = await complete(model, ASK, Sampling(), Stop(), lambda _: None)
            except ModelError:
                continue
            taken += 1
            wrong += done.text != "".join(said)
        await model.close()
    return len(script), taken, wrong


async def measure(replies: int) -> list[str]:
    """Return the figures as lines of Markdown."""
    lines = []
    for wire in ("openai", "anthropic"):
        began, chance = time.monotonic(), random.Random(8)
        found = [await cut(wire, chance) for _ in range(replies)]
        tried, taken, wrong = (sum(each) for each in zip(*found, strict=True))
        lines.append(
            f"Streams, {wire}: {replies} replies cut at every byte in two ways, {tried} cuts; {tried - taken} "
            f"refused, {taken} taken with the whole text (the cut came after its end), {wrong} taken in part "
            f"({time.monotonic() - began:.0f} s)."
        )
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replies", type=int, default=20)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    text = "\n".join(["## streams", "", *asyncio.run(measure(args.replies)), "", f"Commit `{commit()[:12]}`.\n"])
    print(text)
    if args.out is not None:
        with args.out.open("a", encoding="utf-8") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()

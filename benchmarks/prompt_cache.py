"""Does a turn evaluate its new tokens and no others? A conversation with the embedded model, turn by turn.

    python -m benchmarks.prompt_cache [--model llamacpp:qwen2.5-coder-0.5b] [--out FILE.md]

Tasks are asked one after another over a small table, as one conversation, until the model was asked at least six
times. The server says how many prompt tokens it had (`input`) and how many of them it did not evaluate again
(`cached`); what is new in a turn is its prompt less the prompt and the reply of the turn before. Bar: evaluated
tokens <= new tokens + 10 %.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.execute.fresh import FreshExecutor
from codeact_kernel.session import Session
from codeact_kernel.terminal_view import QuietView
from codeact_kernel.types import Step

if TYPE_CHECKING:
    from codeact_kernel.types import Usage

TURNS = 6
SLACK = 1.10
SETUP = """
import pandas as pd
sales = pd.DataFrame({'town': ['Riga', 'Oslo', 'Riga', 'Bonn'], 'euros': [12, 30, 9, 4]})
"""
TASKS = (
    "What is the sum of euros in `sales`?",
    "And the mean?",
    "Which town has the largest sum?",
    "How many rows does `sales` have?",
    "And how many different towns?",
    "What is the smallest amount?",
)


async def converse(model: str) -> list[Usage]:
    """Return the usage of every model call of the conversation, in order."""
    with tempfile.TemporaryDirectory() as folder:
        session, executor = Session(Path(folder)), FreshExecutor(cwd=Path(folder))
        config = CodeAct().updated(model=model, max_steps=3, approval="auto")
        await executor.start()
        try:
            await executor.run(SETUP)
            for task in TASKS:
                await session.ask(task, config, executor=executor, view=QuietView(), stop=Stop())
                talk = session.conversation
                usages = [turn.completion.usage for turn in talk.turns if isinstance(turn, Step)] if talk else []
                if len(usages) >= TURNS:
                    break
        finally:
            await session.close()
            await executor.close()
    return usages


def table(model: str, usages: list[Usage]) -> tuple[str, bool]:
    """Return the turns as Markdown, and whether every turn after the first keeps to the bar."""
    lines = [
        f"`{model}`, one conversation.",
        "",
        "| turn | prompt | new | evaluated | evaluated / new |",
        "|---|---|---|---|---|",
    ]
    good = True
    before = 0
    for number, usage in enumerate(usages, 1):
        new, evaluated = usage.input - before, usage.input - usage.cached
        good = good and (number == 1 or evaluated <= new * SLACK)
        lines.append(f"| {number} | {usage.input} | {new} | {evaluated} | {evaluated / max(new, 1):.2f} |")
        before = usage.input + usage.output
    whole = sum(usage.input for usage in usages)
    paid = sum(usage.input - usage.cached for usage in usages)
    lines += ["", f"In all {paid:,} of {whole:,} prompt tokens were evaluated ({paid / whole:.0%})."]
    lines.append(f"- evaluated <= new + 10 % in every turn after the first: {'met' if good else 'MISSED'}")
    return "\n".join(lines) + "\n", good


def main() -> None:
    """Converse and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="llamacpp:qwen2.5-coder-0.5b")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    text, _ = table(args.model, asyncio.run(converse(args.model)))
    print(text)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text)


if __name__ == "__main__":
    main()

"""Models for tests of evaluations: functions that know, or do not know, the small tasks of `m3tooleval_small`."""

from __future__ import annotations

import asyncio
import json
import os

ANSWERS = {"cheapest": "9668.75", "List": "[8210.5, 7735.0]", "Kalmar": "True", "master": "Ada"}
CALLS = {
    "cheapest": ("with_tax", [7735.0, 25]),
    "List": ("prices", ["Visby"]),
    "Kalmar": ("prices", ["Kalmar"]),
    "master": ("turn", []),
}


def action_of(system: str) -> str:
    return "json" if "JSON object" in system else "text" if "Action: name" in system else "code"


def knows(messages):
    """One right call, then the answer in prose, then its value."""
    task = next(
        key for key in ANSWERS if key in " ".join(one["content"] for one in messages if one["role"] == "user")
    )
    said = [one["content"] for one in messages if one["role"] == "assistant"]
    tool, args = CALLS[task]
    if not said:
        made = f"{tool}({', '.join(map(repr, args))})"
        return {
            "code": f"```python\nprint({made})\n```",
            "json": json.dumps({"tool": tool, "args": args}),
            "text": ", ".join(["Action: " + tool, *map(str, args)]),
        }[action_of(messages[0]["content"])]
    return f"Answer: {ANSWERS[task]}"


def works(messages):
    """As `knows`, with about a second's computing in its cell."""
    return knows(messages).replace("```python\n", "```python\nsum(i * i for i in range(15_000_000))\n")


def adds(messages):
    """Adds two numbers in code, then says the sum; it cannot carry."""
    first = next(one["content"] for one in messages if "What is" in one["content"])
    number = int(first.split("What is ")[1].split()[0])
    if messages[-1]["content"].startswith("Output"):
        return f"The sum is {messages[-1]['content'].split()[1]}."
    return f"```python\nprint({number} + {number if number < 5 else 0})\n```"


def guesses(messages):
    """The same wrong answer always."""
    return "Answer: 7"


def mutters(messages):
    """Acts when it is told to, and says the same wrong value in a sentence, however it is asked."""
    acts = len(messages) == 2 or "Begin your reply" in messages[-1]["content"]
    return knows(messages[:2]) if acts else "The value is 7."


def sometimes(messages):
    """Right where the task is about Kalmar or a list, else a guess."""
    text = messages[1]["content"]
    return knows(messages) if "Kalmar" in text or "List" in text else guesses(messages)


def deadly(messages):
    """Ends its process at one task, before any reply: what a machine does that runs out of memory."""
    if "harbour master" in " ".join(one["content"] for one in messages):
        os._exit(9)
    return knows(messages)


async def slowly(messages):
    """Takes its time."""
    await asyncio.sleep(60)
    return guesses(messages)


def broken(messages):
    raise RuntimeError("there is no such endpoint")

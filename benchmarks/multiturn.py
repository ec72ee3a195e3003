"""What does a turn of a growing conversation cost? The same episode on the same weights, side by side, in one run.

    python -m benchmarks.multiturn [--model smollm2-135m] [--out FILE.md]

Eight turns grow to about 4,000 tokens. Each turn adds an observation of some 440 tokens and asks for a reply of a
fixed length (the end mark is held back), so every system writes as many tokens. Those that run the dequantised
weights in transformers must write the same replies, which is checked; llama.cpp runs the quantised file itself.

- `ours`: our transformers backend as it comes, in its process: keys and values of earlier turns are kept, and it
  guesses ahead from the conversation
- `ours, no guesses`: the same with `prompt_lookup = 0`
- `ours, no reuse`: no guesses either, and every prompt evaluated anew
- `ours, llama.cpp`: our llamacpp backend, in its process
- `smolagents`: `TransformersModel` of smolagents, asked with the same messages

CPU-seconds are those of the process that the model runs in; loading is not counted, each system is warmed up with
another conversation. One thread each. Needs `pip install -e '.[demo,local,transformers]' smolagents`.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.metadata
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.models import hf_loading, weights
from codeact_kernel.models.base import complete
from codeact_kernel.models.llamacpp import LlamaCppModel
from codeact_kernel.models.transformers import TransformersModel
from codeact_kernel.types import Message, Sampling

TURNS, REPLY_TOKENS = 8, 48
ROWS = 36
BAR_TOKENS, BAR_TIMES = 1.05, 2.5
SYSTEM = "You are a data analyst in a live Python session. You act by writing Python code and see its output. " * 4


@dataclass
class Turn:
    """One reply: tokens of the prompt, evaluated, written; CPU-seconds."""

    prompt: int
    evaluated: int
    written: int
    seconds: float
    text: str


@dataclass
class System:
    """One of the systems and what it did."""

    name: str
    turns: list[Turn] = field(default_factory=list)

    @property
    def total(self) -> float:
        """CPU-seconds of all turns."""
        return sum(turn.seconds for turn in self.turns)

    def new(self, number: int) -> int:
        """Return the tokens of a turn that no earlier one had: its prompt less the prompt and reply before."""
        if number == 0:
            return self.turns[0].prompt
        before = self.turns[number - 1]
        return self.turns[number].prompt - before.prompt - before.written


def observation(turn: int) -> str:
    """Return what the code of a turn is said to have printed, about 400 tokens."""
    rows = [
        f"{row:3d}  town_{(row * 7 + turn) % 50:02d}  {(row * 137 + turn * 31) % 997:6d}" for row in range(ROWS)
    ]
    return "Output:\n" + "\n".join(rows) + f"\n\nPart {turn + 1} of the table. Look at it and go on."


class Ours:
    """One of our backends, asked through its own client."""

    def __init__(self, model: LlamaCppModel | TransformersModel) -> None:
        self.model = model

    def ask(self, messages: list[dict[str, str]]) -> Turn:
        """Ask for one reply."""
        said = [Message(one["role"], one["content"]) for one in messages]  # type: ignore[arg-type]
        before = self._cpu()
        done = asyncio.run(complete(self.model, said, Sampling(max_tokens=REPLY_TOKENS), Stop(), lambda _: None))
        usage = done.usage
        return Turn(usage.input, usage.input - usage.cached, usage.output, self._cpu() - before, done.text)

    def _cpu(self) -> float:
        psutil: Any = importlib.import_module("psutil")
        try:
            times = psutil.Process(json.loads(self.model.state_file.read_text())["pid"]).cpu_times()
        except (FileNotFoundError, psutil.NoSuchProcess):
            return 0.0  # not started yet
        return float(times.user + times.system)

    def close(self) -> None:
        """End the model's process."""
        self.model.shut_down()


class Smolagents:
    """smolagents' own model class over the same folder of weights."""

    def __init__(self, folder: Path) -> None:
        importlib.import_module("torch").set_num_threads(1)
        models: Any = importlib.import_module("smolagents.models")
        self.model = models.TransformersModel(
            str(folder),
            device_map="cpu",
            torch_dtype="float32",
            max_new_tokens=REPLY_TOKENS,
            min_new_tokens=REPLY_TOKENS,
            do_sample=False,
        )

    def ask(self, messages: list[dict[str, str]]) -> Turn:
        """Ask for one reply; its class keeps nothing between calls, so every prompt is evaluated."""
        said = [{"role": one["role"], "content": [{"type": "text", "text": one["content"]}]} for one in messages]
        before = time.process_time()
        done = self.model.generate(said)
        seconds, usage = time.process_time() - before, done.token_usage
        return Turn(usage.input_tokens, usage.input_tokens, usage.output_tokens, seconds, str(done.content))

    def close(self) -> None:
        """Let go of the weights."""
        del self.model


def converse(name: str, system: Ours | Smolagents) -> System:
    """Hold the conversation and return what each turn cost."""
    found = System(name)
    try:
        system.ask([{"role": "user", "content": "Say hello."}])
        messages = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": "Task: which town has the largest sum?\n\n" + observation(0)},
        ]
        for number in range(TURNS):
            turn = system.ask(messages)
            found.turns.append(turn)
            told = f"{turn.prompt} tokens, {turn.evaluated} evaluated, {turn.seconds:.1f} s"
            print(f"{name}: turn {number + 1}: {told}", flush=True)
            messages += [
                {"role": "assistant", "content": turn.text},
                {"role": "user", "content": observation(number + 1)},
            ]
    finally:
        system.close()
    return found


def growth(system: System) -> float:
    """Return how many times the CPU of the second turn the last one takes; both have as many new tokens."""
    return system.turns[-1].seconds / system.turns[1].seconds


def table(model: str, systems: list[System]) -> str:
    """Return the turns as Markdown."""
    packages = ("transformers", "torch", "xllamacpp", "smolagents")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    lines = [
        f"`{model}`, {TURNS} turns of {REPLY_TOKENS} written tokens each, one thread, one run; {versions}.",
        "CPU-seconds of the model's process per turn, and prompt tokens evaluated in it.",
        "",
        "| turn | prompt | new | " + " | ".join(f"{one.name}: s | tokens" for one in systems) + " |",
        "|---" * (3 + 2 * len(systems)) + "|",
    ]
    for number in range(TURNS):
        cells = [str(number + 1), str(systems[0].turns[number].prompt), str(systems[0].new(number))]
        for one in systems:
            cells += [f"{one.turns[number].seconds:.1f}", str(one.turns[number].evaluated)]
        lines.append("| " + " | ".join(cells) + " |")
    totals = [f"{one.total:.1f} | {sum(turn.evaluated for turn in one.turns):,}" for one in systems]
    lines.append(f"| all | | {sum(systems[0].new(number) for number in range(TURNS)):,} | {' | '.join(totals)} |")
    return "\n".join(lines) + "\n"


def verdicts(systems: list[System]) -> str:
    """Return what the bars say, as Markdown; the order of the systems is that of `main`."""
    ours, unguessed, plain, _, theirs = systems
    evaluated = sum(turn.evaluated for turn in ours.turns)
    new = sum(ours.new(number) for number in range(TURNS))
    times, last = theirs.total / ours.total, theirs.turns[-1].seconds / ours.turns[-1].seconds
    grows = ", ".join(f"{one.name} {growth(one):.1f}" for one in systems)
    texts = [[turn.text for turn in one.turns] for one in (ours, unguessed, plain, theirs)]
    same = sum(len(set(replies)) == 1 for replies in zip(*texts, strict=True))
    lines = [
        f"tokens evaluated by `ours`: {evaluated:,} for {new:,} new ones, {evaluated / new - 1:+.1%}",
        f"bar, at most +5 %: {'met' if evaluated <= BAR_TOKENS * new else 'MISSED'}",
        f"`smolagents` takes {times:.2f} times the CPU of `ours` in all, {last:.1f} times in the last turn",
        f"bar, {BAR_TIMES} times in all: {'met' if times >= BAR_TIMES else 'MISSED'}",
        f"`smolagents` takes {theirs.total / unguessed.total:.2f} times the CPU of `ours, no guesses`",
        f"`ours, no guesses` takes {unguessed.total / ours.total:.2f} times the CPU of `ours`",
        f"`ours, no reuse` takes {plain.total / unguessed.total:.2f} times the CPU of `ours, no guesses`",
        f"the last turn takes so many times the CPU of the second, with as many new tokens: {grows}",
        f"{same} of {TURNS} replies are the same in the four that run in transformers",
    ]
    return "".join(f"- {line}\n" for line in lines)


def plot(systems: list[System], file: Path) -> None:
    """Draw the CPU-seconds of each turn over the tokens of its prompt."""
    figure: Any = importlib.import_module("matplotlib.figure").Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    for one in systems:
        axes.plot([turn.prompt for turn in one.turns], [turn.seconds for turn in one.turns], "o-", label=one.name)
    axes.set(xlabel="tokens of the prompt", ylabel="CPU-seconds of the turn", ylim=(0, None))
    axes.legend()
    figure.savefig(file)


def main() -> None:
    """Run the systems one after another and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m", help="a name of the catalog whose weights are here")
    parser.add_argument("--out", type=Path, help="write the table here, and a picture beside it")
    args = parser.parse_args()
    found = weights.resolve(args.model)
    endless = {"ignore_eos": True}

    def ours(lookup: int, **extra: Any) -> TransformersModel:
        settings = {"threads": 1, "device": "cpu", "prompt_lookup": lookup, "extra_body": {**endless, **extra}}
        return TransformersModel(args.model, CodeAct(**settings))

    systems = [
        converse("ours", Ours(ours(CodeAct().prompt_lookup))),
        converse("ours, no guesses", Ours(ours(0))),
        converse("ours, no reuse", Ours(ours(0, cache_prompt=False))),
        converse("ours, llama.cpp", Ours(LlamaCppModel(found, CodeAct(threads=1, extra_body=endless)))),
        converse("smolagents", Smolagents(hf_loading.converted_folder(found.sha256, "float32"))),
    ]
    text = f"{table(args.model, systems)}\n{verdicts(systems)}"
    print(text)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text)
        plot(systems, args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()

"""What does guessing ahead from the conversation gain where text repeats, and cost where it does not?

    python -m benchmarks.prompt_lookup [--model smollm2-135m] [--out FILE.md]

Replies of 96 tokens behind 1,500 tokens of this project's README, on one thread in one process: greedy (a small
model repeats itself), sampled at 0.7, sampled at 1.0 (next to nothing is repeated). Each is drawn without and with
guesses, interleaved, from the same seeds, and must be the same. Needs `pip install -e '.[demo,transformers]'`.
"""

from __future__ import annotations

import argparse
import importlib
import time
from pathlib import Path
from typing import Any

from codeact_kernel.models import hf_loading, weights
from codeact_kernel.models.hf_engine import AUTO_LOOKUP, Counts, Engine, How

PROMPT_TOKENS, REPLY_TOKENS = 1500, 96
SEEDS = {0.0: 1, 0.7: 4, 1.0: 4}
"""Temperature -> replies."""


def loaded(model: str) -> tuple[Engine, list[int]]:
    """Return an engine and the tokens of the prompt."""
    torch: Any = importlib.import_module("torch")
    hf: Any = importlib.import_module("transformers")
    torch.set_num_threads(1)
    folder = str(hf_loading.converted_folder(weights.resolve(model).sha256, "float32"))
    net = hf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    text = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    ids: list[int] = hf.AutoTokenizer.from_pretrained(folder)(text)["input_ids"][:PROMPT_TOKENS]
    return Engine(net, [], None), ids


def drawn(engine: Engine, ids: list[int], how: How) -> tuple[list[int], float, int]:
    """Return a reply, its CPU-seconds and its forward passes."""
    counts, began = Counts(), time.process_time()
    reply = list(engine.reply(ids, how, counts))
    return reply, time.process_time() - began, counts.passes


def row(engine: Engine, ids: list[int], temperature: float) -> str:
    """Draw the replies of one temperature both ways; return the figures as a row of Markdown.

    Raises:
        RuntimeError: guessing changed a reply.
    """
    seconds, passes = {0: 0.0, AUTO_LOOKUP: 0.0}, {0: 0, AUTO_LOOKUP: 0}
    for seed in range(SEEDS[temperature]):
        replies = []
        for lookup in seconds:
            how = How(REPLY_TOKENS, temperature=temperature, seed=seed, lookup=lookup)
            reply, took, passed = drawn(engine, ids, how)
            replies.append(reply)
            seconds[lookup] += took
            passes[lookup] += passed
        if replies[0] != replies[1]:
            raise RuntimeError(f"guessing changed the reply of seed {seed} at temperature {temperature}")
    plain, guessed = seconds.values()
    cells = (*passes.values(), f"{plain:.1f}", f"{guessed:.1f}", f"{guessed / plain:.2f}")
    return f"| {temperature} | {' | '.join(map(str, cells))} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m", help="a name of the catalog whose weights are here")
    parser.add_argument("--out", type=Path, help="write the table here")
    args = parser.parse_args()
    engine, ids = loaded(args.model)
    drawn(engine, ids, How(2))  # the prompt is read once, so each reply costs its own tokens
    lines = [
        f"`{args.model}`, float32, one thread: {REPLY_TOKENS} tokens behind {len(ids)}, {AUTO_LOOKUP} guessed.",
        "",
        "| temperature | passes | with guesses | CPU-s | with guesses | ratio |",
        "|---|---|---|---|---|---|",
        *(row(engine, ids, temperature) for temperature in SEEDS),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text)


if __name__ == "__main__":
    main()

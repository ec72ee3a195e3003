"""The card of a data set: what is in it, how it came about, what it must not be taken for; and its picture."""

from __future__ import annotations

import io
import shlex
from dataclasses import asdict
from importlib import resources
from typing import TYPE_CHECKING, Any

from codeact_kernel._version import __version__
from codeact_kernel.learn.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CARD, PICTURE = "README.md", "funnel.png"
COLOUR = "#4477aa"
Row = dict[str, Any]


def table(lines: Sequence[Sequence[Any]]) -> list[str]:
    """Return the funnel as a Markdown table; a line is (rule, dropped by it, left after it)."""
    said = ["| rule | dropped | left |", "|---|---:|---:|"]
    return said + [f"| {name} | {dropped:,} | {left:,} |" for name, dropped, left in lines]


def card(facts: Row, name: str, redactions: Sequence[Row]) -> str:
    """Return the card of a data set; `facts` are those of `dataset.facts`."""
    rows, settings = facts["rows"], facts["settings"]
    splits = [split for split in ("train", "validation") if rows.get(f"{split}.jsonl")]
    files = [
        f"| `{file}` | {rows.get(file, 0):,} | `{digest}` |" for file, digest in sorted(facts["sha256"].items())
    ]
    taken = [f"* `{item['what']}`, {item['count']} times" for item in redactions]
    words = (resources.files("codeact_kernel.learn") / "card.md").read_text("utf-8")
    return words.format(
        name=name,
        splits="\n".join(f"  - {{split: {split}, path: {split}.jsonl}}" for split in splits),
        codeact=facts["codeact"],
        messages=facts["messages"],
        characters=facts["characters"],
        share=facts["trained_characters"] / max(1, facts["characters"]),
        trained="all of the model's own replies" if settings["errors"] else "replies whose code ran, and answers",
        files="\n".join(files),
        general=rows.get("general in train.jsonl", 0),
        funnel="\n".join(table(facts["funnel"])),
        settings=", ".join(f"{key} {value}" for key, value in settings.items()),
        families="\n".join(f"| {family} | {count:,} |" for family, count in facts["families"].items()),
        redacted=facts["redacted"],
        taken="\n".join(taken) or "* nothing was found",
        unchecked=", or by nobody (--unchecked)" if settings["unchecked"] else "",
    )


def of_training(made: Row, recipe: Recipe, data: str, name: str) -> str:
    """Return the card of what `codeact train` made; `made` is its manifest, `data` its data set's name."""
    changed = [
        word
        for key, value in asdict(recipe).items()
        if key != "base" and value != getattr(Recipe(""), key)
        for word in (f"--{key.replace('_', '-')}", *([] if value is True else [str(value)]))
    ]
    command = ["codeact", "train", "--base", made["base_model"], "--data", data, "--out", name, *changed]
    words = (resources.files("codeact_kernel.learn") / "adapter_card.md").read_text("utf-8")
    return words.format(
        name=name,
        base=made["base_model"],
        library="transformers" if recipe.full else "peft",
        codeact=__version__,
        files="\n".join(f"| `{file}` | `{digest}` |" for file, digest in made["sha256"].items()),
        command=shlex.join(command),
        settings=", ".join(f"{key} {value}" for key, value in made["settings"].items()),
        versions=", ".join(f"{key} {value}" for key, value in made["versions"].items()),
        **{key: made[key] for key in ("rows", "tokens", "taught", "data", "weights", "steps", "seconds", "loss")},
    )


def picture(lines: Sequence[Sequence[Any]]) -> bytes | None:
    """Return the funnel as a PNG, None where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, and heavy
    except ImportError:
        return None
    figure = Figure(figsize=(8, 1 + 0.4 * len(lines)), layout="constrained")
    axes = figure.subplots()
    names, left = [str(line[0]) for line in lines], [int(line[2]) for line in lines]
    bars = axes.barh(names, left, color=COLOUR)
    axes.bar_label(bars, [f"{count:,}" for count in left], padding=3)
    axes.invert_yaxis()
    axes.set_xlabel("trajectories left after the rule")
    axes.margins(x=0.1)
    axes.spines[["top", "right"]].set_visible(False)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100, metadata={"Software": None})
    return file.getvalue()


def write(out: Path, facts: Row, redactions: Sequence[Row]) -> None:
    """Write the card, and the picture where it can be drawn."""
    drawn = picture(facts["funnel"])
    if drawn is not None:
        (out / PICTURE).write_bytes(drawn)
    (out / CARD).write_text(card(facts, out.name, redactions), "utf-8")

"""`codeact train`: supervised fine-tuning by TRL and PEFT, on rows of `codeact dataset`.

Rows are made into tokens and labels here (`masks`), so that only what the model wrote is taught; TRL packs, PEFT
adapts. A training that was cut off, by kill -9 too, goes on from its last checkpoint when it is called again.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codeact_kernel.agent import prompt
from codeact_kernel.errors import ConfigError
from codeact_kernel.learn import curve
from codeact_kernel.learn.card import of_training as card
from codeact_kernel.learn.dataset import TRAIN, VALIDATION
from codeact_kernel.learn.masks import encoded
from codeact_kernel.learn.recipe import Recipe, agree, base_of, keep, manifest_of, sha256_of
from codeact_kernel.learn.sources import lines_of
from codeact_kernel.models import hf_chat, hf_loading
from codeact_kernel.models.weights import catalog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from codeact_kernel.models.transformers import Checkpoint

NEEDED = ("trl", "peft", "datasets", "accelerate", "torch", "transformers")
CHECKPOINTS = "checkpoints"
BASE_KEY = "base_model_name_or_path"
KEPT_CHECKPOINTS = 2
WARMUP = 0.05
"""Part of the steps in which the rate rises."""
FLOOR = 0.1
"""The rate at the end, as part of the peak: the paper goes from 1e-5 to 1e-6."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Heard:
    """What is told while it trains: a `step` of `steps`, its `loss`, tokens so far and per second of this run."""

    step: int
    steps: int
    loss: float
    tokens: int
    rate: float


def train(data: Path, out: Path, recipe: Recipe, tell: Callable[[Heard], None] | None = None) -> Row:
    """Train and return the manifest of what was made; `out` then holds an adapter (or, `full`, a checkpoint).

    A training that is done is not done again. On several processes (`accelerate launch`) the first one writes.

    Raises:
        ConfigError: a package is missing, there are no rows, or `out` holds another training.
        WeightsError: the base is of the catalog and was not pulled.
    """
    recipe.check()
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"Training needs {', '.join(missing)}, not installed here: pip install 'codeact-kernel[train]'."
        )
    rows = data / TRAIN if data.is_dir() else data
    if not rows.is_file():
        raise ConfigError(f"{data} holds no {TRAIN}; make it with `codeact dataset`.")
    base, out = base_of(recipe.base), out.absolute()
    known = agree(out, manifest_of(recipe, base, rows))
    if "sha256" in known and (out / recipe.weights).is_file():
        return known
    return _run(rows, out, recipe, base, tell)


def _run(rows: Path, out: Path, recipe: Recipe, base: Checkpoint, tell: Callable[[Heard], None] | None) -> Row:
    torch = importlib.import_module("torch")
    trl = importlib.import_module("trl")
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    loaded = hf_loading.load(base.target, "cpu")
    cuda = torch.cuda.is_available()
    if cuda and not recipe.full:
        loaded.model.to(torch.bfloat16)
    spoken = speech_of(rows)
    codeact = hf_chat.CODEACT_KEY in spoken or hf_chat.is_codeact(base.target, base.settings)
    sets = {
        name: _tokens(path, recipe, loaded.tokenizer, codeact=codeact)
        for name, path in (("train", rows), ("eval", rows.with_name(VALIDATION)))
        if path.is_file() and (name == "train" or path != rows)
    }
    _hush()
    trainer = trl.SFTTrainer(
        model=loaded.model,
        args=_arguments(trl, out, recipe, cuda=cuda, evaluates="eval" in sets),
        train_dataset=sets["train"],
        eval_dataset=sets.get("eval"),
        processing_class=loaded.tokenizer,
        peft_config=None if recipe.full else _adapter(recipe),
        callbacks=[_listener(out, recipe.stop_after, tell)],
    )
    trainer.remove_callback(importlib.import_module("transformers").PrinterCallback)
    began = time.monotonic()
    checkpoint = last_checkpoint(out / CHECKPOINTS, clean=trainer.is_world_process_zero())
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    made = manifest_of(recipe, base, rows) | {
        "tokens": sum(len(row) for row in sets["train"]["input_ids"]),
        "taught": sum(sum(label >= 0 for label in row) for row in sets["train"]["labels"]),
        "rows": len(sets["train"]),
        "base_model": named(base),
        "steps": trainer.state.global_step,
        "seconds": round(time.monotonic() - began, 1),
        "versions": {name: importlib.import_module(name).__version__ for name in NEEDED},
    }
    if trainer.is_world_process_zero():
        made |= _finish(trainer, out, recipe, spoken | {BASE_KEY: named(base)})
        made["loss"] = next((row["loss"] for row in reversed(trainer.state.log_history) if "loss" in row), 0.0)
        (out / "README.md").write_text(card(made, recipe, rows.parent.name, out.name), "utf-8")
        keep(out, made)
    return made


def _tokens(path: Path, recipe: Recipe, tokenizer: Any, *, codeact: bool) -> Any:
    """Return the rows of a file as a dataset of `input_ids` and `labels`, in a drawn order.

    Raises:
        ConfigError: no row of it has a token to teach.
    """
    np, hf = importlib.import_module("numpy"), importlib.import_module("datasets")
    rows = (row for _, row in lines_of(path) if row is not None and "messages" in row)
    made = [
        {name: np.asarray(part, np.int32) for name, part in (("input_ids", one.ids), ("labels", one.labels))}
        for one in encoded(tokenizer, rows, recipe.length, codeact=codeact)
    ]
    random.Random(recipe.seed).shuffle(made)  # noqa: S311 - a draw
    taken, total = [], 0
    for one in made:
        total += len(one["input_ids"])
        if recipe.most_tokens and total > recipe.most_tokens:
            break
        taken.append(one)
    if not taken:
        raise ConfigError(f"No row of {path} has a reply that can be taught; see the card beside it.")
    features = hf.Features({name: hf.List(hf.Value("int32")) for name in ("input_ids", "labels")})
    return hf.Dataset.from_dict({name: [one[name] for one in taken] for name in features}, features=features)


def _arguments(trl: Any, out: Path, recipe: Recipe, *, cuda: bool, evaluates: bool) -> Any:
    return trl.SFTConfig(
        output_dir=str(out / CHECKPOINTS),
        max_length=recipe.length,
        packing=True,
        packing_strategy="bfd",
        # Packs of one batch are laid end to end, and attention over them all costs the square: one at a time.
        per_device_train_batch_size=1,
        per_device_eval_batch_size=1,
        gradient_accumulation_steps=max(1, recipe.batch // int(os.environ.get("WORLD_SIZE", "1"))),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.peak,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": FLOOR},
        warmup_steps=WARMUP,
        weight_decay=0.0,
        max_grad_norm=1.0,
        seed=recipe.seed,
        data_seed=recipe.seed,
        logging_steps=1,
        save_steps=recipe.save_steps,
        save_total_limit=KEPT_CHECKPOINTS,
        eval_strategy="epoch" if evaluates else "no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=not cuda,
        bf16=cuda,
        gradient_checkpointing=cuda,
    )


def _hush() -> None:
    """Keep the libraries' own bars and lines from the terminal: ours says what there is to say."""
    importlib.import_module("datasets").disable_progress_bars()
    importlib.import_module("transformers.utils.logging").disable_progress_bar()


def _adapter(recipe: Recipe) -> Any:
    return importlib.import_module("peft").LoraConfig(
        r=recipe.rank,
        lora_alpha=2 * recipe.rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def _listener(out: Path, stop_after: int, tell: Callable[[Heard], None] | None) -> Any:
    """Return a callback that keeps the curve, tells of each step, and ends the training where it is to end."""
    hf = importlib.import_module("transformers")

    class Listener(hf.TrainerCallback):  # type: ignore[name-defined, misc]
        began = 0.0

        def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            self.began = time.monotonic()
            if state.is_world_process_zero:
                curve.write(out, state.log_history)

        def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop |= 0 < stop_after <= state.global_step

        def on_log(self, _args: Any, state: Any, _control: Any, logs: Row | None = None, **_: Any) -> None:
            if logs is None or not state.is_world_process_zero:
                return
            curve.append(out, {"step": state.global_step, **logs})
            if tell is not None and "loss" in logs:
                tokens = int(logs.get("num_tokens", 0))
                seconds = max(1e-9, time.monotonic() - self.began)
                tell(Heard(state.global_step, state.max_steps, float(logs["loss"]), tokens, tokens / seconds))

    return Listener()


def last_checkpoint(folder: Path, *, clean: bool = True) -> Path | None:
    """Return the newest whole checkpoint, None where there is none.

    The trainer writes trainer_state.json last, so a checkpoint without it was cut off; with `clean` it is deleted.
    """
    found: list[tuple[int, Path]] = []
    for path in folder.glob("checkpoint-*"):
        number = path.name.rpartition("-")[2]
        whole = False
        with contextlib.suppress(OSError, ValueError):
            whole = json.loads((path / "trainer_state.json").read_text("utf-8"))["global_step"] == int(number)
        if whole:
            found.append((int(number), path))
        elif clean:
            shutil.rmtree(path, ignore_errors=True)
    return max(found)[1] if found else None


def named(base: Checkpoint) -> str:
    """Return the name under which a base is found again: of the catalog, of a hub, or its path."""
    return base.name if base.name in catalog() else base.target


def speech_of(rows: Path) -> dict[str, str]:
    """Return what a model tuned on these rows must be asked with, as keys for its settings (see `models.hf_chat`).

    `codeact_format` "execute" where most conversations that act do it in `<execute>` tags, `codeact_words` where
    most have one of the system prompts that a checkpoint may ask for.
    """
    known = {prompt.words(name): name for name in hf_chat.WORDS}
    acting, tagged, words = 0, 0, Counter[str]()
    for _, row in lines_of(rows):
        if row is None or row.get("source") == "general":
            continue
        said = row["messages"]
        text = "\n".join(message["content"] for message in said if message["role"] == "assistant")
        acting += "<execute>" in text or "```" in text
        tagged += "<execute>" in text
        words[known.get(said[0]["content"].strip(), "")] += 1
    found = {hf_chat.CODEACT_KEY: "execute"} if tagged * 2 > acting else {}
    name, _ = words.most_common(1)[0] if words else ("", 0)
    return found | ({hf_chat.WORDS_KEY: name} if name else {})


def _finish(trainer: Any, out: Path, recipe: Recipe, settings: dict[str, str]) -> Row:
    """Write the weights and the curve, take the checkpoints away, and return the hash and size of the weights."""
    trainer.accelerator.unwrap_model(trainer.model).save_pretrained(str(out))
    path = out / ("config.json" if recipe.full else "adapter_config.json")
    if recipe.full:
        trainer.processing_class.save_pretrained(str(out))
        settings = {key: value for key, value in settings.items() if key != BASE_KEY}
    text = json.dumps(json.loads(path.read_text("utf-8")) | settings, indent=1, sort_keys=True)
    path.write_text(text + "\n", "utf-8")
    curve.write(out, trainer.state.log_history)
    curve.draw(out)
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    weights = out / recipe.weights
    if not weights.is_file():  # a large model comes in several files
        return {"sha256": {file.name: sha256_of(file) for file in sorted(out.glob("*.safetensors"))}}
    return {"sha256": {weights.name: sha256_of(weights)}, "bytes": weights.stat().st_size}

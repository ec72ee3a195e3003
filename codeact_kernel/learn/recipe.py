"""What a training is made with: settings, the folder that holds it, and whether it is the same one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ConfigError
from codeact_kernel.models import transformers as hf

if TYPE_CHECKING:
    from pathlib import Path

    from codeact_kernel.models.transformers import Checkpoint

MANIFEST = "training.json"
ADAPTER, FULL = "adapter_model.safetensors", "model.safetensors"
PREFIXES = ("hf:", "transformers:", "gguf:", "llamacpp:")
LORA_RATE, FULL_RATE = 5e-4, 1e-5
"""Peak learning rates: of LoRA by our own small trials, of a full fine-tune as in the paper."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train.

    Args:
        base: as in `-m`: a name of the catalog, a hub id, a folder, a .gguf file, an adapter.
        full: train all weights instead of a LoRA adapter.
        rank: of the adapter; its scale (alpha) is twice that.
        rate: peak learning rate; 0 takes 5e-4 for LoRA and 1e-5 for all weights.
        epochs: how often all rows are seen.
        length: tokens of one pack; longer rows are cut.
        batch: packs a step.
        most_tokens: rows are taken, in a drawn order, until they have so many tokens; 0 takes all.
        stop_after: steps after which it ends, wherever the schedule of rates is; 0 goes to its end.
        seed: of the order of rows and of the adapter's first weights.
        save_steps: steps between two checkpoints.
        threads: of torch on a CPU; 0 leaves it as it is.
    """

    base: str
    full: bool = False
    rank: int = 16
    rate: float = 0.0
    epochs: float = 1.0
    length: int = 2048
    batch: int = 8
    most_tokens: int = 0
    stop_after: int = 0
    seed: int = 0
    save_steps: int = 20
    threads: int = 0

    @property
    def peak(self) -> float:
        """The peak learning rate."""
        return self.rate or (FULL_RATE if self.full else LORA_RATE)

    @property
    def weights(self) -> str:
        """The name of the file that training ends with."""
        return FULL if self.full else ADAPTER

    def check(self) -> None:
        """Raise ConfigError where a number makes no sense."""
        least = {
            "rank": 1,
            "length": 16,
            "batch": 1,
            "save_steps": 1,
            "threads": 0,
            "most_tokens": 0,
            "stop_after": 0,
        }
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ConfigError(f"--{name.replace('_', '-')} must be {low} or more.")
        if self.epochs <= 0 or self.rate < 0:
            raise ConfigError("--epochs must be above 0, and --rate 0 or more.")


def base_of(name: str) -> Checkpoint:
    """Return what a base means; the prefix of a backend is taken away.

    Raises:
        ConfigError: it cannot be a checkpoint.
        WeightsError: weights of the catalog were not pulled.
    """
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return hf.find(name)


def manifest_of(recipe: Recipe, base: Checkpoint, data: Path) -> Row:
    """Return what makes two trainings the same one: settings, base and data; where they run is no part of it."""
    settings = asdict(recipe)
    for name in ("threads", "save_steps", "base"):
        settings.pop(name)
    return {
        "base": base.name,
        "weights": base.sha256,
        "data": sha256_of(data),
        "settings": {**settings, "rate": recipe.peak},
    }


def agree(out: Path, manifest: Row) -> Row:
    """Return what the folder knows of this training, written there first where it is empty.

    Raises:
        ConfigError: the folder holds another training, or something else.
    """
    path = out / MANIFEST
    if not path.is_file():
        if out.is_dir() and any(out.glob("*.safetensors")):
            raise ConfigError(f"{out} holds weights that `codeact train` did not make; give another --out.")
        keep(out, manifest)
        return manifest
    try:
        known: Row = json.loads(path.read_text("utf-8"))
    except ValueError:
        raise ConfigError(f"{path} cannot be read; give another --out.") from None
    differing = [name for name in manifest if known.get(name) != manifest[name]]
    if "settings" in differing:
        theirs, ours = known.get("settings") or {}, manifest["settings"]
        differing = [name for name in ours if theirs.get(name) != ours[name]] or differing
    if differing:
        raise ConfigError(f"{out} holds a training with another {', '.join(differing)}; give another --out.")
    return known


def keep(out: Path, manifest: Row) -> None:
    """Write the manifest in one piece."""
    out.mkdir(parents=True, exist_ok=True)
    part = out / f".{MANIFEST}.part"
    part.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", "utf-8")
    part.replace(out / MANIFEST)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

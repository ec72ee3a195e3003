"""Checkpoints -> a loaded model: hub ids, folders, GGUF files (converted once), LoRA adapters. Imports torch."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeact_kernel.errors import ConfigError, WeightsError
from codeact_kernel.models import hf_chat, weights
from codeact_kernel.models.locks import locked

CONVERT_SECONDS = 1800.0
DIGIT_BY_DIGIT = {"smollm", "starcoder", "refact", "command-r"}
"""Pre-tokenizers of GGUF files (llama.cpp's names) that take digits one by one. transformers 5.23 takes GPT-2's
for them, and SmolLM2 would read the spaces of tables in other tokens than it was trained on."""
ADAPTER, SETTINGS = "adapter_config.json", "config.json"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to be asked. `ends` are the tokens that end a reply, `window` its context in tokens."""

    model: Any
    tokenizer: Any
    ends: tuple[int, ...]
    window: int | None


def load(target: str, device: str = "auto") -> Loaded:
    """Load a checkpoint: a hub id, `ORG/NAME/FILE.gguf`, a folder, a .gguf file, the name of the catalog.

    On a CPU the weights are float32, on a GPU in the type they were saved in. Code that comes with a checkpoint
    is never run.

    Raises:
        ConfigError: the device is not there, or the folder holds no model.
        WeightsError: weights of the catalog were not pulled.
        Exception: what transformers raises when it cannot load.
    """
    torch = importlib.import_module("torch")
    place = _device(torch, device)
    model, tokenizer = _load(target, torch, place)
    model.eval().to(place)
    text = model.config.get_text_config()
    window = getattr(text, "max_position_embeddings", None)
    return Loaded(model, tokenizer, ends_of(model, tokenizer), int(window) if window else None)


def load_draft(target: str, device: str, loaded: Loaded) -> Loaded:
    """Load a smaller model that guesses what `loaded` will say; see `load`.

    Raises:
        ConfigError: its tokens are others, so that its guesses would be noise.
    """
    draft = load(target, device)
    if draft.tokenizer.get_vocab() != loaded.tokenizer.get_vocab():
        raise ConfigError(f"the draft model {target} has other tokens; take a smaller one of the same family")
    return draft


def ends_of(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Return the tokens that end a reply: the checkpoint's own, and ChatML's mark where it is one token."""
    named = getattr(model.generation_config, "eos_token_id", None)
    ends = set(named) if isinstance(named, list | tuple) else {named}
    ends.add(tokenizer.eos_token_id)
    mark = tokenizer.get_vocab().get(hf_chat.CHATML_END)
    return tuple(sorted({int(one) for one in (*ends, mark) if one is not None}))


def _device(torch: Any, name: str) -> str:
    if name in {"", "auto"}:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"The device {name} is not there: this torch sees no CUDA; set CodeAct.device to cpu.")
    return name


def _load(target: str, torch: Any, device: str) -> tuple[Any, Any]:
    path = Path(target)
    if target in weights.catalog():
        path = weights.resolve(target).path
    if path.suffix == ".gguf" and path.is_file():
        return _from_gguf(path, torch, device)
    if path.is_dir():
        if (path / ADAPTER).is_file():
            return _from_adapter(path, torch, device)
        return _plain(str(path), torch, device)
    if target.endswith(".gguf"):
        repository, _, file = target.rpartition("/")
        found = importlib.import_module("huggingface_hub").hf_hub_download(repository, file)
        return _from_gguf(Path(found), torch, device)
    return _plain(target, torch, device)


def _plain(target: str, torch: Any, device: str) -> tuple[Any, Any]:
    hf = importlib.import_module("transformers")
    model = hf.AutoModelForCausalLM.from_pretrained(target, dtype=torch.float32 if device == "cpu" else "auto")
    return model, hf.AutoTokenizer.from_pretrained(target)


def _from_adapter(folder: Path, torch: Any, device: str) -> tuple[Any, Any]:
    """Load the adapter's base and merge the adapter into it: a merged model is as fast as its base."""
    base = json.loads((folder / ADAPTER).read_text("utf-8")).get("base_model_name_or_path")
    if not base:
        raise ConfigError(f"{folder / ADAPTER} names no base model; set base_model_name_or_path in it.")
    if not Path(base).is_absolute() and (folder / base).exists():
        base = str((folder / base).resolve())
    model, tokenizer = _load(base, torch, device)
    merged = importlib.import_module("peft").PeftModel.from_pretrained(model, str(folder)).merge_and_unload()
    if (folder / "tokenizer_config.json").is_file():
        tokenizer = importlib.import_module("transformers").AutoTokenizer.from_pretrained(str(folder))
    return merged, tokenizer


def converted_folder(sha256: str, dtype: str) -> Path:
    """Return where the weights of a GGUF file lie as safetensors, whether they are there or not."""
    return weights.cache_dir() / "converted" / f"{sha256}-{dtype}"


def _from_gguf(path: Path, torch: Any, device: str) -> tuple[Any, Any]:
    """Load a GGUF file; its dequantised weights are kept, since making them takes a minute a gigabyte."""
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    folder = converted_folder(weights.digest_of(path), str(dtype).removeprefix("torch."))
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder.with_name(f"{folder.name}.lock"), seconds=CONVERT_SECONDS):
            if not (folder / SETTINGS).is_file():
                return _convert(path, folder, dtype)
    except TimeoutError:
        raise WeightsError(f"Another process has been converting {path.name} for too long; end it.") from None
    return _plain(str(folder), torch, device)


def _convert(path: Path, folder: Path, dtype: Any) -> tuple[Any, Any]:
    hf = importlib.import_module("transformers")
    model = hf.AutoModelForCausalLM.from_pretrained(
        str(path.parent),
        gguf_file=path.name,
        dtype=dtype,
        quantization_config=hf.GgufConfig(dequantize=True),
    )
    tokenizer = hf.AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
    if _pre_tokenizer(path) in DIGIT_BY_DIGIT:
        kinds = importlib.import_module("tokenizers.pre_tokenizers")
        tokenizer.backend_tokenizer.pre_tokenizer = kinds.Sequence(
            [kinds.Digits(individual_digits=True), kinds.ByteLevel(add_prefix_space=False, use_regex=True)]
        )
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
    # A full disk is no reason not to answer; the next start converts again.
    with contextlib.suppress(OSError):
        try:
            model.save_pretrained(str(fresh))
            tokenizer.save_pretrained(str(fresh))
            fresh.replace(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return model, tokenizer


def _pre_tokenizer(path: Path) -> str:
    """Return llama.cpp's name for how a GGUF file's text is cut before its merges, "" where it says nothing."""
    field = importlib.import_module("gguf").GGUFReader(str(path)).get_field("tokenizer.ggml.pre")
    return str(field.contents()) if field else ""

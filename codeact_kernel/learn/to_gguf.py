"""`codeact convert`: an adapter, or a tuned checkpoint, as a GGUF file for llama.cpp.

What was trained from a GGUF file goes back into one: its settings, tokenizer and chat template are the base's,
byte for byte, and only the tensors are new. So nothing has to be guessed, and the tuned model reads text in the
same tokens as its base.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ConfigError
from codeact_kernel.learn.recipe import MANIFEST, base_of, sha256_of
from codeact_kernel.models import hf_loading
from codeact_kernel.models.gguf_header import KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping

NEEDED = ("gguf", "torch", "transformers", "peft")
ARCHITECTURES = ("llama", "qwen2")
"""Those whose tensors differ from transformers' in nothing but names and, in llama, in the order of rows."""
KINDS = ("q8_0", "f16")
OWN = ("GGUF.", "general.architecture", "general.file_type", "general.quantization_version")
"""Settings that the writer makes itself."""
LONGEST_CHAIN = 8
BLOCK = 32
"""Numbers that share a scale in Q8_0; a row that is no multiple of it stays F16."""


def convert(folder: Path, out: Path, kind: str = "q8_0") -> str:
    """Write what was trained as a GGUF file and return the file's SHA-256.

    Args:
        folder: of `codeact train`: an adapter, or a whole checkpoint.
        out: the file; replaced in one piece.
        kind: q8_0 (a byte a weight; nothing was ever seen to change) or f16.

    Raises:
        ConfigError: a package is missing, the folder holds nothing trained here, or it was not trained from a
            GGUF file of a known architecture.
        WeightsError: the base is of the catalog and was not pulled.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"A GGUF file needs {', '.join(missing)}: pip install 'codeact-kernel[train]'.")
    if kind not in KINDS:
        raise ConfigError(f"There is no kind {kind!r} here; take one of {', '.join(KINDS)}.")
    gguf = importlib.import_module("gguf")
    reader = gguf.GGUFReader(str(root_of(folder)))
    architecture = str(reader.get_field("general.architecture").contents())
    if architecture not in ARCHITECTURES:
        raise ConfigError(
            f"The base is a {architecture} model, and {' and '.join(ARCHITECTURES)} are known here; merge the "
            "adapter and use llama.cpp's convert_hf_to_gguf.py."
        )
    weights = hf_loading.load(str(folder), "cpu").model.state_dict()
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    try:
        _write(reader, architecture, weights, part, kind=kind, speech=speech_in(folder))
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return sha256_of(out)


def root_of(folder: Path) -> Path:
    """Return the GGUF file that a trained folder goes back to, through the adapters between.

    Raises:
        ConfigError: it goes back to something else.
    """
    here = folder
    for _ in range(LONGEST_CHAIN):
        found = base_of(_base_named_in(here))
        here = Path(found.target)
        if here.suffix == ".gguf" and here.is_file():
            return here
        if not here.is_dir():
            break
    raise ConfigError(
        f"{folder} was not trained from a GGUF file; merge the adapter and use llama.cpp's convert_hf_to_gguf.py."
    )


def _base_named_in(folder: Path) -> str:
    for name, key in (("adapter_config.json", "base_model_name_or_path"), (MANIFEST, "base_model")):
        try:
            found = json.loads((folder / name).read_text("utf-8")).get(key)
        except (OSError, ValueError):
            continue
        if found:
            return str(found)
    raise ConfigError(f"{folder} holds nothing that `codeact train` made; check the path.")


def speech_in(folder: Path) -> dict[str, str]:
    """Return how the model was tuned to be asked (`train.speech_of`), under the keys of a GGUF file."""
    known: dict[str, Any] = {}
    for name in ("config.json", "adapter_config.json"):
        with contextlib.suppress(OSError, ValueError):
            known |= json.loads((folder / name).read_text("utf-8"))
    return {key: str(known[name]) for key, name in KEYS.items() if known.get(name)}


def _write(
    reader: Any, architecture: str, weights: Mapping[str, Any], path: Path, *, kind: str, speech: Mapping[str, str]
) -> None:
    gguf = importlib.import_module("gguf")
    blocks = int(reader.get_field(f"{architecture}.block_count").contents())
    names = gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, architecture.upper()), blocks)
    ours = {names.get_name(name, try_suffixes=(".weight", ".bias")): tensor for name, tensor in weights.items()}
    writer = gguf.GGUFWriter(str(path), architecture)
    for name, text in speech.items():  # before the vocabulary, where `models.gguf_header` stops
        writer.add_string(name, text)
    for name, field in reader.fields.items():
        if not name.startswith(OWN) and name not in KEYS:
            inner = field.types[1] if len(field.types) > 1 else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)
    types = gguf.GGMLQuantizationType
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if kind == "q8_0" else gguf.LlamaFileType.MOSTLY_F16)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    heads = {
        part: int(reader.get_field(f"{architecture}.attention.{key}").contents())
        for part, key in (("attn_q", "head_count"), ("attn_k", "head_count_kv"))
    }
    for old in reader.tensors:
        if old.name == "rope_freqs.weight":
            writer.add_tensor(old.name, old.data)
            continue
        if old.name not in ours:
            raise ConfigError(f"The trained model has no {old.name}; it is not of the same kind as its base.")
        data = ours[old.name].float().numpy()
        part = old.name.split(".")[-2]
        if architecture == "llama" and part in heads:
            data = interleaved(data, heads[part])
        if data.ndim == 1:
            writer.add_tensor(old.name, data)
        elif kind == "q8_0" and data.shape[-1] % BLOCK == 0:
            writer.add_tensor(old.name, gguf.quants.quantize(data, types.Q8_0), raw_dtype=types.Q8_0)
        else:
            writer.add_tensor(old.name, data.astype("float16"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def interleaved(weights: Any, heads: int) -> Any:
    """Return rows in llama.cpp's order: it turns neighbours together, transformers the two halves of a head."""
    half = weights.shape[0] // heads // 2
    return weights.reshape(heads, 2, half, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)

"""An adapter back into a GGUF file: the same answers, the base's own tokenizer, or one sentence."""

import hashlib
import json

import pytest

from codeact_kernel import cli

REASON = "trl is not installed: pip install '.[train,test]'"
torch = pytest.importorskip("torch", reason=REASON)
for needed in ("trl", "peft", "datasets", "accelerate", "gguf"):
    pytest.importorskip(needed, reason=REASON)

import tiny_models  # noqa: E402

from codeact_kernel.learn.recipe import Recipe  # noqa: E402
from codeact_kernel.learn.to_gguf import convert, interleaved, root_of  # noqa: E402
from codeact_kernel.learn.train import train  # noqa: E402
from codeact_kernel.models import gguf_header, hf_loading  # noqa: E402


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A GGUF base, an adapter trained on it, and an adapter trained on that one."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("gguf")
    patch.setenv("CODEACT_CACHE", str(folder / "cache"))
    tiny_models.save_gguf(folder / "base.gguf")
    said = [
        ("user", "Count."),
        ("assistant", "<execute>\nprint(3)\n</execute>"),
        ("user", "3"),
        ("assistant", "3."),
    ]
    messages = [
        {"role": role, "content": text, "trained": [[0, len(text)]] if role == "assistant" else []}
        for role, text in said
    ]
    rows = [{"id": "1", "source": "episode", "family": "", "messages": messages}] * 4
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, base in (("one", "base.gguf"), ("two", "one")):
        recipe = Recipe(str(folder / base), rank=4, length=256, batch=1, epochs=2, threads=1, rate=1e-2)
        train(folder / "train.jsonl", folder / name, recipe)
    yield folder
    patch.undo()


def logits(target):
    loaded = hf_loading.load(str(target), "cpu")
    ids = torch.tensor([loaded.tokenizer("Count three.", add_special_tokens=False)["input_ids"]])
    with torch.no_grad():
        return loaded.model(ids).logits


@pytest.mark.parametrize("adapter", ["one", "two"])
def test_a_converted_adapter_says_what_the_adapter_says(adapter, place):
    out = place / f"{adapter}-f16.gguf"
    assert convert(place / adapter, out, "f16") == hashlib.sha256(out.read_bytes()).hexdigest()
    wanted, base, found = (logits(target) for target in (place / adapter, place / "base.gguf", out))
    # What the training changed is there, and rounding is small beside it.
    assert (found - wanted).abs().mean() < (base - wanted).abs().mean() / 20


def test_a_byte_a_weight_is_within_half_a_step_of_the_weight(place):
    import gguf
    import numpy as np

    for kind in ("f16", "q8_0"):
        convert(place / "one", place / f"{kind}.gguf", kind)
    exact, rounded = (gguf.GGUFReader(str(place / f"{kind}.gguf")).tensors for kind in ("f16", "q8_0"))
    for old, new in zip(exact, rounded, strict=True):
        was, now = (gguf.quants.dequantize(one.data, one.tensor_type).ravel() for one in (old, new))
        blocks = np.abs(was).reshape(-1, 32).max(1) if was.size % 32 == 0 else np.abs(was).max(keepdims=True)
        step = np.repeat(blocks / 127, was.size // blocks.size)
        assert np.all(np.abs(was - now) <= 0.51 * step + 2e-3), old.name


def test_settings_and_tokenizer_are_the_bases(place):
    import gguf

    convert(place / "one", place / "same.gguf")
    old, new = (gguf.GGUFReader(str(place / name)).fields for name in ("base.gguf", "same.gguf"))
    kept = [name for name in old if not name.startswith("GGUF.")]
    assert len(kept) > 10
    assert all(new[name].contents() == old[name].contents() for name in kept)


def test_the_file_says_how_the_model_was_tuned_to_be_asked(place):
    convert(place / "one", place / "asked.gguf")
    assert gguf_header.speech_of(place / "asked.gguf") == {"codeact_format": "execute"}
    assert gguf_header.speech_of(place / "base.gguf") == {}


def test_the_chain_of_adapters_leads_back_to_the_file(place):
    assert root_of(place / "two") == place / "base.gguf"


def test_rows_are_put_into_llama_cpps_order():
    import numpy as np

    rows = np.arange(8)[:, None]
    assert interleaved(rows, 2).ravel().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_the_command_writes_beside_the_adapter_and_says_the_hash(place, capsys):
    assert cli.main(["convert", str(place / "one")]) == 0
    digest = hashlib.sha256((place / "one/model.gguf").read_bytes()).hexdigest()
    assert capsys.readouterr().out.split() == [digest, str(place / "one/model.gguf")]


def test_what_cannot_be_converted_is_one_sentence(place, tmp_path, capsys):
    assert cli.main(["convert", str(tmp_path)]) == 2
    assert "holds nothing that `codeact train` made" in capsys.readouterr().err
    tiny_models.save(tmp_path / "base")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(tmp_path / "base")}))
    assert cli.main(["convert", str(tmp_path)]) == 2
    assert not list(tmp_path.glob("*.gguf"))

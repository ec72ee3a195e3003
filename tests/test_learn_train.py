"""Training on a tiny random model: what it leaves, that it goes on after kill -9, that packs do not mix."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from learn_helpers import collection, good

from codeact_kernel import cli
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ConfigError
from codeact_kernel.learn import curve
from codeact_kernel.learn.dataset import Wanted, make
from codeact_kernel.learn.recipe import Recipe
from codeact_kernel.learn.train import last_checkpoint, speech_of, train
from codeact_kernel.models.select import choose

REASON = "trl is not installed: pip install '.[train,test]'"
torch = pytest.importorskip("torch", reason=REASON)
for needed in ("trl", "peft", "datasets", "accelerate"):
    pytest.importorskip(needed, reason=REASON)

RECIPE = Recipe("", rank=4, length=512, batch=2, epochs=3, save_steps=3, threads=1, rate=5e-3)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A tiny base and a data set of 20 short conversations."""
    import tiny_models

    folder = tmp_path_factory.mktemp("training")
    tiny_models.save(folder / "base")
    rows = [row_of(number) for number in range(20)]
    (folder / "data").mkdir()
    (folder / "data/train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def row_of(number):
    said = [
        ("system", "You act."),
        ("user", f"Count {number}."),
        ("assistant", f"I count.\n```python\nprint({number})\n```"),
        ("user", f"{number}"),
        ("assistant", f"It is {number}."),
    ]
    messages = [
        {"role": role, "content": text, "trained": [[0, len(text)]] if role == "assistant" else []}
        for role, text in said
    ]
    return {"id": str(number), "source": "episode", "family": "", "messages": messages}


def words(place, out):
    return [
        *("train", "--base", str(place / "base"), "--data", str(place / "data"), "--out", str(out), "--rank", "4"),
        *(
            "--length",
            "512",
            "--batch",
            "2",
            "--epochs",
            "3",
            "--save-steps",
            "3",
            "--threads",
            "1",
            "--rate",
            "5e-3",
        ),
    ]


@pytest.fixture(scope="module")
def whole(place):
    """A training that was not disturbed."""
    heard = []
    made = train(place / "data", place / "whole", with_base(RECIPE, place), heard.append)
    return made, heard


def with_base(recipe, place):
    from dataclasses import replace

    return replace(recipe, base=str(place / "base"))


def losses(folder):
    return {row["step"]: row["loss"] for row in curve.read(folder) if "loss" in row}


def test_a_training_leaves_an_adapter_a_curve_and_a_card(place, whole):
    made, heard = whole
    out = place / "whole"
    weights = (out / "adapter_model.safetensors").read_bytes()
    assert made["sha256"] == {"adapter_model.safetensors": hashlib.sha256(weights).hexdigest()}
    assert json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"] == str(place / "base")
    assert [one.step for one in heard] == list(range(1, made["steps"] + 1))
    assert all(one.rate > 0 for one in heard)
    found = losses(out)
    assert sum(list(found.values())[-3:]) < sum(list(found.values())[:3]) * 0.9
    assert (out / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert made["sha256"]["adapter_model.safetensors"] in (out / "README.md").read_text("utf-8")
    assert not (out / "checkpoints").exists()


def test_what_is_done_is_not_done_again_and_another_training_is_refused(place, whole, capsys):
    assert train(place / "data", place / "whole", with_base(RECIPE, place)) == whole[0] | {}
    assert cli.main([*words(place, place / "whole"), "--seed", "7"]) == 2
    assert "another seed; give another --out" in capsys.readouterr().err


def test_a_training_that_was_killed_goes_on_to_the_same_curve(place, whole, tmp_path):
    out = tmp_path / "killed"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "codeact_kernel.cli", *words(place, out)]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + 120
        while last_checkpoint(out / "checkpoints", clean=False) is None and child.poll() is None:
            assert time.monotonic() < deadline, "no checkpoint within two minutes"
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
    assert not (out / "adapter_model.safetensors").exists(), "it was done before it could be killed"
    kept = last_checkpoint(out / "checkpoints", clean=False)
    (out / "checkpoints/checkpoint-999").mkdir()
    heard = []
    made = train(place / "data", out, with_base(RECIPE, place), heard.append)
    assert heard[0].step == int(kept.name.rpartition("-")[2]) + 1
    assert losses(out) == losses(place / "whole")
    assert made["sha256"] == whole[0]["sha256"]


def test_a_checkpoint_that_was_cut_off_is_passed_over_and_cleaned_away(tmp_path):
    for number, state in ((3, '{"global_step": 3}'), (6, '{"global_st'), (9, None)):
        (tmp_path / f"checkpoint-{number}").mkdir()
        if state is not None:
            (tmp_path / f"checkpoint-{number}/trainer_state.json").write_text(state)
    assert last_checkpoint(tmp_path, clean=False).name == "checkpoint-3"
    assert len(list(tmp_path.iterdir())) == 3
    assert last_checkpoint(tmp_path).name == "checkpoint-3"
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]
    assert last_checkpoint(tmp_path / "none") is None


def test_conversations_in_one_pack_do_not_see_each_other(place):
    import trl

    from codeact_kernel.learn.masks import tokens_of
    from codeact_kernel.models import hf_loading

    loaded = hf_loading.load(str(place / "base"), "cpu")
    rows = [tokens_of(loaded.tokenizer, row_of(number)["messages"]) for number in (1, 2)]
    collate = trl.trainer.sft_trainer.DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)
    ids = [token for row in rows for token in row.ids]
    lengths = [len(row.ids) for row in rows]
    batch = collate([{"input_ids": ids, "labels": ids, "seq_lengths": lengths}])
    inputs = {name: value for name, value in batch.items() if name in {"input_ids", "position_ids"}}
    with torch.no_grad():
        packed = loaded.model(**inputs, use_cache=False).logits[0]
        alone = torch.cat([loaded.model(torch.tensor([row.ids])).logits[0] for row in rows])
    torch.testing.assert_close(packed, alone, atol=1e-4, rtol=1e-4)


def test_a_full_training_leaves_a_checkpoint_with_its_tokenizer(place, tmp_path):
    from dataclasses import replace

    made = train(place / "data", tmp_path / "full", replace(with_base(RECIPE, place), full=True, epochs=1))
    names = {path.name for path in (tmp_path / "full").iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "loss.jsonl"} <= names
    assert "adapter_config.json" not in names
    assert made["settings"]["rate"] == 5e-3


def test_a_training_can_be_ended_before_its_schedule_is(place, whole, tmp_path):
    from dataclasses import replace

    made = train(place / "data", tmp_path / "short", replace(with_base(RECIPE, place), stop_after=2))
    assert made["steps"] == 2
    first = [loss for step, loss in losses(place / "whole").items() if step <= 2]
    assert list(losses(tmp_path / "short").values()) == first
    assert "--stop-after 2" in (tmp_path / "short/README.md").read_text("utf-8")


def test_a_path_to_an_adapter_or_a_gguf_file_is_a_model(place, whole, tmp_path):
    assert (choose(CodeAct(model=str(place / "whole"))).backend) == "hf"
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    assert choose(CodeAct(model=str(tmp_path / "m.gguf"))).backend == "gguf"
    with pytest.raises(ConfigError):
        choose(CodeAct(model=str(tmp_path)))


def test_the_adapter_answers_in_the_transformers_backend(place, whole):
    from codeact_kernel.models import hf_loading

    loaded = hf_loading.load(str(place / "whole"), "cpu")
    base = hf_loading.load(str(place / "base"), "cpu")
    ids = torch.tensor([loaded.tokenizer("Count 3.")["input_ids"]])
    with torch.no_grad():
        assert not torch.equal(loaded.model(ids).logits, base.model(ids).logits)


def test_a_model_tuned_on_execute_tags_is_asked_in_them(place, tmp_path):
    rows = [row_of(number) for number in range(3)]
    for row in rows:
        row["messages"][2]["content"] = "<execute>\nprint(1)\n</execute>"
    rows.append({"source": "general", "messages": [{"role": "user", "content": "```"}]})
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert speech_of(path) == {"codeact_format": "execute"}
    assert speech_of(place / "data/train.jsonl") == {}
    for row in rows[:3]:
        row["messages"][0]["content"] = prompt_words("system-tuned")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert speech_of(path) == {"codeact_format": "execute", "codeact_words": "system-tuned"}


def prompt_words(name):
    from codeact_kernel.agent.prompt import words

    return words(name)


def test_a_data_set_of_episodes_can_be_trained_on(place, tmp_path):
    make([collection(tmp_path / "c", [(good(), True, "train", "rows")])], tmp_path / "data", Wanted(hf=False))
    from dataclasses import replace

    recipe = replace(with_base(RECIPE, place), length=1024, epochs=1, batch=1)
    assert train(tmp_path / "data", tmp_path / "out", recipe)["rows"] == 1


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--data", "nowhere"], "holds no train.jsonl"),
        (["--batch", "0"], "--batch must be 1 or more"),
        (["--epochs", "0"], "--epochs must be above 0"),
        (["--base", "no model!"], "is no model of a hub"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(more, sentence, place, tmp_path, capsys):
    assert cli.main([*words(place, tmp_path / "out"), *more]) == 2
    assert sentence in capsys.readouterr().err

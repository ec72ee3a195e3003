"""transformers models in the user's model process: replies, Stop, what is kept, what is loaded and refused."""

import asyncio
import json
import os
import threading
import time
import urllib.error
import urllib.request
from types import SimpleNamespace

import psutil
import pytest

from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ConfigError, ModelError, StoppedError, WeightsError
from codeact_kernel.models import transformers as ours
from codeact_kernel.models import weights
from codeact_kernel.models.base import complete
from codeact_kernel.models.select import resolve
from codeact_kernel.types import Message, Sampling

ASK = (Message("system", "Say anything. " * 20), Message("user", "What is in the frame?"))


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """A cache of our own, whose model processes end with the tests."""
    cache = weights.cache_dir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODEACT_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield cache
        for state in (weights.cache_dir() / "servers").glob("*.json"):
            state.unlink()


def folder_with(path, **settings):
    path.mkdir()
    (path / "config.json").write_text(json.dumps(settings))
    return path


torch = pytest.importorskip("torch", reason="torch is not installed: pip install '.[transformers,test]'")
pytest.importorskip("transformers", reason="transformers is not installed: pip install '.[transformers,test]'")

import tiny_models  # noqa: E402 - it needs both

from codeact_kernel.models import hf_loading  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.save(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def tiny(folder):
    """One process serves all tests with the same settings."""
    return model_of(folder)


def model_of(target, **changes):
    return resolve(
        CodeAct(**{"model": f"hf:{target}", "threads": 1, "extra_body": {"ignore_eos": True}, **changes})
    )


def ask(model, messages=ASK, stop=None, on_chunk=lambda _: None, **sampling):
    wanted = Sampling(**{"max_tokens": 30, **sampling})
    return asyncio.run(complete(model, messages, wanted, stop or Stop(), on_chunk))


def expected(folder, messages, size):
    """Return what a fresh `generate` of transformers says."""
    loaded = hf_loading.load(str(folder), "cpu")
    text = "".join(f"<|im_start|>{one.role}\n{one.content}<|im_end|>\n" for one in messages)
    ids = loaded.tokenizer(text + "<|im_start|>assistant\n", return_tensors="pt").input_ids
    with torch.inference_mode():
        out = loaded.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=size, min_new_tokens=size
        )
    return loaded.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)


def test_a_conversation_over_the_wire_says_what_generate_says_and_evaluates_what_is_new(tiny, folder):
    messages, before = list(ASK), 0
    for turn in range(3):
        done = ask(tiny, messages)
        assert done.text == expected(folder, messages, 30)
        assert (done.finish, done.usage.output) == ("length", 30)
        if turn:
            assert done.usage.input - done.usage.cached == done.usage.input - before + 1
        before = done.usage.input + done.usage.output
        messages += [Message("assistant", done.text), Message("user", f"Output:\n{turn}\nGo on.")]
    assert tiny.window == 1024
    assert tiny.describe()["weights"].startswith("sha256:")


def test_the_text_comes_in_pieces_and_ends_before_a_stop_string(tiny):
    pieces = []
    whole = ask(tiny, on_chunk=lambda chunk: pieces.append(chunk.text)).text
    assert len([piece for piece in pieces if piece]) > 10
    mark = whole[12:15]
    cut = asyncio.run(complete(tiny, ASK, Sampling(max_tokens=30, stop=(mark,)), Stop(), lambda _: None))
    assert cut.text == whole[: whole.index(mark)]
    assert cut.finish == "stop_sequence"


def test_a_reply_that_the_model_ends_is_finished(folder):
    model = model_of(folder, extra_body={})
    done = ask(model, temperature=3.0, seed=3, max_tokens=800)
    assert done.finish == "stop"
    assert done.usage.output < 800
    assert "<|im_end|>" not in done.text


def test_a_draft_model_in_the_process_changes_no_reply(tiny, folder, tmp_path):
    draft = tiny_models.save(tmp_path / "draft", seed=1, num_hidden_layers=1)
    model = model_of(folder, draft_model=f"hf:{draft}")
    assert model.state_file != tiny.state_file
    assert ask(model).text == expected(folder, ASK, 30)


def test_a_draft_model_with_other_tokens_is_refused_in_one_sentence(folder, tmp_path):
    draft = tiny_models.save_parrot(tmp_path / "parrot", ["Hello there."])
    model = model_of(folder, draft_model=str(draft))
    with pytest.raises(
        ModelError, match=r"could not be loaded \(the draft model .* has other tokens; take a smaller"
    ):
        ask(model)
    with pytest.raises(ConfigError, match="cannot run beside an hf: model; write hf:ORG/NAME"):
        model_of(folder, draft_model="openai:gpt-5")


@pytest.mark.alone
def test_stop_in_the_middle_of_a_reply_frees_the_model(tiny):
    ask(tiny)
    stop, times = Stop(), {}

    def on_chunk(chunk):
        if chunk.text and not times:
            times["pressed"] = time.monotonic()
            threading.Timer(0.0, stop.set).start()

    with pytest.raises(StoppedError):
        ask(tiny, stop=stop, on_chunk=on_chunk, max_tokens=700)
    assert time.monotonic() - times["pressed"] <= 1.0
    begun = time.monotonic()
    ask(tiny, max_tokens=2)
    assert time.monotonic() - begun < 5


def test_a_conversation_that_does_not_fit_is_one_sentence(tiny):
    with pytest.raises(ModelError, match="longer than tiny can take"):
        ask(tiny, [Message("user", "x" * 1100)])


def test_only_the_owner_of_the_state_file_is_answered(tiny):
    ask(tiny, max_tokens=1)
    state = json.loads(tiny.state_file.read_text())
    url = f"http://127.0.0.1:{state['port']}/v1/chat/completions"
    right = {"Authorization": f"Bearer {state['token']}"}
    for headers, data, status in (
        ({}, b'{"messages": []}', 401),
        ({"Authorization": "Bearer é"}, b"{}", 401),
        (right, b"not json", 400),
        (right, b'{"messages": []}', 400),
        (right, b'{"messages": [{"role": "user"}]}', 400),
    ):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers), timeout=10)
        assert caught.value.code == status
        caught.value.close()


def test_a_process_that_was_killed_is_started_again(tiny):
    ask(tiny, max_tokens=1)
    before = json.loads(tiny.state_file.read_text())["pid"]
    os.kill(before, 9)
    assert ask(tiny).usage.output == 30
    after = json.loads(tiny.state_file.read_text())["pid"]
    assert after != before
    assert psutil.pid_exists(after)


def test_a_folder_that_cannot_be_loaded_is_one_sentence_with_the_reason(tmp_path):
    model = model_of(folder_with(tmp_path / "odd", model_type="no-such-kind"))
    with pytest.raises(ModelError, match=r"^odd could not be loaded \(.*no-such-kind"):
        ask(model)


def test_a_device_that_is_not_there_is_one_sentence(folder):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(ConfigError, match="sees no CUDA"):
        hf_loading.load(str(folder), "cuda")


def test_an_adapter_folder_is_its_base_with_the_adapter(folder, tmp_path):
    peft = pytest.importorskip("peft", reason="peft is not installed: pip install '.[transformers,test]'")
    base = hf_loading.load(str(folder), "cpu")
    tuned = peft.get_peft_model(
        base.model, peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    )
    ids = torch.tensor([[1, 2, 3, 4]])
    with torch.inference_mode():
        wanted = tuned(ids).logits
    tuned.save_pretrained(str(tmp_path / "adapter"))
    settings = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == str(folder)
    loaded = hf_loading.load(str(tmp_path / "adapter"), "cpu")
    with torch.inference_mode():
        assert torch.allclose(loaded.model(ids).logits, wanted, atol=1e-4)
        assert not torch.allclose(hf_loading.load(str(folder), "cpu").model(ids).logits, wanted, atol=1e-2)
    assert ours.find(str(tmp_path / "adapter")).name == "adapter"


def test_the_tokens_that_end_a_reply_are_the_checkpoints_and_chatmls():
    tokenizer = tiny_models.tokenizer()
    named = SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=[1, 2]))
    assert hf_loading.ends_of(named, tokenizer) == (1, 2, 102)


def test_a_gguf_file_is_converted_once_and_its_text_cut_as_it_says(tmp_path, monkeypatch):
    pytest.importorskip("gguf", reason="gguf is not installed: pip install '.[transformers,test]'")
    file = tiny_models.save_gguf(tmp_path / "tiny.gguf")
    first = hf_loading.load(str(file), "cpu")
    kept = hf_loading.converted_folder(weights.digest_of(file), "float32")
    assert (kept / "model.safetensors").is_file()
    monkeypatch.setattr(hf_loading, "_convert", lambda *_: pytest.fail("converted a second time"))
    again = hf_loading.load(str(file), "cpu")
    ids = first.tokenizer("a  07\n", add_special_tokens=False).input_ids
    assert first.tokenizer.convert_ids_to_tokens(ids) == ["a", "\u0120\u0120", "0", "7", "\u010a"]
    assert again.tokenizer("a  07\n", add_special_tokens=False).input_ids == ids
    assert again.ends == first.ends
    with torch.inference_mode():
        logits = [one.model(torch.tensor([ids])).logits for one in (first, again)]
    assert torch.equal(*logits)
    assert logits[0].std() > 0.1
    (kept / "config.json").unlink()
    with pytest.raises(pytest.fail.Exception, match="second time"):
        hf_loading.load(str(file), "cpu")


@pytest.mark.model
@pytest.mark.timeout(600)
def test_a_gguf_model_is_converted_once_and_says_what_generate_says(home, monkeypatch):
    file = home / "models" / f"{weights.find('smollm2-135m').sha256}.gguf"
    if not file.is_file():
        pytest.skip("the weights of smollm2-135m are not here: codeact models pull smollm2-135m")
    pytest.importorskip("gguf", reason="gguf is not installed: pip install '.[transformers,test]'")
    try:
        model = model_of(file, extra_body={"ignore_eos": True})
    except WeightsError as error:
        pytest.skip(str(error))
    messages, rows, before = [Message("system", "You write Python."), Message("user", "Sum 1 to 10.")], [], 0
    for turn in range(3):
        done = ask(model, messages)
        rows.append((done.usage.input - done.usage.cached, done.usage.input - before))
        before = done.usage.input + done.usage.output
        messages += [Message("assistant", done.text), Message("user", f"Output:\n{turn}5\n\nGo on with it.")]
    kept = hf_loading.converted_folder(weights.digest_of(file), "float32")
    assert (kept / "model.safetensors").is_file()
    monkeypatch.setattr(hf_loading, "_convert", lambda *_: pytest.fail("converted a second time"))
    loaded = hf_loading.load(str(file), "cpu")
    ids = loaded.tokenizer.apply_chat_template(
        [{"role": one.role, "content": one.content} for one in messages[:-2]],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    with torch.inference_mode():
        out = loaded.model.generate(**ids, do_sample=False, max_new_tokens=30, min_new_tokens=30)
    assert loaded.tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True) == done.text
    # One token is the last of the reply, which was written and not read; the reply may be read in other tokens.
    assert all(evaluated <= new * 1.05 + 2 for evaluated, new in rows[1:])

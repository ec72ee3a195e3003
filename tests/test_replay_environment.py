"""What an episode was recorded with, against what is here."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path

import jupyter_client.kernelspec

from codeact_kernel.replay.environment import compare, working_folder
from codeact_kernel.replay.plan import Plan, PlannedCell


def made(source="x = 1", **header):
    known = {"schema": "codeact-episode", "kernel": {"name": "python3"}}
    return Plan((PlannedCell(1, "action", source),), "python3", known | header)


def sentences(plan, folder):
    return [(one.fatal, one.sentence) for one in compare(plan, folder)]


def test_packages_missing_first_then_those_of_another_version(tmp_path):
    here = importlib.metadata.version("nbformat")
    found = compare(made(packages={"nbformat": "0.1", "no-such-package": "1.0", "ipython": importlib.metadata.version("ipython")}), tmp_path)  # fmt: skip
    assert [(one.name, one.fatal, one.recorded, one.present) for one in found] == [
        ("no-such-package", True, "1.0", ""),
        ("nbformat", False, "0.1", here),
    ]
    assert (
        found[0].sentence
        == "The package no-such-package (1.0) is not installed here; install it, and replay again."
    )


def test_another_python_is_said(tmp_path):
    plan = made(kernel={"name": "python3", "language_version": "3.1.4"})
    assert sentences(plan, tmp_path) == [
        (False, f"The kernel's Python is {platform.python_version()}; the episode was recorded with 3.1.4.")
    ]
    assert (
        sentences(made(kernel={"name": "python3", "language_version": platform.python_version()}), tmp_path) == []
    )


def test_packages_are_those_of_the_kernels_own_python(tmp_path, monkeypatch):
    """A kernelspec with another name for this Python is asked by starting it."""
    spec = tmp_path / "kernels" / "other"
    spec.mkdir(parents=True)
    link = tmp_path / "python-of-the-kernel"
    link.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    link.chmod(0o755)
    argv = [str(link), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Other", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path) + os.pathsep + os.environ.get("JUPYTER_PATH", ""))
    assert "other" in jupyter_client.kernelspec.KernelSpecManager().find_kernel_specs()
    plan = made(packages={"nbformat": "0.1", "no-such-package": "1.0"})
    plan = Plan(plan.cells, "other", plan.header)
    assert [(one.name, one.fatal) for one in compare(plan, tmp_path)] == [("no-such-package", True), ("nbformat", False)]  # fmt: skip


def test_files_by_their_digest_and_those_that_are_gone(tmp_path):
    (tmp_path / "same.csv").write_text("a")
    (tmp_path / "other.csv").write_text("b")
    (tmp_path / "large.csv").write_text("12345")
    files = {
        "same.csv": {"size": 1, "sha256": hashlib.sha256(b"a").hexdigest()},
        "other.csv": {"size": 1, "sha256": "0" * 64},
        "large.csv": {"size": 4},
        "gone.csv": {"size": 1},
        "gone.txt": {"size": 1},
        "../outside.csv": {"size": 1},
        "/etc/passwd": {"size": 1},
    }
    assert sentences(made("open('gone.csv')", files=files), tmp_path) == [
        (True, "The file gone.csv is gone; put it back, and replay again."),
        (False, "The file other.csv was changed since."),
        (False, "The file large.csv was changed since."),
        (False, "The file gone.txt is gone, and no cell names it."),
    ]


def test_a_working_folder_that_is_gone_is_said(tmp_path):
    plan = made(cwd="../elsewhere")
    assert working_folder(plan, tmp_path) == tmp_path / ".." / "elsewhere"
    ((fatal, sentence),) = sentences(plan, tmp_path)
    assert not fatal
    assert "is not here" in sentence


def test_other_notebooks_have_no_header_to_compare_with(tmp_path):
    assert compare(Plan(()), tmp_path) == []
    ((one,),) = [compare(Plan((), "no-such-kernel"), Path(tmp_path))]
    assert one.fatal

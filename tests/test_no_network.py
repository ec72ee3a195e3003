"""Importing the package, loading the extension and building the command line's parser open no connection."""

from __future__ import annotations

import subprocess
import sys

import pytest

WATCH = """
import sys
opened = []
def hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"):
        opened.append((event, args[1:]))
sys.addaudithook(hook)
"""
CASES = {
    "import": "import codeact_kernel",
    "every module": (
        "import importlib, pkgutil, codeact_kernel\n"
        "for one in pkgutil.walk_packages(codeact_kernel.__path__, 'codeact_kernel.'):\n"
        "    if not one.name.endswith(('__main__', 'pytest_plugin')):\n"
        "        importlib.import_module(one.name)"
    ),
    "the extension": (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\nshell.run_line_magic('load_ext', 'codeact_kernel')"
    ),
    "the command line": (
        "from codeact_kernel import cli\ntry:\n    cli.main(['--version'])\nexcept SystemExit:\n    pass\n"
        "assert cli.main(['models', 'list']) == 0"
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_connected_to(name, tmp_path):
    code = f"{WATCH}\n{CASES[name]}\nprint('opened', opened)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "opened []"


def test_the_watch_sees_a_connection(tmp_path):
    code = f"{WATCH}\nimport socket\ntry:\n    socket.create_connection(('127.0.0.1', 9), 1)\nexcept OSError:\n    pass\nprint(len(opened) > 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", done.stderr

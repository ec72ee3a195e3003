"""The house stays as it was laid out: layers, cycles, late imports, sizes, and what importing us costs."""

import ast
import graphlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "codeact_kernel"

LAYERS = (
    {
        "types",
        "errors",
        "terminal",
        "canonical",
        "markdown",
        "config",
        "secret_names",
        "secret_shapes",
        "redactor",
        "_version",
    },
    {"agent"},
    {"models", "execute", "episode"},
    {"replay", "learn"},
    {
        "session",
        "task_settings",
        "progress",
        "run_progress",
        "resident",
        "names",
        "offers",
        "mcp_tools",
        "views",
        "worker",
        "asking",
        "doctor",
        "doctor_jupyter",
        "sandbox_check",
        "evaluate",
        "interpolate",
        "history",
        "oneshot",
        "branch",
        "collecting",
        "improving",
        "replays",
        "notebook_view",
        "terminal_view",
    },
    {
        "magics",
        "options",
        "widget",
        "stage",
        "panel",
        "panel_requests",
        "pages",
        "front_end",
        "isolated_kernel",
        "cli",
        "cli_models",
        "cli_collect",
        "cli_doctor",
        "cli_sandbox",
        "cli_eval",
        "cli_exchange",
        "cli_improve",
        "cli_learn",
        "cli_live",
        "cli_replay",
        "cli_results",
        "replay_options",
        "replay_verbs",
        "replay_requests",
        "replaying",
        "pytest_plugin",
        "__main__",
    },
)
"""First part of a module's name -> its layer; imports point to the same layer or up this list."""
STRANGERS = LAYERS[2]
"""Packages of one layer that do not know each other."""
LEVEL = {name: level for level, layer in enumerate(LAYERS) for name in layer}
EXTENSION = {"magics"}
"""The surface that `codeact_kernel/__init__.py` may import, to load the extension."""
PROTOCOLS = {
    ("agent.loop", "models.base"),
    ("agent.listeners", "models.base"),
    ("agent.loop", "execute.base"),
    ("agent.redaction", "models.base"),
}
"""The two small protocols that the loop takes its model and its executor by; the choke point sees what passes."""
SENT = (f"{PACKAGE}.agent.probe", f"{PACKAGE}.secret_names")
"""What is sent as text into kernels that have nothing of ours."""
MOST_LINES, MOST_FUNCTION_LINES = 400, 60
HEAVY = {
    "torch",
    "transformers",
    "openai",
    "anthropic",
    "httpx",
    "httpx2",
    "xllamacpp",
    "ray",
    "pandas",
    "numpy",
    "matplotlib",
    "nbformat",
    "jsonschema",
    "rich",
    "huggingface_hub",
    "jupyter_client",
    "ipywidgets",
    "anywidget",
}
COSTS_MS = 100


def modules(root, package=PACKAGE):
    """Return {dotted name inside the package: path}; the package itself is ""."""
    found = {}
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root / package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(node, module, is_package, names, package=PACKAGE):
    """Return the modules of ours (as in `modules`) that one import statement names."""
    if isinstance(node, ast.Import):
        wanted = [alias.name for alias in node.names]
    else:
        base = node.module or ""
        if node.level:
            here = [package, *filter(None, module.split("."))]
            up = node.level - is_package
            base = ".".join([*(here[:-up] if up else here), *filter(None, [base])])
        wanted = [f"{base}.{alias.name}" for alias in node.names]
    found = set()
    for name in wanted:
        if name != package and not name.startswith(f"{package}."):
            continue
        inner = name.removeprefix(package).lstrip(".")
        while inner and inner not in names:
            inner = inner.rpartition(".")[0]
        found.add(inner)
    return found


def imports(tree, module, path, names):
    """Return [(target, line, whether inside a function)] of a file's imports of ours, TYPE_CHECKING included."""
    late = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            late.update(ast.walk(node))
    return [
        (target, node.lineno, node in late)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for target in imported(node, module, path.name == "__init__.py", names)
    ]


def layer_fault(module, target):
    """Return what is wrong with `module` importing `target`, or None."""
    here, there = module.partition(".")[0], target.partition(".")[0]
    if here == there or (module, target) in PROTOCOLS:
        return None
    for name in (here, there):
        if name and name not in LEVEL:
            return f"{name} has no place in the map"
    if not module:
        return f"the package imports the surface {there}" if LEVEL[there] == 5 and there not in EXTENSION else None
    if not target:
        return "a module imports the package's __init__"
    if LEVEL[there] > LEVEL[here]:
        return f"{here} imports {there}, which is further down"
    if {here, there} <= STRANGERS:
        return f"{here} and {there} do not know each other"
    return None


def size_faults(path, tree, text):
    """Return what is too long in a file."""
    lines = text.count("\n") + (not text.endswith("\n"))
    faults = [f"{path.name}: {lines} lines"] if lines > MOST_LINES else []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MOST_FUNCTION_LINES:
                faults.append(f"{path.name}:{node.lineno}: {node.name} has {length} lines")
    return faults


def cycle_fault(graph):
    """Return the names of a cycle in {module: imported modules}, or None."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return " -> ".join(name or "__init__" for name in error.args[1])
    return None


def probe_faults(tree, name):
    """Return the imports of a file sent as text that are neither the standard library's nor sent as well."""
    faults = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            wanted = [node.module or "."]
        else:
            continue
        for module in wanted:
            if module.startswith(SENT) or module.partition(".")[0] in sys.stdlib_module_names:
                continue
            faults.append(f"{name} imports {module}")
    return faults


def faults(root):
    """Return every way in which a tree breaks the rules of the house."""
    found = []
    names = modules(root)
    graph = {}
    for module, path in names.items():
        text = path.read_text("utf-8")
        tree = ast.parse(text)
        found += size_faults(path, tree, text)
        if path.stem.startswith("probe") or path.stem == "secret_names":
            found += probe_faults(tree, module)
        if module and module.partition(".")[0] not in LEVEL:
            found.append(f"{module} has no place in the map")
        for target, line, late in imports(tree, module, path, names):
            where = f"{path.relative_to(root)}:{line}"
            fault = layer_fault(module, target)
            if fault:
                found.append(f"{where}: {fault}")
            if late:
                found.append(f"{where}: imports {target} inside a function")
            graph.setdefault(module, set()).update({target} - {module})
    cycle = cycle_fault(graph)
    return found + ([f"import cycle: {cycle}"] if cycle else [])


def test_the_package_keeps_to_the_rules_of_the_house():
    assert faults(ROOT) == []


def test_the_map_in_the_documents_names_every_file_of_the_first_level():
    drawn = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    first = {name.partition(".")[0] for name in modules(ROOT)} - {"", "_version", "__main__"}
    assert sorted(name for name in first if name not in drawn) == []


def test_benchmarks_and_tests_keep_to_the_sizes():
    found = []
    for path in sorted(p for folder in ("benchmarks", "tests") for p in (ROOT / folder).rglob("*.py")):
        text = path.read_text("utf-8")
        tree = ast.parse(text) if path.is_relative_to(ROOT / "benchmarks") else ast.Module([], [])
        found += size_faults(path, tree, text)
    assert found == []


SOUND = {
    "__init__": "from codeact_kernel import magics\nfrom codeact_kernel.session import run",
    "types": "X = 1",
    "agent/__init__": "",
    "agent/loop": "from codeact_kernel.models.base import M\nfrom codeact_kernel.execute.base import E",
    "agent/probe": "import os\nfrom codeact_kernel.agent.probe_values import v",
    "agent/probe_values": "import json\nv = 1",
    "models/__init__": "",
    "models/base": "M = 1",
    "models/openai": "from codeact_kernel.models.base import M\ndef f():\n    import openai",
    "execute/__init__": "",
    "execute/base": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from codeact_kernel.types import X\nE = 1",
    "session": "from codeact_kernel.agent import loop\nrun = 1",
    "magics": "from . import session",
}

PLANTED = [
    ("types", "from codeact_kernel.agent import loop", "types imports agent"),
    ("agent/loop", "import codeact_kernel.models.openai", "agent imports models"),
    ("agent/prompt", "from codeact_kernel.models.base import M", "agent imports models"),
    ("models/openai", "from ..execute import base", "models and execute do not know each other"),
    ("execute/base", "if TYPE_CHECKING:\n    from codeact_kernel.models.base import M", "do not know each other"),
    ("session", "from codeact_kernel.magics import x", "session imports magics"),
    ("session", "import codeact_kernel", "imports the package's __init__"),
    ("__init__", "from codeact_kernel import cli", "the package imports the surface cli"),
    ("session", "def f():\n    from codeact_kernel import types", "inside a function"),
    ("session", "def f():\n    from .types import X", "inside a function"),
    ("models/a", "from codeact_kernel.models import b", "import cycle"),
    ("agent/probe", "import numpy", "agent.probe imports numpy"),
    ("agent/probe", "from codeact_kernel import types", "agent.probe imports codeact_kernel"),
    ("attic", "X = 1", "attic has no place in the map"),
    ("types", "\n" * 400, "401 lines"),
    ("types", "def f():\n" + "    x = 1\n" * 60, "f has 61 lines"),
]


def build(root, extra=None):
    files = dict(SOUND, **{"models/b": "from codeact_kernel.models import a", "models/a": "a = 1", "cli": ""})
    if extra:
        files[extra[0]] = files.get(extra[0], "") + "\n" + extra[1]
    for name, text in files.items():
        path = root / PACKAGE / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_sound_tree_has_no_faults(tmp_path):
    assert faults(build(tmp_path)) == []


@pytest.mark.parametrize(("file", "text", "fault"), PLANTED)
def test_a_planted_fault_is_found(file, text, fault, tmp_path):
    assert any(fault in found for found in faults(build(tmp_path, (file, text)))), faults(tmp_path)


def test_the_largest_sizes_that_are_allowed_pass(tmp_path):
    text = "def f():\n" + "    x = 1\n" * 59 + "\n" * 338
    assert faults(build(tmp_path, ("types", text))) == []


def in_python(code, cache):
    """Run code in a fresh interpreter with compiled modules in `cache`; return the JSON that it prints last."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(
        cache
    )  # an installed package is compiled: what counts is loading, not compiling
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


LOAD = """
import json, sys, time
import IPython, ipykernel.ipkernel
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
before = set(sys.modules)
began = time.process_time()
shell.run_line_magic("load_ext", "codeact_kernel")
cost = time.process_time() - began
print(json.dumps({
    "new": sorted(set(sys.modules) - before),
    "cost_ms": cost * 1000,
    "magic": "codeact" in shell.magics_manager.magics["line"],
}))
"""


def test_importing_the_package_imports_nothing_heavy(tmp_path):
    code = """
import IPython, ipykernel.ipkernel, json, sys
before = set(sys.modules)
import codeact_kernel
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    assert {name.partition(".")[0] for name in in_python(code, tmp_path)} & HEAVY == set()


def test_loading_the_extension_imports_nothing_heavy_and_costs_at_most_a_tenth_of_a_second_of_cpu(tmp_path):
    runs = [in_python(LOAD, tmp_path) for _ in range(5)]
    assert all(run["magic"] for run in runs)
    assert {name.partition(".")[0] for name in runs[0]["new"]} & HEAVY == set()
    assert min(run["cost_ms"] for run in runs) <= COSTS_MS

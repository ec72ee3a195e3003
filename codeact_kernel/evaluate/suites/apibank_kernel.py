"""What of API-Bank runs beside the authors' code: reads their dialogues, runs their APIs, asks their checks.

Stdlib only: it is sent as text into kernels and processes that have nothing of ours.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import inspect
import io
import json
import os
import re
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

OPTIONAL = {"rouge", "termcolor", "sentence_transformers", "googletrans", "selenium", "bs4", "rank_bm25", "nltk"}
OPTIONAL |= {"requests", "openai", "numpy", "tqdm", "backoff", "google"}
"""What their code imports and a call of level 1 does not need, but for the few APIs that go to the network."""


class Nothing(types.ModuleType):
    """A module that is not installed: it has every name, and each fails when it is used."""

    __path__: tuple[str, ...] = ()  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*_: Any, **__: Any) -> Any:
            raise RuntimeError(f"{self.__name__} is not installed")

        return missing


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds what is not installed, last of all finders."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return a spec for an optional module."""
        del path, target
        wanted = name.partition(".")[0] in OPTIONAL
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if wanted else None

    def create_module(self, spec: Any) -> Any:
        """Return the module."""
        return Nothing(spec.name)

    def exec_module(self, module: Any) -> None:
        """Do nothing."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what is printed."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def enter(folder: str) -> Any:
    """Go into their folder, which their code insists on, and import it; return their tool manager's class."""
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.meta_path.append(Finder())
    with quiet():
        return importlib.import_module("tool_manager").ToolManager


def prompts(folder: str) -> dict[str, str]:
    """Return their instructions by action space, from the text of their evaluator."""
    tree = ast.parse(Path(folder, "evaluator.py").read_text("utf-8"))
    wanted = {"BASE_CALL_PROMPT", "ACTION_MODE_TO_CALL_PROMPT"}
    nodes: list[ast.stmt] = [
        node for node in tree.body if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in wanted
    ]
    space: dict[str, Any] = {}
    exec(compile(ast.Module(nodes, []), "evaluator.py", "exec"), space)  # noqa: S102 - their constants
    return {mode.partition("_")[0]: text for mode, text in space["ACTION_MODE_TO_CALL_PROMPT"].items()}


def describe(folder: str, data: str) -> str:
    """Return every call of the dialogues as JSON: what the model is sent in each action space, and the truth."""
    manager, asked = enter(folder), prompts(folder)
    extraction = importlib.import_module("api_call_extraction")
    with quiet():
        tools = manager()
    found = []
    for path in sorted(Path(data).glob("*.jsonl")):
        history = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        # Their set of names has another order in every process; this is the dialogue's.
        apis = list(dict.fromkeys(item["api_name"] for item in history if item["role"] == "API"))
        told = "\n".join(tools.get_api_description(api) for api in apis)
        for at, item in enumerate(history):
            if item["role"] != "API":
                continue
            found.append(
                {
                    "name": f"{path.stem}/{at}",
                    "expected": {"api_name": item["api_name"], "param_dict": item["param_dict"]},
                    "result": item["result"],
                    "parameters": {api: list(tools.get_api_by_name(api)["input_parameters"]) for api in apis},
                    "messages": {
                        action: messages(text + told, history[:at], extraction, action)
                        for action, text in asked.items()
                    },
                }
            )
    return json.dumps(found)


def messages(system: str, history: list[dict[str, Any]], extraction: Any, action: str) -> list[list[str]]:
    """Return the dialogue before a call as [role, content], neighbours of the assistant joined as they do."""
    convert = getattr(extraction, f"convert_api_call_to_{action}_as_action")
    made = [["system", system]]
    for item in history:
        if item["role"] == "API":
            made.append(["assistant", convert(item["api_name"], item["param_dict"])])
            made.append(["user", f"Response: {item['result']['output']}"])
        else:
            made.append(["user" if item["role"] == "User" else "assistant", item["text"]])
    joined: list[list[str]] = []
    for role, content in made:
        if joined and role == "assistant" == joined[-1][0]:
            joined[-1][1] += "\n" + content
        else:
            joined.append([role, content])
    return joined


def official(manager: Any, reply: str, action: str, expected: dict[str, Any]) -> dict[str, Any]:
    """Return what their evaluator says of a reply: {"correct", "why"}."""
    extraction = importlib.import_module("api_call_extraction")
    call = re.search(r"\[(.*)\]", reply)
    if call is None:
        return {"correct": False, "why": "No API call found"}
    try:
        name, parameters = extraction.parse_api_call(call.group(0), f"{action}_as_action")
    except Exception as error:
        return {"correct": False, "why": str(error)}
    return check(manager, name, parameters, expected)


def check(manager: Any, name: str, parameters: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """Make a call with fresh databases and let their API compare its result with the expected one."""
    if name != expected["api_name"]:
        return {"correct": False, "why": f"API name mismatch: {name}"}
    try:
        with quiet():
            tools = manager()
            result = tools.api_call(name, **parameters)
            correct = bool(tools.init_tool(name).check_api_call_correctness(result, expected["result"]))
    except Exception as error:
        return {"correct": False, "why": f"{type(error).__name__}: {error}"}
    return {"correct": correct, "why": "" if correct else str(result)[:300]}


def corrected(manager: Any, read: Any, expected: dict[str, Any]) -> dict[str, Any]:
    """Return what we say of a call, [name, parameters] or None: the expected call is right, whatever an API does.

    Some APIs go to the network, and some expected results are not what the API gives for the expected call.
    """
    if read is None:
        return {"correct": False, "why": "No call that can be read"}
    name, parameters = read
    if name == expected["api_name"] and texts(parameters) == texts(expected["param_dict"]):
        return {"correct": True, "why": ""}
    return check(manager, name, parameters, expected)


def texts(parameters: dict[str, Any]) -> dict[str, str]:
    """Return parameters as texts: a number may be written as one or as a text."""
    return {key: str(value).strip() for key, value in parameters.items()}


def play(shell: Any, folder: str) -> None:
    """Make the magic that judges one reply: `%%judge`, a line of JSON, and the reply below."""
    manager = enter(folder)

    def judge(_: str, cell: str) -> None:
        line, _, reply = cell.partition("\n")
        asked = json.loads(line)
        verdicts = {"official": official(manager, reply, asked["action"], asked)}
        read = asked["read"]
        verdicts["corrected"] = verdicts["official"]
        if not verdicts["official"]["correct"]:
            verdicts["corrected"] = corrected(manager, read, asked)
        sys.stdout.write(json.dumps(verdicts))

    shell.register_magic_function(judge, "cell", "judge")


def source() -> str:
    """Return this module as text."""
    return inspect.getsource(sys.modules[__name__])

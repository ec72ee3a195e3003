"""Run by the tests in a process of its own: a harness in M3ToolEval's layout plays scripts and grades answers.

`python m3tooleval_reference.py FOLDER` reads `{"answers": [[task, answer]], "scripts": [[task, action, replies]]}`
from stdin and prints their verdicts and dialogues. Nothing of the harness is changed but the model call.
"""

import ast
import contextlib
import io
import json
import sys
import types
from pathlib import Path


def functions_of(main):
    """Return `run_task` and `postprocess_fn` of a main.py without running the rest, which parses a command line."""
    tree = ast.parse(main.read_text())
    wanted = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name in {"run_task", "postprocess_fn"}
    ]
    errors = types.SimpleNamespace(InvalidRequestError=KeyError, APIError=KeyError)
    import tasks.base as base

    space = {
        "re": __import__("re"),
        "traceback": __import__("traceback"),
        "Task": base.Task,
        "ActionMode": base.ActionMode,
        "openai": types.SimpleNamespace(error=errors),
        "args": types.SimpleNamespace(model="scripted"),
    }
    exec(compile(ast.Module(wanted, []), str(main), "exec"), space)
    return space


def main():
    folder = Path(sys.argv[1])
    asked = json.load(sys.stdin)
    sys.path.insert(0, str(folder))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        import tasks  # noqa: F401
        import tasks.base as base

        known = {task.name: task for made, _ in base.task_iterators for task in made}
        verdicts = [bool(known[name].check_answer(answer)) for name, answer in asked["answers"]]
        dialogues = []
        for name, action, replies in asked["scripts"]:
            task = known[name]
            if name.split("/")[0] in {"web_browsing", "pages"}:
                # As in their harness, where a task runs once in a process: its tools as they were made.
                import importlib

                fresh = importlib.reload(
                    sys.modules[type(task).__module__.replace("base", f"impl.{name.split('/')[0]}")]
                )
                task = next(one for one in fresh.TASKS if one.name == name)
            task.reset()
            script = iter(replies)
            space = functions_of(folder / "main.py")
            space["chat_completion"] = lambda messages, script=script, last=replies[-1]: next(script, last)
            mode = base.ActionMode[f"{action.upper()}_AS_ACTION"]
            dialogues.append(space["run_task"](name, task, mode))
    keep = ("messages", "is_correct", "n_turns")
    sys.stdout.write(
        json.dumps({"verdicts": verdicts, "dialogues": [{key: one[key] for key in keep} for one in dialogues]})
    )


if __name__ == "__main__":
    main()

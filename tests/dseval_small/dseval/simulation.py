"""The environment of the small DSEval: code runs in a namespace, and what it changed is told."""

import ast
import copy
import io
import traceback
import types
from contextlib import redirect_stdout


class Cell:
    def __init__(self, output):
        self.output = output


class Environment:
    def __init__(self):
        self.namespace, self.last_cell = {}, None

    def namespace_copy(self):
        shared = types.ModuleType | types.FunctionType
        return {
            name: value if isinstance(value, shared) or name == "__builtins__" else copy.deepcopy(value)
            for name, value in self.namespace.items()
        }

    def fork(self):
        made = Environment()
        made.namespace.update(self.namespace_copy())
        return made

    def execute(self, code, max_time=1, *, raise_error=False):
        before, ids = self.namespace_copy(), {name: id(value) for name, value in self.namespace.items()}
        result = error = None
        printed = io.StringIO()
        try:
            tree = ast.parse(code)
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            with redirect_stdout(printed):
                exec(compile(tree, "<cell>", "exec"), self.namespace)
                result = eval(ast.unparse(last), self.namespace) if last else None
        except Exception as raised:
            if raise_error:
                raise
            error = {
                "ename": type(raised).__name__,
                "evalue": str(raised),
                "traceback": traceback.format_exc().splitlines(),
            }
        self.last_cell = Cell(
            {
                "source_code": code,
                "stream_output": printed.getvalue(),
                "execute_result": result,
                "error": error,
                "namespace_snapshot": self.namespace,
                "namespace_diff": self.namespace_diff(self.namespace, before, ids),
            }
        )

    def namespace_diff(self, namespace, before, ids):
        diff = {name: "deleted" for name in before if name not in namespace}
        for name, value in namespace.items():
            if name not in before:
                diff[name] = "added"
            elif id(value) != ids[name]:
                diff[name] = "replaced"
            elif name != "__builtins__" and value != before[name]:
                diff[name] = "updated"
        diff.pop("__builtins__", None)
        return diff

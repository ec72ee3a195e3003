# ruff: noqa: T201, PYI024, FBT002, TRY301
"""Tasks, and how their actions run and their answers are graded; the grader has M3ToolEval's habits."""

import ast
import json
from collections import namedtuple
from contextlib import redirect_stdout
from enum import Enum
from io import StringIO

ToolType = namedtuple("ToolType", ["name", "description", "function", "fn_signature"])
task_iterators = []
MOST = 200


class ActionMode(Enum):
    TEXT_AS_ACTION = "text_as_action"
    JSON_AS_ACTION = "json_as_action"
    CODE_AS_ACTION = "code_as_action"


class Task:
    def __init__(self, name, tools, instruction, expected_output, is_single_tool_task=True):
        self.name, self.tools, self.instruction = name, tools, instruction
        self.expected_output, self.is_single_tool_task = expected_output, is_single_tool_task
        print("a task:", name)
        self.reset()

    def reset(self):
        if callable(self.tools):
            self.tools = self.tools()
        self._ns = {name: tool.function for name, tool in self.tools.items()}
        self.names = None

    def get_prompt(self, action_mode):
        tools = "\n".join(f"{tool.fn_signature}: {tool.description}" for tool in self.tools.values())
        return f"{tools}\nAct by {action_mode.value}: 'Action: ... End Action'. Task: {self.instruction}"

    def parse_generation(self, generation):
        if "Answer:" in generation and "Action:" in generation:
            return {"type": "invalid", "content": "Both at once cannot be."}
        for mark, kind in (("Answer:", "answer"), ("Action:", "action")):
            if mark in generation:
                many = generation.count(mark) > 1
                content = generation.split(mark)[1]
                content = content.strip() if kind == "answer" else content.lstrip().split("End Action")[0]
                return {
                    "type": kind,
                    "content": content,
                    "extra_info": f"Only your first {kind} counts." if many else None,
                }
        return {"type": "invalid", "content": "Neither an action nor an answer."}

    def check_answer(self, answer):
        try:
            if answer == self.expected_output or self._read(answer) == self._read(self.expected_output):
                return True
            answer = ast.literal_eval(answer)
            raise TypeError("as theirs does")
        except Exception:
            return str(answer) == str(self.expected_output)

    @staticmethod
    def _read(text):
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                pass
        return text

    def execute_action(self, action, action_mode):
        if action_mode == ActionMode.CODE_AS_ACTION:
            self.names = dict(self._ns) if self.names is None else self.names
            out = StringIO()
            with redirect_stdout(out):
                try:
                    exec(action, self.names)
                except Exception as error:
                    print(f"{type(error).__name__}: {error}")
            return out.getvalue()[:MOST] or "(nothing)"
        try:
            if action_mode == ActionMode.JSON_AS_ACTION:
                action = json.loads(action)
                tool, args = action["tool"], action["args"]
            else:
                tool, *args = [part.strip() for part in action.split(",")]
                args = [self._read(one) for one in args]
            print("calling", tool)
            return str(self.tools[tool].function(*args))[:MOST]
        except Exception as error:
            return f"That did not work: {type(error).__name__}"


def register_task_iterator(tasks, length):
    task_iterators.append((tasks, length))


def get_task_iterator():
    for tasks, _ in task_iterators:
        yield from tasks

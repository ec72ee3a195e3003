# ruff: noqa: TID252, FBT003
from ..base import Task, ToolType, register_task_iterator


class Book:
    def __init__(self):
        self.at = 0

    def turn(self):
        self.at += 1
        return f"page {self.at}: the harbour master is Ada" if self.at == 2 else f"page {self.at}"


def make_tools():
    book = Book()
    return {"turn": ToolType("turn", "Turns a page of the book.", book.turn, "turn() -> str")}


TASKS = [Task("pages/master", make_tools, "Who is the harbour master?", "Ada", False)]
register_task_iterator(TASKS, len(TASKS))

from .base import ActionMode, Task, ToolType, get_task_iterator
from .impl import harbour, pages

__all__ = ["ActionMode", "Task", "ToolType", "get_task_iterator", "harbour", "pages"]

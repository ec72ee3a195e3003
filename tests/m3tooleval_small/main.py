# ruff: noqa: T201
"""A harness of ours in the layout of M3ToolEval's, for tests: same names, own words, four small tasks."""

import re

from tasks import get_task_iterator

REFUSED = (RuntimeError,)


def postprocess_fn(generation):
    generation = generation.lstrip()
    marks = [match.start() for match in re.finditer("Answer:|Action:", generation)]
    if len(marks) < 2:
        return generation
    kept = generation[: marks[1]].strip()
    begin = kept.find("Action:") + 7
    for mark, length in (("End Action", 10), ("Thought:", 0)):
        at = kept.find(mark, begin)
        if at >= 0:
            kept = kept[: at + length].strip()
    return kept


def chat_completion(messages):
    raise NotImplementedError("tests put a script here")


def run_task(task_name, task, action_mode, n_limit=10):
    messages = [{"role": "user", "content": task.get_prompt(action_mode)}]
    correct, turns = False, 0
    while not correct and turns < n_limit:
        reply = postprocess_fn(chat_completion(messages))
        messages.append({"role": "assistant", "content": reply})
        turns += 1
        parsed = task.parse_generation(reply)
        content, extra_info = parsed["content"], parsed.get("extra_info") or ""
        if parsed["type"] == "action":
            content = str(task.execute_action(content, action_mode))
            if extra_info:
                content += "\n(Note: " + extra_info
        elif parsed["type"] == "answer":
            correct = task.check_answer(content)
            content = "No, that is not it. Once more, please."
            if extra_info:
                content += "\n(Note: " + extra_info
            if correct:
                break
        messages.append({"role": "user", "content": content})
    return {"task_name": task_name, "messages": messages, "is_correct": correct, "n_turns": turns}


if __name__ == "__main__":
    print([task.name for task in get_task_iterator()])

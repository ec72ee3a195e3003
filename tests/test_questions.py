"""A task may end in a question mark."""

from __future__ import annotations

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from codeact_kernel.execute.questions import KeepQuestions


@pytest.fixture
def transform():
    manager = TransformerManager()
    manager.cleanup_transforms.append(KeepQuestions())
    return manager.transform_cell


@pytest.mark.parametrize(
    ("cell", "task"),
    [
        ("%codeact which region lost customers, and why?", "which region lost customers, and why?"),
        ("%codeact what's df.x?", "what's df.x?"),
        ("%codeact really??", "really??"),
        ("for i in y:\n    %codeact which {i}?", "which {i}?"),
        ("x = %codeact which one?", "which one?"),
    ],
)
def test_a_question_reaches_the_magic(transform, cell, task):
    assert f"run_line_magic('codeact', {task!r})" in transform(cell)


@pytest.mark.parametrize(
    "cell",
    ["%codeact?", "df.head?", "text = '''\n%codeact which?\n'''\n", "%%codeact\nwhich one?\n", "%timeit?"],
)
def test_everything_else_is_ipythons(transform, cell):
    assert transform(cell) == TransformerManager().transform_cell(cell)

"""Python functions offered to the model: shown as typed stubs, called like any function, wrong calls explained."""

from __future__ import annotations

import functools
import inspect
import textwrap
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

F = TypeVar("F", bound="Callable[..., Any]")

MARK = "__codeact_tool__"
"""The attribute of functions that are offered without being named."""
MOST_DOC = 600
"""Characters of a docstring that a stub holds."""


def tool(function: F) -> F:
    """Offer a function to the model in every task of this kernel; a decorator.

    A call that does not fit its signature raises a TypeError that shows it. Coroutine functions stay such: the
    model awaits them.
    """
    signature = inspect.signature(function)

    def check(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{error}. Call it as: {heading(function.__name__, function)}") from None

    made: Any
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            check(args, kwargs)
            return await function(*args, **kwargs)

        made = awaited
    else:

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            check(args, kwargs)
            return function(*args, **kwargs)

        made = called
    setattr(made, MARK, True)
    offered: F = made
    return offered


def is_tool(value: object) -> bool:
    """Say whether a value was decorated with `tool`; never runs code of the value's."""
    return inspect.isfunction(value) and vars(value).get(MARK) is True


def heading(name: str, function: Callable[..., Any]) -> str:
    """Return the first line of a stub, `async def f(x: int = 1) -> str`."""
    word = "async def" if inspect.iscoroutinefunction(function) else "def"
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return f"{word} {name}(...)"
    parameters = [one.replace(annotation=_bare(one.annotation)) for one in signature.parameters.values()]
    shown = signature.replace(parameters=parameters, return_annotation=_bare(signature.return_annotation))
    return f"{word} {name}{shown}"


class Bare(str):
    """An annotation that a signature shows without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the text."""
        return str(self)


def _bare(annotation: Any) -> Any:
    return Bare(annotation) if isinstance(annotation, str) else annotation


def stub(name: str, function: Callable[..., Any]) -> str:
    """Return a function as a typed stub with its docstring, bounded."""
    doc = inspect.getdoc(function) or ""
    if len(doc) > MOST_DOC:
        doc = doc[:MOST_DOC].rsplit(" ", 1)[0] + " ..."
    body = textwrap.indent(f'"""{doc}"""' if doc else "...", "    ")
    return f"{heading(name, function)}:\n{body}"


def offer(functions: Iterable[tuple[str, Callable[..., Any]]]) -> str:
    """Return what the model is told of functions that it may call; "" without any."""
    stubs = "\n\n".join(stub(name, function) for name, function in functions)
    return f"Functions that are there for you to call:\n```python\n{stubs}\n```" if stubs else ""

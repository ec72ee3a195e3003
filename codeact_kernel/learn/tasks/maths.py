"""Software packages, maths: numbers of a range, equations and slopes; with sympy where it is installed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from codeact_kernel.learn.tasks.task import Draft, Family, Move, Slip

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from codeact_kernel.learn.tasks.task import Split

RANGES: dict[tuple[str, str], Split] = {
    ("sum", "multiple"): "train",
    ("max", "multiple"): "train",
    ("sum", "prime"): "train",
    ("squares", "prime"): "train",
    ("max", "digits"): "train",
    ("min", "digits"): "train",
    ("sum", "palindrome"): "train",
    ("min", "palindrome"): "train",
    ("sum", "remainder"): "train",
    ("max", "remainder"): "train",
    ("squares", "multiple"): "train",
    ("max", "prime"): "validation",
    ("min", "remainder"): "validation",
    ("sum", "digits"): "heldout",
    ("squares", "remainder"): "heldout",
    ("max", "palindrome"): "heldout",
    ("min", "prime"): "heldout",
}
"""(what is made of the numbers, which numbers of a range) -> split."""
ROOTS: dict[str, Split] = {"larger": "train", "product": "train", "smaller": "validation", "gap": "heldout"}
"""What is asked of the two solutions of a quadratic equation -> split."""
MADE: dict[str, tuple[str, str, Callable[[list[int]], int]]] = {
    "sum": ("the sum", "print(sum(numbers))", sum),
    "max": ("the largest", "print(max(numbers))", max),
    "min": ("the smallest", "print(min(numbers))", min),
    "squares": (
        "the sum of the squares",
        "print(sum(n**2 for n in numbers))",
        lambda numbers: sum(number**2 for number in numbers),
    ),
}
PLAIN_PRIME = "def isprime(n):\n    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))\n\n"
SYMPY_PRIME = "from sympy import isprime\n\n"


@cache
def with_sympy() -> bool:
    """Say whether demonstrations may use sympy: kernels run on the Python that we run on."""
    return find_spec("sympy") is not None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of numbers: its words, its test as code and as a function, and what the code needs before it."""

    words: str
    code: str
    holds: Callable[[int], bool]
    before: str = ""


def families() -> list[Family]:
    """Return the families of this domain."""
    ranges = [
        Family(f"maths/{made}-{kind}", split, partial(_range, made, kind))
        for (made, kind), split in RANGES.items()
    ]
    roots = [Family(f"maths/roots-{asked}", split, partial(_roots, asked)) for asked, split in ROOTS.items()]
    return [*ranges, *roots, Family("maths/slope", "train", _slope)]


def _kind(name: str, chance: Random) -> Kind:
    by, total = chance.randint(6, 29), chance.randint(6, 16)
    rest = chance.randint(1, by - 1)
    return {
        "multiple": Kind(f"the multiples of {by}", f"n % {by} == 0", lambda n: n % by == 0),
        "prime": Kind("the primes", "isprime(n)", _is_prime, SYMPY_PRIME if with_sympy() else PLAIN_PRIME),
        "digits": Kind(
            f"the numbers with digit sum {total}",
            f"sum(map(int, str(n))) == {total}",
            lambda n: sum(map(int, str(n))) == total,
        ),
        "palindrome": Kind("the palindromes", "str(n) == str(n)[::-1]", lambda n: str(n) == str(n)[::-1]),
        "remainder": Kind(
            f"the numbers with remainder {rest} when divided by {by}",
            f"n % {by} == {rest}",
            lambda n: n % by == rest,
        ),
    }[name]


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def _range(made: str, name: str, chance: Random) -> Draft:
    words, code, function = MADE[made]
    numbers: list[int] = []
    while len(numbers) < 3:
        kind = _kind(name, chance)
        low = chance.randint(20, 900)
        high = low + chance.randint(150, 900)
        numbers = [number for number in range(low, high + 1) if kind.holds(number)]
    value = function(numbers)
    listed = f"numbers = [n for n in range({low}, {high} + 1) if {kind.code}]\nprint(len(numbers))"
    slip = Slip(1, f"print(numbers.{made}())", "A list has no such method; the function does it.")
    if made == "squares":
        slip = Slip(1, "print(sum(numbers**2))", "A list cannot be squared; I square each number.")
    if kind.before:
        slip = Slip(0, listed, "isprime must be there first.")
    return Draft(
        text=f"What is {words} of {kind.words} from {low} to {high}?",
        setup=(),
        moves=(Move("I list the numbers.", kind.before + listed), Move(f"Now {words} of them.", code)),
        answer=f"It is {value}.",
        expected=(value,),
        slip=slip,
    )


def _roots(asked: str, chance: Random) -> Draft:
    one, other = sorted(chance.sample([n for n in range(-40, 60) if abs(n) > 3], 2))
    left = f"x**2 {_signed(-(one + other))}*x {_signed(one * other)}"
    value, words, code = {
        "larger": (other, "the larger solution", "print(max(roots))"),
        "smaller": (one, "the smaller solution", "print(min(roots))"),
        "product": (one * other, "the product of the solutions", "print(roots[0] * roots[1])"),
        "gap": (other - one, "the larger solution minus the smaller one", "print(max(roots) - min(roots))"),
    }[asked]
    if with_sympy():
        solved = f'from sympy import solve, symbols\n\nx = symbols("x")\nroots = solve({left}, x)\nprint(roots)'
    else:
        solved = f"roots = [x for x in range(-99, 100) if {left} == 0]\nprint(roots)"
    return Draft(
        text=f"The equation {left} = 0 has two solutions. What is {words}?",
        setup=(),
        moves=(Move("I solve the equation.", solved), Move(f"Now {words}.", code)),
        answer=f"It is {value}.",
        expected=(value,),
        slip=Slip(0, f"roots = solve({left}, x)\nprint(roots)", "solve and x must be there first.")
        if with_sympy()
        else None,
    )


def _slope(chance: Random) -> Draft:
    cubic, linear, at = chance.randint(2, 9), chance.randint(2, 30), chance.randint(3, 25)
    value = 3 * cubic * at**2 + linear
    curve = f"{cubic}*x**3 + {linear}*x"
    if with_sympy():
        first = f'from sympy import diff, symbols\n\nx = symbols("x")\nslope = diff({curve}, x)\nprint(slope)'
        second = f"print(slope.subs(x, {at}))"
    else:
        first = f"def slope(x):\n    return 3 * {cubic} * x**2 + {linear}\n\n\nprint(slope(0))"
        second = f"print(slope({at}))"
    return Draft(
        text=f"What is the derivative of {curve} at x = {at}?",
        setup=(),
        moves=(Move("I take the derivative.", first), Move(f"Now its value at {at}.", second)),
        answer=f"It is {value}.",
        expected=(value,),
    )


def _signed(number: int) -> str:
    return f"- {-number}" if number < 0 else f"+ {number}"

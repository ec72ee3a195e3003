"""What the authors' own code says of submissions around the references of one session: `CHECKOUT SESSION.py`.

Writes, as JSON, rounds of `[question, submission, verdict]`: the reference itself, and what is nearly it. It imports
only their code, in the way of their `Evaluator.evaluate`: fork, reference, submission, validator. Theirs would fetch
data that is missing; this ends instead.
"""

import ast
import importlib
import json
import logging
import shutil
import sys
import types
import warnings
from pathlib import Path

SECONDS = 60


def mutants(code, names):
    tree = ast.parse(code)
    before, last = "\n".join(map(ast.unparse, tree.body[:-1])), ast.unparse(tree.body[-1])
    yield code
    yield f"{names[0]} = None\n{code}" if names else code
    if isinstance(tree.body[-1], ast.Expr):
        yield f"{before}\nprint({last})"
        yield f"{before}\nkept_here = {last}"
        yield f"{before}\n[{last}]"
    else:
        yield before or "pass"
        yield f"{code}\n{code}"
        yield f"{code}\nraise KeyError('late')"


def main(checkout, path):
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    sys.modules.setdefault("requests", types.ModuleType("requests"))
    package = types.ModuleType("dseval")
    package.__path__ = [f"{checkout}/dseval"]
    sys.modules["dseval"] = package
    problem, simulation, validator = (
        importlib.import_module(f"dseval.{name}") for name in ("problem", "simulation", "validator")
    )
    session = problem.ProblemSet.fromfile(path)
    shutil.copytree(session.data_directory, "inputs") if session.data_directory else None
    missing = [name for one in session for name in one.data or {} if not Path("inputs", name).is_file()]
    if missing:
        sys.exit(f"missing: {missing}")
    environment, rounds = simulation.Environment(), [[] for _ in range(5)]
    for one in session:
        if not one.is_complete:
            environment.execute(one.reference_code, raise_error=True, max_time=SECONDS)
            continue
        names = [
            name
            for name, value in environment.namespace.items()
            if not name.startswith("__") and not isinstance(value, types.ModuleType)
        ]
        forks = [environment.fork() for _ in rounds]
        try:
            environment.execute(one.reference_code, raise_error=True, max_time=SECONDS)
        except Exception:
            break  # made for older libraries than are here
        answer = environment.last_cell.output
        for fork, told, code in zip(forks, rounds, mutants(one.reference_code, names), strict=True):
            fork.execute(code, max_time=SECONDS)
            comments = one.validator.validate(answer, fork.last_cell.output)
            told.append((one.question.strip(), code, validator.validator_comments_to_verdict(comments)[0].value))
    sys.stdout.write(f"\n{json.dumps(rounds)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

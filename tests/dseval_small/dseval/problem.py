"""Problems of the small DSEval: ours, in the layout of theirs; the setup of a question is JSON, which is YAML too."""

import json
import re
from pathlib import Path

from .validator import And


class Problem:
    def __init__(self, reference_code, question=None, validator=None, data=None, execution=None):
        self.reference_code, self.question, self.data, self.execution = reference_code, question, data, execution
        self.validator = And(validator or {"result": None})

    @property
    def is_complete(self):
        return bool(self.question and self.reference_code)


class ProblemSet(list):
    @classmethod
    def fromfile(cls, path):
        path = Path(path)
        found = cls()
        for section in path.read_text().split("# %%\n")[1:]:
            setup = re.match(r'"""\n([\s\S]+?)"""\n([\s\S]+)', section)
            given = json.loads(setup[1]) if setup else {}
            found.append(Problem((setup[2] if setup else section).strip(), **given))
        inputs = path.parent / "_inputs"
        found.data_directory = inputs if inputs.exists() else None
        return found

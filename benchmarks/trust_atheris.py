"""The parser, the reducer, the redactor and the loader under a fuzzer that sees which lines an input reaches.

    pip install atheris        # Linux, CPython up to 3.12 or so; no part of any extra
    python -m benchmarks.trust_atheris parser [--seconds 60]

`benchmarks.trust fuzz` tries more inputs a second and knows nothing of the code. What raises anything but one of
our sentences ends the run with exit code 77 and the input; the last lines say how many inputs were tried.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

TARGETS = ("parser", "reducer", "redactor", "loader")


def main() -> None:
    """Fuzz one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    args = parser.parse_args()
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        sys.exit("atheris is not installed here: pip install atheris.")
    with atheris.instrument_imports(include=["codeact_kernel"]):
        disk: Any = importlib.import_module("benchmarks.trust_disk")
        errors: Any = importlib.import_module("codeact_kernel.errors")
    with tempfile.TemporaryDirectory() as name:
        corpus = Path(name) / "seeds"
        corpus.mkdir()
        tried, seeds, _ = disk.targets(Path(name) / "x.ipynb")[args.target]
        for number, seed in enumerate(seeds):
            (corpus / str(number)).write_bytes(seed)

        def once(data: bytes) -> None:
            with contextlib.suppress(errors.CodeActError):
                tried(data)

        atheris.Setup([sys.argv[0], f"-max_total_time={args.seconds}", "-print_final_stats=1", str(corpus)], once)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

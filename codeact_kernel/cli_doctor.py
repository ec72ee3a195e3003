"""`codeact doctor`: what is configured, what answers and how fast, and what to do about the rest."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from codeact_kernel import doctor, doctor_jupyter
from codeact_kernel._version import __version__
from codeact_kernel.terminal_view import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

COMMANDS = ("doctor",)
MARKS = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}


def add_parsers(subparsers: Any) -> None:
    """Add `doctor` to the command line's subparsers."""
    parser = subparsers.add_parser(
        "doctor",
        help="say what is configured, what answers and how fast, and how to mend the rest",
        description="Look at settings, model, weights, kernel and side panel; the model gets one short request.",
        epilog="Exit codes: 0 all is well, 1 something is wrong, 2 usage.",
    )
    parser.add_argument("--model", "-m", metavar="M", help="look at this model instead of the configured one")
    parser.add_argument("--no-request", action="store_true", help="do not ask the model anything")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def main(args: argparse.Namespace) -> int:
    """Look at everything; return 0 when all is well, else 1."""
    checks = []
    if not args.json:
        print(f"codeact-kernel {__version__}, Python {platform.python_version()}, {platform.system()}")
    for check in _examine(args):
        checks.append(check)
        if not args.json:
            _show(check)
    count = sum(check.status == "wrong" for check in checks)
    if args.json:
        facts = {"version": __version__, "python": platform.python_version(), "platform": platform.platform()}
        print(json.dumps({"well": not count, **facts, "checks": [asdict(check) for check in checks]}))
    else:
        print("All is well." if not count else f"{count} thing{'s are' if count > 1 else ' is'} wrong.")
    return 1 if count else 0


def _examine(args: argparse.Namespace) -> Iterator[doctor.Check]:
    config, found = doctor.examine_settings()
    yield from found
    model, found = doctor.examine_model(config.updated(model=args.model))
    yield from found
    if model is not None and not args.no_request:
        yield from doctor.answer_now(model, config)
    yield from doctor.examine_weights()
    yield doctor_jupyter.examine_kernel()
    yield doctor_jupyter.examine_panel()


def _show(check: doctor.Check) -> None:
    print(printable(f"{MARKS[check.status]} {check.topic:8} {check.said}", sys.stdout), flush=True)
    if check.fix:
        print(printable(f"{'':15}-> {check.fix}", sys.stdout), flush=True)

"""`codeact sandbox-check`, and the options of what runs in an isolated kernel."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ConfigError
from codeact_kernel.execute.isolated import MEMORY_BYTES, PROCESSES, Isolation
from codeact_kernel.sandbox_check import check

if TYPE_CHECKING:
    import argparse

COMMANDS = ("sandbox-check",)
UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "": 1}


def add_parsers(subparsers: Any) -> None:
    """Add the command to the command line's subparsers."""
    one = subparsers.add_parser(
        "sandbox-check",
        help="say what an isolated kernel on this machine can and cannot reach, by trying it",
        epilog="Exit codes: 0 all is as it should be, 1 something is not, or this machine cannot isolate.",
    )
    one.add_argument("--json", action="store_true", help="print one JSON object, last on stdout")


def add_isolation(parser: argparse.ArgumentParser) -> None:
    """Add how a kernel is isolated."""
    group = parser.add_argument_group("isolated kernel (Linux with bubblewrap)")
    group.add_argument(
        "--isolated",
        action="store_true",
        help="the kernel sees its working folder and nothing else: no network, no home, no keys",
    )
    group.add_argument(
        "--allow-host",
        metavar="HOST[:PORT]",
        action="append",
        default=[],
        help="with --isolated: may be reached over HTTP(S); can be given several times",
    )
    group.add_argument(
        "--memory", metavar="SIZE", default="", help=f"memory in all (default {MEMORY_BYTES >> 30}G)"
    )
    group.add_argument(
        "--processes", metavar="N", type=int, default=PROCESSES, help=f"processes in all ({PROCESSES})"
    )


def isolation_of(args: argparse.Namespace) -> Isolation | None:
    """Return how the kernel is isolated, None for a kernel with the user's rights.

    Raises:
        ConfigError: an option that is only for isolated kernels, or a size that is none.
    """
    if not args.isolated:
        if args.allow_host or args.memory or args.processes != PROCESSES:
            raise ConfigError("--allow-host, --memory and --processes are for isolated kernels; add --isolated.")
        return None
    if args.processes < 1:
        raise ConfigError(f"A kernel cannot run with {args.processes} processes; give a number from 1.")
    return Isolation(tuple(args.allow_host), _bytes(args.memory) or MEMORY_BYTES, args.processes)


def _bytes(text: str) -> int:
    digits = text.lower().rstrip("b")
    unit = digits[-1:] if digits[-1:] in UNITS else ""
    number = digits.removesuffix(unit)
    if text and (not number.isdigit() or int(number) * UNITS[unit] < 100_000_000):
        raise ConfigError(f"{text!r} is no size for a kernel's memory; write 2G, or at least 100M.")
    return int(number) * UNITS[unit] if text else 0


def main(args: argparse.Namespace) -> int:
    """Try what can be reached, print it, and return the exit code."""
    found = asyncio.run(check())
    wrong = [one for one in found if not one.right]
    if args.json:
        rows = [
            {"what": one.probe.what, "reached": one.reached, "right": one.right, "said": one.said} for one in found
        ]
        print(json.dumps({"exit_code": int(bool(wrong)), "probes": rows}))
        return int(bool(wrong))
    for one in found:
        mark = "ok " if one.right else "BAD"
        print(f"{mark}  {'can   ' if one.reached else 'cannot'}  {one.probe.what}")
    print(f"{len(found) - len(wrong)} of {len(found)} as they should be.")
    return int(bool(wrong))

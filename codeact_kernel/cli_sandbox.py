"""`codeact sandbox-check`, `codeact isolated`, and the options of what runs in an isolated kernel."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ConfigError
from codeact_kernel.execute.allowed_hosts import HostProxy
from codeact_kernel.execute.isolated import MEMORY_BYTES, PROCESSES, Isolation, why_not
from codeact_kernel.sandbox_check import check

if TYPE_CHECKING:
    import argparse

COMMANDS = ("sandbox-check", "isolated")
LAUNCHER = "codeact_kernel.isolated_kernel"
UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "": 1}


def add_parsers(subparsers: Any) -> None:
    """Add the command to the command line's subparsers."""
    one = subparsers.add_parser(
        "sandbox-check",
        help="say what an isolated kernel on this machine can and cannot reach, by trying it",
        epilog="Exit codes: 0 all is as it should be, 1 something is not, or this machine cannot isolate.",
    )
    one.add_argument("--json", action="store_true", help="print one JSON object, last on stdout")
    two = subparsers.add_parser(
        "isolated",
        help="add the kernel `CodeAct (isolated)` to Jupyter, or remove it",
        description="A kernel for your own notebooks that sees its notebook's folder and nothing else. A process "
        "outside asks the model, with the settings and keys of the environment that Jupyter was started in.",
    )
    two.add_argument("verb", choices=("install", "remove"))
    two.add_argument("--name", default="codeact-isolated", help="the kernelspec's name (codeact-isolated)")
    two.add_argument("--sys-prefix", action="store_true", help="for this Python's environment, not for your user")
    two.add_argument("--prefix", metavar="DIR", help="below DIR/share/jupyter")
    _add_limits(two.add_argument_group("limits"))


def add_isolation(parser: argparse.ArgumentParser) -> None:
    """Add how a kernel is isolated."""
    group = parser.add_argument_group("isolated kernel (Linux with bubblewrap)")
    group.add_argument(
        "--isolated",
        action="store_true",
        help="the kernel sees its working folder and nothing else: no network, no home, no keys",
    )
    _add_limits(group)


def _add_limits(group: argparse._ArgumentGroup) -> None:
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
    return _isolation(args)


def _isolation(args: argparse.Namespace) -> Isolation:
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
    """Carry out the command and return the exit code."""
    if args.command == "isolated":
        return _install(args) if args.verb == "install" else _remove(args)
    return _check(args)


def _install(args: argparse.Namespace) -> int:
    """Write the kernelspec.

    Raises:
        ConfigError: this machine cannot isolate, or the folder cannot be written.
    """
    from jupyter_client.kernelspec import KernelSpecManager  # noqa: PLC0415 - import time

    reason = why_not()
    if reason:
        raise ConfigError(reason)
    isolation = _isolation(args)
    HostProxy(isolation.hosts)  # what is no host is said now
    command = [sys.executable, "-m", LAUNCHER, "-f", "{connection_file}"]
    command += [word for host in isolation.hosts for word in ("--allow-host", host)]
    command += ["--memory", str(isolation.memory), "--processes", str(isolation.processes)]
    spec = {
        "argv": command,
        "display_name": "CodeAct (isolated)",
        "language": "python",
        "interrupt_mode": "message",
        "metadata": {"debugger": False, "supported_encryption": "curve"},
    }
    where: dict[str, Any] = {"prefix": sys.prefix if args.sys_prefix else args.prefix}
    with tempfile.TemporaryDirectory() as name:
        Path(name, "kernel.json").write_text(json.dumps(spec, indent=1) + "\n", "utf-8")
        try:
            made = KernelSpecManager().install_kernel_spec(
                name, args.name, user=not where["prefix"], prefix=where["prefix"]
            )
        except (OSError, ValueError) as error:
            raise ConfigError(f"The kernel could not be added: {error}.") from None
    print(f"Jupyter has the kernel CodeAct (isolated) now ({made}); choose it, then %load_ext codeact_kernel.")
    return 0


def _remove(args: argparse.Namespace) -> int:
    """Remove the kernelspec.

    Raises:
        ConfigError: it is not there, or is another program's.
    """
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel  # noqa: PLC0415 - import time

    manager = KernelSpecManager()
    if args.prefix or args.sys_prefix:
        manager.kernel_dirs = [str(Path(args.prefix or sys.prefix) / "share" / "jupyter" / "kernels")]
    try:
        spec = manager.get_kernel_spec(args.name)
        if LAUNCHER not in spec.argv:
            raise ConfigError(
                f"The kernel {args.name!r} is not one of ours; `jupyter kernelspec remove` removes it."
            )
        gone = manager.remove_kernel_spec(args.name)
    except NoSuchKernel:
        raise ConfigError(f"Jupyter has no kernel {args.name!r}; `jupyter kernelspec list` shows them.") from None
    except OSError as error:
        raise ConfigError(f"The kernel could not be removed: {error}.") from None
    print(f"Removed {gone}.")
    return 0


def _check(args: argparse.Namespace) -> int:
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

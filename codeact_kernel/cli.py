"""`codeact`: the agent from a shell.

Exit codes: 0 done, 1 failed or a limit was reached, 2 usage or configuration, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from codeact_kernel import (
    cli_collect,
    cli_doctor,
    cli_eval,
    cli_exchange,
    cli_improve,
    cli_learn,
    cli_models,
    cli_replay,
    cli_sandbox,
)
from codeact_kernel._version import __version__
from codeact_kernel.asking import terminal_asker
from codeact_kernel.cli_results import EXIT, report, say
from codeact_kernel.config import ACTIONS, APPROVAL_MODES, from_environment
from codeact_kernel.episode.recover import recover
from codeact_kernel.errors import CodeActError, ConfigError, StoppedError, WeightsError
from codeact_kernel.oneshot import run
from codeact_kernel.types import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    args = _parser().parse_args(argv)
    commands = {"run": _run, "models": cli_models.main, "recover": _recover}
    commands |= dict.fromkeys(cli_replay.COMMANDS, cli_replay.main)
    commands |= dict.fromkeys(cli_exchange.COMMANDS, cli_exchange.main)
    commands |= dict.fromkeys(cli_doctor.COMMANDS, cli_doctor.main)
    commands |= dict.fromkeys(cli_sandbox.COMMANDS, cli_sandbox.main)
    commands |= dict.fromkeys(cli_eval.COMMANDS, cli_eval.main)
    commands |= dict.fromkeys(cli_learn.COMMANDS, cli_learn.main)
    commands |= dict.fromkeys(cli_collect.COMMANDS, cli_collect.main)
    commands |= dict.fromkeys(cli_improve.COMMANDS, cli_improve.main)
    try:
        return commands[args.command](args)
    except (StoppedError, KeyboardInterrupt):
        return _fail(args, "interrupted", "stopped.")
    except (ConfigError, WeightsError) as error:
        return _fail(args, "failed", str(error), code=2)
    except CodeActError as error:
        return _fail(args, "failed", str(error))


def _fail(args: argparse.Namespace, status: str, cause: str, *, code: int | None = None) -> int:
    """Say why there is no episode, as JSON too where that was asked for, and return the exit code."""
    say(f"codeact: {cause}")
    if getattr(args, "json", False):
        known = {"status": status, "answer": None, "cause": cause, "episode": None, "steps": 0}
        print(json.dumps({**known, "usage": asdict(Usage())}))
    return EXIT[status] if code is None else code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="codeact", description="The agent that lives in your Jupyter kernel: it answers in code."
    )
    parser.add_argument("--version", action="version", version=f"codeact-kernel {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser(
        "run",
        help="carry out one task in a kernel of its own",
        description="Carry out one task in its own kernel. The answer goes to stdout, the way there to stderr.",
        epilog="Exit codes: 0 done, 1 failed or limit, 2 usage or configuration, 130 interrupted.",
    )
    one.add_argument("task", metavar="TASK", help="what to do, in your words; - reads it from stdin")
    one.add_argument(
        "--model",
        "-m",
        metavar="M",
        help="auto, llamacpp:NAME, gguf:PATH, openai:NAME, anthropic:NAME, scripted:FILE",
    )
    one.add_argument("--check", metavar="EXPR", default="", help='what must hold of `answer`, e.g. "answer > 0"')
    one.add_argument("--out", "-o", metavar="FILE.ipynb", type=Path, help="the episode's file")
    one.add_argument("--cwd", metavar="DIR", type=Path, help="the kernel's working folder")
    one.add_argument("--mcp", metavar="FILE", type=Path, help="MCP servers whose tools the model may call")
    one.add_argument("--max-steps", metavar="N", help="steps the task may take")
    one.add_argument("--approve", choices=APPROVAL_MODES, help="what may run without asking")
    one.add_argument("--action", choices=ACTIONS, help="what the model writes to act; json, text: one call a step")
    one.add_argument("--json", action="store_true", help="print one JSON object, last on stdout")
    one.add_argument("--quiet", "-q", action="store_true", help="show no progress")
    cli_sandbox.add_isolation(one)
    cli_models.add_parser(commands)
    cli_replay.add_parsers(commands)
    cli_exchange.add_parsers(commands)
    cli_doctor.add_parsers(commands)
    cli_sandbox.add_parsers(commands)
    cli_eval.add_parsers(commands)
    cli_learn.add_parsers(commands)
    cli_collect.add_parsers(commands)
    cli_improve.add_parsers(commands)
    back = commands.add_parser("recover", help="rebuild an episode's notebook from its journal after a crash")
    back.add_argument("path", metavar="FILE", type=Path, help="a journal (.jsonl), its notebook, or their folder")
    return parser


def _run(args: argparse.Namespace) -> int:
    task = sys.stdin.read() if args.task == "-" else args.task
    asker = terminal_asker() if sys.stdin.isatty() and args.task != "-" else None
    result = run(
        task,
        model=args.model,
        cwd=args.cwd,
        out=args.out,
        max_steps=args.max_steps,
        approve=args.approve,
        action=args.action,
        config=from_environment(),
        display=not args.quiet,
        asker=asker,
        mcp=args.mcp,
        require=args.check,
        isolation=cli_sandbox.isolation_of(args),
    )
    return report(result, as_json=args.json)


def _recover(args: argparse.Namespace) -> int:
    print(recover(args.path))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The embedded model's own process: `python -m codeact_kernel.models.server --model FILE --state FILE ...`.

It serves llama.cpp's OpenAI-style endpoint on the loopback to whoever can read its state file (mode 0600), and
belongs to no kernel: it ends by itself when it is idle, or when its state file is gone. Its lock is held for as
long as it lives, so that a free lock means that no server runs, whatever a process number says.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from codeact_kernel.models.locks import locked
from codeact_kernel.types import now

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTEXT_TOKENS = 8192
"""Per slot. Qwen2.5-Coder 1.5B takes 28 kB a token for it."""
PROMPT_CACHE_MIB = 512
"""Prompts that lost their slot to another conversation are kept in memory up to this size."""
LOCK_SECONDS = 1.0
WATCH_SECONDS = 1.0
COUNTERS = re.compile(
    r"^llamacpp:(?:prompt_tokens_total|prompt_tokens_cached_total|n_decode_total|tokens_predicted_total) (\S+)$",
    re.MULTILINE,
)
BUSY = re.compile(r"^llamacpp:requests_(?:processing|deferred) ([1-9]\S*)$", re.MULTILINE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until idle; return 0 also if another server holds the lock, 1 if the model could not be loaded."""
    parser = argparse.ArgumentParser(prog="codeact_kernel.models.server")
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--alias", default="")
    parser.add_argument("--state", required=True, type=Path)
    parser.add_argument("--threads", default=0, type=int)
    parser.add_argument("--context", default=CONTEXT_TOKENS, type=int)
    parser.add_argument("--slots", default=1, type=int)
    parser.add_argument("--idle-minutes", default=15.0, type=float)
    options = parser.parse_args(arguments)
    with contextlib.ExitStack() as stack:
        try:
            # A client that looks whether a server lives holds the lock for a moment.
            stack.enter_context(locked(options.state.with_suffix(".lock"), seconds=LOCK_SECONDS))
        except TimeoutError:
            return 0
        token = secrets.token_urlsafe(32)
        try:
            server = _start(options, token)
        except Exception as error:
            sys.stderr.write(f"cannot load: {error}\n")
            return 1
        write_state(options.state, token, urlsplit(str(server.listening_address)).port)
        _watch(server, options.state, token, options.idle_minutes * 60)
        remove_state(options.state, token)
        sys.stdout.flush()
        sys.stderr.flush()
        # llama.cpp waits for open connections in its destructor; there may be one that hangs.
        os._exit(0)


def _start(options: argparse.Namespace, token: str) -> Any:
    import xllamacpp  # noqa: PLC0415 - 34 MB, and only this process needs it

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(options.model)
    parameters.model_alias = {options.alias or options.model.stem}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [token]
    parameters.n_ctx = options.context * options.slots
    parameters.n_parallel = options.slots
    parameters.cache_prompt = True
    parameters.cache_ram_mib = PROMPT_CACHE_MIB
    parameters.endpoint_metrics = True
    parameters.endpoint_slots = False
    parameters.ui = False
    threads = options.threads or default_threads()
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    return xllamacpp.Server(parameters)


def default_threads() -> int:
    """Return the cores that we may use less one, at least 1.

    The threads wait for each other at every layer: with one core taken by something else, 2 threads on 2 cores
    decoded 1 to 9 tokens/s (0.5B, load average 6) where 1 thread decoded 16 to 22; idle they gain a quarter.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, cores - 1)


def write_state(path: Path, token: str, port: int | None, **more: Any) -> None:
    """Write the state file in one stroke, readable by its owner only."""
    state = {"pid": os.getpid(), "port": port, "token": token, "created": now(), **more}
    fresh = path.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(state, file)
    fresh.replace(path)


def owns(path: Path, token: str) -> bool:
    """Say whether the state file is there and is the one that was written with this token."""
    try:
        return bool(json.loads(path.read_text("utf-8")).get("token") == token)
    except (OSError, ValueError):
        return False


def remove_state(path: Path, token: str) -> None:
    """Take the state file away, unless it is another process's by now."""
    if owns(path, token):
        with contextlib.suppress(OSError):
            path.unlink()


def _watch(server: Any, state: Path, token: str, idle_seconds: float) -> None:
    """Return when nothing was asked for `idle_seconds`, or when the state file is gone or another's."""
    counted: list[str] = []
    active = time.monotonic()
    while owns(state, token):
        metrics = str(server.handle_metrics())
        counters = COUNTERS.findall(metrics)
        if counters != counted or BUSY.search(metrics):
            counted, active = counters, time.monotonic()
        if time.monotonic() - active > idle_seconds:
            return
        time.sleep(min(WATCH_SECONDS, idle_seconds / 4))


if __name__ == "__main__":
    sys.exit(main())

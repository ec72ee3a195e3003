"""A model in a process of its own: finds or starts the user's model process, then is a client of it."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import platform
import subprocess
import sys
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.canonical import digest
from codeact_kernel.errors import ModelError
from codeact_kernel.models.base import Chunk
from codeact_kernel.models.locks import try_lock
from codeact_kernel.models.openai import OpenAIModel
from codeact_kernel.models.weights import cache_dir
from codeact_kernel.secret_names import is_secret_variable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from codeact_kernel.agent.stop import Stop
    from codeact_kernel.config import CodeAct
    from codeact_kernel.types import Message, Sampling

POLL_SECONDS = 0.1
STARTS = 3
"""A start may lose a race with another kernel's; a third one that fails is a failure."""
# The model process must be no child of the kernel: a kernel that ends, or is killed with its group, leaves it
# alone. So a short-lived process starts it in a session of its own and prints its number.
LAUNCHER = """
import os, subprocess, sys
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
flags = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                         start_new_session=True, creationflags=flags)
print(child.pid)
child.returncode = 0
"""


@dataclass(frozen=True, slots=True)
class State:
    """What the model process wrote into its state file. `window` is in tokens."""

    pid: int
    port: int
    token: str
    window: int | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """How a model process is started: `python -m MODULE ARGUMENTS --alias ... --state ... --threads ...`.

    `settings` tell one process from another: kernels with the same ones share it. `source` is where its weights
    come from, in words for the user; `keeps` are the secret variables that it may see.
    """

    module: str
    arguments: tuple[str, ...]
    settings: tuple[Any, ...]
    threads: int
    source: str
    load_seconds: float = 300.0
    keeps: frozenset[str] = frozenset()


class ServedModel:
    """A model in the user's own model process, shared by all kernels with the same settings."""

    def __init__(self, name: str, program: Program, config: CodeAct, extra: dict[str, Any] | None = None) -> None:
        self._name, self._program, self._config = name, program, config
        self._extra = extra or {}
        # A home folder may be shared by several machines.
        mark = digest([*program.settings, program.threads, platform.node()])[:16]
        self.state_file = cache_dir() / "servers" / f"{mark}.json"

    @property
    def id(self) -> str:
        """The model's name."""
        return self._name

    @property
    def sees_images(self) -> bool:
        """The models that run here are blind."""
        return False

    async def close(self) -> None:
        """Do nothing: the model process serves others and ends when it is idle."""

    def shut_down(self) -> None:
        """Tell the model process to end (within a second); other kernels that use it will start it again."""
        self.state_file.unlink(missing_ok=True)

    async def stream(self, messages: Sequence[Message], sampling: Sampling, stop: Stop) -> AsyncGenerator[Chunk]:
        """Stream a reply; see `models.base.Model.stream`. A model process that died is started again once."""
        for last_try in (False, True):
            stop.check()
            state = None
            async with aclosing(self._ready()) as news:
                async for item in news:
                    if isinstance(item, Chunk):
                        yield item
                    else:
                        state = item
            if state is None:
                raise ModelError(f"The process of {self.id} could not be found; ask again.")
            endpoint = self._endpoint(state)
            try:
                async with aclosing(endpoint.stream(messages, sampling, stop)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except ModelError as error:
                if last_try or not error.retryable or not await self._died():
                    raise
            else:
                return
            yield Chunk(notice=f"the process of {self.id} ended; starting it again", restart=True)

    def _endpoint(self, state: State) -> OpenAIModel:
        return OpenAIModel(
            self.id,
            base_url=f"http://127.0.0.1:{state.port}/v1",
            api_key=state.token,
            key_name="the state file of the embedded model",
            config=self._config.updated(retries=0),
            sees_images=False,
            extra={"cache_prompt": True, **self._extra},
        )

    async def _died(self) -> bool:
        """Say whether the process is gone; the system takes a moment to let go of its lock."""
        for _ in range(10):
            if not self._alive():
                return True
            await asyncio.sleep(POLL_SECONDS)
        return False

    def _alive(self) -> bool:
        handle = try_lock(self.state_file.with_suffix(".lock"))
        if handle is None:
            return True
        handle.close()
        return False

    def _read_state(self) -> State | None:
        try:
            found = json.loads(self.state_file.read_text("utf-8"))
            return State(int(found["pid"]), int(found["port"]), str(found["token"]), found.get("window"))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    async def _ready(self) -> AsyncGenerator[Chunk | State]:
        """Yield notices while the process starts, and its state once it listens.

        Raises:
            ModelError: it cannot load the model; the sentence quotes its log.
        """
        begun = asyncio.get_running_loop().time()
        told, pid, starts = 0, 0, 0
        while True:
            alive = self._alive()
            state = self._read_state()
            if alive and state is not None:
                yield state
                return
            if not alive and not (pid and _runs(pid)):
                if starts and (starts == STARTS or self._failure()):
                    raise ModelError(self._explain())
                self.state_file.unlink(missing_ok=True)
                pid, starts = await asyncio.to_thread(self._launch), starts + 1
            waited = asyncio.get_running_loop().time() - begun
            if waited > self._program.load_seconds:
                raise ModelError(
                    f"{self.id} was not loaded within {self._program.load_seconds:.0f} s; see {self._log}."
                )
            if waited >= told + 1:
                told = int(waited)
                yield Chunk(notice=f"loading {self.id}: {told} s")
            await asyncio.sleep(POLL_SECONDS)

    @property
    def _log(self) -> Path:
        return self.state_file.with_suffix(".log")

    def _launch(self) -> int:
        """Start the model process and return its number."""
        folder = self.state_file.parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        program = self._program
        command = [sys.executable, "-P", "-m", program.module, *program.arguments]
        command += ["--alias", self.id, "--state", str(self.state_file), "--threads", str(program.threads)]
        command += ["--idle-minutes", str(self._config.idle_minutes)]
        environment = {
            name: value
            for name, value in os.environ.items()
            if name in program.keeps or not is_secret_variable(name)
        }
        # Its folder is not the user's, where a random.py may lie; our package is found all the same.
        home = str(Path(__file__).resolve().parents[2])
        inherited = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([home, inherited] if inherited else [home])
        launched = subprocess.run(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-I", "-S", "-c", LAUNCHER, str(self._log), *command],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        if launched.returncode:
            last = (launched.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ModelError(f"The process of {self.id} could not be started ({last}).")
        return int(launched.stdout)

    def _log_lines(self) -> list[str]:
        try:
            return self._log.read_text("utf-8", "replace").splitlines()
        except OSError:
            return []

    def _failure(self) -> str:
        """Return what the log says of why the model could not be loaded, "" when it says nothing."""
        told = [line.partition(":")[2] for line in self._log_lines() if line.startswith("cannot load")]
        return " ".join(told[-1].split())[:300].rstrip(".") if told else ""

    def _explain(self) -> str:
        failure = self._failure()
        if failure:
            return f"{self.id} could not be loaded ({failure}); check the weights {self._program.source}."
        return f"The process of {self.id} ended while it loaded, perhaps for lack of memory; see {self._log}."


def _runs(pid: int) -> bool:
    """Say whether a process runs; one that ended and waits for its parent does not."""
    psutil: Any = importlib.import_module("psutil")  # comes with ipykernel; only needed while the model starts
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False

"""A kernel that runs already and is somebody else's: connected to, used, and left as it is."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
from pathlib import Path
from typing import Any

from codeact_kernel.errors import ExecutionError
from codeact_kernel.execute import kernelside
from codeact_kernel.execute.fresh import FreshExecutor
from codeact_kernel.execute.process import KernelProcess

HELLO_SECONDS = 15.0
"""How long a kernel has to answer; one that is busy with a cell does not."""
BEAT_SECONDS, SILENT_SECONDS = 0.5, 4.0
"""How often the heart is listened to, and for how long a machine under load may keep it from being heard."""
_SIDE = """
import sys, types
if "_codeact_side" not in sys.modules:
    module = sys.modules["_codeact_side"] = types.ModuleType("_codeact_side")
    exec(compile(SOURCE, "<_codeact_side>", "exec"), module.__dict__)
"""
_NAMES = "[name for name in get_ipython().user_ns if name not in get_ipython().user_ns_hidden and name[:1] != '_']"
_GO = "__import__('os').chdir({folder!r})"
_WHERE = "__import__('os').getcwd()"
_INSTALLED = """\
(lambda m, names: {{name: m.version(name) for name in names if any(True for _ in m.distributions(name=name))}})(
    __import__('importlib.metadata').metadata, {names!r})"""
"""`user_expressions` are evaluated in the user's namespace and leave nothing there."""


def connection_file(wanted: str = "") -> Path:
    """Return the connection file of a running kernel: a file's name or a kernel's id, else the newest kernel's.

    Raises:
        ExecutionError: there is none.
    """
    from jupyter_client.connect import find_connection_file  # noqa: PLC0415 - import time

    try:
        return Path(find_connection_file(wanted or "kernel-*.json"))
    except OSError:
        what = f"no running kernel {wanted!r}" if wanted else "no running kernel"
        raise ExecutionError(
            f"There is {what} here; start one (a notebook, `jupyter console`), or name its connection file, which "
            "`%connect_info` shows, with --existing."
        ) from None


class AttachedKernel(KernelProcess):
    """The channels of a kernel that somebody else started, and that lives on after `close`."""

    def __init__(self, file: Path) -> None:
        super().__init__(file.stem, None, None)
        self._file = file

    async def start(self) -> None:
        """Connect.

        Raises:
            ExecutionError: it does not answer within HELLO_SECONDS.
        """
        import zmq.asyncio  # noqa: PLC0415 - import time
        from jupyter_client.asynchronous.client import AsyncKernelClient  # noqa: PLC0415

        self._context = zmq.asyncio.Context()
        self._context.rcvhwm = 0  # a subscriber with a full queue loses outputs without a word
        self._client = AsyncKernelClient(context=self._context)
        try:
            self._client.load_connection_file(str(self._file))
            self._client.start_channels(hb=False)
            async with asyncio.timeout(HELLO_SECONDS):
                await self._hello()
            self._client.hb_channel.start()
        except (TimeoutError, OSError, ValueError, RuntimeError):
            await self.close()
            raise ExecutionError(
                f"The kernel of {self._file} does not answer: it has ended, or is busy with a cell."
            ) from None
        except BaseException:
            await self.close()
            raise

    async def alive(self) -> bool:
        """Say whether we are connected: only `_death` knows better."""
        return self._client is not None

    async def _death(self) -> str:
        """Return the obituary once the kernel's heart has not beaten for SILENT_SECONDS."""
        silent = 0.0
        while silent < SILENT_SECONDS:
            await asyncio.sleep(BEAT_SECONDS)
            silent = 0.0 if self._client.hb_channel.is_beating() else silent + BEAT_SECONDS
        return self.obituary()

    def obituary(self) -> str:
        """Return the sentence for a kernel that is gone."""
        return "The kernel ended, or was restarted; its variables are lost."

    async def interrupt(self) -> None:
        """Ask the kernel to interrupt itself."""
        if self._client is not None:
            with contextlib.suppress(RuntimeError, OSError):
                self._client.control_channel.send(self._client.session.msg("interrupt_request", {}))

    async def kill(self) -> None:
        """Interrupt it again: it is not ours to kill."""
        await self.interrupt()

    async def close(self) -> None:
        """Disconnect."""
        client, context = self._client, self._context
        if client is not None:
            client.stop_channels()
        if context is not None:
            context.destroy(linger=0)
        self._client = self._context = None


class AttachedExecutor(FreshExecutor):
    """Runs cells in a running Python kernel as a further front end would; see FreshExecutor.

    Nothing is shown where the kernel's own front ends look, but what runs changes the user's variables.
    """

    def __init__(self, file: Path) -> None:
        super().__init__(look=False, literal=False)
        self._kernel = AttachedKernel(file)

    def _preparation(self) -> str:
        return f"exec({_SIDE!r}, {{'SOURCE': {inspect.getsource(kernelside)!r}}})"

    async def names(self) -> list[str]:
        """Return the names of the user's variables."""
        return list(await self._value(_NAMES) or ())

    async def folder(self) -> str:
        """Return the kernel's working folder."""
        return str(await self._value(_WHERE))

    async def go_to(self, folder: str) -> None:
        """Change the kernel's working folder."""
        await self._value(_GO.format(folder=folder))

    async def installed(self, names: list[str]) -> tuple[str, dict[str, str]]:
        """Return the version of the kernel's Python and of those of these packages that it has."""
        found = await self._value(_INSTALLED.format(names=names))
        return str(self.describe()["language_version"]), dict(found or {})

    async def _value(self, expression: str) -> Any:
        """Return the value of an expression in the kernel, which has a literal's repr; None where it has none."""
        found = await self._expression(expression)
        try:
            return ast.literal_eval(found["data"]["text/plain"])
        except (KeyError, ValueError, SyntaxError):
            return None

"""A kernel process of our own and its channels: start, execute, interrupt, kill, clean up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ExecutionError
from codeact_kernel.execute import isolated
from codeact_kernel.execute.allowed_hosts import HostProxy
from codeact_kernel.secret_names import is_secret_variable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from codeact_kernel.execute.isolated import Isolation

START_SECONDS = 60.0
DEATH_POLL_SECONDS = 0.2
GONE_SECONDS = 0.1
GONE_POLL_SECONDS = 0.002
RECONNECT_MS = 5
"""How often a socket tries a kernel that does not listen yet; ZeroMQ's default loses up to 100 ms at a start."""
STDIN_SECONDS = 5.0
"""How long the channel of `input()` may take to connect once the kernel has answered on another one."""
WATCH_SECONDS = 0.5
STRAGGLER_SECONDS = 10.0
"""How long after the reply the idle message may be missing, or the other way round."""
STRUCK_SECONDS = 1.0
"""The same after an interrupt: one that meets the kernel between a cell and its reply makes it lose one."""


class KernelDeadError(Exception):
    """The kernel's process ended; the message is one sentence."""


def child_environment(extra: dict[str, str] | None) -> dict[str, str]:
    """Return our environment without what looks like a secret, plus `extra`.

    ipykernel would not see what child processes print where pytest's variable is set.
    """
    kept = {name: value for name, value in os.environ.items() if not is_secret_variable(name)}
    kept.pop("PYTEST_CURRENT_TEST", None)
    return {**kept, **(extra or {})}


async def _connected(socket: Any) -> None:
    """Wait until a socket that is about to connect is known to the other side."""
    import zmq  # noqa: PLC0415 - import time
    from zmq.utils.monitor import parse_monitor_message  # noqa: PLC0415

    events = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    try:
        while parse_monitor_message(await events.recv_multipart())["event"] != zmq.EVENT_HANDSHAKE_SUCCEEDED:
            pass
    finally:
        with contextlib.suppress(zmq.ZMQError):  # the start failed, and the socket is closed already
            socket.disable_monitor()


def request_of(
    code: str, *, silent: bool = False, expressions: dict[str, str] | None = None, allow_stdin: bool = False
) -> dict[str, Any]:
    """Return the content of an execute_request for `KernelProcess.execute`; a silent one is not counted."""
    return {
        "code": code,
        "silent": silent,
        "store_history": not silent,
        "user_expressions": expressions or {},
        "allow_stdin": allow_stdin,
        "stop_on_error": False,
    }


class KernelProcess:
    """One kernel over jupyter_client, used from one asyncio loop. Nothing of it outlives `close`.

    With `isolation`, it is a Python kernel inside bubblewrap; see `isolated`.
    """

    def __init__(
        self, kernel_name: str, cwd: Path | None, env: dict[str, str] | None, isolation: Isolation | None = None
    ) -> None:
        self._isolation = isolation
        self._runtime: Path | None = None
        self._watch: asyncio.Task[None] | None = None
        self._proxy: HostProxy | None = None
        self.ended_by = ""
        self._name = kernel_name
        self._cwd = cwd
        self._env = env
        self._manager: Any = None
        self._client: Any = None
        self._context: Any = None
        self._stderr: Any = None
        self._group: int | None = None
        self.info: dict[str, Any] = {}

    async def start(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            ExecutionError: there is no such kernel, or it does not come up within START_SECONDS.
        """
        import zmq.asyncio  # noqa: PLC0415 - import time
        from jupyter_client.kernelspec import NoSuchKernel  # noqa: PLC0415 - import time
        from jupyter_client.manager import AsyncKernelManager  # noqa: PLC0415 - import time

        self._context = zmq.asyncio.Context()
        self._context.rcvhwm = 0  # a subscriber with a full queue loses outputs without a word
        self._context.reconnect_ivl = RECONNECT_MS
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        self._manager = AsyncKernelManager(kernel_name=self._name, context=self._context)
        if self._isolation is not None:
            await self._lock_in(self._isolation)
        elif self._manager.has_trait("transport_encryption") and zmq.has("curve"):
            self._manager.transport_encryption = "auto"  # other users of this machine can read plain TCP
        try:
            await self._manager.start_kernel(
                cwd=None if self._cwd is None else str(self._cwd),
                # Bubblewrap itself is seen inside, with its environment; it sets the kernel's.
                env=child_environment(self._env) if self._isolation is None else {"PATH": os.defpath},
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
            )
            self._group = getattr(self._manager.provisioner, "pgid", None)
            if self._isolation is not None:
                self._watch = asyncio.create_task(self._watched(self._isolation))
            self._client = self._manager.client()
            self._client.start_channels(hb=False)
            ready = asyncio.create_task(_connected(self._client.stdin_channel.socket))
            try:
                await self._hello()
                # A kernel drops its question without a word where this channel came later than the cell.
                await asyncio.wait({ready}, timeout=STDIN_SECONDS)
            finally:
                ready.cancel()
        except NoSuchKernel:
            await self.close()
            raise ExecutionError(
                f"There is no kernel named {self._name!r}; `jupyter kernelspec list` shows the installed ones."
            ) from None
        except (RuntimeError, OSError) as error:
            reason = self._last_words() or str(error)
            await self.close()
            raise ExecutionError(f"The kernel {self._name!r} did not start: {reason}") from None
        except BaseException:
            await self.close()
            raise

    async def _lock_in(self, isolation: Isolation) -> None:
        """Let the manager start the kernel inside bubblewrap, over sockets of files in a folder of its own.

        Raises:
            ExecutionError: see `isolated.prepare`.
        """
        from jupyter_client.kernelspec import KernelSpec, KernelSpecManager  # noqa: PLC0415 - import time

        self._runtime = Path(tempfile.mkdtemp(prefix="codeact-"))
        connection = self._runtime / "kernel.json"
        try:
            cell = isolated.prepare(isolation, self._cwd or Path.cwd(), self._runtime, self._env)
        except BaseException:
            await self.close()
            raise
        if isolation.hosts:
            self._proxy = HostProxy(isolation.hosts)
            await self._proxy.start(self._runtime / isolated.PROXY_SOCKET)
        spec = KernelSpec(
            argv=cell.command("{connection_file}"),
            display_name="isolated",
            language="python",
            interrupt_mode="message",
        )

        class OneSpec(KernelSpecManager):  # type: ignore[misc, unused-ignore]
            """Knows this kernel and no other."""

            def get_kernel_spec(self, kernel_name: str) -> KernelSpec:  # noqa: ARG002
                """Return it, whatever it is called."""
                return spec

        self._manager.kernel_spec_manager = OneSpec()
        self._manager.connection_file = str(connection)
        self._manager.transport = "ipc"
        self._manager.ip = str(self._runtime / "s")

    async def _hello(self) -> None:
        """Ask for kernel_info until the reply and something on IOPub came: then both channels are open."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        while loop.time() < deadline:
            if not await self.alive():
                raise RuntimeError("its process ended at once")
            self._client.kernel_info()
            if not await self._client.shell_channel.socket.poll(1000):
                continue
            reply = await self._client.get_shell_msg(timeout=1)
            if reply["msg_type"] == "kernel_info_reply" and await self._client.iopub_channel.socket.poll(200):
                self.info = reply["content"]
                return
        raise RuntimeError(f"it did not answer within {START_SECONDS:.0f} s")

    async def alive(self) -> bool:
        """Say whether the process runs."""
        return bool(self._manager is not None and await self._manager.is_alive())

    async def execute(
        self,
        content: dict[str, Any],
        *,
        on_message: Callable[[str, dict[str, Any]], None],
        on_input: Callable[[dict[str, Any]], Awaitable[str]] | None = None,
        late: str | None = None,
    ) -> tuple[str, dict[str, Any]]:
        """Send an execute_request and wait for its reply *and* idle; return its id and the reply's content.

        `on_message(type, content)` sees its IOPub messages, and those of the request `late`, which may still
        dribble in. A reply that never comes (an interrupt hit the kernel itself) is {"status": "abandoned"}.

        Raises:
            KernelDeadError: the process ended.
        """
        self._struck = False
        request = self._client.session.msg("execute_request", content)
        ident: str = request["header"]["msg_id"]
        self._client.shell_channel.send(request)
        reply = asyncio.create_task(self._reply(ident))
        idle = asyncio.create_task(self._listen({ident, late}, ident, on_message))
        death = asyncio.create_task(self._death())
        helpers = [asyncio.create_task(self._answer(ident, on_input))] if on_input is not None else []
        try:
            await asyncio.wait({reply, idle, death}, return_when=asyncio.FIRST_COMPLETED)
            if not death.done():
                await self._stragglers(reply, idle, death)
            if death.done():
                await asyncio.wait({idle}, timeout=0.3)
                raise KernelDeadError(death.result())
            return ident, reply.result() if reply.done() else {"status": "abandoned"}
        finally:
            for task in (reply, idle, death, *helpers):
                task.cancel()
            await asyncio.gather(reply, idle, death, *helpers, return_exceptions=True)

    async def _stragglers(
        self, reply: asyncio.Task[Any], idle: asyncio.Task[Any], death: asyncio.Task[Any]
    ) -> None:
        """Wait for the second of reply and idle. Idle may come long after the reply behind many outputs."""
        while not (reply.done() and idle.done()) and not death.done():
            seen = self._heard
            pending: set[asyncio.Task[Any]] = {task for task in (reply, idle, death) if not task.done()}
            patience = STRUCK_SECONDS if self._struck else STRAGGLER_SECONDS
            done, _ = await asyncio.wait(pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if not done and self._heard == seen:
                return

    _heard = 0
    _struck = False

    async def _reply(self, ident: str) -> dict[str, Any]:
        while True:
            message = await self._client.get_shell_msg()
            if message["parent_header"].get("msg_id") == ident:
                content: dict[str, Any] = message["content"]
                return content

    async def _listen(
        self, accepted: set[str | None], ident: str, on_message: Callable[[str, dict[str, Any]], None]
    ) -> None:
        while True:
            message = await self._client.get_iopub_msg()
            self._heard += 1
            parent = message["parent_header"].get("msg_id")
            if parent not in accepted:
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if kind != "status":
                on_message(kind, content)
            elif parent == ident and content.get("execution_state") == "idle":
                return

    async def _answer(self, ident: str, on_input: Callable[[dict[str, Any]], Awaitable[str]]) -> None:
        while True:
            message = await self._client.get_stdin_msg()
            if message["header"]["msg_type"] != "input_request":
                continue
            if message["parent_header"].get("msg_id") == ident:
                self._client.input(await on_input(message["content"]))

    async def _death(self) -> str:
        """Return, once the process has ended, a sentence that says so."""
        while await self.alive():  # noqa: ASYNC110 - a process cannot be awaited without a thread
            await asyncio.sleep(DEATH_POLL_SECONDS)
        return self.obituary()

    async def _watched(self, isolation: Isolation) -> None:
        """End the kernel when it and its children are too many, or hold too much."""
        process = self._manager.provisioner.process
        while process.poll() is None:
            processes, memory = await asyncio.to_thread(isolated.weigh, process.pid)
            if processes > isolation.processes or memory > isolation.memory:
                self.ended_by = (
                    f"it had more than {isolation.processes} processes"
                    if processes > isolation.processes
                    else f"it held more than {isolation.memory / 1e9:.1f} GB"
                )
                await self.kill()
                return
            await asyncio.sleep(WATCH_SECONDS)

    @property
    def pid(self) -> int:
        """The process's number, 0 where there is none."""
        process = getattr(getattr(self._manager, "provisioner", None), "process", None)
        return int(getattr(process, "pid", 0) or 0)

    def obituary(self) -> str:
        """Return the sentence for a dead kernel."""
        process = getattr(getattr(self._manager, "provisioner", None), "process", None)
        code = getattr(process, "returncode", None)
        how = f" ({self.ended_by})" if self.ended_by else ""
        if isinstance(code, int) and not how:
            how = f" (exit code {code})" if code >= 0 else f" (signal {-code})"
        return f"The kernel process ended{how}; its variables are lost, start a new kernel to go on."

    async def interrupt(self) -> None:
        """Send the kernel its interrupt; a kernel that is gone is no error."""
        self._struck = True
        if await self.alive():
            with contextlib.suppress(RuntimeError, OSError):
                await self._manager.interrupt_kernel()

    async def kill(self) -> None:
        """End the process and its children at once."""
        if self._group is not None and hasattr(os, "killpg") and self._group != os.getpgid(0):
            with contextlib.suppress(OSError):
                os.killpg(self._group, signal.SIGKILL)
        elif self._manager is not None and self._manager.has_kernel:
            await self._manager.provisioner.kill()

    async def _gone(self) -> None:
        """Wait a moment for a killed process to be gone: the manager's own wait looks every 100 ms only."""
        deadline = asyncio.get_running_loop().time() + GONE_SECONDS
        while await self.alive() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - as in `_death`
            await asyncio.sleep(GONE_POLL_SECONDS)

    async def close(self) -> None:
        """End the process, its children, channels and files. May be called again."""
        manager, client, context, stderr = self._manager, self._client, self._context, self._stderr
        watch, proxy, runtime = self._watch, self._proxy, self._runtime
        self._watch = self._proxy = self._runtime = None
        if watch is not None:
            watch.cancel()
        if client is not None:
            client.stop_channels()
        if manager is not None and manager.has_kernel:
            await self.kill()
            await self._gone()
            with contextlib.suppress(RuntimeError, OSError):
                await manager.shutdown_kernel(now=True)
        if context is not None:
            context.destroy(linger=0)
        if stderr is not None:
            stderr.close()
        if proxy is not None:
            await proxy.close()
        if runtime is not None:
            shutil.rmtree(runtime, ignore_errors=True)
        self._manager = self._client = self._context = self._stderr = self._group = None

    def _last_words(self) -> str:
        """Return the last line that the process wrote to its stderr."""
        self._stderr.seek(0)
        lines = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

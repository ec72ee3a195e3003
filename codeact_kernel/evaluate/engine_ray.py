"""The Ray engine: the same jobs on a cluster, each in a kernel of its own, whatever dies meanwhile.

At least once: a job whose worker or node is lost is begun again by whoever has room, and the ledger counts a job
once. One actor, the gate, talks to the endpoint and holds its keys; the others' environments have none.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from codeact_kernel.errors import ConfigError
from codeact_kernel.evaluate.remote import Gate, RemotePlayer, packed
from codeact_kernel.models.select import ANEW, ENVIRONMENT, resolve
from codeact_kernel.secret_names import is_secret_variable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from codeact_kernel.evaluate.case import Job
    from codeact_kernel.evaluate.engine import Done, Setup

ADDRESS = "RAY_ADDRESS"
"""Ray's own variable: a running cluster. Without it, one is started on this machine and ends with us."""
LOST = "The worker that played it was lost."
MOST_STILLBORN = 5
"""So many workers in a row that die while they start are no bad luck."""


def run(jobs: Iterable[Job], setup: Setup, begin: Callable[[Job], int]) -> Iterator[Done]:
    """Play jobs on the cluster, at most `setup.jobs` at once; see `engine_local.run`.

    Raises:
        ConfigError: Ray is not installed, its workers do not start, or the model cannot be had.
    """
    ray = _ray()
    with _cluster(ray, setup.jobs):
        players = _Players(ray, setup)
        playing: dict[Any, tuple[Any, Job, int]] = {}
        waiting = deque(jobs)
        try:
            while True:
                if setup.stop.is_set():
                    waiting.clear()
                while waiting and players.free:
                    job, player = waiting.popleft(), players.free.pop()
                    attempt = begin(job)
                    playing[player.play.remote(asdict(job), attempt)] = player, job, attempt
                if not playing and not waiting:
                    return
                players.make(min(len(waiting), setup.jobs - len(playing)))
                ready, _ = ray.wait([*playing, *players.making], num_returns=1)
                if ready[0] not in playing:
                    players.made(ready[0])
                    continue
                player, job, attempt = playing.pop(ready[0])
                try:
                    row, episode, reason = ray.get(ready[0])
                except ray.exceptions.RayError:
                    yield job, attempt, None, LOST
                    continue
                players.free.append(player)
                if row is not None and episode:
                    _keep(setup, row["episode"], episode)
                yield job, attempt, row, reason
        finally:
            players.close([player for player, _, _ in playing.values()])


class _Players:
    """Players that are free, and those that wait for room in the cluster: a job is given to one that is there."""

    def __init__(self, ray: Any, setup: Setup) -> None:
        settings = packed(setup.config)
        self._ray = ray
        self.free: list[Any] = []
        self.making: dict[Any, Any] = {}
        self._stillborn = 0
        self._gate = None
        if not setup.config.model.startswith(ANEW):
            resolve(setup.config)  # what cannot be had is said here, before anything is begun
            keys = {name: os.environ[name] for name in ENVIRONMENT if os.environ.get(name)}
            here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
                ray.get_runtime_context().get_node_id(), soft=False
            )
            gate = ray.remote(Gate).options(num_cpus=0, max_concurrency=1000, scheduling_strategy=here)
            self._gate = gate.remote(settings, keys, setup.jobs)
        self._made = ray.remote(RemotePlayer).options(num_cpus=1, max_restarts=0)
        self._arguments = (setup.suite.name, settings, str(setup.data) if setup.data else None, self._gate)

    def make(self, most: int) -> None:
        """Ask the cluster for players until `most` are on their way, also in place of lost ones."""
        for _ in range(most - len(self.making)):
            player = self._made.remote(*self._arguments)
            self.making[player.ready.remote()] = player

    def made(self, ready: Any) -> None:
        """Take in a player that has started, or failed to.

        Raises:
            ConfigError: one after another failed.
        """
        player = self.making.pop(ready)
        try:
            self._ray.get(ready)
        except self._ray.exceptions.RayError as error:
            self._stillborn += 1
            if self._stillborn < MOST_STILLBORN:
                return
            reason = str(error).strip().splitlines()[-1]
            raise ConfigError(
                f"Ray's workers do not start, {self._stillborn} in a row: {reason.rstrip('.')}. "
                "Check that every node has this version of codeact-kernel, and what --data names."
            ) from None
        self._stillborn = 0
        self.free.append(player)

    def close(self, playing: list[Any]) -> None:
        """End all players, those that are idle with their kernels first."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.get([player.close.remote() for player in self.free], timeout=10)
        gate = [self._gate] if self._gate is not None else []
        for actor in (*playing, *self.free, *self.making.values(), *gate):
            self._ray.kill(actor)


@contextlib.contextmanager
def _cluster(ray: Any, cpus: int) -> Iterator[None]:
    """Connect to the cluster of RAY_ADDRESS, or start one whose processes inherit no secret of ours."""
    if ray.is_initialized():
        yield
        return
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if is_secret_variable(name)}
    try:
        address = os.environ.get(ADDRESS)
        local = {} if address else {"num_cpus": cpus, "include_dashboard": False}
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **local)
    finally:
        os.environ.update(hidden)
    try:
        yield
    finally:
        ray.shutdown()


def _keep(setup: Setup, way: str, episode: str) -> None:
    """Write an episode that came from a worker, in one piece."""
    path = setup.out / way
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(episode, encoding="utf-8")
    part.replace(path)


def _ray() -> Any:
    try:
        ray = importlib.import_module("ray")  # an extra, and heavy
        importlib.import_module("ray.util.scheduling_strategies")
    except ImportError:
        raise ConfigError("--engine ray needs Ray: pip install 'codeact-kernel[ray]'.") from None
    return ray

"""The Ray engine: the same jobs on a cluster, each in a kernel of its own, whatever dies meanwhile.

At least once: a job whose worker or node is lost is begun again by whoever has room, and the ledger counts a job
once. One actor, the gate, talks to the endpoint and holds its keys; the others' environments have none.
"""

from __future__ import annotations

import contextlib
import importlib
import os
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


def run(jobs: Iterable[Job], setup: Setup, begin: Callable[[Job], int]) -> Iterator[Done]:
    """Play jobs on the cluster, at most `setup.jobs` at once; see `engine_local.run`.

    Raises:
        ConfigError: Ray is not installed, or the model cannot be had.
    """
    ray = _ray()
    with _cluster(ray, setup.jobs):
        players = _Players(ray, setup)
        playing: dict[Any, tuple[Any, Job, int]] = {}
        pending = iter(jobs)
        try:
            while True:
                while len(playing) < setup.jobs and not setup.stop.is_set():
                    job = next(pending, None)
                    if job is None:
                        break
                    attempt, player = begin(job), players.take()
                    playing[player.play.remote(asdict(job), attempt)] = player, job, attempt
                if not playing:
                    return
                ready, _ = ray.wait(list(playing), num_returns=1)
                player, job, attempt = playing.pop(ready[0])
                try:
                    row, episode, reason = ray.get(ready[0])
                except ray.exceptions.RayError:
                    yield job, attempt, None, LOST
                    continue
                players.give_back(player)
                if row is not None and episode:
                    _keep(setup, row["episode"], episode)
                yield job, attempt, row, reason
        finally:
            players.close([player for player, _, _ in playing.values()])


class _Players:
    """Players that are free; a new one is made when there is none, also in place of one that was lost."""

    def __init__(self, ray: Any, setup: Setup) -> None:
        settings = packed(setup.config)
        self._ray, self._free = ray, list[Any]()
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

    def take(self) -> Any:
        return self._free.pop() if self._free else self._made.remote(*self._arguments)

    def give_back(self, player: Any) -> None:
        self._free.append(player)

    def close(self, playing: list[Any]) -> None:
        """End all players, those that are idle with their kernels first."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.get([player.close.remote() for player in self._free], timeout=10)
        for actor in (*playing, *self._free, *([self._gate] if self._gate is not None else [])):
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

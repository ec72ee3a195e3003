"""Replays of saved notebooks in the shell of one resident, and how its conversation goes on from them."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from codeact_kernel.branch import save_branch, task_of, told_of
from codeact_kernel.episode.places import check_new, free, named
from codeact_kernel.errors import ConfigError, EpisodeError
from codeact_kernel.execute.quiet import QuietExecutor
from codeact_kernel.execute.terminal import TerminalExecutor
from codeact_kernel.replay.fork import branch, model_of
from codeact_kernel.replay.live import open_live
from codeact_kernel.replay.runner import BAD
from codeact_kernel.worker import worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from codeact_kernel.replay.fork import Branch
    from codeact_kernel.replay.live import LiveReplay
    from codeact_kernel.replay.runner import Options
    from codeact_kernel.resident import Resident


class Replays:
    """Replays saved notebooks in the shell of one resident, and lets its conversation go on from them."""

    def __init__(self, resident: Resident) -> None:
        self._resident = resident
        self._shell = resident.shell

    def open(self, path: Path, options: Options | None = None, *, through: int | None = None) -> LiveReplay:
        """Read a notebook and look at what its cells may do; nothing runs. See `replay.live.open_live`."""
        hidden = set(self._shell.user_ns_hidden)
        names = {name for name in self._shell.user_ns if name not in hidden and not name.startswith("_")}
        return open_live(path, options, names=names, through=through)

    async def go(
        self, live: LiveReplay, count: int | None = None, *, told: Callable[[], object] = lambda: None
    ) -> None:
        """Run the next cells of a replay, in the folder in which they ran; on the shell's main loop.

        An interrupt, or the resident's Stop, ends it.

        Raises:
            BusyError: a task or another replay is under way.
            ConfigError: this replay has ended.
        """
        with self._resident.replaying(live.stop), _in_folder(live):
            if self._resident.kernel is not None:
                quiet = QuietExecutor(self._shell, on_interrupt=live.stop.set)
                forget = live.stop.on_set(quiet.strike)
                try:
                    await quiet.carry_out(live.run(quiet, count, told=told))
                finally:
                    forget()
                return
            shown = TerminalExecutor(self._shell, on_interrupt=live.stop.set)
            await shown.serve(worker().submit(live.run(shown, count, told=told)))

    def go_on(
        self, live: LiveReplay, task: str | None = None, *, model: str | None = None, out: Path | None = None
    ) -> tuple[str, str | None]:
        """Let the resident's next task go on after the last step that ran again, as a new episode.

        Returns the task, and the model that goes on with it, None for the one that is set.

        Raises:
            ConfigError: no step ran again, no task is left, or the new episode cannot be written.
            BusyError: a task is under way.
            EpisodeError: the notebook is no episode.
        """
        kept = self.kept(live, live.step)
        wanted = task_of(kept, task)
        session = self._resident.session
        place = named(out) if out is not None else self._free(live)
        if out is not None:
            check_new(out)
        session.reset()
        place.parent.mkdir(parents=True, exist_ok=True)
        save_branch(kept, live.folder, place)
        session.adopt(place, told_of([cell for cell in live.results if cell.verdict in BAD]))
        self._resident.history.forget()
        if live.folder.resolve() != session.folder.resolve():
            os.chdir(live.folder)
        return wanted, model or (model_of(live.planned.header) if _usable(live) else None)

    def kept(self, live: LiveReplay, step: int | None) -> Branch:
        """Return the beginning of the episode up to a step.

        Raises:
            EpisodeError: the notebook is no episode.
            ConfigError: no step ran again.
        """
        if not live.planned.is_episode:
            raise EpisodeError(f"{live.path} is no episode: only an episode can be gone on with.")
        if step is None:
            raise ConfigError("No step of the episode ran again yet; replay it up to where you want to go on.")
        return branch(live.notebook, step)

    def _free(self, live: LiveReplay) -> Path:
        folder = self._resident.session.episodes_folder(self._resident.settings)
        return next(free(folder, f"{live.path.stem}-fork"))


def _usable(live: LiveReplay) -> bool:
    """Say whether the episode's own model can be asked again: a script has said all it had to say."""
    return not model_of(live.planned.header).startswith("scripted:")


@contextlib.contextmanager
def _in_folder(live: LiveReplay) -> Iterator[None]:
    """Be where the cells ran; where they go to is where the next ones begin."""
    before = os.getcwd()  # noqa: PTH109 - the working folder itself
    os.chdir(live.folder)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            live.folder = type(live.folder).cwd()
        with contextlib.suppress(OSError):
            os.chdir(before)

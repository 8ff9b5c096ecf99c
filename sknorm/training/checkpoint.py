"""Checkpoints: where a training run stands, in a file from which it goes on after any end."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from sknorm._version import __version__
from sknorm._warnings import warn
from sknorm.exceptions import CheckpointError, ModelFileError
from sknorm.files import container, disk
from sknorm.training.fingerprints import differing, fingerprints
from sknorm.training.state import State

if TYPE_CHECKING:
    from sknorm.training.task import Task

STALE = ("raise", "set_aside")


class Checkpoint:
    """The file of one training run.

    Parameters
    ----------
    path : str or path-like
    every : float
        Seconds between two writings, at least.
    stale : {"raise", "set_aside", "discard"}
        What to do with a file that is not of this run, or that is damaged.
    """

    def __init__(self, path: Any, every: float, stale: str = "raise") -> None:
        self.file, self.every, self.stale = disk.path_of(path), every, stale
        self._written, self._seed = -np.inf, -1
        self._facts: dict[str, str] = {}
        self._told = False
        self._content: dict[str, Any] | None = None
        self._arrays: dict[str, np.ndarray] = {}
        self._read()

    @property
    def seed(self) -> int:
        """Seed of a run that has none of its own; that of the file, where there is one."""
        if self._seed < 0:
            known = -1 if self._content is None else int(self._content["seed"])
            self._seed = known if known >= 0 else int(check_random_state(None).randint(2**31 - 1))
        return self._seed

    def resume(self, task: "Task") -> State | None:
        """The state that the file holds of a task before its first epoch, if it holds one."""
        self._facts = {"version": __version__, **fingerprints(task)}
        content, self._content = self._content, None
        if content is None:
            return None
        if others := differing(self._facts, theirs := content["facts"]):
            self._refuse(
                f"{self.file} is a checkpoint of another fit: it has other {others} (written by "
                f"sknorm {theirs.get('version')})."
            )
            return None
        self._written = time.monotonic()
        return State.from_arrays(task, {**content["values"], **self._arrays})

    def keep(self, state: State) -> None:
        """Write the state of a run between two epochs, if the last one is old enough."""
        if time.monotonic() - self._written >= self.every:
            self.write(state)

    def write(self, state: State) -> None:
        """Write the state of a run between two epochs, or warn once that it could not be.

        One that somebody has stopped is not written: from what was before it may go on.
        """
        if state.stopped and not state.timed_out:
            return
        made = state.to_arrays()
        arrays = {n: value for n, value in made.items() if isinstance(value, np.ndarray)}
        values = {n: _plain(value) for n, value in made.items() if n not in arrays}
        content = {"facts": self._facts, "seed": self._seed, "values": values}
        try:
            data = container.to_bytes(content, arrays, self.file, container.CHECKPOINT)
            disk.write(self.file, data, "checkpoint")
        except OSError as error:
            self._warn(error)
        self._written = time.monotonic()

    def _read(self) -> None:
        """Read the file, if there is one that is whole."""
        disk.check_place(self.file, "checkpoint")
        disk.sweep(self.file)
        if not os.path.exists(self.file):
            return
        try:
            parts = container.from_bytes(disk.read(self.file), self.file, container.CHECKPOINT)
        except ModelFileError as error:
            self._refuse(str(error))
            return
        self._content, self._arrays = parts.content, parts.tensors

    def _refuse(self, why: str) -> None:
        if self.stale != "discard":
            refuse(self.file, why, self.stale, "training")

    def _warn(self, error: OSError) -> None:
        if not self._told:
            self._told = True
            warn(f"Training goes on without a new checkpoint: {error}", RuntimeWarning)


def refuse(file: str, why: str, stale: str, what: str) -> None:
    """Raise an error for a file of another run, or set it aside and say so."""
    if stale == "raise":
        raise CheckpointError(
            f"{why} Delete the file, name another one, or set stale_checkpoint='set_aside' to "
            "have it renamed."
        )
    warn(f"{why} It is now {disk.set_aside(file)}, and {what} begins anew.")


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


_AROUND: ContextVar[Checkpoint | None] = ContextVar("_AROUND", default=None)


@contextmanager
def checkpointing(checkpoint: Checkpoint | None) -> Iterator[None]:
    """Let a fit in the block that has no checkpoint of its own have this one."""
    token = _AROUND.set(checkpoint)
    try:
        yield
    finally:
        _AROUND.reset(token)


def checkpoint_of(path: Any, every: float, stale: str) -> Checkpoint | None:
    """The checkpoint of a fit, if it has one: its own, or that of what it is within."""
    return _AROUND.get() if path is None else Checkpoint(path, every, stale)

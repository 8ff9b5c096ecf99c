"""A stack of the networks of several jobs, in training."""

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sknorm.estimators.attributes import of_outcome
from sknorm.estimators.fitted import adopt
from sknorm.estimators.fitting import Prepared, Training
from sknorm.model_selection.evaluation import Job
from sknorm.model_selection.inputs import Inputs
from sknorm.model_selection.progress import Progress
from sknorm.network.network import Network
from sknorm.training.plan import ADVICE, Observer, Outcome
from sknorm.training.run import Run
from sknorm.training.stacking import JointScore, stack
from sknorm.training.task import Task


class Lead(NamedTuple):
    """A fold as the networks of equal preparation see it.

    Attributes
    ----------
    prepared : Prepared
        Its data stand on the common table.
    rows : int64 array
        Rows of the common table that are trained on.
    table : array
    """

    prepared: Prepared
    rows: np.ndarray
    table: Any


@dataclass
class Entry:
    """A job on its way.

    Attributes
    ----------
    job : Job
    network : estimator
        Becomes fitted.
    inputs : Inputs
    training : Training
    task : Task or None
        None once it is in a stack, which holds its networks.
    rows : int
        Training rows of the network.
    lead : Lead
    seconds : float
        Time spent on fitting it so far.
    failure : Exception or None
        What its validation scores have raised.
    """

    job: Job
    network: Any
    inputs: Inputs
    training: Training
    task: Task | None
    rows: int
    lead: Lead
    seconds: float
    failure: Exception | None = None

    def settle(self, outcome: Outcome) -> None:
        """Let the network be what training left behind."""
        adopt(self.network, of_outcome(self.network, self.training, outcome, self.rows))


class Stack:
    """Entries in one training run.

    Parameters
    ----------
    entries : list of Entry
    progress : Progress
    """

    def __init__(self, entries: list[Entry], progress: Progress) -> None:
        self.entries = entries
        tasks = [entry.task for entry in entries if entry.task is not None]
        ends = np.cumsum([len(task.members) for task in tasks]).tolist()
        self.places = [
            list(range(end - len(task.members), end)) for end, task in zip(ends, tasks, strict=True)
        ]
        started = time.perf_counter()
        whole = stack(tasks, entries[0].lead.table, [entry.lead.rows for entry in entries])
        for entry in entries:
            entry.task = None
        self.whole = whole
        self.watch = Watch(progress)
        self.run: Run | None = whole.start(self.watch)
        self.watch.run = self.run
        self._spent(started)

    def advance(self, until: int | None = None) -> None:
        """Train until this many epochs are done, or all."""
        started = time.perf_counter()
        assert self.run is not None
        self.run.advance(until)
        if self.run.interrupted or self.watch.progress.stopped:
            raise KeyboardInterrupt
        self._spent(started)

    def so_far(self) -> list[tuple[Entry, Network]]:
        """The networks as they would be if training ended now."""
        assert self.run is not None
        whole = self.run.so_far()
        self._tell_failures()
        pairs = zip(self.entries, self.places, strict=True)
        return [(entry, whole.take(places)) for entry, places in pairs]

    def leave(self, candidates: set[int]) -> None:
        """End the training of some of the candidates here and now."""
        assert self.run is not None
        pairs = zip(self.entries, self.places, strict=True)
        gone = [places for entry, places in pairs if entry.job.candidate.number in candidates]
        self.run.leave([place for places in gone for place in places])

    def settle(self) -> Outcome:
        """What training left behind; the stack is done with."""
        assert self.run is not None
        outcome = self.run.outcome()
        self.run = self.watch.run = None  # in a circle, which would keep the buffers for a while
        self._tell_failures()
        return outcome

    def _tell_failures(self) -> None:
        """Let the entries know of what their validation scores have raised."""
        if isinstance(self.whole.score, JointScore):
            for place, error in self.whole.score.failures.items():
                self.entries[place].failure = error

    def _spent(self, started: float) -> None:
        """Share the time since then among the entries."""
        share = (time.perf_counter() - started) / len(self.entries)
        for entry in self.entries:
            entry.seconds += share


class Watch(Observer):
    """Reports the epochs of a stack, and ends them when the search is to stop."""

    run: Run | None = None

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def epoch_ends(self, epoch: int, loss: float, score: float | None, snapshot: Any) -> bool:
        self.progress.advanced(1 if self.run is None else len(self.run.active))
        return self.progress.stopped

    def diverged(self, which: str, epoch: int, loss: Any, advice: str = ADVICE) -> None:
        """The job fails, and the search says so."""

    def interrupted(self) -> None:
        """The search says so."""

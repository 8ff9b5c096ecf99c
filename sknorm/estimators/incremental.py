"""What ``partial_fit`` carries from one call to the next."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import RandomState

from sknorm.backends import Backend, resolve
from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.optim.schedules import Schedule
from sknorm.training.batches import Batches
from sknorm.training.data import TrainingData
from sknorm.training.plan import Plan
from sknorm.training.steps import Epoch, Steps


@dataclass
class Progress:
    """A training run that goes on with every call.

    Attributes
    ----------
    network : Network
        Trained in place.
    random_states : list of RandomState
        Where the orders of the rows come from, one stream over all calls.
    seeds : uint32 array of shape (K,)
        Keys of the dropout masks.
    state : object
        State of the optimizer.
    schedule : Schedule or None
    step, rows : int
        Steps taken and rows seen.
    best, waiting : arrays of shape (K,)
        Lowest loss, and the calls since it last fell by ``tol``: for the adaptive schedule.
    steps : Steps or None
        Buffers of the last call, taken up again where they fit; not pickled.
    """

    network: Network
    random_states: list[RandomState]
    seeds: np.ndarray
    state: Any = None
    schedule: Schedule | None = None
    step: int = 0
    rows: int = 0
    best: Any = np.inf
    waiting: Any = 0
    steps: Steps | None = None

    def __getstate__(self) -> dict[str, Any]:
        """On the host, as the network's own."""
        return {**self.__dict__, "state": _on(self.state, resolve(None)), "steps": None}

    def move(self, backend: Backend) -> None:
        """Go on in this backend."""
        if self.network.backend != backend:
            self.network, self.steps = self.network.on(backend), None
            self.state = _on(self.state, backend)

    def epoch(
        self,
        members: Members,
        batches: Batches,
        data: TrainingData,
        plan: Plan,
        schedule: Schedule,
    ) -> Epoch:
        """One epoch; a change of the optimizer or of the initial rate starts those anew."""
        if self.schedule is None or not _same(self.schedule, schedule):
            self.schedule = schedule
        if not plan.optimizer.owns(self.state):
            self.state, self.steps = None, None
        before = [array + 0.0 for array in self._trained()]
        with self.network.backend.session():
            if self.steps is None or not self.steps.serves(members, batches, data, plan):
                self.steps = Steps(self.network, members, batches, data, plan, self.state)
            else:
                self.steps.feed(batches, data)
            numbers = self.steps.epoch(self.schedule, self.step, self.step)
            done = self.steps.read(self.network.backend.to_numpy(numbers))
        self.state = self.steps.state
        self.step += batches.per_epoch
        self.rows += batches.rows.shape[1]
        self.schedule.epoch_ended(self.rows)
        self._judge(done.loss + done.penalty, plan)
        if not done.finite.all():
            self._undo(before)
        return done

    def _judge(self, losses: np.ndarray, plan: Plan) -> None:
        """Let the schedule know of members that have stopped improving."""
        assert self.schedule is not None
        improved = losses <= self.best - plan.tol
        self.waiting = np.where(improved, 0, self.waiting + np.ones(len(losses), dtype=np.int64))
        self.best = np.fmin(self.best, losses)
        for member in np.flatnonzero(self.waiting > plan.patience).tolist():
            self.schedule.on_plateau(member)
            self.waiting[member] = 0

    def _trained(self) -> list[Any]:
        """What an epoch changes of the network."""
        return [self.network.parameters.flat, *self.network.statistics]

    def _undo(self, before: list[Any]) -> None:
        """Take back an epoch that ended in weights that are not finite."""
        for array, value in zip(self._trained(), before, strict=True):
            array[...] = value
        self.state = self.steps = None
        warnings.warn(
            "partial_fit came to weights that are not finite; those before the call are kept. "
            "Lower learning_rate_init, set max_grad_norm, or scale the inputs and targets.",
            RuntimeWarning,
            stacklevel=6,
        )


def _on(state: Any, backend: Backend) -> Any:
    """The state of an optimizer, if there is one, in a backend."""
    return None if state is None else state.on(backend)


def _same(old: Schedule, new: Schedule) -> bool:
    """Whether two schedules are of one kind and start from the same rates."""
    return type(old) is type(new) and np.array_equal(old.initial, new.initial)

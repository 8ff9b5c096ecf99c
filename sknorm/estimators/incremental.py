"""What ``partial_fit`` carries from one call to the next."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState
from scipy import sparse

from sknorm._warnings import warn
from sknorm.backends import Backend, to_host
from sknorm.data.dataset import TrainingData
from sknorm.data.statistics import Statistics
from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.optim.schedules import Schedule
from sknorm.training.batches import Batches
from sknorm.training.plan import Plan
from sknorm.training.steps import Epoch, Steps
from sknorm.training.stopping import diverged

_WILD_GROWTH = 1e6  # of a column's deviation in one call: earlier rows are then all alike
_FEW = 0.1  # share of a call's rows


class TakenBackError(Exception):
    """Why a call of ``partial_fit`` does not count.

    Parameters
    ----------
    reason : str
        What happened in it.
    kept : str
        What is as it was.
    advice : str
        What to do about it.
    """

    def __init__(self, reason: str, kept: str, advice: str) -> None:
        super().__init__(reason)
        self.reason, self.kept, self.advice = reason, kept, advice


class Checkpoint(NamedTuple):
    """What a call changes, as it was before."""

    trained: list[Any]
    state: Any
    state_before: Any
    schedule: Schedule | None
    orders: list[Any]
    counts: tuple
    best: Any
    waiting: Any


@dataclass
class Progress:
    """A training run that goes on with every call.

    A call counts when the estimator has adopted it, and is taken back otherwise.

    Attributes
    ----------
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
    calls : int
        Calls that have begun.
    network : Network or None
        Trained in place; the estimator's own is a copy. Made of that where it is missing.
    steps : Steps or None
        Buffers of the last call, taken up again where they fit.
    checkpoint : Checkpoint or None
        While a call has not come to its end.
    spare : object
        A copy of the optimizer's state in which the next checkpoint may be written.
    validated : list
        Parameters that were found to be valid in the last call.
    """

    random_states: list[RandomState]
    seeds: np.ndarray
    state: Any = None
    schedule: Schedule | None = None
    step: int = 0
    rows: int = 0
    best: Any = np.inf
    waiting: Any = 0
    calls: int = 0
    network: Any = None
    steps: Steps | None = None
    checkpoint: Checkpoint | None = None
    spare: Any = None
    validated: list[Any] = field(default_factory=list)

    def go_on(self, network: Network, backend: Backend) -> None:
        """Go on in this backend, from the weights of ``network`` if there are none here."""
        here = self.network is not None and self.network.backend == backend
        if not here:
            self.network = network.on(backend).copy()
            self.state = None if self.state is None else self.state.on(backend).copy()
            self.steps = self.spare = None

    def begin(self, published: Network | None) -> None:
        """A call begins; :meth:`settle` says how it ended.

        ``published`` is the estimator's own copy of the network, which nobody changes.
        """
        everyone, state = list(range(len(self.seeds))), self.state
        spare = self.spare if type(self.spare) is type(state) else None
        here = published is not None and published.backend == self.network.backend
        self.checkpoint = Checkpoint(
            trained=_trained(published if here else self.network.copy()),
            state=state,
            state_before=None if state is None else state.snapshot(spare),
            schedule=None if self.schedule is None else self.schedule.take(everyone),
            orders=[state.get_state() for state in self.random_states],
            counts=(self.step, self.rows),
            best=self.best,
            waiting=self.waiting,
        )
        self.calls += 1

    def settle(self, counted: int) -> bool:
        """Take back the last call, unless it is the one of this number, the last that counted.

        Whatever ended a call, wherever it was, the next one finds out here. False if others
        than the estimator's own calls have counted.
        """
        if self.checkpoint is not None and self.calls != counted:
            self._take_back(self.checkpoint)
        if self.checkpoint is not None:
            self.spare = self.checkpoint.state_before
        self.checkpoint = None
        return self.calls == counted

    def _take_back(self, before: Checkpoint) -> None:
        for array, value in zip(_trained(self.network), before.trained, strict=True):
            array[...] = value
        for state, order in zip(self.random_states, before.orders, strict=True):
            state.set_state(order)
        self.state, self.schedule, self.steps = before.state, before.schedule, None
        if self.state is not None:
            self.state.restore(before.state_before)
        self.step, self.rows = before.counts
        self.best, self.waiting = before.best, before.waiting
        self.calls -= 1

    def start_anew(self) -> None:
        """Forget what the optimizer and the schedule know: losses have other units."""
        self.state, self.steps, self.best = None, None, np.inf

    def epoch(
        self,
        members: Members,
        batches: Batches,
        data: TrainingData,
        plan: Plan,
        schedule: Schedule,
    ) -> Epoch:
        """One epoch; a change of the optimizer or of the initial rate starts those anew.

        Raises
        ------
        TakenBackError
            If it ends in weights or losses that are not finite.
        """
        if self.schedule is None or not _same(self.schedule, schedule):
            self.schedule = schedule
        if not plan.optimizer.owns(self.state):
            self.state, self.steps = None, None
        with self.network.backend.session():
            if self.steps is None or not self.steps.serves(members, batches, data, plan):
                self.steps = Steps(self.network, members, batches, data, plan, self.state)
            else:
                self.steps.feed(batches, data)
            numbers = self.steps.epoch(self.schedule, self.step, self.step)
            done = self.steps.read(self.network.backend.to_numpy(numbers))
            lost = diverged(done.loss + done.penalty, np.broadcast_to(self.best, done.loss.shape))
            if lost.any() or not done.finite.all():
                raise TakenBackError(
                    "came to weights or a loss that are not finite",
                    "those before the call are kept",
                    "Lower learning_rate_init, set max_grad_norm, scale the inputs and targets, or "
                    "look for bad records among them.",
                )
        self.state = self.steps.state
        self.steps.forget()
        self.step += batches.per_epoch
        self.rows += batches.rows.shape[1]
        self.schedule.epoch_ended(self.rows)
        self._judge(done.loss + done.penalty, plan)
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


def _trained(network: Any) -> list[Any]:
    """What an epoch changes of a network."""
    return [network.parameters.flat, *network.statistics]


def check_stretched(X: Any, before: Statistics, after: Statistics, names: Any) -> None:
    """Look at a column that one call has stretched until earlier rows are all alike in it.

    Raises
    ------
    TakenBackError
        If a few values have done it: they are bad records rather than news.
    """
    wild = (before.deviation > 0) & (after.deviation > _WILD_GROWTH * before.deviation)
    if not wild.any():
        return
    column = int(np.argmax(wild))
    values = X[:, [column]].toarray() if sparse.issparse(X) else to_host(X[:, column])
    values, known = values.ravel().astype(np.float64), before.deviation[column]
    far = np.abs(values - before.mean[column]) > _WILD_GROWTH * known
    name = f"column {column if names is None else names[column]!r} of X"
    if far.mean() < _FEW:
        raise TakenBackError(
            f"met {values[far][0]:.3g} in {name}, far from all values so far",
            "the weights before the call are kept",
            "Drop the row if the value stands for a missing one.",
        )
    warn(
        f"Values of {name} are {after.deviation[column] / known:.1g} times as far apart as in "
        "earlier calls, whose rows now look alike. If its unit has changed, fit a new model.",
        RuntimeWarning,
    )


def _same(old: Schedule, new: Schedule) -> bool:
    """Whether two schedules are of one kind and start from the same rates."""
    return type(old) is type(new) and np.array_equal(old.initial, new.initial)

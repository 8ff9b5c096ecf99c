"""What ``partial_fit`` carries from one call to the next."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState

from sknorm._warnings import warn
from sknorm.backends import Backend, shuffle
from sknorm.data.statistics import Statistics
from sknorm.data.table import column
from sknorm.network.network import Network
from sknorm.training.plan import ADVICE, Observer
from sknorm.training.run import Run
from sknorm.training.state import Saved, State
from sknorm.training.steppers import MiniBatch
from sknorm.training.task import Task

_WILD_GROWTH = 1e6  # of a column's deviation in one call: earlier rows are then all alike
_REPEATED = 64  # calls whose draws are repeated at most
_FEW = 0.1  # share of a call's rows


class TakenBackError(Exception):
    """Why a call of ``partial_fit`` does not count.

    Parameters
    ----------
    reason : str
        What happened in it.
    advice : str
        What to do about it.
    """

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.reason, self.advice = reason, advice


class Call(Observer):
    """A call of ``partial_fit``, which does not count if it diverges."""

    def diverged(self, which: str, epoch: int, loss: Any, advice: str = ADVICE) -> None:
        raise TakenBackError(
            f"became non-finite{which} (loss {loss})",
            f"{advice} Bad records among the rows may be the cause, too.",
        )


class Checkpoint(NamedTuple):
    """What a call changes, as it was before."""

    state: State | None
    saved: Saved | None
    arrays: dict[str, Any]


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
    arrays : dict
        The state of the run, where it has come from elsewhere; empty before the first call.
    calls : int
        Calls that have begun.
    private : bool
        Whether nobody else draws from the generators.
    network : Network or None
        Trained in place; the estimator's own is a copy. Made of that where it is missing.
    state : State or None
        Where the run stands; made of ``arrays`` where it is missing.
    stepper : MiniBatch or None
        Buffers of the last call, taken up again where they fit.
    checkpoint : Checkpoint or None
        While a call has not come to its end.
    orders : list
        States of the generators some calls ago: to read them takes longer than to shuffle.
    drawn : dict of int to int
        Rows that were shuffled since, by the number of the call.
    spare : Saved or None
        Memory for the next checkpoint.
    validated : list
        Parameters that were found to be valid in the last call.
    """

    random_states: list[RandomState]
    seeds: np.ndarray
    arrays: dict[str, Any] = field(default_factory=dict)
    calls: int = 0
    private: bool = False
    network: Any = None
    state: State | None = None
    stepper: MiniBatch | None = None
    checkpoint: Checkpoint | None = None
    orders: list[Any] = field(default_factory=list)
    drawn: dict[int, int] = field(default_factory=dict)
    spare: Saved | None = None
    validated: list[Any] = field(default_factory=list)

    def to_arrays(self) -> dict[str, Any]:
        """The state of the run, but for what the estimator, or this object, has as well."""
        if self.state is None:
            return self.arrays
        known = ("network.", "random_states.", "history.", "batches.")
        found = self.state.to_arrays()
        return {name: value for name, value in found.items() if not name.startswith(known)}

    def go_on(self, network: Network, backend: Backend) -> None:
        """Go on in this backend, from the weights of ``network`` if there are none here."""
        if self.network is None or self.network.backend != backend:
            self.arrays, self.network = self.to_arrays(), network.on(backend).copy()
            self.state = self.stepper = self.spare = None

    def begin(self, published: Network | None) -> None:
        """A call begins; :meth:`settle` says how it ended.

        ``published`` is the estimator's own copy of the network, which nobody changes.
        """
        if not (self.private and self.orders) or len(self.drawn) >= _REPEATED:
            self.orders, self.drawn = [each.get_state() for each in self.random_states], {}
        saved = None
        if self.state is not None:
            if published is None or published.backend != self.network.backend:
                published = self.network.copy()
            saved = self.state.save(published, self.spare)
        self.checkpoint = Checkpoint(self.state, saved, self.arrays)
        self.calls += 1

    def settle(self, counted: int) -> bool:
        """Take back the last call, unless it is the one of this number, the last that counted.

        Whatever ended a call, wherever it was, the next one finds out here. False if others
        than the estimator's own calls have counted.
        """
        if self.checkpoint is not None:
            if self.calls != counted:
                self._take_back(self.checkpoint)
            self.spare, self.checkpoint = self.checkpoint.saved, None
        return self.calls == counted

    def _take_back(self, before: Checkpoint) -> None:
        self.drawn.pop(self.calls, None)
        for random_state, order in zip(self.random_states, self.orders, strict=True):
            random_state.set_state(order)
            for count in self.drawn.values():
                shuffle(np.arange(count), random_state)
        self.state, self.arrays, self.stepper = before.state, before.arrays, None
        if self.state is None or before.saved is None:
            self.network = None
        else:
            self.state.restore(before.saved)
        self.calls -= 1

    def start_anew(self) -> None:
        """Forget what the optimizer and the schedule know: losses have other units."""
        if self.state is not None:
            self.state.start_anew()
        forgotten = ("optimizer.", "lowest", "stopping.best")
        kept = self.arrays.items()
        self.arrays = {name: each for name, each in kept if not name.startswith(forgotten)}

    def epoch(self, task: Task) -> dict[str, np.ndarray]:
        """Train for an epoch; returns what the history has of it.

        Raises
        ------
        TakenBackError
            If it ends in weights or losses that are not finite.
        """
        if self.state is None:
            self.state = State.from_arrays(task, self.arrays) if self.arrays else State.start(task)
            self.arrays = {}
        self.state.go_on(task)
        if task.batches.shuffle:
            self.drawn[self.calls] = task.rows
        stepper = self.stepper
        self.stepper = (
            MiniBatch(task, self.state) if stepper is None else stepper.feed(task, self.state)
        )
        Run(task, Call(), self.state, self.stepper).advance(1)
        self.stepper.forget()
        self.state.batches.forget()
        return {key: rows[0] for key, rows in self.state.history.columns.items() if rows}


def check_stretched(
    X: Any, before: Statistics, after: Statistics, names: Any, *, waits: bool = False
) -> None:
    """Look at a column that one call has stretched until earlier rows are all alike in it.

    A row that ``waits`` for others is counted among those of all calls before it.

    Raises
    ------
    TakenBackError
        If a few values have done it: they are bad records rather than news.
    """
    wild = (before.deviation > 0) & (after.deviation > _WILD_GROWTH * before.deviation)
    if not wild.any():
        return
    place = int(np.argmax(wild))
    values, known = column(X, place).astype(np.float64), before.deviation[place]
    far = np.abs(values - before.mean[place]) > _WILD_GROWTH * known
    name = f"column {place if names is None else names[place]!r} of X"
    earlier, total = (np.broadcast_to(s.weight, wild.shape)[place] for s in (before, after))
    if far.mean() * (1.0 - earlier / total if waits else 1.0) < _FEW:
        raise TakenBackError(
            f"met {values[far][0]:.3g} in {name}, far from all values so far",
            "Drop the row if the value stands for a missing one.",
        )
    warn(
        f"Values of {name} are {after.deviation[place] / known:.1g} times as far apart as in "
        "earlier calls, whose rows now look alike. If its unit has changed, fit a new model.",
        RuntimeWarning,
    )

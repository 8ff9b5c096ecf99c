"""Where a training run stands: arrays and plain values, from which it can go on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sknorm.network.network import Network
from sknorm.optim.schedules import Schedule
from sknorm.training.batches import Batches
from sknorm.training.history import History
from sknorm.training.keepers import Average, Keeper, Nothing
from sknorm.training.stopping import Stopping, diverged

if TYPE_CHECKING:
    from sknorm.training.task import Task

# What changes in training: arrays of all members, arrays of those in training, plain values.
_WHOLE = [
    *("epochs", "lowest", "diverged"),
    *(f"stopping.{name}" for name in ("best", "scored", "waiting", "lowest")),
]
_SMALL = 256  # numbers, which are copied before a place for them is found
_SCHEDULE, _OPTIMIZER = ("current", "restarted"), ("first", "second", "velocity")
_VALUES = [
    *("epoch", "step", "rows_seen", "rows_missed", "stopped", "interrupted", "timed_out"),
    "notice",
    *("optimizer.steps", "schedule.rows_seen"),
]


class Saved(NamedTuple):
    """A state as it was, for :meth:`State.restore`."""

    fields: dict[str, Any]
    values: dict[str, Any]
    arrays: dict[str, Any]


@dataclass
class State:
    """What a training run knows of itself, of K members of which some are still in training.

    Attributes
    ----------
    network : Network
        The active stack, in training.
    schedule : Schedule
        Its learning rates.
    batches : Batches
        Its rows in their present order, and the generators that shuffle them.
    stopping : Stopping
        Who improves.
    history : History
    active : list of int
        Members of the whole stack that are in training.
    epochs : int64 array of shape (K,)
        Epochs that each member has been trained.
    lowest : float64 array of shape (K,)
        Lowest training loss of each.
    diverged : bool array of shape (K,)
        Who has come to weights or losses that are not finite.
    last, best : Keeper
        What will be left of each member: the weights with which it left, or, before, with which it
        began; those of its best epoch.
    waiting : list of int
        Members whose turn comes later, where they are trained one after another.
    mean : Average or None
        The average of its last epochs, if there will be one.
    optimizer : object
        What the optimizer knows of the active stack; None before its first step.
    epoch : int
        Epochs that are done; of L-BFGS, whose members are trained one after another, members.
    step : int
        Steps that are done.
    rows_seen : int
        Rows that were trained on, those of earlier fits that this one continues included.
    rows_missed : int
        Rows of its epochs for which there was no time.
    stopped, interrupted : bool
        Whether the observer, or the user, has ended training.
    timed_out : bool
        Whether the time that training may take has ended it.
    notice : str
        What is to be said of a search for a minimum that found none.
    """

    network: Network
    schedule: Schedule
    batches: Batches
    stopping: Stopping
    history: History
    active: list[int]
    epochs: np.ndarray
    lowest: np.ndarray
    diverged: np.ndarray
    last: Keeper
    best: Keeper
    waiting: list[int] = field(default_factory=list)
    mean: Average | None = None
    optimizer: Any = None
    epoch: int = 0
    step: int = 0
    rows_seen: int = 0
    rows_missed: int = 0
    stopped: bool = False
    interrupted: bool = False
    timed_out: bool = False
    notice: str = ""

    @classmethod
    def start(cls, task: "Task") -> "State":
        """The state before the first epoch; the network of the task may be trained in place."""
        plan, network, members = task.plan, task.network, len(task.members)
        everyone, by_turns = list(range(members)), task.max_fun is not None
        kept: type[Keeper] = Nothing if plan.incremental else Keeper
        by_score = task.score is not None and plan.keeps_best
        rules = plan.tol, plan.patience, by_score, plan.until_loss, not by_turns
        state = cls(
            network=network,
            schedule=task.schedule,
            batches=task.batches.copy(),
            stopping=Stopping(members, *rules),
            history=History(members),
            active=everyone,
            epochs=np.zeros(members, dtype=np.int64),
            lowest=np.full(members, np.inf),
            diverged=np.zeros(members, dtype=bool),
            last=kept(network),
            best=kept(network),
            mean=Average(network) if plan.averaged else None,
            rows_seen=plan.rows_before,
        )
        if by_turns and members > 1:
            state.enter(task, everyone[:1], everyone[1:])
        return state

    @property
    def places(self) -> Any:
        """Where the active members stand in arrays of all: a slice, which is fast, if all are."""
        return slice(None) if len(self.active) == len(self.epochs) else self.active

    def enter(self, task: "Task", active: list[int], waiting: list[int]) -> None:
        """Let training of these members begin while those wait."""
        self.active, self.waiting = active, waiting
        self.network = self.last.network.take(active)
        self.batches = task.batches.take(active)
        self.schedule = task.schedule.take(active)

    def take(self, places: list[int]) -> "State":
        """The same run with those at these places of the active stack alone still in training.

        A member's result does not depend on its stack.
        """
        return replace(
            self,
            network=self.network.take(places),
            schedule=self.schedule.take(places),
            batches=self.batches.take(places),
            active=[self.active[k] for k in places],
            optimizer=None if self.optimizer is None else self.optimizer.take(places),
        )

    def go_on(self, task: "Task") -> None:
        """Start counting epochs anew, over the rows of another task.

        An optimizer of another kind, or other initial rates, start anew.
        """
        plan, old, new = task.plan, self.schedule, task.schedule
        if type(old) is not type(new) or old.initial.tobytes() != new.initial.tobytes():
            self.schedule = new
        if not plan.optimizer.owns(self.optimizer):
            self.optimizer = None
        self.stopping.tol, self.stopping.patience = plan.tol, plan.patience
        self.batches, self.epoch, self.history = task.batches, 0, History(len(self.epochs))
        self.epochs[...] = 0

    def start_anew(self) -> None:
        """Forget what the optimizer and the schedule know: losses have other units."""
        self.optimizer = None
        self.lowest[...] = self.stopping.best[...] = np.inf

    def find_lost(self, losses: np.ndarray) -> np.ndarray:
        """Which of the active members have diverged, (k,), by their losses after an epoch."""
        places = self.places
        lost = diverged(losses, self.lowest[places])
        self.lowest[places] = np.fmin(self.lowest[places], losses)
        return lost

    def to_arrays(self) -> dict[str, Any]:
        """All of it as a flat dict of NumPy arrays, numbers and strings, as ``np.savez`` takes it.

        Copies, on the host.
        """
        to_numpy = self.network.backend.to_numpy
        arrays = self._arrays().items()
        found: dict[str, Any] = {name: np.array(to_numpy(array)) for name, array in arrays}
        found |= {"active": np.array(self.active, dtype=np.int64), **self._values()}
        found["schedule.initial"] = self.schedule.initial.copy()
        found |= {"waiting": np.array(self.waiting, dtype=np.int64)}
        found |= {f"random_states.{k}": text for k, text in enumerate(self.batches.generators())}
        columns = self.history.columns.items()
        return found | {f"history.{key}": np.stack(rows) for key, rows in columns if rows}

    @classmethod
    def from_arrays(cls, task: "Task", arrays: Mapping[str, Any]) -> "State":
        """The state that :meth:`to_arrays` told of; what it does not tell is as at the start.

        A schedule of other initial rates starts anew.

        Parameters
        ----------
        task : Task
            Like the one that was trained, and like it before its first epoch. Its generators will
            draw from where those of the state were.
        arrays : dict, or what ``np.load`` returns
        """
        state, backend = cls.start(task), task.network.backend
        active, waiting = arrays["active"].tolist(), arrays["waiting"].tolist()
        if active != state.active:
            state.enter(task, active, waiting)
        known = set(arrays)
        if not np.array_equal(arrays["schedule.initial"], state.schedule.initial):
            known = {name for name in known if not name.startswith("schedule.")}
        if any(name.startswith("optimizer.") for name in known):
            state.optimizer = task.plan.optimizer.init(state.network)
        for name, array in state._arrays().items():
            if name in known:
                given = arrays[name]
                array[...] = given if isinstance(array, np.ndarray) else backend.asarray(given)
        known &= state._values().keys()
        state._set_values({name: np.asarray(arrays[name]).item() for name in known})
        if active and "random_states.0" in arrays:
            texts = [str(arrays[f"random_states.{k}"]) for k in range(len(active))]
            state.batches.set_generators(texts)
        for key, rows in state.history.columns.items():
            rows += list(arrays.get(f"history.{key}", []))
        return state

    def save(self, network: Network, spare: Saved | None = None) -> Saved:
        """What :meth:`restore` needs to take back what comes, generators aside.

        Parameters
        ----------
        network : Network
            A copy of the network that nobody changes.
        spare : Saved or None
            What is no longer needed, whose memory may be used again.
        """
        mine, given = self._arrays(), _network_arrays("network", network)
        memory = {} if spare is None else spare.arrays
        for name in mine.keys() - given.keys():
            given[name] = _copy_into(memory.get(name), mine[name])
        return Saved(dict(self.__dict__), self._values(), given)

    def restore(self, saved: Saved) -> None:
        """Be what was saved, in the same arrays; generators are not among them."""
        self.__dict__.update(saved.fields)
        for name, array in self._arrays().items():
            array[...] = saved.arrays[name]
        self._set_values(saved.values)

    def _arrays(self) -> dict[str, Any]:
        """The arrays that training writes into, by name."""
        kinds: Any = type(self.schedule), type(self.optimizer)
        names, get = _changing(*kinds, bool(self.active))
        found = dict(zip(names, get(self), strict=True))
        if self.active:
            found |= _network_arrays("network", self.network)
        if not isinstance(self.last, Nothing):
            found |= _network_arrays("last", self.last.network)
            found |= _network_arrays("best", self.best.network)
        if self.mean is not None:
            found |= _network_arrays("mean", self.mean.network)
            found["mean.counts"] = self.mean.counts
        return found

    def _values(self) -> dict[str, Any]:
        """The numbers and strings that change in training, by name."""
        return {n: value for n in _VALUES if (value := _reach(self, n)) is not None}

    def _set_values(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            owner, _, attribute = name.rpartition(".")
            setattr(_reach(self, owner) if owner else self, attribute, value)


@cache
def _changing(schedule: Any, optimizer: Any, active: bool) -> tuple[list[str], attrgetter]:
    """Names of arrays of states with such a schedule and optimizer, and what gets them."""
    names = list(_WHOLE)
    if active:
        names += ["batches.order"]
        names += [f"schedule.{f.name}" for f in fields(schedule) if f.name in _SCHEDULE]
    if active and is_dataclass(optimizer):
        names += [f"optimizer.{f.name}.flat" for f in fields(optimizer) if f.name in _OPTIMIZER]
    return names, attrgetter(*names)


def _network_arrays(name: str, network: Network) -> dict[str, Any]:
    """A network's arrays, by name."""
    statistics = {f"{name}.statistics.{i}": each for i, each in enumerate(network.statistics)}
    return {f"{name}.parameters": network.parameters.flat, **statistics}


def _reach(value: Any, path: str) -> Any:
    """An attribute of attributes, None where there is none."""
    for name in path.split("."):
        value = getattr(value, name, None)
    return value


def _copy_into(memory: Any, array: Any) -> Any:
    """A copy of an array, in this memory if it fits and the array is not small."""
    if memory is not None and memory.shape == array.shape and array.size > _SMALL:
        memory[...] = array
        return memory
    return array.copy() if isinstance(array, np.ndarray) else array + 0.0

"""Learning-rate schedules: the factor of the initial rate, per member, step by step."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Self

import numpy as np

_FLOOR = 1e-6  # the adaptive schedule stops a member whose learning rate is this small
ADAPTIVE_PARTS = 3  # of the steps of an adaptive cosine, of which the first cosine is one
_RESTART = 0.5  # share of the initial rate with which its second cosine begins


@dataclass
class Schedule:
    """A learning rate that changes with time; this one stays as it is.

    Attributes
    ----------
    initial : float64 array of shape (K,)
    """

    initial: np.ndarray

    def rate(self, step: int) -> np.ndarray:
        """Learning rates (K,) of step number ``step``, which counts from 0."""
        return self.initial

    def rates(self, step: int, count: int) -> np.ndarray:
        """Learning rates of ``count`` steps from number ``step`` on, (count, K)."""
        return self.rate(step)[None].repeat(count, axis=0)

    def fit_into(self, steps: float) -> None:
        """Take note of how many steps there is time for."""

    def epoch_ended(self, rows_seen: int) -> None:
        """Take note of the rows trained on so far."""

    def on_plateau(self, member: int) -> bool:
        """React to a member that stopped improving; True ends its training."""
        return True

    def watch(self, step: int, scores: np.ndarray) -> np.ndarray:
        """Take note of the best scores (K,) so far; which members no plateau is to end."""
        return np.zeros(len(self.initial), dtype=bool)

    def is_over(self, step: int) -> np.ndarray:
        """Which members (K,) have come to the end of what is planned for them."""
        return np.zeros(len(self.initial), dtype=bool)

    def take(self, members: list[int]) -> Self:
        """The schedule of some of the members."""
        return replace(self, **{name: getattr(self, name)[members] for name in _arrays(self)})

    @property
    def kind(self) -> tuple:
        """What schedules have in common that one stack can follow."""
        names = [f.name for f in fields(self)]
        arrays = _arrays(self)
        return type(self), *((n, getattr(self, n)) for n in names if n not in arrays)


class Constant(Schedule):
    """The initial learning rate throughout."""


@dataclass
class InverseScaling(Schedule):
    """``initial / (t + 1) ** power`` after t rows, updated at the end of each epoch."""

    power: float = 0.5
    rows_seen: int = 0

    def rate(self, step: int) -> np.ndarray:
        if not self.rows_seen:
            return self.initial
        try:
            return self.initial / (self.rows_seen + 1) ** self.power
        except OverflowError:  # a power so large that nothing is left of the rate
            return np.zeros_like(self.initial)

    def epoch_ended(self, rows_seen: int) -> None:
        self.rows_seen = rows_seen


@dataclass
class Adaptive(Schedule):
    """Divided by 5 whenever a member stops improving, until it is tiny."""

    current: np.ndarray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        if self.current.size == 0:
            self.current = self.initial.copy()

    def rate(self, step: int) -> np.ndarray:
        return self.current

    def on_plateau(self, member: int) -> bool:
        if self.current[member] <= _FLOOR:
            return True
        self.current[member] /= 5.0
        return False


@dataclass
class Cosine(Schedule):
    """Half a cosine from the initial rate down to zero over ``total`` steps.

    Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts.
    """

    total: int = 1
    steps: float = math.inf  # that there is time for, where there are fewer than planned

    def done(self, step: int) -> float:
        """Share of the steps before this one."""
        return self._done(step, 0.0, self.total)

    def _done(self, step: int, begin: float, end: float) -> float:
        """The same of the steps from one to another, or to the last that there is time for."""
        return min((step - begin) / max(min(end, self.steps) - begin, 1.0), 1.0)

    def rate(self, step: int) -> np.ndarray:
        return self.initial * _half_wave(self.done(step))

    def fit_into(self, steps: float) -> None:
        self.steps = steps

    def rates(self, step: int, count: int) -> np.ndarray:
        return np.stack([self.rate(step + index) for index in range(count)])

    def on_plateau(self, member: int) -> bool:
        return False  # the planned steps are the schedule


@dataclass
class AdaptiveCosine(Cosine):
    """Cosine over a third of the steps, and for good members a second one over the others.

    There is so little noise in what they learn that further steps may make them more exact. The
    second cosine is a warm restart, as in SGDR, from half the initial rate.

    Attributes
    ----------
    enough : float64 array of shape (K,)
        Validation score beyond which a member has a second cosine; inf is none.
    restarted : float64 array of shape (K,)
        Step at which it began; NaN before, and inf for members without one.
    """

    enough: np.ndarray = field(default_factory=lambda: np.empty(0))
    restarted: np.ndarray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        if self.restarted.size == 0:
            self.restarted = np.full_like(self.initial, np.nan)

    @property
    def planned(self) -> float:
        """Steps of the first cosine."""
        return self.total / ADAPTIVE_PARTS

    def rate(self, step: int) -> np.ndarray:
        begun = np.nan_to_num(self.restarted, nan=np.inf, posinf=np.inf).tolist()
        shares = {at: self._share(step, at) for at in {*begun}}
        return self.initial * np.array([shares[at] for at in begun])

    def watch(self, step: int, scores: np.ndarray) -> np.ndarray:
        good = scores > self.enough
        if step >= self.planned:
            undecided = np.isnan(self.restarted)
            self.restarted[undecided] = np.inf
            self.restarted[undecided & good] = step
        return good

    def is_over(self, step: int) -> np.ndarray:
        return ~np.isfinite(self.restarted) & (step >= self.planned)

    def _share(self, step: int, restarted: float) -> float:
        """Share of the initial rate at this step."""
        if step >= restarted:
            return _RESTART * _half_wave(self._done(step, restarted, self.total))
        return _half_wave(self._done(step, 0.0, self.planned))


@dataclass
class OneCycle(Cosine):
    """Cosine from a 25th of the rate up to it over 30% of the steps, then down to 1e-5 of it.

    Smith and Topin (2019), Super-convergence: very fast training of neural networks using
    large learning rates; phases as in fastai and PyTorch.
    """

    start = 1.0 / 25.0
    end = 1e-5
    warm_up = 0.3

    def rate(self, step: int) -> np.ndarray:
        done = self.done(step)
        if done < self.warm_up:
            low, high, phase = self.start, 1.0, done / self.warm_up
        else:
            low, high, phase = 1.0, self.end, (done - self.warm_up) / (1.0 - self.warm_up)
        return self.initial * (low + (high - low) * 0.5 * (1.0 - math.cos(math.pi * phase)))


def build(
    name: str, initial: np.ndarray, power: float, total: int, enough: np.ndarray | None = None
) -> Schedule:
    """The schedule of this name for initial rates ``(K,)`` and ``total`` planned steps.

    Under 'adaptive_cosine', members with scores beyond ``enough`` (K,) take all of them.
    """
    if name == "invscaling":
        return InverseScaling(initial, power)
    if name == "adaptive":
        return Adaptive(initial)
    if name == "cosine":
        return Cosine(initial, total)
    if name == "one_cycle":
        return OneCycle(initial, total)
    if name == "adaptive_cosine":
        none = np.full_like(initial, np.inf)
        return AdaptiveCosine(initial, total, enough=none if enough is None else enough)
    return Constant(initial)


def join_schedules(parts: Sequence[Schedule]) -> Schedule:
    """The schedule of several stacks in one; their kinds are the same."""
    first = parts[0]
    joint = {n: np.concatenate([getattr(p, n) for p in parts]) for n in _arrays(first)}
    return replace(first, **joint)


def _half_wave(done: float) -> float:
    """Half a cosine from one to zero."""
    return 0.5 * (1.0 + math.cos(math.pi * done))


def _arrays(schedule: Schedule) -> list[str]:
    """Names of what is of each member."""
    names = (f.name for f in fields(schedule))
    return [name for name in names if isinstance(getattr(schedule, name), np.ndarray)]

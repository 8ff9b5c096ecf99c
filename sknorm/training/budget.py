"""Time that training may take: how many steps fit into it, and when it is over."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Seconds that steps are taken for before the clock is looked at again.
_PIECE = 0.25


class Budget:
    """Seconds of one training run, from when they are granted on.

    Parameters
    ----------
    seconds : float
    """

    def __init__(self, seconds: float) -> None:
        self.ends = time.perf_counter() + seconds
        self.a_step = math.inf  # seconds
        self.between = 0.0  # epochs, seconds for scores and the like
        self._steps_ended: float | None = None

    @property
    def left(self) -> float:
        """Seconds that are left, not below zero."""
        return max(0.0, self.ends - time.perf_counter())

    @property
    def is_over(self) -> bool:
        """Whether no step fits any more, with what would end its epoch."""
        return self.left - self.between < self.a_step

    def part(self, share: float) -> "Budget":
        """A budget of a share of what is left."""
        return Budget(share * self.left)

    def pieces(self, steps: int) -> Iterator[int]:
        """Cut the steps of an epoch into pieces of a short time each; ends where time does.

        There is one step at least. The time that the consumer takes for a piece is that of its
        steps, and that between two epochs goes to what ends an epoch.
        """
        started = time.perf_counter()
        if self._steps_ended is not None:
            self.between = started - self._steps_ended
        done = 0
        while done < steps:
            room = self.left - self.between
            if done and room < self.a_step:
                break
            # Of the rest half at a time: a step may take longer than the last ones.
            piece = min(steps - done, max(1, int(min(_PIECE, room / 2) / self.a_step)))
            yield piece
            now = time.perf_counter()
            self.a_step, started, done = max((now - started) / piece, 1e-9), now, done + piece
        self._steps_ended = started

    def steps_in_all(self, done: int, per_epoch: int) -> float:
        """How many steps there will have been when time is over, of which so many are done."""
        if self.a_step == math.inf:
            return math.inf
        return done + self.left / (self.a_step + self.between / per_epoch)


_WITHIN: ContextVar[Budget | None] = ContextVar("_WITHIN", default=None)


@contextmanager
def within(budget: Budget | None) -> Iterator[None]:
    """Let fits in the block end within a budget."""
    token = _WITHIN.set(budget)
    try:
        yield
    finally:
        _WITHIN.reset(token)


def budget_of(seconds: float | None) -> Budget | None:
    """The budget of a fit that may take so many seconds, and no more than what it is within."""
    around = _WITHIN.get()
    if around is None:
        return None if seconds is None else Budget(seconds)
    return Budget(min(around.left, math.inf if seconds is None else seconds))

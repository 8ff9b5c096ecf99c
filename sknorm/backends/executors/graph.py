"""Steps that are recorded once and replayed from then on.

Where kernels are launched one by one, small networks wait for the host. A recorded step is launched
as a whole, but with the same arguments each time, so that all that changes from step to step has to
stand on the device: a kernel at the start of each step takes it from tables of the whole epoch.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from sknorm.backends.base import Recorder
from sknorm.training.batches import Batches

Step = Callable[[Any, Any], None]


class Replays:
    """The steps of an epoch, recorded for each size of batches.

    Parameters
    ----------
    backend : Backend
    recorder : Recorder
    batches : Batches
    width : int
        How many numbers change from step to step.

    Attributes
    ----------
    numbers : float64 array of shape (width,)
        Where a recorded step finds its own.
    """

    def __init__(self, backend: Any, recorder: Recorder, batches: Batches, width: int) -> None:
        xp, device = backend.xp, backend.device
        self.backend, self.recorder, self.edges = backend, recorder, batches.edges
        orders, rows = batches.rows.shape
        self.numbers = xp.zeros(width, dtype=xp.float64, device=device)
        self._order = xp.zeros((orders, rows), dtype=xp.int64, device=device)
        self._table = xp.zeros((len(self.edges), width), dtype=xp.float64, device=device)
        self._clock = xp.zeros(2, dtype=xp.int64, device=device)
        self._step = xp.zeros(1, dtype=xp.uint32, device=device)
        self._rows = {
            size: xp.zeros((orders, size), dtype=xp.int64, device=device) for size in batches.sizes
        }
        self._launches: dict[int, Callable[[], None] | None] = {}

    def epoch(self, take: Step, order: np.ndarray, table: np.ndarray, step: int) -> None:
        """Take the steps of an epoch.

        Parameters
        ----------
        take : callable
            Launches a step, always the same for batches of one size. Takes the rows (R, n) of the
            batch and the number of the step as a uint32 array of shape (1,). It is not kept, as it
            may be a method of who keeps this object.
        order : int64 array of shape (R, N)
            Rows in their order.
        table : float64 array of shape (S, width)
            The numbers of each step.
        step : int
            Number of the first step.
        """
        asarray = self.backend.asarray
        self._order[...] = asarray(order)
        self._table[...] = asarray(table)
        self._clock[...] = asarray(np.array([0, step], dtype=np.int64))
        for start, stop in self.edges:
            self._take(take, stop - start)

    def _take(self, take: Step, size: int) -> None:
        """Take a step: launch it the first time, record it the second, replay it from then on."""
        work = partial(self._begin, take, size)
        if size not in self._launches:
            self.recorder.launch(work)
            self._launches[size] = None
            return
        replay = self._launches[size]
        if replay is None:
            replay = self._launches[size] = self.recorder.record(work)
        replay()

    def _begin(self, take: Step, size: int) -> None:
        """Launch a step of this size; what it reads comes first."""
        rows = self._rows[size]
        tables = self._order, self._table, self._clock
        self.backend.kernels.begin_step(*tables, rows, self.numbers, self._step)
        take(rows, self._step)

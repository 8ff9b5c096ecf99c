"""Steps that are recorded once and replayed from then on.

Where kernels are launched one by one, small networks wait for the host. A recorded step is launched
as a whole, but with the same arguments each time, so that all that changes from step to step has to
stand on the device: a kernel at the start of each step takes it from tables of the whole epoch.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from sknorm.backends.base import Backend, Recorder
from sknorm.backends.program import Part, Program, run


class Graph:
    """Runs an epoch by replays, recorded for each size of batches; as :class:`Loop` otherwise.

    Parameters
    ----------
    backend : Backend
    recorder : Recorder
    edges : sequence of (int, int)
        Where each batch of an epoch starts and ends.
    """

    def __init__(
        self, backend: Backend, recorder: Recorder, edges: Sequence[tuple[int, int]]
    ) -> None:
        self.backend, self.recorder, self.edges = backend, recorder, edges
        self._launches: dict[int, Callable[[], None] | None] = {}
        self._tables: tuple[Any, ...] | None = None

    def epoch(
        self,
        program: Program,
        order: np.ndarray,
        table: np.ndarray,
        step: int,
        part: Part = None,
    ) -> None:
        """Take the steps of an epoch, always of the same program, on tables of the same shapes."""
        first, last = part or (0, len(self.edges))
        clock = np.array([first, step], dtype=np.int64)
        table = table.reshape(len(table), -1)
        given = [self.backend.asarray(array) for array in (order, table, clock)]
        if self._tables is None:  # of its own: what was recorded reads it for good
            self._tables = (*(array + 0 for array in given), self._number())
        for own, array in zip(self._tables, given, strict=False):
            own[...] = array
        for start, stop in self.edges[first:last]:
            self._take(program, stop - start)

    def _number(self) -> Any:
        """Where the number of a step stands."""
        xp = self.backend.xp
        return xp.zeros(1, dtype=xp.uint32, device=self.backend.device)

    def _take(self, program: Program, size: int) -> None:
        """Take a step: launch it the first time, record it the second, replay it from then on."""
        work = partial(self._begin, program, size)
        if size not in self._launches:
            self.recorder.launch(work)
            self._launches[size] = None
            return
        replay = self._launches[size]
        if replay is None:
            replay = self._launches[size] = self.recorder.record(work)
        replay()

    def _begin(self, program: Program, size: int) -> None:
        """Launch a step of this size; what it reads comes first."""
        assert self._tables is not None
        order, table, clock, number = self._tables
        numbers = self.backend.xp.reshape(program.numbers, (-1,), copy=False)
        kernels = self.backend.kernels
        kernels.begin_step(order, table, clock, program.rows[size], numbers, number)
        run(program.operations[size], number)

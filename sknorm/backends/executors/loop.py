"""Steps that are run one after another, with arrays of any library."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sknorm.backends.base import Backend
from sknorm.backends.program import Part, Program, run


class Loop:
    """Runs an epoch step by step.

    Parameters
    ----------
    backend : Backend
    edges : sequence of (int, int)
        Where each batch of an epoch starts and ends.
    """

    def __init__(self, backend: Backend, edges: Sequence[tuple[int, int]]) -> None:
        self.backend, self.edges = backend, edges

    def epoch(
        self,
        program: Program,
        order: np.ndarray,
        table: np.ndarray,
        step: int,
        part: Part = None,
    ) -> None:
        """Take the steps of an epoch, or a part of them.

        Parameters
        ----------
        program : Program
        order : int64 array of shape (R, N)
            Rows in their order.
        table : float64 array of shape (S, Q, K)
            The quantities of each step.
        step : int
            Number of the first step of the epoch.
        part : pair of int or None
            The first step of the epoch to take, and the one before which to stop.
        """
        numbers, place = program.numbers, self.backend.asarray
        rows: Any = place(order)
        values: Any = place(table)
        for index in range(*(part or (0, len(self.edges)))):
            start, stop = self.edges[index]
            size = stop - start
            program.rows[size][...] = rows[:, start:stop]
            numbers[...] = values[index, ...]
            run(program.operations[size], step + index)

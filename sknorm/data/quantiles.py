"""Median and quartiles of a table's columns."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sknorm.backends import resolve
from sknorm.data.table import column, numbers
from sknorm.objective.units import quantiles

_LEVELS = (0.25, 0.5, 0.75)


def quartiles(X: Any, weight: np.ndarray | None) -> np.ndarray:
    """First quartile, median, third quartile, least and largest value of each column, (5, d).

    A quantile is the lowest value that reaches its share of the weights, so that a row of weight
    2 counts as two rows. Missing values do not count; of a column without any others, all are 0.
    """
    found = np.zeros((5, int(numbers(X).shape[1])))

    def look(j: int) -> None:
        values, own = present(X, j, weight)
        if len(values):
            found[:, j] = _of_equal(values) if own is None else _of_weighted(values, own)

    each_column(look, found.shape[1])
    return found


def each_column(look: Callable[[int], None], width: int) -> None:
    """Look at columns side by side, with the bits of one thread of BLAS; no overflow is told."""
    host = resolve(np.zeros(0))
    with host.session():
        host.run(look, [(j,) for j in range(width)])


def present(X: Any, j: int, *of_rows: np.ndarray | None, step: int = 1) -> tuple[Any, ...]:
    """A copy of the values of a column that are not missing, on the host, and what else is of them.

    Every ``step``-th row counts, of which ``of_rows`` are arrays, or None.
    """
    values = np.array(column(X, j)[::step], dtype=np.float64)
    if not np.isnan(values.sum()):
        return values, *of_rows
    here = ~np.isnan(values)
    return values[here], *(None if each is None else each[here] for each in of_rows)


def _of_equal(values: np.ndarray) -> np.ndarray:
    n = len(values)
    places = [int(np.ceil(level * n)) - 1 for level in _LEVELS]
    values.partition(places)  # each part is then looked through for its extreme alone
    extremes = values[: places[0] + 1].min(), values[places[2] :].max()
    return np.array([*values[places], *extremes])


def _of_weighted(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    found = quantiles(values[:, None], weight, _LEVELS)[:, 0]
    return np.array([*found, values.min(), values.max()])

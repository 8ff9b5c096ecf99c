"""The columns of a table: what was learned of them, and how networks see them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sknorm.data import statistics
from sknorm.data.statistics import Statistics


@dataclass(frozen=True)
class Columns:
    """Networks see ``(X - offset) * factor``.

    Attributes
    ----------
    offset, factor : float64 arrays of shape (n_features,)
        On the host.
    names : sequence of n_features names, or None
        For messages.
    statistics : Statistics or None
        Of the rows seen; None where columns are taken as they are.
    """

    offset: np.ndarray
    factor: np.ndarray
    names: Any = None
    statistics: Statistics | None = None

    @classmethod
    def learn(
        cls, X: Any, weight: np.ndarray | None, names: Any, *, standardize: bool
    ) -> "Columns":
        """The columns of a table under row weights (n,), standardized or as they are.

        Raises
        ------
        ValueError
            If values are too large to compute with.
        """
        if standardize:
            seen = statistics.gather(X, weight, names)
            return cls(*seen.scaling(), names, seen)
        statistics.check_range(X, names)
        width = int(X.shape[1])
        return cls(np.zeros(width), np.ones(width), names)

    def pooled(self, X: Any, weight: np.ndarray | None, names: Any) -> "Columns":
        """The columns of all rows so far and of another table's."""
        if self.statistics is None:
            statistics.check_range(X, names)
            return replace(self, names=names)
        seen = self.statistics.merged(statistics.gather(X, weight, names))
        return Columns(*seen.scaling(), names, seen)

    def scales_as(self, other: "Columns") -> bool:
        """Whether networks see the same values under both."""
        return np.array_equal(self.offset, other.offset) and np.array_equal(
            self.factor, other.factor
        )

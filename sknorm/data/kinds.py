"""What the columns of a table are, decided in fit and remembered."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sknorm.data.coded import MISSING, CodedTable


@dataclass(frozen=True)
class Kinds:
    """Which columns of X are categories, and of what.

    Attributes
    ----------
    n_features : int
    names : ndarray of n_features str, or None
    categories : dict of int to {"text", "boolean", "number", "nothing"}
        By column; all others are numeric. Nothing: there was no value, so that it may hold any.
    empty : tuple of int
        Numeric columns in which all values were missing.
    """

    n_features: int
    names: Any = None
    categories: dict[int, str] = field(default_factory=dict)
    empty: tuple[int, ...] = ()

    @property
    def numeric(self) -> list[int]:
        """The columns that are no categories."""
        return [each for each in range(self.n_features) if each not in self.categories]

    @classmethod
    def of(cls, table: Any, names: Any = None, rows: np.ndarray | None = None) -> "Kinds":
        """Those of a checked table, a CodedTable or an array, of which some rows count."""
        if not isinstance(table, CodedTable):
            return cls(int(table.shape[1]), names)
        categories = {c.feature: c.kind for c in table.coded if c.kind != MISSING}
        every = slice(None) if rows is None else rows
        gaps = [(c.feature, place) for place, c in enumerate(table.coded) if c.kind == MISSING]
        empty = tuple(j for j, place in gaps if table.codes[every, place].all())
        return cls(int(table.shape[1]), names, categories, empty)

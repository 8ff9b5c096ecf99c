"""What a fit learns of a code column: which levels a network knows, and where they stand in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sknorm.data.coded import MISSING, CodeColumn

_WIDTH = 8  # of vectors
ONE_HOT = 8  # levels up to which each has a row of the first layer's weights
_BELOW = 1.0 - 1e-12  # so that a share that is exact but for rounding is reached
_ROWS = 1 << 14  # whose codes are counted together


@dataclass(frozen=True)
class Category:
    """The levels of a code column that a network knows.

    Attributes
    ----------
    feature : int
        The column of X.
    kind : {"text", "boolean", "number", "nothing", "missing"}
    levels : ndarray of shape (n_levels,)
        Sorted. Rows of other levels share a place.
    shares : float64 array of shape (size,)
        Shares of the rows that the network's places have: that of missing values and that of
        other levels, where training rows had such, and those of the levels.
    has_missing, has_other : bool
        Whether missing values, and other levels, have a place: training rows had some.
    width : int
        Of the vectors that stand for levels among the inputs; 0 where they have rows of weights.
    first : int
        Its first row among those of all columns; 0 with vectors.
    """

    feature: int
    kind: str
    levels: np.ndarray
    shares: np.ndarray
    has_missing: bool
    has_other: bool
    width: int
    first: int

    @property
    def size(self) -> int:
        """Places that it has in the network."""
        return len(self.shares)

    @property
    def rows(self) -> int:
        """Rows of weights that it has."""
        return 0 if self.width else self.size

    def places(self, levels: np.ndarray) -> np.ndarray:
        """Places (1 + n_levels,) int32 of a missing value and of these levels; -1 for none."""
        missing = self.first if self.has_missing else -1
        other = self.first + self.has_missing if self.has_other else -1
        known = self._known
        if np.float32 in (self.levels.dtype, levels.dtype):  # of which one has fewer digits
            with np.errstate(over="ignore"):
                rounded, others = (each.astype(np.float32) for each in (self.levels, levels))
            known = dict(zip(rounded.tolist(), known.values(), strict=True)) | known
            levels = np.where(np.isin(levels, self.levels), levels, others)
        found = [known.get(level, other) for level in levels.tolist()]
        return np.array([missing, *found], dtype=np.int32)

    @cached_property
    def _known(self) -> dict[Any, int]:
        """The places of the levels, made once: a row to predict for has one level, or a few."""
        begin = self.first + self.has_missing + self.has_other
        return {level: begin + place for place, level in enumerate(self.levels.tolist())}


def embedding_width(levels: int) -> int:
    """Numbers that stand for each of so many levels: 0 for few, which have rows of weights."""
    return 0 if levels <= ONE_HOT else _WIDTH


def learn(
    coded: Sequence[CodeColumn],
    codes: np.ndarray,
    weight: np.ndarray | None,
    min_frequency: Any,
    *,
    keeps_unused: bool = False,
) -> tuple[Category, ...]:
    """What rows under weights (n,) say of the code columns of their table, in its order.

    Parameters
    ----------
    coded : sequence of CodeColumn
    codes : int32 array of shape (n, n_coded)
    weight : array of shape (n,), or None
    min_frequency : int or float
        Rows, or share of the rows, that a level must have at least to have a place of its own.
    keeps_unused : bool
        Whether levels of the table's columns without rows are known, too.
    """
    rows = len(codes)
    least = min_frequency if min_frequency >= 1 else min_frequency * rows * _BELOW
    sizes = [len(column.levels) + 1 for column in coded]
    counts = _counts(codes, sizes, None)
    sums = counts if weight is None else _counts(codes, sizes, weight)
    made: list[Category] = []
    for column, count, total in zip(coded, counts, sums, strict=True):
        first = sum(each.rows for each in made)
        shares = total / max(total.sum(), np.finfo(float).tiny)
        made.append(_learn(column, (count, shares), (least, keeps_unused), first))
    return tuple(made)


def _counts(codes: np.ndarray, sizes: list[int], weight: np.ndarray | None) -> list[np.ndarray]:
    """Rows of each code of each column, or the sums of their weights, some rows at a time."""
    starts = np.cumsum([0, *sizes])
    found = np.zeros(starts[-1])
    for first in range(0, len(codes), _ROWS):
        part = slice(first, first + _ROWS)
        places = (codes[part] + starts[:-1]).ravel()
        own = None if weight is None else np.repeat(weight[part], len(sizes))
        found += np.bincount(places, weights=own, minlength=len(found))
    return np.split(found, starts[1:-1])


def _learn(
    column: CodeColumn,
    seen: tuple[np.ndarray, np.ndarray],
    rule: tuple[float, bool],
    first: int,
) -> Category:
    """A column of which some rows, and shares of the weights, have each code."""
    (counts, shares), (least, keeps_unused) = seen, rule
    if column.kind == MISSING:
        tells = 0 < counts[1] < counts.sum()
        kept, has_missing, has_other = np.array([tells]), False, False
    else:
        rows, has_missing = counts[1:], bool(counts[0])
        kept = (rows >= least) & ((rows > 0) | keeps_unused)
        kept |= keeps_unused & (rows == 0)
        has_other = bool(rows[~kept].any())
        if kept.sum() + has_missing + has_other < 2:  # says nothing
            kept, has_missing, has_other = np.zeros_like(kept), False, False
    beside = [shares[0]] * has_missing + [shares[1:][~kept].sum()] * has_other
    own = np.array([*beside, *shares[1:][kept]])
    width = embedding_width(int(kept.sum()))
    levels = column.levels[kept]
    place = 0 if width else first
    return Category(column.feature, column.kind, levels, own, has_missing, has_other, width, place)

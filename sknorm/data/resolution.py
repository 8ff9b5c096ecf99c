r"""How fine the bins of a column are to be: finer, as long as that tells more of other rows.

What a column tells of the target is a curve f, linear between the edges of its bins, by least
squares with a penalty on the differences of neighbours:

.. math:: \sum_i w_i \lVert y_i - f(z_i) \rVert^2 + \sum_t \lVert f(l_{t+1}) - f(l_t) \rVert^2.

Each row is scored by the curve of all others, for which the curve of all rows is enough: its
residual without row i is :math:`(y_i - f(z_i)) / (1 - w_i h_i)`, where h is the leverage of a row
of weight one (Craven and Wahba, 1979, Smoothing noisy data with spline functions). Twice as many
bins are tried, and twice as many again, as long as these residuals fall. They are taken if the
residuals fall by more than chance would make them, and by more still where values hardly recur.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import solveh_banded

from sknorm.data.quantiles import present
from sknorm.data.targets import Target

COARSE = 16  # bins of a column that tells no more by finer ones
FINER = (32, 64, 128, 256)
_NUMBERS = 1 << 17  # of targets that are looked at
_PATIENCE = 4  # times as many bins as are best so far, which must be better for others to be tried
# Standard errors by which finer bins must be better: where values recur, what is learned of one is
# of use again, and else a network gains less than one curve does.
_SURE = 2.0
_SURE_WHERE_NEW = 6.0
_RECURRENT = 2  # rows for each different value
Scale = Callable[[np.ndarray], np.ndarray]
# Lower ends and gains of so many bins of values under weights, on a scale.
Cut = Callable[[np.ndarray, np.ndarray | None, Scale, int], tuple[np.ndarray, np.ndarray]]


class Sample(NamedTuple):
    """What is known of the target of every ``step``-th row of a table.

    Attributes
    ----------
    step : int
    target : float64 array of shape (m, q)
        Numbers from -1 to 1 that columns are to tell apart.
    weight : float64 array of shape (m,), or None
        Scaled so that they sum to as many rows as they are worth (Kish, 1965).
    """

    step: int
    target: np.ndarray
    weight: np.ndarray | None

    @classmethod
    def of(cls, target: Target, y: np.ndarray, weight: np.ndarray | None) -> "Sample":
        """Of labels or values y under row weights (n,)."""
        step = -(-len(y) * target.as_numbers(y[:1]).shape[1] // _NUMBERS)
        known = target.as_numbers(y[::step])
        known = known / (np.abs(known).max() or 1.0)  # so that no square overflows
        if weight is not None:
            weight = weight[::step] / weight[::step].max()
            weight *= weight.sum() / np.square(weight).sum()
        return cls(step, known, weight)

    def finest(self, X: Any, j: int, scale: Scale, cut: Cut) -> int:
        """How many bins column j is to have at most."""
        values, own, target = present(X, j, self.weight, self.target, step=self.step)
        bins = cut(values, own, scale, COARSE)
        if len(bins[0]) < COARSE or np.isinf(bins[0][0]):  # one between each two values, or none
            return COARSE
        z, weight = scale(values), np.ones(len(values)) if own is None else own
        first = least = left_out(z, target, weight, *bins)
        best = COARSE
        for count in FINER:
            bins = cut(values, own, scale, count)
            errors = left_out(z, target, weight, *bins)
            if errors.sum() < least.sum():
                least, best = errors, count
            if len(bins[0]) < count or count >= _PATIENCE * best:
                break
        recurrent = len(z) >= _RECURRENT * len(np.unique(z))
        return best if _is_less(least, first, recurrent=recurrent) else COARSE


def left_out(
    z: np.ndarray, target: np.ndarray, weight: np.ndarray, low: np.ndarray, gain: np.ndarray
) -> np.ndarray:
    """Squared error (n,) of each row, times its weight, by the curve of all other rows.

    Parameters
    ----------
    z : array of shape (n,)
    target : array of shape (n, q)
    weight : array of shape (n,)
    low, gain : arrays of shape (n_bins,)
        See :class:`sknorm.data.bins.Bins`.
    """
    low = low[np.isfinite(low)]
    ends = len(low) + 1
    own = np.maximum(np.searchsorted(low, z, side="right") - 1, 0)
    share = np.clip((z - low[own]) * gain[own], 0.0, 1.0)
    rest = 1.0 - share
    normal = np.zeros((2, ends))  # the matrix's diagonal, below the one above it
    normal[1] = _sums(own, weight * rest**2, weight * share**2, ends)
    normal[1, :-1] += 1.0
    normal[1, 1:] += 1.0
    normal[0, 1:] = np.bincount(own, weight * rest * share, ends)[:-1] - 1.0
    sums = [_sums(own, weight * rest * y, weight * share * y, ends) for y in target.T]
    solved = solveh_banded(normal, np.column_stack([*sums, np.eye(ends)]))
    curve, inverse = solved[:, : len(sums)], solved[:, len(sums) :]
    leverage = rest**2 * inverse[own, own] + share**2 * inverse[own + 1, own + 1]
    leverage += 2.0 * rest * share * inverse[own, own + 1]
    residual = target - rest[:, None] * curve[own] - share[:, None] * curve[own + 1]
    return np.asarray(weight * np.square(residual).sum(axis=1) / (1.0 - weight * leverage) ** 2)


def _sums(own: np.ndarray, lower: np.ndarray, upper: np.ndarray, ends: int) -> np.ndarray:
    """What the rows of each bin count at its ends, (ends,)."""
    return np.bincount(own, lower, ends) + np.bincount(own + 1, upper, ends)


def _is_less(errors: np.ndarray, others: np.ndarray, *, recurrent: bool) -> bool:
    """Whether errors of the same rows are less than others by more than chance."""
    gains, sure = others - errors, _SURE if recurrent else _SURE_WHERE_NEW
    return bool(gains.sum() > sure * np.sqrt(len(gains)) * gains.std())

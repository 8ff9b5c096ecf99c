"""Location and scale of a table's columns, pooled over chunks of rows and calls."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse

from sknorm.backends import Backend, resolve

_STORED_CHUNK = 1 << 17  # of a sparse table, with their columns and weights


@dataclass(frozen=True)
class Columns:
    """What is known of the columns of a table; all arrays are float64 of shape (n_features,).

    Attributes
    ----------
    weight : float
        Sum of the weights of the rows seen.
    mean, variance : arrays
        Weighted mean and biased variance.
    low, high : arrays
        Least and largest value.
    two_valued : bool array
        Whether no other values occur.
    precision : float
        Unit roundoff of the values.
    """

    weight: float
    mean: np.ndarray
    variance: np.ndarray
    low: np.ndarray
    high: np.ndarray
    two_valued: np.ndarray
    precision: float

    def merged(self, other: "Columns") -> "Columns":
        """What is known of both tables' rows together (Chan, Golub and LeVeque, 1979)."""
        weight = self.weight + other.weight
        share = other.weight / weight
        delta = other.mean - self.mean
        variance = (1 - share) * (self.variance + share * delta * delta)
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        two_valued = self.two_valued & other.two_valued
        for part in (self, other):
            two_valued &= (part.low == low) | (part.low == high)
            two_valued &= (part.high == low) | (part.high == high)
        return Columns(
            weight, self.mean + share * delta, variance + share * other.variance, low, high,
            two_valued, max(self.precision, other.precision),
        )  # fmt: skip

    def scaling(self) -> tuple[np.ndarray, np.ndarray]:
        """Offset and factor that standardize each column.

        The weighted mean and the reciprocal weighted deviation. A column of two values is
        mapped to 0 and 1 instead, because an indicator of deviation 1 would make its rare
        value huge. Constant columns (deviation lost in rounding) get factor 1: centred, they
        are zero.
        """
        deviation = np.sqrt(np.maximum(self.variance, 0.0))
        constant = deviation <= 8 * self.precision * np.abs(self.mean)
        constant |= self.low == self.high
        indicator = self.two_valued & ~constant
        span = self.high - self.low
        scale = np.where(constant, 1.0, np.where(indicator, span, deviation))
        return np.where(indicator, self.low, self.mean), 1.0 / scale


def columns(X: Any, weight: np.ndarray | None, names: Any = None) -> Columns:
    """Look through a dense table, or a sparse one in CSR format.

    Raises
    ------
    ValueError
        If a column's values are so large that their squares overflow.
    """
    if sparse.issparse(X):
        return _sparse_columns(X, np.ones(X.shape[0]) if weight is None else weight, names)
    backend = resolve(X)
    total, width = 0.0, X.shape[1]
    mean, variance = np.zeros(width), np.zeros(width)
    extremes = backend.asarray(np.full((1, 2, width), np.inf) * np.array([[1.0], [-1.0]]))
    for chunk, w in _weighted_chunks(backend, X, weight):
        count, out = w.sum(), backend.asarray(np.zeros((1, 2, width)))
        backend.kernels.column_extremes(chunk, extremes)
        share = count / (total + count)
        with np.errstate(over="ignore", invalid="ignore"):  # looked into below
            backend.kernels.column_moments(chunk, backend.asarray(w[None]), out)
            moments = backend.to_numpy(out)
            delta = moments[0, 0] - mean
            variance = (1 - share) * (variance + share * delta * delta) + share * moments[0, 1]
        mean, total = mean + share * delta, total + count
    low, high = backend.to_numpy(extremes)[0]
    _check_squares(low, high, X.shape[0], names)
    two_valued = _is_two_valued(backend, X, low, high)
    precision = float(backend.xp.finfo(X.dtype).eps)
    return Columns(total, mean, variance, low, high, two_valued, precision)


def check_range(X: Any, names: Any = None) -> None:
    """Raise a ValueError that names a column whose squares are beyond float32."""
    limit = np.sqrt(np.finfo(np.float32).max)
    low, high = _extremes(X)
    largest = np.maximum(np.abs(low), np.abs(high))
    if largest.max(initial=0.0) > limit:
        column = int(np.argmax(largest))
        raise ValueError(
            f"Column {column if names is None else names[column]!r} of X reaches "
            f"{largest[column]:.3g}, too large to train on without a norm. "
            "Standardize the columns (sklearn.preprocessing.StandardScaler) or set "
            "normalization."
        )


def _check_squares(low: np.ndarray, high: np.ndarray, rows: int, names: Any) -> None:
    limit = np.sqrt(np.finfo(np.float64).max) / max(2, rows)
    largest = np.maximum(np.abs(low), np.abs(high))
    if largest.max(initial=0.0) > limit:
        column = int(np.argmax(largest))
        raise ValueError(
            f"Column {column if names is None else names[column]!r} of X reaches "
            f"{largest[column]:.3g}, whose square overflows float64. Rescale it."
        )


def _sparse_columns(X: Any, weight: np.ndarray, names: Any) -> Columns:
    """The same from the stored values alone, in sums over columns."""
    width = X.shape[1]
    low, high = _extremes(X)
    _check_squares(low, high, X.shape[0], names)
    count, stored = weight.sum(), np.bincount(X.indices, minlength=width)
    present, total, others = np.zeros(width), np.zeros(width), np.zeros(width)
    for where, values, w in _stored_chunks(X, weight):
        present += np.bincount(where, weights=w, minlength=width)
        total += np.bincount(where, weights=w * values, minlength=width)
        other = (values != low[where]) & (values != high[where])
        others += np.bincount(where, weights=other, minlength=width)
    full = stored == X.shape[0]  # then the weight of the absent is nothing but rounding
    mean, absent = total / count, np.where(full, 0.0, np.maximum(count - present, 0.0))
    rest, spread = -absent * mean, absent * mean * mean
    for where, values, w in _stored_chunks(X, weight):
        distance = values - mean[where]
        rest += np.bincount(where, weights=w * distance, minlength=width)
        spread += np.bincount(where, weights=w * distance * distance, minlength=width)
    rest, spread = rest / count, spread / count
    two_valued = (others == 0) & (full | (low == 0) | (high == 0))
    precision = float(np.finfo(X.dtype).eps)
    return Columns(count, mean + rest, spread - rest**2, low, high, two_valued, precision)


def _stored_chunks(
    X: Any, weight: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Columns, values and weights of the stored entries, some rows at a time."""
    edges = np.searchsorted(X.indptr, np.arange(0, X.nnz, _STORED_CHUNK))
    edges = np.unique([0, *edges.tolist(), X.shape[0]])
    for first, last in pairwise(edges.tolist()):
        stored = slice(X.indptr[first], X.indptr[last])
        repeated = np.repeat(weight[first:last], np.diff(X.indptr[first : last + 1]))
        yield X.indices[stored], X.data[stored].astype(np.float64), repeated


def _extremes(X: Any) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest value of each column; of a sparse table, its zeros included."""
    if not sparse.issparse(X):
        backend = resolve(X)
        least, most = backend.xp.min(X, axis=0), backend.xp.max(X, axis=0)
        return backend.to_numpy(least), backend.to_numpy(most)
    low, high = (part.toarray().ravel().astype(np.float64) for part in (X.min(0), X.max(0)))
    return low, high


def _is_two_valued(backend: Backend, X: Any, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which columns hold no values but their lowest and highest."""
    xp, indicator = backend.xp, np.ones(X.shape[1], dtype=bool)
    lowest, highest = backend.asarray(low, X.dtype), backend.asarray(high, X.dtype)
    most = _rows_at_once(backend, X)
    start, rows = 0, min(16, most)  # most tables show in a few rows that none is
    while start < X.shape[0] and indicator.any():
        chunk = X[start : min(start + rows, X.shape[0]), :]
        found = xp.all((chunk == lowest) | (chunk == highest), axis=0)
        indicator &= backend.to_numpy(found)
        start, rows = start + rows, min(4 * rows, most)
    return indicator


def _rows_at_once(backend: Backend, X: Any) -> int:
    """Rows whose values in float64 a cache holds, or that keep a device busy."""
    return max(16, backend.chunk_bytes // (8 * max(1, X.shape[1])))


def _weighted_chunks(
    backend: Backend, X: Any, weight: np.ndarray | None
) -> Iterator[tuple[Any, np.ndarray]]:
    """Rows (1, n, d) in float64 where X is, and their weights (n,) on the host."""
    rows = _rows_at_once(backend, X)
    for start in range(0, X.shape[0], rows):
        stop = min(start + rows, X.shape[0])
        chunk = backend.asarray(X[start:stop, :], dtype=backend.xp.float64)
        part = np.ones(chunk.shape[0]) if weight is None else weight[start:stop]
        yield chunk[None, ...], part

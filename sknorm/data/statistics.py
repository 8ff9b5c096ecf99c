"""Location and scale of a table's columns, pooled over chunks of rows and calls."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse

from sknorm._warnings import warn
from sknorm.backends import Backend, resolve
from sknorm.data.coded import CodedTable
from sknorm.data.table import chunk, column, gaps, materialize, numbers, whole
from sknorm.objective.units import exponents, weights_in_units

_STORED_CHUNK = 1 << 17  # of a sparse table, with their columns and weights
_PRECISION = float(np.finfo(np.float64).eps)  # of the sums, whatever the table's dtype is
_LEAST = sys.float_info.min  # whose reciprocal is finite, too
_LEARNED = ("mean", "variance", "low", "high", "two_valued")


@dataclass(frozen=True)
class Statistics:
    """What is known of the columns of a table; all arrays are float64 of shape (n_features,).

    Attributes
    ----------
    weight : float or array
        Sum of the weights of the values seen.
    mean, variance : arrays
        Weighted mean and biased variance, the latter in units of ``4 ** exponent``.
    low, high : arrays
        Least and largest value.
    two_valued : bool array
        Whether no other values occur.
    """

    weight: Any
    mean: np.ndarray
    variance: np.ndarray
    low: np.ndarray
    high: np.ndarray
    two_valued: np.ndarray

    @cached_property
    def exponent(self) -> np.ndarray:
        """Of the powers of two in which squares of the values are taken."""
        return exponents(self.low, self.high)

    @cached_property
    def deviation(self) -> np.ndarray:
        """Weighted standard deviation."""
        return np.ldexp(np.sqrt(np.maximum(self.variance, 0.0)), self.exponent)

    @property
    def constant(self) -> np.ndarray:
        """Which columns do not vary, or by rounding alone."""
        constant = self.deviation <= 8 * _PRECISION * np.abs(self.mean)
        return constant | (self.low == self.high)

    def merged(self, other: "Statistics") -> "Statistics":
        """What is known of both tables' rows together (Chan, Golub and LeVeque, 1979)."""
        if np.any(self.weight == 0.0) or np.any(other.weight == 0.0):
            return self._merged_where_seen(other)
        share = 1.0 / (1.0 + self.weight / other.weight)
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        exponent = exponents(low, high)
        delta = np.ldexp(other.mean - self.mean, -exponent)
        first, second = (
            np.ldexp(part.variance, 2 * (part.exponent - exponent)) for part in (self, other)
        )
        variance = (1 - share) * (first + share * delta * delta) + share * second
        two_valued = self.two_valued & other.two_valued
        for part in (self, other):
            two_valued &= (part.low == low) | (part.low == high)
            two_valued &= (part.high == low) | (part.high == high)
        weight = np.minimum(self.weight + other.weight, sys.float_info.max)
        mean = self.mean + share * (other.mean - self.mean)
        return Statistics(weight, mean, variance, low, high, two_valued)

    def _merged_where_seen(self, other: "Statistics") -> "Statistics":
        """The same where a table had no value at all of some columns."""
        nothing = np.zeros_like(self.mean)
        weights = [part.weight + nothing for part in (self, other)]
        ones = [np.where(weight == 0.0, 1.0, weight) for weight in weights]
        both = replace(self, weight=ones[0]).merged(replace(other, weight=ones[1]))
        made = {}
        for name in ("weight", "mean", "variance", "low", "high", "two_valued"):
            own, others = (getattr(part, name) + nothing for part in (self, other))
            value = np.where(weights[1] == 0.0, own, getattr(both, name))
            made[name] = np.where(weights[0] == 0.0, others, value)
        return Statistics(**{**made, "two_valued": made["two_valued"] != 0})

    def scaling(self, names: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Offset and factor that standardize each column.

        The weighted mean and the reciprocal weighted deviation. A column of two values is
        mapped to 0 and 1 instead, because an indicator of deviation 1 would make its rare
        value huge. Constant columns (deviation lost in rounding) get factor 1: centred, they
        are zero. So do columns whose deviation has no reciprocal, with a warning.
        """
        deviation, constant = self.deviation, self.constant
        indicator = self.two_valued & ~constant
        scale = np.where(indicator, self.high - self.low, deviation)
        tiny = (scale < _LEAST) & ~constant
        warn_of_tiny(tiny, scale, names)
        scale = np.where(constant | tiny, 1.0, scale)
        return np.where(indicator & ~tiny, self.low, self.mean), 1.0 / scale


def gather(X: Any, weight: np.ndarray | None, names: Any = None) -> Statistics:
    """Look through a dense table, or a sparse one in CSR format.

    Raises
    ------
    ValueError
        If a column's values are so large that their squares overflow.
    """
    units, unit = (None, 1.0) if weight is None else weights_in_units(weight)
    if missing := gaps(X):
        found = _columns_with_gaps(X, units, names, missing)
    elif sparse.issparse(whole(X)):
        X = materialize(X)
        found = _sparse_columns(X, np.ones(X.shape[0]) if units is None else units, names)
    else:
        found = _dense_columns(X, units, names)
    return replace(found, weight=np.minimum(found.weight * unit, sys.float_info.max))


def _columns_with_gaps(
    X: Any, weight: np.ndarray | None, names: Any, missing: list[int]
) -> Statistics:
    """The same where some values are missing: their columns are looked at one by one."""
    found = _dense_columns(X, weight, names)
    arrays = {each: np.array(getattr(found, each)) for each in _LEARNED}
    arrays["weight"] = np.full(len(found.mean), found.weight)
    for j in missing:
        values = column(X, j)
        here = ~np.isnan(values)
        own = None if weight is None else weight[here]
        name = None if names is None else names[j : j + 1]
        if here.any():
            part = _dense_columns(values[here][:, None], own, name)
            for each in ("weight", *_LEARNED):
                arrays[each][j] = np.ravel(getattr(part, each))[0]
        else:
            arrays["weight"][j] = 0.0
    return Statistics(**arrays)


def _dense_columns(X: Any, weight: np.ndarray | None, names: Any) -> Statistics:
    backend, width = resolve(numbers(X)), int(numbers(X).shape[1])
    extremes = backend.asarray(np.full((1, 2, width), np.inf) * np.array([[1.0], [-1.0]]))
    with np.errstate(over="ignore", invalid="ignore"):  # looked into below
        total, mean, variance = _pooled_moments(backend, X, weight, extremes)
    low, high = backend.to_numpy(extremes)[0]
    _check_squares(low, high, X.shape[0], names)
    exponent = exponents(low, high)
    if exponent.any():
        total, mean, variance = _pooled_moments(backend, X, weight, extremes, exponent)
        mean = np.ldexp(mean, exponent)
    two_valued = _is_two_valued(backend, X, low, high)
    return Statistics(total, mean, variance, low, high, two_valued)


def _pooled_moments(
    backend: Backend,
    X: Any,
    weight: np.ndarray | None,
    extremes: Any,
    exponent: np.ndarray | None = None,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Sum of the weights, mean and variance of the values times 2^-exponent.

    Without an exponent, the chunks' extremes are taken in the same pass.
    """
    width = int(numbers(X).shape[1])
    total, mean, variance = 0.0, np.zeros(width), np.zeros(width)
    for values, w in _weighted_chunks(backend, X, weight):
        count, out = float(w.sum()), backend.asarray(np.zeros((1, 2, width)))
        if exponent is None:
            backend.kernels.column_extremes(values, extremes)
        else:
            for half in (exponent // 2, exponent - exponent // 2):  # 2^1074 is beyond float64
                values = values * backend.asarray(np.ldexp(1.0, -half))
        backend.kernels.column_moments(values, backend.asarray(w[None]), out)
        moments, share = backend.to_numpy(out), count / (total + count)
        delta = moments[0, 0] - mean
        variance = (1 - share) * (variance + share * delta * delta) + share * moments[0, 1]
        mean, total = mean + share * delta, total + count
    return total, mean, variance


def check_range(X: Any, names: Any = None) -> None:
    """Raise a ValueError that names a column whose squares are beyond float32."""
    limit = np.sqrt(np.finfo(np.float32).max)
    advice = (
        "too large to train on unscaled. Set scaling='standard', or normalization with "
        "scaling='auto', or standardize the columns (sklearn.preprocessing.StandardScaler)."
    )
    _refuse_beyond(limit, _extremes(X), names, advice)


def _label(names: Any, column: int) -> str:
    """What messages call a column of numbers."""
    return repr(column if names is None else names[column])


def warn_of_tiny(tiny: np.ndarray, scale: np.ndarray, names: Any) -> None:
    """Warn of the first column whose scale is so ``tiny`` that it has no reciprocal, if any is."""
    if not tiny.any():
        return
    column = int(np.argmax(tiny))
    warn(
        f"Column {_label(names, column)} of X varies by {float(scale[column]):.2g}, less than the "
        f"smallest normal number ({_LEAST:.2g}), so it counts as constant. Multiply it by a power "
        "of ten.",
    )


def _check_squares(low: np.ndarray, high: np.ndarray, rows: int, names: Any) -> None:
    limit = np.sqrt(np.finfo(np.float64).max) / max(2, rows)
    _refuse_beyond(limit, (low, high), names, "whose square overflows float64. Rescale it.")


def _refuse_beyond(
    limit: float, extremes: tuple[np.ndarray, np.ndarray], names: Any, advice: str
) -> None:
    """Raise a ValueError that names the column with the largest value, if it is beyond a limit."""
    largest = np.maximum(*(np.abs(each) for each in extremes))
    if largest.max(initial=0.0) > limit:
        column = int(np.argmax(largest))
        raise ValueError(
            f"Column {_label(names, column)} of X reaches {largest[column]:.3g}, {advice}"
        )


def _sparse_columns(X: Any, weight: np.ndarray, names: Any) -> Statistics:
    """The same from the stored values alone, in sums over columns."""
    width = X.shape[1]
    low, high = _extremes(X)
    _check_squares(low, high, X.shape[0], names)
    exponent = exponents(low, high)
    shrunk = exponent if exponent.any() else None
    count, stored = float(weight.sum()), np.bincount(X.indices, minlength=width)
    present, total, others = np.zeros(width), np.zeros(width), np.zeros(width)
    edges = np.ldexp(low, -exponent), np.ldexp(high, -exponent)
    for where, values, w in _stored_chunks(X, weight, shrunk):
        present += np.bincount(where, weights=w, minlength=width)
        total += np.bincount(where, weights=w * values, minlength=width)
        other = (values != edges[0][where]) & (values != edges[1][where])
        others += np.bincount(where, weights=other, minlength=width)
    full = stored == X.shape[0]  # then the weight of the absent is nothing but rounding
    mean, absent = total / count, np.where(full, 0.0, np.maximum(count - present, 0.0))
    rest, spread = -absent * mean, absent * mean * mean
    for where, values, w in _stored_chunks(X, weight, shrunk):
        distance = values - mean[where]
        rest += np.bincount(where, weights=w * distance, minlength=width)
        spread += np.bincount(where, weights=w * distance * distance, minlength=width)
    rest, spread = rest / count, spread / count
    two_valued = (others == 0) & (full | (low == 0) | (high == 0))
    mean = np.ldexp(mean + rest, exponent)
    return Statistics(count, mean, spread - rest**2, low, high, two_valued)


def _stored_chunks(
    X: Any, weight: np.ndarray, exponent: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Columns, values times 2^-exponent and weights of the stored entries, some rows at a time."""
    edges = np.searchsorted(X.indptr, np.arange(0, X.nnz, _STORED_CHUNK))
    edges = np.unique([0, *edges.tolist(), X.shape[0]])
    for first, last in pairwise(edges.tolist()):
        stored = slice(X.indptr[first], X.indptr[last])
        repeated = np.repeat(weight[first:last], np.diff(X.indptr[first : last + 1]))
        where, values = X.indices[stored], X.data[stored].astype(np.float64)
        yield where, values if exponent is None else np.ldexp(values, -exponent[where]), repeated


def _extremes(X: Any) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest value of each column; of a sparse table, its zeros included."""
    if isinstance(whole(X), CodedTable):
        parts = [_extremes_of_chunk(X, start) for start in range(0, X.shape[0], _STORED_CHUNK)]
        low, high = (np.stack(each) for each in zip(*parts, strict=True))
        return np.min(low, axis=0), np.max(high, axis=0)
    X = materialize(X)
    if not sparse.issparse(X):
        backend = resolve(X)
        least, most = backend.xp.min(X, axis=0), backend.xp.max(X, axis=0)
        return backend.to_numpy(least), backend.to_numpy(most)
    low, high = (part.toarray().ravel().astype(np.float64) for part in (X.min(0), X.max(0)))
    return low, high


def _extremes_of_chunk(X: Any, start: int) -> tuple[np.ndarray, np.ndarray]:
    """The same of some rows of a table with gaps, which count as 0."""
    backend = resolve(numbers(X))
    values = backend.to_numpy(_filled(backend, X, start, min(start + _STORED_CHUNK, X.shape[0])))
    return values.min(axis=0), values.max(axis=0)


def _filled(backend: Backend, X: Any, start: int, stop: int) -> Any:
    """The numbers of consecutive rows, with 0 for what is missing."""
    values = chunk(X, start, stop)
    if not gaps(X):
        return values
    return backend.xp.where(backend.xp.isnan(values), 0.0, values)


def _is_two_valued(backend: Backend, X: Any, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which columns hold no values but their lowest and highest."""
    xp, indicator = backend.xp, np.ones(len(low), dtype=bool)
    lowest, highest = backend.asarray(low, X.dtype), backend.asarray(high, X.dtype)
    most = _rows_at_once(backend, X)
    start, rows = 0, min(16, most)  # most tables show in a few rows that none is
    while start < X.shape[0] and indicator.any():
        values = _filled(backend, X, start, min(start + rows, X.shape[0]))
        found = xp.all((values == lowest) | (values == highest), axis=0)
        indicator &= backend.to_numpy(found)
        start, rows = start + rows, min(4 * rows, most)
    return indicator


def _rows_at_once(backend: Backend, X: Any) -> int:
    """Rows whose values in float64 a cache holds, or that keep a device busy."""
    return max(16, backend.chunk_bytes // (8 * max(1, int(numbers(X).shape[1]))))


def _weighted_chunks(
    backend: Backend, X: Any, weight: np.ndarray | None
) -> Iterator[tuple[Any, np.ndarray]]:
    """Rows (1, n, d) in float64 where X is, and their weights (n,) on the host."""
    rows = _rows_at_once(backend, X)
    for start in range(0, X.shape[0], rows):
        stop = min(start + rows, X.shape[0])
        values = backend.asarray(_filled(backend, X, start, stop), dtype=backend.xp.float64)
        part = np.ones(values.shape[0]) if weight is None else weight[start:stop]
        yield values[None, ...], part

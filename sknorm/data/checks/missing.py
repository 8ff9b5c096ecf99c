"""Which values of a checked table are missing, and where one is infinite."""

from typing import Any

import numpy as np
from array_api_compat import array_namespace

from sknorm.backends import is_on_host, to_host

_CHUNK = 1 << 20  # values that are looked at together


def find_missing(estimator: Any, X: Any, labels: Any) -> list[tuple[int, np.ndarray]]:
    """Which columns of numbers (n, d) have missing values, and in which rows.

    Parameters
    ----------
    estimator : estimator
    X : float array, on the host or a device
    labels : callable
        What messages call a column, by its place in X.

    Raises
    ------
    ValueError
        That names the first infinite value.
    """
    if not is_on_host(X):
        return _find_on_device(estimator, X, labels)
    if _is_finite(X):
        return []
    missing = np.zeros(X.shape[1], dtype=bool)
    rows = max(1, _CHUNK // max(1, X.shape[1]))
    for start in range(0, X.shape[0], rows):
        part = X[start : start + rows]
        absent = np.isnan(part)
        missing |= absent.any(axis=0)
        if (bad := ~(absent | np.isfinite(part))).any():
            row, column = (int(i[0]) for i in np.nonzero(bad))
            raise infinite_value(estimator, labels(column), start + row)
    return [(j, np.isnan(X[:, j])) for j in np.flatnonzero(missing).tolist()]


def check_stored(estimator: Any, X: Any) -> None:
    """Raise a ValueError if an entry of a sparse table is missing or infinite."""
    if _is_finite(X.data):
        return
    bad = np.flatnonzero(~np.isfinite(X.data))
    if bad.size:
        row = int(np.searchsorted(X.indptr, bad[0], side="right")) - 1
        column = str(X.indices[bad[0]])
        if np.isnan(X.data[bad[0]]):
            raise ValueError(
                f"Input X contains NaN: column {column}, first at row {row}. Sparse tables cannot "
                "have missing values: impute them, for example with sklearn.impute.SimpleImputer "
                "in a Pipeline, or pass a dense table (X.toarray(), or frame.sparse.to_dense())."
            )
        raise infinite_value(estimator, column, row)


def infinite_value(estimator: Any, label: str, row: int) -> ValueError:
    """The error about an infinite value."""
    return ValueError(
        f"Input X contains infinity: column {label}, first at row {row}. "
        f"{type(estimator).__name__} does not accept infinite values. Replace them, or make them "
        "NaN, which says that a value is missing."
    )


def _is_finite(X: np.ndarray) -> bool:
    """Whether all values are, mostly from their sum; one that overflows is looked into."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.sum(X)))


def _find_on_device(estimator: Any, X: Any, labels: Any) -> list[tuple[int, np.ndarray]]:
    """The same where X is; only the rows of columns with missing values come to the host."""
    xp = array_namespace(X)
    if bool(to_host(xp.all(xp.isfinite(X)))):
        return []
    infinite = to_host(xp.any(xp.isinf(X), axis=0))
    if infinite.any():
        column = int(np.argmax(infinite))
        row = int(np.argmax(np.isinf(to_host(X[:, column]))))
        raise infinite_value(estimator, labels(column), row)
    missing = np.flatnonzero(to_host(xp.any(xp.isnan(X), axis=0)))
    return [(j, to_host(xp.isnan(X[:, j]))) for j in missing.tolist()]

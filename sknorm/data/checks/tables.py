"""Checks of X that say which column is wrong, and what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from sknorm._sklearn import _check_feature_names, _check_n_features, _get_feature_names
from sknorm.backends import fetched, is_on_host, to_host
from sknorm.data.checks.entries import label_of, refusal, refuse_dates, refuse_odd
from sknorm.data.checks.targets import check_entries

_CHUNK = 1 << 20  # values that are looked at together
_NO_TARGETS = "no_validation"  # as scikit-learn calls it


def check_features(
    estimator: Any, X: Any, *, reset: bool, y: Any = _NO_TARGETS, at_least: int = 1
) -> Any:
    """X (and y) as scikit-learn's ``validate_data`` returns them, finite, X float, dense or CSR.

    Raises
    ------
    ValueError
        If a column is not numeric, or a value is NaN, infinite or beyond the compute dtype.
    """
    if not is_on_host(X):
        X = _check_device_features(estimator, X, reset, at_least)
        return X if _is_left_out(y) else (X, check_targets(estimator, X, y))
    y = fetched(y)
    if not reset and _is_plain(estimator, X, y) and X.shape[0] >= at_least:
        check_finite(estimator, X)
        return X if _is_left_out(y) else (X, y)
    X = _with_missing(X)
    refuse_dates(X)
    if not _is_left_out(y):
        y = np.asarray(y) if hasattr(y, "__dask_graph__") else y  # which is computed once
        check_entries(y)
    names = feature_names(X)
    settings: dict[str, Any] = {
        "dtype": (np.float64, np.float32),
        "ensure_all_finite": False,
        "accept_sparse": "csr",
        "ensure_min_samples": at_least,
    }
    if _is_left_out(y):
        with _naming_entries(estimator, X):
            X = validate_data(estimator, X, reset=reset, **settings)
        X = _without_duplicates(X)
        check_finite(estimator, X, names)
        return X
    # scikit-learn adds up y, whose range has its own check
    with _naming_entries(estimator, X), np.errstate(over="ignore", invalid="ignore"):
        X, y = validate_data(estimator, X, y, reset=reset, multi_output=True, **settings)
    X = _without_duplicates(X)
    check_finite(estimator, X, names)
    return X, y


@contextmanager
def _naming_entries(estimator: Any, X: Any) -> Iterator[None]:
    """Let an error about a table that does not convert to numbers name the entry.

    Looked for after the fact: a table that converts is not looked through.
    """
    try:
        yield
    except (TypeError, ValueError, OverflowError):
        try:
            refuse_odd(estimator, X)
        except ValueError as named:
            raise named from None  # it says all that the first error does
        raise


def _is_left_out(y: Any) -> bool:
    return isinstance(y, str) and y == _NO_TARGETS


def _with_missing(X: Any) -> Any:
    """A masked array with NaN where it is masked; NumPy would take what is under the mask."""
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        return np.ma.filled(X.astype(np.float64), np.nan)
    return X


def feature_names(X: Any) -> Any:
    """The names of a data frame's columns, which must differ."""
    if type(X) is np.ndarray:
        return None
    columns: Any = getattr(X, "columns", None)
    if getattr(columns, "is_unique", True):
        return _get_feature_names(X)
    name = columns[columns.duplicated()][0]
    raise ValueError(
        f"X has several columns named {name!r}, so that columns cannot be told apart by name. "
        "Rename them, or pass X.to_numpy()."
    )


def _check_device_features(estimator: Any, X: Any, reset: bool, at_least: int) -> Any:
    """The same for an array on a device, which never comes to the host."""
    xp = array_namespace(X)
    if X.ndim != 2:
        raise ValueError(f"Expected 2D array, got {X.ndim}D array instead. Reshape your data.")
    if not xp.isdtype(X.dtype, "real floating"):
        if xp.isdtype(X.dtype, "complex floating"):
            raise ValueError("Complex data not supported")
        X = xp.astype(X, xp.float64)
    check_count(estimator, X, at_least)
    _check_feature_names(estimator, X, reset=reset)
    _check_n_features(estimator, X, reset=reset)
    if not bool(to_host(xp.all(xp.isfinite(X)))):
        column = int(to_host(xp.argmin(xp.astype(xp.all(xp.isfinite(X), axis=0), xp.int8))))
        values = to_host(X[:, column])
        row = int(np.argmin(np.isfinite(values)))
        _refuse_value(estimator, values[row], str(column), row)
    return X


def check_count(estimator: Any, X: Any, at_least: int) -> None:
    """Raise a ValueError if a table has too few rows, or no columns."""
    if X.shape[0] < at_least or X.shape[1] == 0:
        raise ValueError(
            f"Found array with {X.shape[0]} sample(s) and {X.shape[1]} feature(s) (shape="
            f"{X.shape}) while a minimum of {at_least} sample(s) and 1 feature is required by "
            f"{type(estimator).__name__}."
        )


def check_targets(estimator: Any, X: Any, y: Any) -> Any:
    """Targets of a table on a device, on the host: they are encoded there."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y "
            "is None."
        )
    y = fetched(y)
    check_entries(y)
    y = check_array(y, accept_sparse="csr", ensure_2d=False, dtype=None, input_name="y")
    if y.shape[0] != X.shape[0]:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: [{X.shape[0]}, "
            f"{y.shape[0]}]"
        )
    return y


def _is_plain(estimator: Any, X: Any, y: Any) -> bool:
    """Whether X and y are arrays that scikit-learn's checks would only hand back.

    On a thousand rows those checks take as long as some training steps.
    """
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in (np.float32, np.float64):
        return False
    if X.shape[1] != estimator.n_features_in_ or hasattr(estimator, "feature_names_in_"):
        return False
    if _is_left_out(y):
        return True
    plain = type(y) is np.ndarray and y.shape == X.shape[:1]
    return plain and (y.dtype.kind in "biu" or (y.dtype.kind == "f" and np.isfinite(y).all()))


def _without_duplicates(X: Any) -> Any:
    """A sparse table whose entries are all stored once; the caller's is left alone."""
    if sparse.issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def check_finite(estimator: Any, X: np.ndarray, names: Any = None) -> None:
    """Raise a ValueError that names the first column with a NaN or infinite value."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.sum(X.data if sparse.issparse(X) else X)):
            return  # a sum that overflows is looked into below
    if sparse.issparse(X):
        _check_finite_entries(estimator, X)
        return
    rows = max(1, _CHUNK // max(1, X.shape[1]))
    for start in range(0, X.shape[0], rows):
        bad = ~np.isfinite(X[start : start + rows])
        if bad.any():
            row, column = (int(i[0]) for i in np.nonzero(bad))
            label = label_of(column, None if names is None else names[column])
            _refuse_value(estimator, X[start + row, column], label, start + row)


def _check_finite_entries(estimator: Any, X: Any) -> None:
    bad = np.flatnonzero(~np.isfinite(X.data))
    if bad.size:
        row = int(np.searchsorted(X.indptr, bad[0], side="right")) - 1
        _refuse_value(estimator, X.data[bad[0]], str(X.indices[bad[0]]), row)


def _refuse_value(estimator: Any, value: float, column: str, row: int) -> None:
    found = "NaN" if np.isnan(value) else "infinity"
    raise ValueError(refusal(estimator, found, column, row))


def check_sparse_backend(X: Any, backend: str) -> None:
    """Raise a ValueError for a sparse table that is to be trained on where there is a device."""
    if backend == "cupy" and sparse.issparse(X):
        raise ValueError(
            "X is sparse, and sparse tables compute on the host only. Set backend='auto', "
            "or pass a dense array with backend='cupy'."
        )

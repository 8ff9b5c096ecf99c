"""Checks of X, y and weights that say which column is wrong, and what to do about it."""

from dataclasses import fields
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from scipy import sparse
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _check_sample_weight,
    _get_feature_names,
    validate_data,
)

from sknorm.backends import fetched, is_on_host, to_host

_CHUNK = 1 << 20  # values that are looked at together


def check_features(
    estimator: Any, X: Any, *, reset: bool, y: Any = "no_validation", at_least: int = 1
) -> Any:
    """X (and y) as scikit-learn's ``validate_data`` returns them, finite, X float, dense or CSR.

    Raises
    ------
    ValueError
        If a column is not numeric, or a value is NaN, infinite or beyond the compute dtype.
    """
    if not is_on_host(X):
        X = _check_device_features(estimator, X, reset, at_least)
        return X if isinstance(y, str) else (X, _check_host_targets(estimator, X, y))
    y = fetched(y)
    if not reset and _is_plain(estimator, X, y) and X.shape[0] >= at_least:
        check_finite(estimator, X)
        return X if isinstance(y, str) else (X, y)
    _check_column_types(X)
    names = _get_feature_names(X)
    settings: dict[str, Any] = {
        "dtype": (np.float64, np.float32),
        "ensure_all_finite": False,
        "accept_sparse": "csr",
        "ensure_min_samples": at_least,
    }
    if isinstance(y, str):
        X = _without_duplicates(validate_data(estimator, X, reset=reset, **settings))
        check_finite(estimator, X, names)
        return X
    X, y = validate_data(estimator, X, y, reset=reset, multi_output=True, **settings)
    X = _without_duplicates(X)
    check_finite(estimator, X, names)
    return X, y


def _check_device_features(estimator: Any, X: Any, reset: bool, at_least: int) -> Any:
    """The same for an array on a device, which never comes to the host."""
    xp = array_namespace(X)
    if X.ndim != 2:
        raise ValueError(f"Expected 2D array, got {X.ndim}D array instead. Reshape your data.")
    if not xp.isdtype(X.dtype, "real floating"):
        if xp.isdtype(X.dtype, "complex floating"):
            raise ValueError("Complex data not supported")
        X = xp.astype(X, xp.float64)
    if X.shape[0] < at_least or X.shape[1] == 0:
        raise ValueError(
            f"Found array with {X.shape[0]} sample(s) and {X.shape[1]} feature(s) (shape="
            f"{X.shape}) while a minimum of {at_least} sample(s) and 1 feature is required by "
            f"{type(estimator).__name__}."
        )
    _check_feature_names(estimator, X, reset=reset)
    _check_n_features(estimator, X, reset=reset)
    if not bool(to_host(xp.all(xp.isfinite(X)))):
        column = int(to_host(xp.argmin(xp.astype(xp.all(xp.isfinite(X), axis=0), xp.int8))))
        values = to_host(X[:, column])
        row = int(np.argmin(np.isfinite(values)))
        _refuse_value(estimator, values[row], str(column), row)
    return X


def _check_host_targets(estimator: Any, X: Any, y: Any) -> Any:
    """Targets of a table on a device, on the host: they are encoded there."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y "
            "is None."
        )
    y = check_array(fetched(y), accept_sparse="csr", ensure_2d=False, dtype=None, input_name="y")
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
    if isinstance(y, str):
        return True
    plain = type(y) is np.ndarray and y.shape == X.shape[:1]
    return plain and (y.dtype.kind in "biu" or (y.dtype.kind == "f" and np.isfinite(y).all()))


def _without_duplicates(X: Any) -> Any:
    """A sparse table whose entries are all stored once; the caller's is left alone."""
    if sparse.issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def _check_column_types(X: Any) -> None:
    """Name the first column of a data frame that is not numeric."""
    if isinstance(X, np.ndarray) and X.dtype.kind in "OUS" and X.ndim == 2:
        _check_text(X)
    if sparse.issparse(X):
        return
    dtypes = getattr(X, "dtypes", None)
    columns = getattr(X, "columns", None)
    if dtypes is None or columns is None:
        return
    for name, dtype in zip(columns, dtypes, strict=False):
        is_numeric = getattr(dtype, "is_numeric", None)
        kind = getattr(dtype, "kind", "O")
        if callable(is_numeric):  # polars
            numeric = is_numeric() or str(dtype) in ("Boolean", "Null")
        else:
            numeric = kind in "biuf" or getattr(dtype, "_is_numeric", False)
        if not numeric and not _holds_numbers(X[name]):
            raise ValueError(
                f"Column {name!r} of X has dtype {dtype}, which is not numeric (its first value "
                f"is {next(iter(X[name]), None)!r}). Encode it first, for example with "
                "sklearn.preprocessing.OneHotEncoder or TargetEncoder in a ColumnTransformer."
            )


def _check_text(X: np.ndarray) -> None:
    """Name the first column of an array of objects or strings that holds text."""
    for column in range(X.shape[1]):
        try:
            X[:, column].astype(np.float64)
        except ValueError:
            text = next(v for v in X[:, column] if isinstance(v, str | bytes) and not _is_float(v))
            raise ValueError(
                f"Column {column} of X is not numeric: could not convert string to float: "
                f"{str(text)!r}. Encode it first, for example with "
                "sklearn.preprocessing.OneHotEncoder in a ColumnTransformer."
            ) from None
        except TypeError:
            return  # scikit-learn's own message says what such objects must be


def _is_float(text: Any) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _holds_numbers(column: Any) -> bool:
    """Whether a column of objects converts to floats all the same."""
    name = str(column.dtype).lower()
    if any(kind in name for kind in ("categor", "enum", "date", "duration", "timedelta")):
        return False
    try:
        np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return not any(isinstance(value, str) for value in column)


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
            label = f"{column}" if names is None else f"{column} ({names[column]!r})"
            _refuse_value(estimator, X[start + row, column], label, start + row)


def _check_finite_entries(estimator: Any, X: Any) -> None:
    bad = np.flatnonzero(~np.isfinite(X.data))
    if bad.size:
        row = int(np.searchsorted(X.indptr, bad[0], side="right")) - 1
        _refuse_value(estimator, X.data[bad[0]], str(X.indices[bad[0]]), row)


def _refuse_value(estimator: Any, value: float, column: str, row: int) -> None:
    found = "NaN" if np.isnan(value) else "infinity"
    raise ValueError(
        f"Input X contains {found}: column {column}, first at row {row}. "
        f"{type(estimator).__name__} does not accept missing values encoded as NaN, or "
        "infinite ones. Impute or drop them first, for example with "
        "sklearn.impute.SimpleImputer in a Pipeline."
    )


def check_weights(sample_weight: Any, X: np.ndarray) -> np.ndarray | None:
    """Row weights in float64, or None if there are none.

    Raises
    ------
    ValueError
        If weights are negative, not finite, all zero, or not one per row.
    """
    if sample_weight is None:
        return None
    rows = X if is_on_host(X) else np.empty((X.shape[0], 0))
    weight = _check_sample_weight(fetched(sample_weight), rows, dtype=np.float64)
    if weight.min() < 0:
        row = int(np.argmin(weight))
        raise ValueError(
            f"Negative values in data passed to `sample_weight`: {weight[row]} at row {row}. "
            "Weights must be zero (the row is left out) or positive."
        )
    return weight


def positive_rows(weight: np.ndarray | None, at_least: int) -> np.ndarray | None:
    """Rows that count; those of weight zero are left out, as if they had never been passed.

    None where all count.

    Raises
    ------
    ValueError
        If fewer than ``at_least`` rows are left.
    """
    if weight is None or weight.all():
        return None
    kept = np.flatnonzero(weight > 0)
    if len(kept) < at_least:
        raise ValueError(
            f"sample_weight (with class_weight) leaves {len(kept)} of {len(weight)} rows with a "
            f"positive weight; at least {at_least} are needed."
        )
    return kept


def check_sparse_backend(X: Any, backend: str) -> None:
    """Raise a ValueError for a sparse table that is to be trained on where there is a device."""
    if backend == "cupy" and sparse.issparse(X):
        raise ValueError(
            "X is sparse, and sparse tables compute on the host only. Set backend='auto', "
            "or pass a dense array with backend='cupy'."
        )


def check_pair(X_val: Any, y_val: Any, sample_weight_val: Any) -> None:
    """Raise a ValueError if held-out rows were given in part."""
    for name, value, other, missing in (
        ("X_val", X_val, "y_val", y_val),
        ("y_val", y_val, "X_val", X_val),
        ("sample_weight_val", sample_weight_val, "X_val", X_val),
    ):
        if value is not None and missing is None:
            raise ValueError(
                f"{name} was given without {other}. Held-out rows need X_val and y_val; pass both, "
                "or neither to hold out validation_fraction of X."
            )


def check_validation(estimator: Any, X: Any, y: Any) -> tuple[Any, Any]:
    """Held-out rows as ``fit`` checks its own, with errors that say X_val and y_val."""
    try:
        return check_features(estimator, X, reset=False, y=y)
    except ValueError as error:
        raise ValueError(f"X_val or y_val: {error}") from error


def check_groups(groups: Any, X: Any) -> np.ndarray:
    """Groups of the rows, (n_samples,)."""
    groups = column_or_1d(fetched(groups))
    check_consistent_length(X, groups)
    return groups


def check_continues(previous: Any, architecture: Any, members: int) -> None:
    """Raise a ValueError if a network cannot go on under other parameters.

    ``previous`` is a Network, ``architecture`` what the parameters ask for now.
    """
    if previous.members != members:
        raise ValueError(
            f"n_members={members}, but the model to go on with has {previous.members}. Keep it, "
            "or fit a new estimator (warm_start=False)."
        )
    old = previous.architecture
    changed = [f.name for f in fields(old) if getattr(old, f.name) != getattr(architecture, f.name)]
    if changed:
        names = ["hidden_layer_sizes" if name == "sizes" else name for name in changed]
        found = ", ".join(
            f"{name} was {getattr(old, field)}, is {getattr(architecture, field)}"
            for name, field in zip(names, changed, strict=True)
        )
        raise ValueError(
            f"The model cannot go on training under other layers: {found}. Keep {names[0]} and "
            "the kind of target, or fit a new estimator (warm_start=False)."
        )

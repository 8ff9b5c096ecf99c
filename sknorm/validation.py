"""Checks of X, y and weights that say which column is wrong, and what to do about it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import _check_sample_weight, _get_feature_names, validate_data

_CHUNK = 1 << 20  # values that are looked at together


def check_features(estimator: Any, X: Any, *, reset: bool, y: Any = "no_validation") -> Any:
    """X (and y) as scikit-learn's ``validate_data`` returns them, finite, X float.

    Raises
    ------
    ValueError
        If a column is not numeric, or a value is NaN, infinite or beyond the compute dtype.
    """
    _check_column_types(X)
    names = _get_feature_names(X)
    settings: dict[str, Any] = {"dtype": (np.float64, np.float32), "ensure_all_finite": False}
    if reset:
        settings.update(ensure_min_samples=2)
    if isinstance(y, str):
        X = validate_data(estimator, X, reset=reset, **settings)
        check_finite(estimator, X, names)
        return X
    X, y = validate_data(estimator, X, y, reset=reset, multi_output=True, **settings)
    check_finite(estimator, X, names)
    return X, y


def _check_column_types(X: Any) -> None:
    """Name the first column of a data frame that is not numeric."""
    if isinstance(X, np.ndarray) and X.dtype.kind in "OUS" and X.ndim == 2:
        _check_text(X)
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
        if np.isfinite(np.sum(X)):
            return  # a sum that overflows is looked into below
    rows = max(1, _CHUNK // max(1, X.shape[1]))
    for start in range(0, X.shape[0], rows):
        bad = ~np.isfinite(X[start : start + rows])
        if bad.any():
            row, column = (int(i[0]) for i in np.nonzero(bad))
            value = X[start + row, column]
            found = "NaN" if np.isnan(value) else "infinity"
            label = f"{column}" if names is None else f"{column} ({names[column]!r})"
            raise ValueError(
                f"Input X contains {found}: column {label}, first at row {start + row}. "
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
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if weight.min() < 0:
        row = int(np.argmin(weight))
        raise ValueError(
            f"Negative values in data passed to `sample_weight`: {weight[row]} at row {row}. "
            "Weights must be zero (the row is left out) or positive."
        )
    return weight


def drop_weightless(X: Any, y: Any, weight: np.ndarray | None) -> tuple[Any, Any, Any]:
    """Leave out rows of weight zero, as if they had never been passed."""
    if weight is None or weight.all():
        return X, y, weight
    kept = weight > 0
    if np.count_nonzero(kept) < 2:
        raise ValueError(
            f"sample_weight (with class_weight) leaves {np.count_nonzero(kept)} of {len(weight)} "
            "rows with a positive weight; at least 2 are needed."
        )
    return X[kept], y[kept], weight[kept]


def class_weights(
    class_weight: Any, classes: np.ndarray, codes: np.ndarray, weight: np.ndarray | None
) -> np.ndarray | None:
    """Row weights from class weights (dict or "balanced") times ``weight``."""
    if class_weight is None:
        return weight
    if isinstance(class_weight, dict):
        unknown = [label for label in class_weight if label not in classes.tolist()]
        if unknown:
            raise ValueError(
                f"class_weight names the class {unknown[0]!r}, which y does not hold; its "
                f"classes are {classes.tolist()}."
            )
        negative = [label for label, value in class_weight.items() if not 0 <= value < np.inf]
        if negative:
            raise ValueError(
                f"class_weight of class {negative[0]!r} is {class_weight[negative[0]]!r}; class "
                "weights must be zero or positive, finite numbers."
            )
    factors = compute_class_weight(
        class_weight, classes=classes, y=classes[codes], sample_weight=weight
    )
    rows = factors[codes]
    return rows if weight is None else rows * weight


def column_scaling(
    X: np.ndarray, weight: np.ndarray | None, names: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Offset and factor that standardize each column, in float64, chunk by chunk.

    The weighted mean and the reciprocal weighted deviation. A column of two values is mapped
    to 0 and 1 instead, because an indicator of deviation 1 would make its rare value huge.
    Constant columns (deviation lost in rounding) get factor 1: centred, they are zero.

    Raises
    ------
    ValueError
        If a column's values are so large that their squares overflow.
    """
    limit = np.sqrt(np.finfo(np.float64).max) / max(2, X.shape[0])
    total, width = 0.0, X.shape[1]
    mean, variance = np.zeros(width), np.zeros(width)
    for chunk, w in _weighted_chunks(X, weight):
        largest = np.abs(chunk).max(axis=0)
        if largest.max(initial=0.0) > limit:
            column = int(np.argmax(largest))
            raise ValueError(
                f"Column {column if names is None else names[column]!r} of X reaches "
                f"{largest[column]:.3g}, whose square overflows float64. Rescale it."
            )
        count = w.sum()
        centre = _weighted_sum(w, chunk) / count
        chunk -= centre
        centre_rest = _weighted_sum(w, chunk) / count
        spread = _weighted_sum(w, chunk * chunk) / count - centre_rest**2
        centre = centre + centre_rest
        share = count / (total + count)
        delta = centre - mean
        variance = (1 - share) * (variance + share * delta * delta) + share * spread
        mean, total = mean + share * delta, total + count
    deviation = np.sqrt(np.maximum(variance, 0.0))
    constant = deviation <= 8 * np.finfo(X.dtype).eps * np.abs(mean)
    low, high = X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
    indicator = _is_indicator(X, low, high) & ~constant
    scale = np.where(constant, 1.0, np.where(indicator, high - low, deviation))
    return np.where(indicator, low, mean), 1.0 / scale


def _weighted_sum(weight: np.ndarray, chunk: np.ndarray) -> np.ndarray:
    """``weight @ chunk`` without BLAS, whose order of summation depends on its threads."""
    return np.einsum("i,ij->j", weight, chunk)


def _is_indicator(X: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which columns hold no values but their lowest and highest."""
    indicator = np.ones(X.shape[1], dtype=bool)
    rows = max(1, _CHUNK // max(1, X.shape[1]))
    for start in range(0, X.shape[0], rows):
        chunk = X[start : start + rows]
        indicator &= np.all((chunk == low) | (chunk == high), axis=0)
        if not indicator.any():
            break
    return indicator


def _weighted_chunks(
    X: np.ndarray, weight: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    rows = max(1, _CHUNK // max(1, X.shape[1]))
    for start in range(0, X.shape[0], rows):
        chunk = X[start : start + rows].astype(np.float64, order="C")
        yield chunk, np.ones(len(chunk)) if weight is None else weight[start : start + rows]


def check_range(X: np.ndarray, names: Any = None) -> None:
    """Raise a ValueError that names a column whose squares are beyond float32."""
    limit = np.sqrt(np.finfo(np.float32).max)
    largest = np.maximum(np.abs(X.max(axis=0)), np.abs(X.min(axis=0)))
    if largest.max(initial=0.0) > limit:
        column = int(np.argmax(largest))
        raise ValueError(
            f"Column {column if names is None else names[column]!r} of X reaches "
            f"{largest[column]:.3g}, too large to train on without a norm. "
            "Standardize the columns (sklearn.preprocessing.StandardScaler) or set "
            "normalization."
        )

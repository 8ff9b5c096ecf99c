"""Checks of targets, and of other values that stand one a row: which row is wrong, and why."""

from collections.abc import Iterable
from numbers import Number
from typing import Any

import numpy as np
from scipy import sparse

from sknorm.data.raw.content import is_wide
from sknorm.data.raw.entries import DATES_AS_NUMBERS, first_odd, is_date, is_missing, shown


def check_entries(y: Any, name: str = "y") -> None:
    """Refuse missing and infinite values, bytes and complex numbers among targets.

    Raises
    ------
    ValueError
        That names the first row of such a value, or if there is not one entry a row.
    TypeError
        If there are labels of bytes, which scikit-learn's metrics do not take either.
    """
    if y is None or sparse.issparse(y):
        return
    try:
        values = np.asarray(y)
    except ValueError as error:
        raise ValueError(
            f"{name} is no array: {error} Give it one entry a row, or an array of shape "
            "(n_samples, n_outputs); sklearn.preprocessing.MultiLabelBinarizer makes one of sets "
            "of labels."
        ) from error
    if values.ndim == 0:
        raise ValueError(f"{name} must be an array with an entry a row, got {shown(y)}.")
    if isinstance(y, np.ma.MaskedArray) and np.ma.is_masked(y):
        _refuse(name, "a masked entry", np.ma.getmaskarray(y))
    elif values.dtype.kind == "f" and not np.isfinite(values).all():
        _refuse_not_finite(values, name)
    elif values.dtype.kind in "mM" and np.isnat(values).any():
        _refuse(name, "NaT", np.isnat(values))
    elif values.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {values.dtype}.")
    elif values.dtype.kind in "SO":
        _check_objects(values, name)


def exact(y: Any) -> Any:
    """Nullable integers as NumPy's where they are wide: scikit-learn makes float64 of them."""
    dtype: Any = getattr(getattr(y, "dtype", None), "numpy_dtype", None)
    if not isinstance(dtype, np.dtype) or dtype.kind not in "iu" or not len(y) or y.isna().any():
        return y
    values = y.to_numpy(dtype)
    return values if is_wide(values) else y


def as_numbers(values: Any, name: str, hint: str = "") -> np.ndarray:
    """Values in float64.

    Raises
    ------
    ValueError
        That names the first value that is no finite number, and its row; or if values are sparse.
    """
    if sparse.issparse(values):
        raise ValueError(f"{name} is sparse. Pass {name}.toarray().")
    check_entries(values, name)
    found = np.asarray(values)
    if found.dtype.kind in "mM":
        raise ValueError(f"{name} must be numeric, but has dtype {found.dtype}. {DATES_AS_NUMBERS}")
    try:
        numbers = found.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError):
        odd = first_odd(found.ravel().tolist())
        if odd is None:
            raise
        row = odd.row // max(1, found.size // len(found))
        advice = DATES_AS_NUMBERS if is_date(odd.value) else hint
        raise ValueError(
            f"{name} must be numeric, but holds {shown(odd.value)} at row {row}. {advice}".rstrip()
        ) from None
    if found.dtype.kind not in "biu" and not np.isfinite(numbers).all():
        _refuse_not_finite(numbers, name)
    return numbers


def check_labels(y: np.ndarray, name: str = "y") -> None:
    """Refuse labels in an array of objects that are not text, or of several types.

    Raises
    ------
    ValueError
        That names the types, and what to do.
    """
    if y.dtype.kind != "O":
        return
    types = {type(label) for label in _distinct(y)}
    if all(issubclass(each, str) for each in types):
        return
    names = sorted(each.__name__ for each in types)
    numbers = all(issubclass(each, Number) for each in types)
    if len(names) > 1 and not numbers:
        raise ValueError(
            f"Unknown label type: {name} mixes labels of the types {' and '.join(names)}, which "
            f"have no common order. Give them one type, for example with {name}.astype(str)."
        )
    example = "str" if not numbers else "float" if "float" in names else "int"
    raise ValueError(
        f"Unknown label type: {name} has dtype object and holds {' and '.join(names)} values. "
        f"Convert it first, for example with {name}.astype({example})."
    )


def refuse_missing(values: np.ndarray, name: str) -> None:
    """Refuse missing values in an array of objects."""
    if any(is_missing(value) for value in _distinct(values)):
        flat = [is_missing(value) for value in values.ravel().tolist()]
        first = values.ravel()[flat.index(True)]
        _refuse(name, "NaN" if isinstance(first, float) else shown(first), np.array(flat), values)


def _check_objects(values: np.ndarray, name: str) -> None:
    distinct = _distinct(values)
    label = next((value for value in distinct if isinstance(value, bytes)), None)
    if label is not None:
        raise TypeError(
            f"{name} holds bytes, such as {shown(label)}. Support for labels represented as bytes "
            "is not supported. Convert the labels to a string or integer format, for example with "
            "numpy.char.decode."
        )
    refuse_missing(values, name)


def _distinct(values: np.ndarray) -> Iterable[Any]:
    """The values, once each where they can be hashed."""
    flat = values.ravel().tolist()
    try:
        return set(flat)
    except TypeError:
        return flat


def _refuse_not_finite(values: np.ndarray, name: str) -> None:
    bad = ~np.isfinite(values)
    nan = np.isnan(values[bad][0])
    _refuse(name, "NaN" if nan else "infinity", bad)


def _refuse(name: str, found: str, bad: np.ndarray, like: np.ndarray | None = None) -> None:
    """Name the first row that is bad, and the column where there are several."""
    bad = bad if like is None else bad.reshape(like.shape)
    row, *column = (int(i[0]) for i in np.nonzero(bad))
    where = f"row {row}" + (f" of column {column[0]}" if column and bad.size > len(bad) else "")
    found = found if found == "infinity" else f"{found}: a missing value"
    raise ValueError(
        f"Input {name} contains {found} at {where}. Drop such rows, or give them a value."
    )

"""Checks of X that say which column is wrong, and what to do about it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from sknorm._sklearn import _check_feature_names, _check_n_features, _get_feature_names
from sknorm.backends import fetched, is_on_host
from sknorm.data import raw
from sknorm.data.checks.coding import Coding, code_array, code_columns
from sknorm.data.checks.missing import check_stored
from sknorm.data.checks.targets import check_entries, exact
from sknorm.data.kinds import Kinds
from sknorm.data.raw.chosen import repeated
from sknorm.data.raw.content import is_wide
from sknorm.data.raw.entries import refuse_dates

_NO_TARGETS = "no_validation"  # as scikit-learn calls it


def check_features(
    estimator: Any,
    X: Any,
    *,
    y: Any = _NO_TARGETS,
    at_least: int = 1,
    known: Kinds | None = None,
    unused: int = 0,
) -> Any:
    """X (and y) checked, as networks take them.

    Parameters
    ----------
    estimator : estimator
        Its ``n_features_in_`` and ``feature_names_in_`` are set, or X must fit them.
        Its ``categorical_features``, "from_dtype" where it has none, say what is a category.
    X : table of any library
    y : object
        Left out by default.
    at_least : int
        Rows that are needed.
    known : Kinds or None
        What the columns were in fit, which they must be again; None decides it here, as in fit.
    unused : int
        Levels of a dtype up to which those that have no row are kept.

    Returns
    -------
    X : array, CSR array or CodedTable
        Float. An array where all is numeric and nothing is missing.
    y : array
        As scikit-learn's ``validate_data`` returns it, if y is given.

    Raises
    ------
    ValueError
        If a column is neither numeric nor a category, is not what it was in fit, or has an
        infinite value.
    """
    if not is_on_host(X):
        X = _check_device_features(estimator, X, at_least, known)
        return X if _is_left_out(y) else (X, check_targets(estimator, X, y))
    y = exact(fetched(y))
    if (
        known is not None
        and not known.categories
        and _is_plain(estimator, X, y)
        and X.shape[0] >= at_least
    ):
        X = code_array(estimator, X, Coding())
        return X if _is_left_out(y) else (X, y)
    X = raw.as_table(_with_missing(X))
    refuse_dates(X)
    if not _is_left_out(y):
        y = np.asarray(y) if hasattr(y, "__dask_graph__") else y  # which is computed once
        check_entries(y)
    X, y = _check_columns(estimator, X, y, known, at_least, unused)
    return X if _is_left_out(y) else (X, y)


def _check_columns(
    estimator: Any, X: Any, y: Any, known: Kinds | None, at_least: int, unused: int
) -> tuple[Any, Any]:
    """X column by column, unless scikit-learn makes one array of numbers of it."""
    table = raw.open_table(X)
    _check_unique(X)
    # Known names are not looked up again: that takes longer than to read a row.
    names = _get_feature_names(X) if known is None else known.names
    coding = Coding.of(estimator, known, table.width, names) if table is not None else None
    if table is not None and not table.width:
        check_count(estimator, X, at_least)
    if table is None or coding is None or (table.numeric and not coding.categories):
        X, y = _check_numbers(estimator, X, y, reset=known is None, at_least=at_least)
        coding = coding or Coding.of(estimator, known, X.shape[1], names)
        return _check_array(estimator, X, coding), y
    with _naming_order(estimator, X):
        validate_data(estimator, X, reset=known is None, skip_check_array=True)
    check_count(estimator, X, at_least)
    X = code_columns(estimator, table, coding._replace(unused=unused))
    return X, y if _is_left_out(y) else check_targets(estimator, X, y)


def _check_numbers(
    estimator: Any, X: Any, y: Any, *, reset: bool, at_least: int
) -> tuple[np.ndarray, Any]:
    """X and y by scikit-learn's checks; X is a float array, or sparse in CSR format."""
    settings: dict[str, Any] = {
        "dtype": (np.float64, np.float32),
        "ensure_all_finite": False,
        "accept_sparse": "csr",
        "reset": reset,
        "ensure_min_samples": at_least,
    }
    with _naming_entries(X), _naming_order(estimator, X):
        if _is_left_out(y):
            return _native(validate_data(estimator, X, **settings)), y
        # scikit-learn adds up y, whose range has its own check
        with np.errstate(over="ignore", invalid="ignore"):
            X, y = validate_data(estimator, X, y, multi_output=True, **settings)
        return _native(X), y


def _check_array(estimator: Any, X: Any, coding: Coding) -> Any:
    if not sparse.issparse(X):
        return code_array(estimator, X, coding)
    if coding.categories:
        raise ValueError(
            f"X is sparse, but column {min(coding.categories)} is a category. Pass a dense table, "
            "or fit without categories (categorical_features=None)."
        )
    X = _without_duplicates(X)
    check_stored(estimator, X)
    return X


def _native(X: Any) -> Any:
    """A table in the machine's byte order, which frames that were read from files may lack."""
    native = getattr(X.dtype, "isnative", True)
    return X if native else X.astype(X.dtype.newbyteorder("="))


@contextmanager
def _naming_order(estimator: Any, X: Any) -> Iterator[None]:
    """Let an error about columns in another order name the first of them."""
    try:
        yield
    except ValueError as error:
        if "must be in the same order" not in str(error):
            raise
        pairs = zip(_get_feature_names(X), estimator.feature_names_in_, strict=True)
        place, (now, before) = next((i, p) for i, p in enumerate(pairs) if p[0] != p[1])
        raise ValueError(
            f"{error}Column {place} is {now!r} now, and was {before!r} in fit. Pass "
            "frame[model.feature_names_in_]."
        ) from None


@contextmanager
def _naming_entries(X: Any) -> Iterator[None]:
    """Let an error about a table that does not convert to numbers name the entry, where it can.

    Looked for after the fact: a table that converts is not looked through.
    """
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        _refuse_lone(X, error)
        try:
            raw.refuse_columns(X)
        except ValueError as named:
            raise named from None  # it says all that the first error does
        raise


def _refuse_lone(X: Any, error: Exception) -> None:
    """Refuse a dict, and a row or a column by itself that does not convert to numbers."""
    if isinstance(X, Mapping):
        found, advice = f"a {type(X).__name__}", "pandas.DataFrame(X), or pandas.DataFrame([X])"
        advice += " of a single row"
    elif np.ndim(X) == 1 and not re.search("[12]D|2-dim", str(error)):
        found, advice = "1D array", "frame.iloc[[0]] for a single row, frame[['name']] for a column"
    else:
        return
    raise ValueError(f"Expected 2D array, got {found} instead. Pass {advice}.") from None


def _is_left_out(y: Any) -> bool:
    return isinstance(y, str) and y == _NO_TARGETS


def _with_missing(X: Any) -> Any:
    """A masked array with NaN or None where it is masked; NumPy would take what is under it."""
    if not (isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X)):
        return X
    if X.dtype.kind in "cmM":  # which is refused as it is
        return np.asarray(X)
    if X.dtype.kind in "OUS" or (X.dtype.kind in "iu" and X.count() and is_wide(X.compressed())):
        values = np.array(X.data, dtype=object)
        values[np.ma.getmaskarray(X)] = None
        return values
    dtype = X.dtype if X.dtype in (np.float32, np.float64) else np.float64
    return np.ma.filled(X.astype(dtype), np.nan)


def feature_names(X: Any) -> Any:
    """The names of a data frame's columns, which must differ; None where some are no text."""
    if type(X) is np.ndarray:
        return None
    _check_unique(X)
    return _get_feature_names(X)


def _check_unique(X: Any) -> None:
    """Refuse columns of one name."""
    columns: Any = getattr(X, "columns", None)
    if hasattr(X, "column_names"):  # PyArrow
        twice = repeated(X.column_names)
    else:
        twice = [] if getattr(columns, "is_unique", True) else columns[columns.duplicated()]
    if not len(twice):
        return
    raise ValueError(
        f"X has several columns named {twice[0]!r}, so that columns cannot be told apart by name. "
        "Rename them, or pass X.to_numpy()."
    )


def _check_device_features(estimator: Any, X: Any, at_least: int, known: Kinds | None) -> Any:
    """The same for an array on a device, which never comes to the host."""
    xp = array_namespace(X)
    if X.ndim != 2:
        raise ValueError(f"Expected 2D array, got {X.ndim}D array instead. Reshape your data.")
    if not xp.isdtype(X.dtype, "real floating"):
        if xp.isdtype(X.dtype, "complex floating"):
            raise ValueError("Complex data not supported")
        X = xp.astype(X, xp.float64)
    check_count(estimator, X, at_least)
    _check_feature_names(estimator, X, reset=known is None)
    _check_n_features(estimator, X, reset=known is None)
    return code_array(estimator, X, Coding.of(estimator, known, int(X.shape[1]), None))


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
    y = exact(fetched(y))
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


def check_sparse_backend(X: Any, backend: str) -> None:
    """Raise a ValueError for a sparse table that is to be trained on where there is a device."""
    if backend == "cupy" and sparse.issparse(X):
        raise ValueError(
            "X is sparse, and sparse tables compute on the host only. Set backend='auto', "
            "or pass a dense array with backend='cupy'."
        )

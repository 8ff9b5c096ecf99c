"""A few rows as networks see them, read at a glance where nothing about them is unusual.

What is read here passes the checks of :mod:`sknorm.data.checks` as it is. All else is left to
these, which say what is wrong: the answer then is None.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sknorm.backends import is_pandas_frame
from sknorm.data.categories import Category
from sknorm.data.coded import MISSING, CodedTable
from sknorm.data.columns import Columns
from sknorm.data.raw.entries import is_missing

MOST = 32  # rows; the checks of more take no time beside the products
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class Glimpse(NamedTuple):
    """A few rows that are checked.

    Attributes
    ----------
    numbers : float array of shape (n, d)
    places : int32 array of shape (n, c), or None
        Of the categories that a network knows.
    squashes : bool
        Whether numbers are squashed, or have gaps that are filled.
    """

    numbers: np.ndarray
    places: np.ndarray | None
    squashes: bool


def glimpse(columns: Columns, X: Any) -> Glimpse | None:
    """A few rows of a table of the same columns as in fit: floats, or a frame of pandas."""
    if type(X) is np.ndarray:
        return _glimpse_of_array(columns, X)
    if is_pandas_frame(X) and (reader := _reader(columns)).takes(X):
        return reader.read(X)
    return None


def glimpse_of_checked(columns: Columns, X: Any) -> Glimpse | None:
    """The same of a table that has been checked."""
    if not 0 < X.shape[0] <= MOST or not isinstance(X, np.ndarray | CodedTable):
        return None
    numbers = X.numbers if isinstance(X, CodedTable) else X
    if type(numbers) is not np.ndarray:
        return None
    return Glimpse(numbers, columns.places(X), columns.squashes(X))


def _glimpse_of_array(columns: Columns, X: np.ndarray) -> Glimpse | None:
    """Of floats, of which none is missing, where fit saw neither names nor categories."""
    kinds = columns.kinds
    if kinds.categories or kinds.names is not None or X.ndim != 2 or X.dtype not in _FLOATS:
        return None
    n, width = X.shape
    if not 0 < n <= MOST or width != kinds.n_features or not _all(np.isfinite(X)):
        return None
    return Glimpse(X, columns.places(X), columns.clips)


def _reader(columns: Columns) -> "FrameReader":
    """What reads frames of these columns, made once."""
    if "_reader" not in columns.kept:
        columns.kept["_reader"] = FrameReader(columns)
    return columns.kept["_reader"]


class FrameReader:
    """Reads rows of pandas' frames that have the columns of those in fit, of the same kinds.

    Parameters
    ----------
    columns : Columns
    """

    def __init__(self, columns: Columns) -> None:
        kinds = columns.kinds
        self.names = None if kinds.names is None else [str(each) for each in kinds.names]
        self.numeric, self.squashes = kinds.numeric, columns.clips
        known = {(each.kind == MISSING, each.feature): at for at, each in enumerate(columns.known)}
        self.count = len(known)
        self._categories = []
        for feature, kind in kinds.categories.items():
            at = known.get((False, feature))
            look = _LOOKS.get(kind)
            if look is None:  # of numbers, or of nothing: seldom, and not looked up by value alone
                self.names = None
            else:
                self._categories.append((feature, look, at, _places(columns, at)))
        self._gaps = {
            j: (at, 0 if at is None else int(columns.known[at].places(np.array([True]))[1]))
            for j in self.numeric
            if (at := known.get((True, j))) is not None or j in kinds.empty
        }

    def takes(self, X: Any) -> bool:
        """Whether a frame has few rows, and the names of the columns in fit in their order."""
        return (
            self.names is not None
            and bool(self.numeric)
            and 0 < len(X) <= MOST
            and hasattr(X, "_get_column_array")  # of pandas' own, without a series of each column
            and X.columns.tolist() == self.names
        )

    def read(self, X: Any) -> Glimpse | None:
        """The rows; None if some entry is not of the kind of its column, or may not be."""
        column = X._get_column_array
        numbers = _numbers([column(j) for j in self.numeric])
        if numbers is None:
            return None
        places = np.full((len(X), self.count), -1, dtype=np.int32) if self.count else None
        for feature, look, at, known in self._categories:
            found = look(column(feature), known)
            if found is None:
                return None
            if at is not None and places is not None:
                places[:, at] = found
        finite = np.isfinite(numbers)
        if _all(finite):
            return Glimpse(numbers, places, self.squashes)
        for row, column in np.argwhere(~finite).tolist():
            known_gap = self._gaps.get(self.numeric[column])
            if known_gap is None or not np.isnan(numbers[row, column]):
                return None  # a gap that no training row had, or an infinite value
            at, place = known_gap
            if at is not None and places is not None:
                places[row, at] = place
        return Glimpse(numbers, places, True)


class _Known(NamedTuple):
    """Places of the levels of a column, of missing values and of other levels."""

    levels: dict[Any, int]
    missing: int
    other: int


def _places(columns: Columns, at: int | None) -> _Known:
    if at is None:  # whose entries are checked all the same
        return _Known({}, -1, -1)
    category: Category = columns.known[at]
    found = category.places(category.levels).tolist()
    other = category.first + category.has_missing if category.has_other else -1
    levels = dict(zip(category.levels.tolist(), found[1:], strict=True))
    return _Known(levels, found[0], other)


def _numbers(arrays: list[Any]) -> np.ndarray | None:
    """Columns of numbers as one array (n, d), as :func:`sknorm.data.raw.assemble_numbers`."""
    for each in arrays:
        if type(each) is not np.ndarray or each.dtype.kind not in "iuf" or each.dtype.itemsize > 8:
            return None
    joined = np.concatenate(arrays).reshape(len(arrays), -1).T
    return joined if joined.dtype in _FLOATS else joined.astype(np.float64)


def _look_at_text(array: Any, known: _Known) -> list[int] | None:
    """Places of text; None if some entry is none."""
    values = _objects(array)
    if values is None:
        return None
    found = []
    for value in values:
        if type(value) is str:
            found.append(known.levels.get(value, known.other))
        elif is_missing(value):
            found.append(known.missing)
        else:
            return None
    return found


def _objects(array: Any) -> list[Any] | None:
    """Entries of a column of objects, of text, or of a category."""
    if type(array) is np.ndarray:
        return array.tolist() if array.dtype.kind == "O" else None
    kind = type(array.dtype).__name__
    if kind == "StringDtype":
        return list(array)  # of few values sooner than by an array of them
    if kind != "CategoricalDtype":
        return None
    levels = array.categories
    return [None if code < 0 else levels[code] for code in array.codes.tolist()]


def _look_at_booleans(array: Any, known: _Known) -> list[int] | None:
    """Places of booleans of which none is missing."""
    if type(array) is not np.ndarray or array.dtype.kind != "b":
        return None
    return [known.levels.get(value, known.other) for value in array.tolist()]


def _all(flags: np.ndarray) -> bool:
    return bool(np.logical_and.reduce(flags, axis=None))


_LOOKS: dict[str, Callable[[Any, _Known], list[int] | None]] = {
    "text": _look_at_text,
    "boolean": _look_at_booleans,
}

"""From a table of any library to columns of numbers and categories."""

import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from sknorm.data.coded import CodeColumn
from sknorm.data.raw import arrow, pandas, polars, refusals
from sknorm.data.raw.content import Codes, Content, Place, as_codes, as_numbers
from sknorm.data.raw.decide import NUMERIC, by_choice
from sknorm.data.raw.objects import read_objects


class Raw(NamedTuple):
    """A table, column by column.

    Attributes
    ----------
    rows, width : int
        Numbers of rows and columns.
    columns : iterable of (Place, object)
        With the columns as their library has them.
    read : callable
        What a column holds, from its place, itself, and how many levels its dtype may have that
        are all kept, whether they have rows or not.
    numeric : bool
        Whether dtypes alone say that all columns are numbers.
    """

    rows: int
    width: int
    columns: Iterable[tuple[Place, Any]]
    read: Callable[[Place, Any, int], Content]
    numeric: bool


class Columns(NamedTuple):
    """The columns of a table, told apart.

    Attributes
    ----------
    numeric : tuple of int
        Which columns of X are numeric.
    numbers : list of arrays of shape (n,)
        Those, in any numeric dtype.
    categories : list of (CodeColumn, Codes)
    """

    numeric: tuple[int, ...]
    numbers: list[np.ndarray]
    categories: list[tuple[CodeColumn, Codes]]


def open_table(X: Any) -> Raw | None:
    """A data frame, or an array of objects, text or integers, by its columns; None of others."""
    if isinstance(X, np.ndarray):
        if X.ndim != 2 or X.dtype.kind not in "OUSiu":
            return None
        return open_array(X)._replace(numeric=X.dtype.kind in "iu")
    if _is(X, "pandas", "DataFrame"):
        dtypes = list(X.dtypes)
        numeric = all(map(pandas.is_numeric, dtypes)) or all(map(pandas.is_sparse, dtypes))
        return Raw(len(X), len(dtypes), pandas.columns(X), pandas.read, numeric)
    if _is(X, "polars", "DataFrame"):
        numeric = all(map(polars.is_numeric, X.dtypes))
        return Raw(X.height, X.width, polars.columns(X), polars.read, numeric)
    if _is(X, "pyarrow", "Table") or _is(X, "pyarrow", "RecordBatch"):
        numeric = all(map(arrow.is_numeric, X.schema.types))
        return Raw(X.num_rows, X.num_columns, arrow.columns(X), arrow.read_arrow, numeric)
    if _is(X, "polars", "LazyFrame"):
        raise ValueError("X is a LazyFrame, whose values are not computed yet. Pass X.collect().")
    return None


def open_array(X: np.ndarray) -> Raw:
    """An array of numbers, objects or text by its columns."""
    places = [Place(position, None, X.dtype) for position in range(X.shape[1])]
    columns = ((place, X[:, place.position]) for place in places)
    return Raw(len(X), X.shape[1], columns, _read_array, False)


def read(raw: Raw, decide: Callable[[Content], str], *, unused: int = 0) -> Columns:
    """All columns of a table; ``decide`` says of each whether it is numeric, or of which kind.

    All of up to ``unused`` levels of a dtype are kept, whether they have rows or not.
    """
    numeric, numbers, categories = [], [], []
    for place, column in raw.columns:
        content = raw.read(place, column, unused)
        kind = decide(content)
        if kind == NUMERIC:
            numeric.append(place.position)
            numbers.append(as_numbers(content))
        else:
            categories.append(as_category(content, kind))
    return Columns(tuple(numeric), numbers, categories)


def refuse_columns(X: Any) -> None:
    """Raise of the first column of another library's frame that is no number, if one is none.

    For tables that did not convert to numbers.
    """
    if not (hasattr(X, "iloc") and hasattr(X, "columns")):
        return
    for position, name in enumerate(X.columns):
        series = X.iloc[:, position]
        values = np.asarray(series, dtype=object).tolist()
        content = read_objects(Place(position, name, series.dtype), values)
        by_choice(content, frozenset())


def as_category(content: Content, kind: str) -> tuple[CodeColumn, Codes]:
    """A column as a category of a kind."""
    if kind == "number" and content.merged:
        raise refusals.merged(content)
    codes = as_codes(content, kind)
    return CodeColumn(content.place.position, kind, codes.levels), codes


def as_table(X: Any) -> Any:
    """Nested lists that are not all numbers as an array of objects; anything else as it is."""
    if not isinstance(X, list | tuple):
        return X
    try:
        values = np.asarray(X)
        return np.array(X, dtype=object) if values.dtype.kind in "OUS" else values
    except (TypeError, ValueError):  # rows that differ in length are told of later
        return X


def _read_array(place: Place, values: np.ndarray, unused: int = 0) -> Content:
    if values.dtype.kind in "OUS":
        return read_objects(place, values.tolist())
    return Content(place, "numbers", values)


def _is(X: Any, library: str, name: str) -> bool:
    """Whether X is of a class of a library, which is loaded if it is."""
    module = sys.modules.get(library)
    return module is not None and isinstance(X, getattr(module, name))

"""Tables as kernels take them: dense in C order, or sparse, and some rows of either."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sknorm.backends import (
    Backend,
    collect,
    fetched,
    is_on_host,
    readable,
    resolve,
    take_rows,
    to_host,
)
from sknorm.data.coded import MISSING, CodeColumn, CodedTable


class SparseRows(NamedTuple):
    """A sparse table in CSR format, as arrays of one backend, without duplicate entries."""

    values: Any
    columns: Any
    starts: Any
    shape: tuple[int, int]


class CodedRows(NamedTuple):
    """A table of numbers, gaps among them, and of codes, as arrays of one backend."""

    numbers: Any
    codes: Any

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows, and of columns of numbers."""
        return int(self.numbers.shape[0]), int(self.numbers.shape[1])


@dataclass(frozen=True)
class View:
    """Some rows of a checked table, of which no copy is made.

    Attributes
    ----------
    table : array of shape (N, n_features)
    index : int64 array of shape (n,)
        Which rows they are.
    engine : object
        The table as kernels take it, made once for all its views.
    names : ndarray of n_features str, or None
        Of the columns, where all are strings.
    like : object
        The table as it was given, before it was checked.
    """

    table: Any
    index: np.ndarray
    engine: Any
    names: Any = None
    like: Any = None

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        return len(self.index), int(self.table.shape[1])

    @property
    def dtype(self) -> Any:
        """That of the table."""
        return self.table.dtype

    def take(self, index: np.ndarray) -> "View":
        """Some of these rows."""
        return replace(self, index=self.index[index])


def take(X: Any, index: np.ndarray) -> Any:
    """Rows of a table, or of a view of one."""
    return X.take(index) if isinstance(X, View | CodedTable) else take_rows(X, index)


def chunk(X: Any, start: int, stop: int) -> Any:
    """Numbers of consecutive rows of a table or a view, as an array."""
    if isinstance(X, View):
        return take_rows(numbers(X.table), X.index[start:stop])
    return numbers(X)[start:stop, :]


def column(X: Any, number: int) -> np.ndarray:
    """A column of the numbers of a table or a view, on the host."""
    table = numbers(whole(X))
    values = table[:, [number]].toarray()[:, 0] if sparse.issparse(table) else table[:, number]
    return to_host(values)[X.index] if isinstance(X, View) else to_host(values)


def materialize(X: Any) -> Any:
    """A table, or a copy of the rows that a view has."""
    return take(X.table, X.index) if isinstance(X, View) else X


def whole(X: Any) -> Any:
    """A table, or the one that a view has rows of."""
    return X.table if isinstance(X, View) else X


def numbers(X: Any) -> Any:
    """The numbers of a table, or of the one that a view has rows of."""
    table = whole(X)
    return table.numbers if isinstance(table, CodedTable) else table


def coded_columns(X: Any) -> tuple[CodeColumn, ...]:
    """What the code columns of a table, or of the one that a view has rows of, stand for."""
    table = whole(X)
    return table.coded if isinstance(table, CodedTable) else ()


def gaps(X: Any) -> list[int]:
    """Columns of the numbers of a table in which values are missing."""
    table = whole(X)
    found = {each.feature for each in coded_columns(X) if each.kind == MISSING}
    return (
        [place for place, feature in enumerate(table.numeric) if feature in found] if found else []
    )


def resolve_table(X: Any, name: str, matmul_precision: str) -> Backend:
    """The backend that computes for a table, or for a view of one."""
    return resolve(numbers(X), name, matmul_precision)


def move_table(X: Any, backend: str) -> Any:
    """A table where it is checked: on its own device, unless told to compute on the host.

    As an array of a library that computes: NumPy's or CuPy's in place of PyTorch's or JAX's,
    without a copy. Half precision of a device becomes float32.
    """
    if isinstance(X, CodedTable):  # which is checked
        return X
    X = collect(X)
    if is_on_host(X) or backend == "numpy":
        return fetched(X)
    return readable(resolve(X).asarray(X))


def engine_table(backend: Backend, X: Any) -> Any:
    """A table as kernels take it: dense in C order, or the arrays of a sparse one."""
    if isinstance(X, CodedTable):
        return CodedRows(backend.asarray(X.numbers), backend.asarray(X.codes))
    if sparse.issparse(X):
        values, columns, starts = (backend.asarray(a) for a in (X.data, X.indices, X.indptr))
        return SparseRows(values, columns, starts, (int(X.shape[0]), int(X.shape[1])))
    return backend.asarray(X)


def gathering(kernels: Any, X: Any, y: Any, weight: Any) -> partial[None]:
    """The gathering kernel, bound to a dense or sparse table; rows come out dense."""
    if isinstance(X, SparseRows):
        return partial(kernels.gather_sparse, X.values, X.columns, X.starts, y, weight)
    return partial(kernels.gather, X.numbers if isinstance(X, CodedRows) else X, y, weight)

"""The product of sparse rows and the first layer's weights, in inference: rows stay sparse."""

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from sknorm.data.scaling import Scaling
from sknorm.data.table import SparseRows

_SPARSE = 0.1  # share of stored entries from which on BLAS multiplies dense rows sooner
_FAR = 1e3  # offsets, in units of the columns' scale, above which too many digits would cancel
_BLOCK = 4096  # weights that are converted to float64 together


class SparseInputs(NamedTuple):
    r"""Rows of a sparse table, to be multiplied by the first layer's weights W alone.

    .. math:: ((X - o) f) W = (X f) W - (o f) W

    The first term takes the stored entries alone. The second is the same for all rows.

    Attributes
    ----------
    rows : csr_array of shape (n, d)
        Stored entries times the columns' factors, in the networks' dtype.
    origin : array of shape (K, d_out)
        Product of a row without entries.
    """

    rows: Any
    origin: np.ndarray

    def times(self, weight: np.ndarray) -> np.ndarray:
        """The product with the first layer's weights, (K, n, d_out)."""
        shape = (weight.shape[0], self.rows.shape[0], weight.shape[2])
        out = np.empty(shape, dtype=weight.dtype)
        for k in range(weight.shape[0]):
            np.add(self.rows @ weight[k], self.origin[k], out=out[k])
        return out


def stays_sparse(X: Any, scaling: Scaling) -> bool:
    """Whether few entries of the rows are stored, and no column lies far from zero."""
    if not isinstance(X, SparseRows) or not scaling.is_plain:
        return False
    offset, factor = scaling.offset, scaling.factor
    few = X.values.shape[0] <= _SPARSE * X.shape[0] * X.shape[1]
    return few and bool(np.abs(offset * factor).max(initial=0.0) <= _FAR)


def origin(weight: np.ndarray, offset: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """The first product of a row without entries, (K, d_out) in the weights' dtype."""
    start = -(offset * factor)
    total = np.zeros((weight.shape[0], weight.shape[2]))
    for first in range(0, weight.shape[1], _BLOCK):
        part = slice(first, first + _BLOCK)
        total += start[part] @ weight[:, part].astype(np.float64)
    return total.astype(weight.dtype)


def inputs(
    X: SparseRows, start: int, stop: int, factor: np.ndarray, origin: np.ndarray
) -> SparseInputs:
    """Some of the rows, as the first layer takes them."""
    stored = slice(X.starts[start], X.starts[stop])
    columns = X.columns[stored]
    values = (X.values[stored] * factor[columns]).astype(origin.dtype)
    starts = X.starts[start : stop + 1] - X.starts[start]
    shape = (stop - start, X.shape[1])
    return SparseInputs(csr_array((values, columns, starts), shape=shape), origin)

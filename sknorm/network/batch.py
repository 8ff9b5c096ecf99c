"""Rows of a table in arrays of their own: dense tables, or sparse ones a batch at a time."""

from typing import Any, NamedTuple

from sknorm.backends import Backend
from sknorm.data.scaling import Scaling
from sknorm.data.table import CodedRows, SparseRows, gathering


class Inputs(NamedTuple):
    """What networks see of some rows.

    Attributes
    ----------
    x : array of shape (K or 1, n, d)
        Numbers, or sparse rows.
    codes : int32 array of shape (K or 1, n, c), or None
        Places of the categories.
    bins : tuple or None
        Rows, number of the table's rows, lower ends and gains, as the kernels of embedded numbers
        take them.
    """

    x: Any
    codes: Any = None
    bins: Any = None


def rows_at_once(backend: Backend, members: int, width: int) -> int:
    """Rows to compute together for networks whose widest layer, or table, has this width."""
    values = max(1 << 20, backend.chunk_bytes // 8)
    return max(16, min(values >> 8, values // (members * max(1, width))))


def gathered(network: Any, data: Any, rows: Any) -> tuple[Inputs, Any, Any]:
    """Inputs, targets (K, n, o) and weights (K, n) of rows (K, n)."""
    backend, xp = network.backend, network.backend.xp
    dtype, device = network.parameters.flat.dtype, backend.device
    rows = backend.asarray(rows)
    y = xp.empty((*rows.shape, data.y.shape[1]), dtype=data.y.dtype, device=device)
    weight = xp.empty(rows.shape, dtype=dtype, device=device)
    inputs = _take(backend, data.X, (data.y, data.weight), rows, data.scaling, (y, weight))
    return inputs, y, weight


def standardized(backend: Backend, X: Any, part: slice, scaling: Scaling, dtype: Any) -> Inputs:
    """Consecutive rows, (1, n, d), as networks see them."""
    xp, device, start, stop = backend.xp, backend.device, part.start, part.stop
    if isinstance(X, CodedRows):
        X = CodedRows(*(backend.asarray(each[part, :]) for each in X))
        start, stop = 0, stop - start
    elif not isinstance(X, SparseRows):  # a chunk of X in C order, whatever X's own order
        X, start, stop = backend.asarray(X[part, :]), 0, stop - start
    rows = xp.arange(start, stop, dtype=xp.int64, device=device)[None, :]
    nothing = xp.zeros((X.shape[0], 0), dtype=dtype, device=device)
    unweighted = xp.zeros((0, X.shape[0]), dtype=dtype, device=device)
    empty = nothing[None, : stop - start, :], unweighted[:, : stop - start]
    return _take(backend, X, (nothing, unweighted), rows, scaling, empty)


def _take(
    backend: Backend, X: Any, beside: tuple, rows: Any, scaling: Scaling, out: tuple
) -> Inputs:
    """Inputs of rows (R, n), in the dtype of weights.

    Targets and weights, which stand ``beside`` X, go to ``out``.
    """
    xp, kernels, device = backend.xp, backend.kernels, backend.device
    x = xp.empty((*rows.shape, X.shape[1]), dtype=out[1].dtype, device=device)
    gather = gathering(kernels, X, *beside)
    gather(rows, scaling.offset, scaling.factor, x, *out)
    if scaling.clip is not None:
        kernels.squash(rows, X.shape[0], scaling.clip, scaling.fill, x)
    bins = None if scaling.low is None else (rows, X.shape[0], scaling.low, scaling.gain)
    if scaling.places is None:
        return Inputs(x, None, bins)
    columns, starts, places = scaling.columns, scaling.starts, scaling.places
    codes = xp.empty((*rows.shape, columns.shape[0]), dtype=xp.int32, device=device)
    kernels.take_codes(X.codes, columns, rows, starts, places, codes)
    return Inputs(x, codes, bins)

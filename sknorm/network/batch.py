"""Rows of a table in arrays of their own: dense tables, or sparse ones a batch at a time."""

from typing import Any

from sknorm.backends import Backend
from sknorm.data.table import SparseRows, gathering


def rows_at_once(backend: Backend, members: int, width: int) -> int:
    """Rows to compute together for networks whose widest layer, or table, has this width."""
    values = max(1 << 20, backend.chunk_bytes // 8)
    return max(16, min(values >> 8, values // (members * max(1, width))))


def gathered(network: Any, data: Any, rows: Any) -> tuple[Any, Any, Any]:
    """Standardized inputs (K, n, d), targets (K, n, o) and weights (K, n) of rows (K, n)."""
    backend, xp = network.backend, network.backend.xp
    dtype, device = network.parameters.flat.dtype, backend.device
    rows = backend.asarray(rows)
    x = xp.empty((*rows.shape, data.X.shape[1]), dtype=dtype, device=device)
    y = xp.empty((*rows.shape, data.y.shape[1]), dtype=data.y.dtype, device=device)
    weight = xp.empty(rows.shape, dtype=dtype, device=device)
    gather = gathering(backend.kernels, data.X, data.y, data.weight)
    gather(rows, data.offset, data.factor, x, y, weight)
    return x, y, weight


def standardized(
    backend: Backend, X: Any, part: slice, offset: Any, factor: Any, dtype: Any
) -> Any:
    """``(X - offset) * factor`` of consecutive rows as an array of shape (1, n, d)."""
    xp, device, start, stop = backend.xp, backend.device, part.start, part.stop
    if not isinstance(X, SparseRows):  # a chunk of X in C order, whatever X's own order
        X, start, stop = backend.asarray(X[part, :]), 0, stop - start
    count, width = X.shape
    rows = xp.arange(start, stop, dtype=xp.int64, device=device)[None, :]
    nothing = xp.zeros((count, 0), dtype=dtype, device=device)
    unweighted = xp.zeros((0, count), dtype=dtype, device=device)
    out = xp.empty((1, stop - start, width), dtype=dtype, device=device)
    gather = gathering(backend.kernels, X, nothing, unweighted)
    empty = nothing[None, : stop - start, :], unweighted[:, : stop - start]
    gather(rows, offset[None, :], factor[None, :], out, *empty)
    return out

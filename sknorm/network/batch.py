"""Rows of the training data in arrays of their own, outside of the training steps."""

from typing import Any

from sknorm.network.network import Network


def gathered(network: Network, data: Any, rows: Any) -> tuple[Any, Any, Any]:
    """Standardized inputs (K, n, d), targets (K, n, o) and weights (K, n) of rows (K, n)."""
    backend, xp = network.backend, network.backend.xp
    dtype, device = network.parameters.flat.dtype, backend.device
    rows = backend.asarray(rows)
    x = xp.empty((*rows.shape, data.X.shape[1]), dtype=dtype, device=device)
    y = xp.empty((*rows.shape, data.y.shape[1]), dtype=data.y.dtype, device=device)
    weight = xp.empty(rows.shape, dtype=dtype, device=device)
    backend.kernels.gather(
        data.X, data.y, data.weight, rows, data.offset, data.factor, x, y, weight
    )
    return x, y, weight

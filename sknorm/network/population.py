"""Exact inference statistics: one pass over the training rows with the final weights."""

from typing import Any

from sknorm.kernels.codes import ACTIVATIONS
from sknorm.network.folding import fold
from sknorm.network.network import Network

_ROWS_AT_ONCE = 8192


def set_population_statistics(network: Network, data: Any, rows: Any) -> None:
    """Set each norm's mean and biased variance to those over the training rows, in place.

    Layer by layer, because a layer's inputs depend on the statistics before it. Chunks are
    pooled exactly (Chan, Golub and LeVeque, 1979, Updating formulae and a pairwise algorithm
    for computing sample variances).

    Parameters
    ----------
    network : Network
    data : TrainingData
    rows : int64 array of shape (K, n)
        Training rows of each member.
    """
    for layer in range(network.architecture.hidden):
        total, mean, variance = 0.0, 0.0, 0.0
        for start in range(0, rows.shape[1], _ROWS_AT_ONCE):
            chunk = network.backend.asarray(rows[:, start : start + _ROWS_AT_ONCE])
            count, moments = _chunk_moments(network, data, chunk, layer)
            new_total = total + count
            delta = moments[:, 0, :] - mean
            share = count / new_total
            variance = (1.0 - share) * (variance + share * delta * delta)
            variance = variance + share * moments[:, 1, :]
            mean, total = mean + share * delta, new_total
        network.statistics[layer][:, 0, :] = mean
        network.statistics[layer][:, 1, :] = variance


def _chunk_moments(network: Network, data: Any, rows: Any, layer: int) -> tuple[Any, Any]:
    """Sums of weights (K, 1) and weighted moments (K, 2, d) of a layer's Linear output."""
    backend, xp = network.backend, network.backend.xp
    z, weight = _linear_output(network, data, rows, layer)
    moments = xp.zeros((z.shape[0], 2, z.shape[2]), dtype=xp.float64, device=backend.device)
    backend.kernels.column_moments(z, weight, moments)
    return xp.sum(weight, axis=1, dtype=xp.float64)[:, None], moments


def _linear_output(network: Network, data: Any, rows: Any, layer: int) -> tuple[Any, Any]:
    backend, xp, kernels = network.backend, network.backend.xp, network.backend.kernels
    dtype, device = network.parameters.flat.dtype, backend.device
    orders, count = rows.shape
    h = xp.empty((orders, count, data.X.shape[1]), dtype=dtype, device=device)
    y = xp.empty((orders, count, data.y.shape[1]), dtype=data.y.dtype, device=device)
    weight = xp.empty((orders, count), dtype=dtype, device=device)
    kernels.gather(data.X, data.y, data.weight, rows, data.offset, data.factor, h, y, weight)
    folded = fold(network)
    activation = ACTIVATIONS[network.architecture.activation]
    none = xp.zeros(network.members, dtype=xp.float64, device=device)
    seed = xp.zeros(network.members, dtype=xp.uint32, device=device)
    for before in range(layer + 1):
        source = network.parameters.weights if before == layer else folded.weights
        shape = (network.members, count, source[before].shape[2])
        z = xp.empty(shape, dtype=dtype, device=device)
        kernels.matmul(h, source[before], z)
        if before < layer:
            kernels.affine_block_forward(
                z, folded.biases[before], activation, none, seed, 0, 0, 0, shape[2], z
            )
        h = z
    return h, weight

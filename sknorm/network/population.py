"""Exact inference statistics: one pass over the training rows with the final weights."""

from typing import Any

from sknorm.network.batch import Inputs, gathered, rows_at_once
from sknorm.network.folding import FoldedNetwork, fold
from sknorm.network.network import Network


def set_population_statistics(network: Network, data: Any, rows: Any) -> None:
    """Set each norm's mean and biased variance to those over the training rows, in place.

    Layer by layer, because a layer's inputs depend on the statistics before it. Chunks are
    pooled exactly (Chan, Golub and LeVeque, 1979, Updating formulae and a pairwise algorithm
    for computing sample variances). Does nothing where norms keep no statistics.

    Parameters
    ----------
    network : Network
    data : TrainingData
    rows : int64 array of shape (K, n)
        Training rows of each member.
    """
    at_once = rows_at_once(network.backend, network.members, max(network.architecture.sizes))
    for layer, statistics in enumerate(network.statistics):
        inference = fold(network)
        total, mean, variance = 0.0, 0.0, 0.0
        for start in range(0, rows.shape[1], at_once):
            x, _, weight = gathered(network, data, rows[:, start : start + at_once])
            count, moments = _moments(network, inference, x, weight, layer)
            new_total = total + count
            delta = moments[:, 0, :] - mean
            share = count / new_total
            variance = (1.0 - share) * (variance + share * delta * delta)
            variance = variance + share * moments[:, 1, :]
            mean, total = mean + share * delta, new_total
        statistics[:, 0, :] = mean
        statistics[:, 1, :] = variance


def _moments(
    network: Network, inference: FoldedNetwork, inputs: Inputs, weight: Any, layer: int
) -> tuple[Any, Any]:
    """Sums of weights (K, 1) and weighted moments (K, 2, d) of a layer's Linear output."""
    backend, xp = network.backend, network.backend.xp
    h = inference.hidden(inputs, layer)
    z = inference.linear(h, network.parameters.weights[layer])
    moments = xp.zeros((z.shape[0], 2, z.shape[2]), dtype=xp.float64, device=backend.device)
    backend.kernels.column_moments(z, weight, moments)
    return xp.sum(weight, axis=1, dtype=xp.float64)[:, None], moments

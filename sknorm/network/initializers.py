"""Initial weights, drawn on the host exactly as scikit-learn's MLP draws them."""

from itertools import pairwise

import numpy as np
from numpy.random import RandomState

from sknorm.network.parameters import Architecture


def draw(architecture: Architecture, random_state: RandomState) -> list[np.ndarray]:
    """One network's initial parameters in float64, in the order of the architecture's shapes.

    Weights and biases are uniform within ``sqrt(6 / (fan_in + fan_out))`` (Glorot and
    Bengio, 2010), 2 in place of 6 under the logistic activation. Biases are drawn for every
    layer, so that the stream of random numbers does not depend on the norm, and used where
    a layer has one; scales start at one and the shifts of norms at zero.
    """
    factor = 2.0 if architecture.activation == "logistic" else 6.0
    weights, biases = [], []
    for fan_in, fan_out in pairwise(architecture.sizes):
        bound = np.sqrt(factor / (fan_in + fan_out))
        weights.append(random_state.uniform(-bound, bound, (fan_in, fan_out)))
        biases.append(random_state.uniform(-bound, bound, fan_out))
    if architecture.normalization is None:
        return [*weights, *biases]
    widths = architecture.sizes[1:-1] if architecture.norm_affine else ()
    ones, zeros = [np.ones(d) for d in widths], [np.zeros(d) for d in widths]
    return [*weights, *ones, *zeros, biases[-1]]


def column_radius(architecture: Architecture, layer: int) -> float:
    """Root mean square norm of a column of a layer's initial weights."""
    fan_in, fan_out = architecture.sizes[layer], architecture.sizes[layer + 1]
    factor = 2.0 if architecture.activation == "logistic" else 6.0
    return float(np.sqrt(fan_in * factor / (fan_in + fan_out) / 3.0))

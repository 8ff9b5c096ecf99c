"""Initial weights, drawn on the host exactly as scikit-learn's MLP draws them."""

import numpy as np
from numpy.random import RandomState

from sknorm.network.architecture import Architecture
from sknorm.network.layout import layout


def draw(architecture: Architecture, random_state: RandomState) -> dict[str, np.ndarray]:
    """One network's initial parameters in float64, by name.

    Weights and biases are uniform within ``sqrt(6 / (fan_in + fan_out))`` (Glorot and
    Bengio, 2010), 2 in place of 6 under the logistic activation. Biases are drawn for every
    layer, so that the stream of random numbers does not depend on the norm, and used where
    a layer has one; scales start at one and the shifts of norms at zero.
    """
    factor = 2.0 if architecture.activation == "logistic" else 6.0
    values: dict[str, np.ndarray] = {}
    for segment in layout(architecture).weights:
        fan_in, fan_out = segment.shape
        bound, owner = np.sqrt(factor / (fan_in + fan_out)), segment.owner
        values[segment.name] = random_state.uniform(-bound, bound, segment.shape)
        bias = random_state.uniform(-bound, bound, fan_out)
        values[f"{owner}.bias"] = bias
        values[f"{owner}.scale"] = np.ones(fan_out)
        values[f"{owner}.shift"] = np.zeros(fan_out) if segment.is_normalized else bias
    return values


def column_radius(architecture: Architecture, layer: int) -> float:
    """Root mean square norm of a column of a layer's initial weights."""
    fan_in, fan_out = architecture.sizes[layer], architecture.sizes[layer + 1]
    factor = 2.0 if architecture.activation == "logistic" else 6.0
    return float(np.sqrt(fan_in * factor / (fan_in + fan_out) / 3.0))

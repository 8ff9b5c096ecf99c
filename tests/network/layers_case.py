"""What networks compute from dense inputs, for tests of the layers that make these."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sknorm.network.population import set_population_statistics


def indicators(places: np.ndarray, count: int) -> np.ndarray:
    return (places[:, None] == np.arange(count)).astype(float)


def looked_up(problem: Any, codes: np.ndarray | None, member: int) -> list[np.ndarray]:
    """What categories are among the inputs: vectors, and indicators of rows of weights."""
    known, scaling = problem.network.architecture.categories, problem.data.scaling
    if known is None:
        return []
    places, parts, begin = scaling.places[0][scaling.starts + codes], [], 0
    for column, levels, width in known.embeddings:
        vectors = problem.network["categories.table"][member, begin : begin + levels * width]
        begin += levels * width
        parts.append(indicators(places[:, column], levels) @ vectors.reshape(levels, width))
    return [*parts, sum(indicators(places[:, c], known.rows) for c, _ in known.columns)]


def outputs(problem: Any, member: int, inputs: np.ndarray) -> np.ndarray:
    """Raw outputs of one network, layer by layer."""
    h, network = inputs, problem.network
    parameters, architecture = network.parameters, network.architecture
    for layer in range(architecture.hidden):
        z = h @ parameters.weights[layer][member]
        if architecture.normalization is not None:
            if architecture.normalization == "batch":
                mean, variance = network.statistics[layer][member]
            else:
                mean, variance = z.mean(axis=1, keepdims=True), z.var(axis=1, keepdims=True)
            z = (z - mean) / np.sqrt(variance + architecture.norm_epsilon)
            z = z * parameters[f"blocks.{layer}.scale"][member]
        h = np.tanh(z + parameters[f"blocks.{layer}.shift"][member])
    return h @ parameters.weights[-1][member] + parameters["head.bias"][member]


def check_population_statistics(made: Any, dense_inputs: Callable) -> None:
    """Those of the first block are the moments over some of the rows."""
    rows = made.rows[:, :37]
    set_population_statistics(made.network, made.data, rows)
    for member in range(2):
        z = dense_inputs(made, member)[rows[member]] @ made.network["blocks.0.weight"][member]
        weight = made.data.weight[0, rows[member]]
        mean = np.average(z, axis=0, weights=weight)
        variance = np.average((z - mean) ** 2, axis=0, weights=weight)
        got = made.network.statistics[0][member]
        np.testing.assert_allclose(got, [mean, variance], rtol=1e-9, atol=1e-12)

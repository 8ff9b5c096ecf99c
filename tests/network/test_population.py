"""Population statistics: exact weighted moments over the training rows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sknorm import MLPClassifier
from sknorm.network.population import set_population_statistics


def moments(problem: Any, rows: np.ndarray, member: int) -> list[np.ndarray]:
    """Mean and biased variance of each tanh layer, by the formulas."""
    data, parameters = problem.data, problem.network.parameters
    h, weight = (data.X[rows] - data.scaling.offset) * data.scaling.factor, data.weight[0, rows]
    expected = []
    for layer in range(problem.network.architecture.hidden):
        z = h @ parameters.weights[layer][member]
        mean = np.average(z, axis=0, weights=weight)
        variance = np.average((z - mean) ** 2, axis=0, weights=weight)
        expected.append(np.stack([mean, variance]))
        z = (z - mean) / np.sqrt(variance + problem.network.architecture.norm_epsilon)
        scale, shift = (parameters[f"blocks.{layer}.{kind}"] for kind in ("scale", "shift"))
        h = np.tanh(z * scale[member] + shift[member])
    return expected


@pytest.mark.parametrize("normalization", ["batch", "ghost"])
@pytest.mark.parametrize("members", [1, 3])
def test_statistics_are_the_weighted_moments_of_each_members_rows(
    problem: Callable, normalization: str, members: int
) -> None:
    made = problem(normalization=normalization, members=members)
    rows = made.rows[:, :37]
    set_population_statistics(made.network, made.data, rows)
    for member in range(members):
        expected = moments(made, rows[member], member)
        for ours, theirs in zip(made.network.statistics, expected, strict=True):
            np.testing.assert_allclose(ours[member], theirs, rtol=1e-9, atol=1e-12)


def test_rows_of_several_chunks_are_pooled_exactly(problem: Callable) -> None:
    made = problem((5, 4, 3, 1), n=20_001, members=1)
    set_population_statistics(made.network, made.data, made.rows)
    for ours, theirs in zip(made.network.statistics, moments(made, made.rows[0], 0), strict=True):
        np.testing.assert_allclose(ours[0], theirs, rtol=1e-9, atol=1e-12)


def test_large_mean_beside_small_deviation(problem: Callable) -> None:
    """Columns at 1e6 deviations from zero, over several chunks."""
    made = problem((5, 4, 1), n=20_000, members=1)
    made.data.X[...] += 1e6 * np.sign(made.data.scaling.offset)
    set_population_statistics(made.network, made.data, made.rows)
    expected = moments(made, made.rows[0], 0)[0]
    np.testing.assert_allclose(made.network.statistics[0][0, 1], expected[1], rtol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("n_members", [1, 2])
def test_fitted_statistics_are_those_of_the_final_weights(
    binary: Any, early_stopping: bool, n_members: int
) -> None:
    """The first layer's, on the rows that were trained on."""
    X, y = binary
    fitted = MLPClassifier(
        (8,), max_iter=4, random_state=0, norm_statistics="population", n_members=n_members,
        early_stopping=early_stopping, scoring=lambda m, X_held, y_held: -X_held.sum() * 1e-9,
        preset="sklearn",
    ).fit(X, y)  # fmt: skip
    z = (X - fitted.input_mean_) / fitted.input_scale_ @ fitted.network_.parameters.weights[0]
    for member in range(n_members):
        mean, variance = fitted.network_.statistics[0][member]
        if early_stopping:  # some rows are held out, which moves the moments a little
            assert 0 < np.abs(mean - z[member].mean(axis=0)).max() < 0.3
        else:
            np.testing.assert_allclose(mean, z[member].mean(axis=0), atol=1e-10)
            np.testing.assert_allclose(variance, z[member].var(axis=0), rtol=1e-10)

"""What alpha does with and without a norm, at l1_ratio=0."""

from typing import Any

import numpy as np
import pytest

from sknorm import MLPRegressor
from sknorm.data.scaling import Scaling
from sknorm.network.folding import fold

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def fit(table: Table, alpha: float, **settings: Any) -> MLPRegressor:
    small = {
        "hidden_layer_sizes": (16,), "max_iter": 150, "random_state": 0, "tol": 0.0,
        "learning_rate_init": 0.01, "norm_epsilon": 1e-12, "norm_statistics": "population",
        "standardize_target": True, "n_iter_no_change": np.inf,
    }  # fmt: skip
    return MLPRegressor(alpha=alpha, **{**small, **settings}, preset="sklearn").fit(*table)


def first_norm(fitted: MLPRegressor) -> float:
    """Frobenius norm of the weights before the first block's norm or activation."""
    return float(np.linalg.norm(fitted.network_.parameters.weights[0]))


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_function_is_invariant_to_the_scale_of_weights_before_a_norm(
    regression: Table, factor: float
) -> None:
    X, _ = regression
    fitted = fit(regression, 1e-4, max_iter=5)
    network = fitted.network_
    rescaled = network.take([0])
    rescaled.parameters.weights[0][...] *= factor
    rescaled.statistics[0][:, 0, :] *= factor
    rescaled.statistics[0][:, 1, :] *= factor**2
    scaling = Scaling(fitted.input_mean_[None], 1.0 / fitted.input_scale_[None])
    expected = fold(network).raw(X, scaling)
    assert np.ptp(expected) > 1.0
    np.testing.assert_allclose(fold(rescaled).raw(X, scaling), expected, atol=1e-6)


def test_alpha_shrinks_weights_but_not_the_function_under_batch_norm(regression: Table) -> None:
    X, y = regression
    weak, strong = (fit(regression, alpha, solver="sgd") for alpha in (0.0, 0.03))
    assert first_norm(strong) < 0.5 * first_norm(weak)
    assert np.std(strong.predict(X)) > 0.9 * np.std(weak.predict(X))
    assert strong.score(X, y) > 0.9


def test_alpha_shrinks_the_function_without_a_norm(regression: Table) -> None:
    X, y = regression
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    spreads = [
        np.std(fit((X, y), alpha, solver="sgd", normalization=None).predict(X))
        for alpha in (0.0, 0.1, 1.0)
    ]
    assert spreads[1] < 0.95 * spreads[0]
    assert spreads[2] < 0.1 * spreads[0]


def test_alpha_raises_the_effective_learning_rate_under_batch_norm(regression: Table) -> None:
    """Smaller weights turn further in a step of the same length."""
    turns = []
    for alpha in (0.0, 0.1):
        before, after = (
            fit(regression, alpha, solver="sgd", max_iter=epochs) for epochs in (60, 61)
        )
        w, v = (f.network_.parameters.weights[0].ravel() for f in (before, after))
        turns.append(np.arccos(min(1.0, w @ v / np.linalg.norm(w) / np.linalg.norm(v))))
    assert turns[1] > 1.5 * turns[0]

"""L1: exact zeros, stationarity without a norm, and stable sparsity with batch norm."""

from typing import Any

import numpy as np
import pytest
from scipy import special

from sknorm import MLPClassifier, MLPRegressor
from sknorm.network.layers import layers
from sknorm.objective.penalties import ElasticNet

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def noisy() -> Table:
    """400 rows, 10 informative columns and 90 of noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 100))
    y = X[:, :10] @ rng.uniform(0.5, 1.5, 10) + 0.1 * rng.normal(size=400)
    return X, y / y.std()


DESCENT = {
    "solver": "sgd", "normalization": None, "momentum": 0.9, "dtype": "float64", "tol": 0.0,
    "batch_size": 400, "n_iter_no_change": np.inf, "early_stopping": False, "random_state": 0,
}  # fmt: skip


def weight_gradients(fitted: Any, X: np.ndarray, residuals: Any) -> list[np.ndarray]:
    """Gradients of the mean loss of a tanh network by plain backpropagation."""
    features = [X]
    for weight, bias in zip(fitted.coefs_[:-1], fitted.intercepts_[:-1], strict=True):
        features.append(np.tanh(features[-1] @ weight + bias))
    delta = residuals(features[-1] @ fitted.coefs_[-1] + fitted.intercepts_[-1]) / len(X)
    gradients = []
    for layer in reversed(range(len(fitted.coefs_))):
        gradients.insert(0, features[layer].T @ delta)
        delta = delta @ fitted.coefs_[layer].T * (1.0 - features[layer] ** 2)
    return gradients


def gap(fitted: Any, X: np.ndarray, residuals: Any) -> float:
    """Largest optimality gap over the weight matrices."""
    penalty = ElasticNet(fitted.alpha, fitted.l1_ratio)
    gradients = weight_gradients(fitted, X, residuals)
    return max(
        penalty.optimality_gap(weight, gradient)
        for weight, gradient in zip(fitted.coefs_, gradients, strict=True)
    )


@pytest.mark.parametrize(
    ("sizes", "l1_ratio", "rate", "nesterov"),
    [
        ((8,), 1.0, 0.05, True), ((6, 5), 1.0, 0.05, False), ((8,), 0.5, 0.1, True),
        ((8,), 0.0, 0.1, True),
        *(
            pytest.param(*case, marks=pytest.mark.thorough)
            for case in [
                ((8,), 1.0, 0.05, False), ((6, 5), 1.0, 0.05, True), ((8,), 0.5, 0.1, False),
                ((8,), 0.0, 0.1, False),
            ]
        ),
    ],
    ids=str,
)  # fmt: skip
def test_regressor_converges_to_a_stationary_point(
    noisy: Table, sizes: tuple, nesterov: bool, l1_ratio: float, rate: float
) -> None:
    X, y = noisy
    settings = {**DESCENT, "hidden_layer_sizes": sizes, "nesterovs_momentum": nesterov}
    model = MLPRegressor(
        activation="tanh", alpha=0.02, l1_ratio=l1_ratio, **settings, preset="sklearn"
    )
    fitted = model.set_params(learning_rate_init=rate, max_iter=5000).fit(X, y)
    assert gap(fitted, X, lambda raw: raw - y[:, None]) < 1e-4 * 0.02
    zeros = np.mean(fitted.coefs_[0] == 0.0)
    assert zeros > 0.5 if l1_ratio > 0 else zeros == 0.0


def test_linear_classifier_converges_to_a_stationary_point(noisy: Table) -> None:
    X, y = noisy
    labels = (y > 0).astype(int)
    model = MLPClassifier(
        hidden_layer_sizes=(), alpha=0.02, l1_ratio=1.0, **DESCENT, preset="sklearn"
    )
    fitted = model.set_params(learning_rate_init=0.1, max_iter=4000).fit(X, labels)
    difference = lambda raw: special.expit(raw) - labels[:, None]  # noqa: E731
    assert gap(fitted, X, difference) < 1e-4 * 0.02
    assert np.all(fitted.coefs_[0][:10] != 0.0)
    assert np.mean(fitted.coefs_[0][10:] == 0.0) > 0.7


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("normalization", ["batch", "ghost", "layer", None])
def test_l1_gives_exact_zeros_and_finds_the_informative_columns(
    noisy: Table, solver: str, normalization: str | None
) -> None:
    X, y = noisy
    alpha, rate = {"sgd": (0.01, 0.02), "adam": (0.01, 0.005), "adamw": (0.1, 0.02)}[solver]
    model = MLPRegressor(
        hidden_layer_sizes=(16,), alpha=alpha, l1_ratio=1.0, solver=solver, max_iter=60,
        normalization=normalization, learning_rate_init=rate, random_state=0, preset="sklearn"
    )  # fmt: skip
    weight = np.abs(model.fit(X, y).network_.parameters.weights[0][0])
    assert np.mean(weight == 0.0) > 0.1
    assert weight[:10].mean() > 3 * weight[10:].mean()
    assert model.score(X, y) > 0.8


NORMED = {
    "hidden_layer_sizes": (16,), "learning_rate_init": 0.01, "random_state": 0, "batch_size": 100,
    "n_iter_no_change": np.inf, "learning_rate": "constant", "l1_ratio": 1.0,
}  # fmt: skip


def zeros(table: Table, **settings: Any) -> float:
    """Share of exact zeros among the first layer's weights under batch norm."""
    fitted = MLPRegressor(**{**NORMED, **settings}, preset="sklearn").fit(*table)
    return float(np.mean(fitted.network_.parameters.weights[0] == 0.0))


@pytest.mark.parametrize("alpha", [1e-3, 1e-2])
def test_sparsity_under_batch_norm_is_stable_as_training_goes_on(
    noisy: Table, alpha: float
) -> None:
    shares = [zeros(noisy, alpha=alpha, max_iter=epochs) for epochs in (100, 200, 400)]
    assert shares[0] > 0.02
    assert max(shares) - min(shares) < 0.1


def test_sparsity_under_batch_norm_grows_with_alpha(noisy: Table) -> None:
    shares = [zeros(noisy, alpha=alpha, max_iter=100) for alpha in (0.0, 1e-3, 3e-3, 1e-2, 3e-2)]
    assert shares[0] == 0.0
    assert np.all(np.diff(shares) > 0)
    assert shares[-1] > 0.5


@pytest.mark.parametrize("normalization", ["batch", "ghost", "layer"])
def test_columns_keep_their_norm_under_l1(noisy: Table, normalization: str) -> None:
    """The penalty moves weight between inputs instead of shrinking all of them."""
    X, y = noisy
    model = MLPRegressor(
        **NORMED, alpha=1e-2, normalization=normalization, max_iter=50, preset="sklearn"
    )
    network = model.fit(X, y).network_
    weight = network.parameters.weights[0][0]
    radius = layers(network.architecture)[0][0].column_radius
    if normalization == "layer":  # which is invariant to a common factor alone
        assert np.linalg.norm(weight) == pytest.approx(radius * 4.0, rel=1e-6)
    else:
        norms = np.linalg.norm(weight, axis=0)  # a unit without inputs has left the network
        assert np.mean(norms == 0) <= 0.1
        np.testing.assert_allclose(norms[norms > 0], radius, rtol=1e-6)
    assert model.score(X, y) > 0.9


def test_columns_are_free_without_l1(noisy: Table) -> None:
    X, y = noisy
    network = (
        MLPRegressor(**{**NORMED, "l1_ratio": 0.0}, max_iter=10, preset="sklearn")
        .fit(X, y)
        .network_
    )
    norms = np.linalg.norm(network.parameters.weights[0][0], axis=0)
    assert np.ptp(norms) > 1e-3


def test_l1_generalizes_better_where_most_columns_are_noise(noisy: Table) -> None:
    X, y = noisy
    plain, sparse = (
        MLPRegressor(**NORMED, alpha=alpha, max_iter=100, preset="sklearn").fit(X[:200], y[:200])
        for alpha in (0.0, 1e-2)
    )
    assert sparse.score(X[200:], y[200:]) > plain.score(X[200:], y[200:])

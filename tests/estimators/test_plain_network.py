"""``coefs_`` and ``intercepts_``: a plain network on raw columns that predicts the same."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import special

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

FUNCTIONS = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0.0),
    "tanh": np.tanh,
    "logistic": special.expit,
    "softmax": lambda z: special.softmax(z, axis=-1),
}


def plain_outputs(fitted: Any, X: np.ndarray, member: int | None = None) -> np.ndarray:
    """The usual forward pass over the public attributes."""
    h = X
    for layer, (weight, bias) in enumerate(zip(fitted.coefs_, fitted.intercepts_, strict=True)):
        if member is not None:
            weight, bias = weight[member], bias[member]
        last = layer == len(fitted.coefs_) - 1
        h = FUNCTIONS[fitted.out_activation_ if last else fitted.resolved_params_["activation"]](
            h @ weight + bias
        )
    return h


def fit(estimator: type, X: np.ndarray, y: np.ndarray, **settings: Any) -> Any:
    small = {"hidden_layer_sizes": (8, 6), "max_iter": 8, "random_state": 0, "dtype": "float64"}
    return estimator(preset="sklearn", **{**small, "learning_rate_init": 0.02, **settings}).fit(
        X, y
    )


NORMS = [
    {"normalization": "batch"},
    {"normalization": "batch", "norm_affine": False},
    {"normalization": "batch", "norm_statistics": "population"},
    {"normalization": "ghost", "ghost_batch_size": 16, "norm_statistics": "cumulative"},
    {"normalization": None},
]


@pytest.mark.parametrize(
    ("settings", "activation"),
    [*product(NORMS, ["relu", "tanh"]), *product(NORMS[-1:], ["logistic", "identity"])],
    ids=str,
)
def test_plain_forward_pass_gives_the_probabilities(
    multiclass: Table, settings: dict, activation: str
) -> None:
    X, y = multiclass
    X = 3.0 * X + 5.0
    fitted = fit(MLPClassifier, X, y, activation=activation, **settings)
    assert [w.shape for w in fitted.coefs_] == [(6, 8), (8, 6), (6, 3)]
    np.testing.assert_allclose(plain_outputs(fitted, X), fitted.predict_proba(X), atol=1e-10)


def test_plain_forward_pass_gives_the_probability_of_the_second_class(binary: Table) -> None:
    X, y = binary
    fitted = fit(MLPClassifier, X, y)
    np.testing.assert_allclose(
        plain_outputs(fitted, X)[:, 0], fitted.predict_proba(X)[:, 1], atol=1e-10
    )


@pytest.mark.parametrize("settings", NORMS, ids=str)
def test_plain_forward_pass_gives_the_targets_in_their_units(
    regression: Table, settings: dict
) -> None:
    X, y = regression
    Y = np.column_stack([y, 50.0 - y / 100.0])
    fitted = fit(MLPRegressor, X, Y, standardize_target=True, **settings)
    np.testing.assert_allclose(
        plain_outputs(fitted, X), fitted.predict(X), atol=1e-9 * np.abs(Y).max()
    )


def test_members_have_their_own_plain_networks(multiclass: Table) -> None:
    X, y = multiclass
    fitted = fit(MLPClassifier, X, y, n_members=3)
    assert [w.shape for w in fitted.coefs_] == [(3, 6, 8), (3, 8, 6), (3, 6, 3)]
    assert [b.shape for b in fitted.intercepts_] == [(3, 8), (3, 6), (3, 3)]
    mean = np.mean([plain_outputs(fitted, X, member) for member in range(3)], axis=0)
    np.testing.assert_allclose(mean, fitted.predict_proba(X), atol=1e-10)


def test_layer_norm_shows_the_weights_as_trained(multiclass: Table) -> None:
    X, y = multiclass
    fitted = fit(MLPClassifier, X, y, normalization="layer")
    for shown, trained in zip(fitted.coefs_, fitted.network_.parameters.weights, strict=True):
        np.testing.assert_array_equal(shown, trained[0])


def test_no_hidden_layer_is_a_linear_model(regression: Table) -> None:
    X, y = regression
    fitted = fit(MLPRegressor, X, y, hidden_layer_sizes=())
    assert [w.shape for w in fitted.coefs_] == [(6, 1)]
    np.testing.assert_allclose(
        X @ fitted.coefs_[0][:, 0] + fitted.intercepts_[0], fitted.predict(X), rtol=1e-9
    )


@pytest.mark.parametrize("settings", NORMS, ids=str)
@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_float32_networks_fold_to_float32(binary: Table, estimator: type, settings: dict) -> None:
    X, y = binary
    X = X.astype(np.float32)
    fitted = fit(estimator, X, y, **{**settings, "dtype": "auto"})
    assert {w.dtype for w in [*fitted.coefs_, *fitted.intercepts_]} == {np.dtype(np.float32)}
    predicted = fitted.predict_proba(X)[:, 1] if estimator is MLPClassifier else fitted.predict(X)
    np.testing.assert_allclose(plain_outputs(fitted, X)[:, 0], predicted, atol=1e-4)


def test_residual_layers_add_the_output_of_the_layer_before(regression: Table) -> None:
    """As the docstring of ``coefs_`` says; the first layer of 8 units adds no columns."""
    X, y = regression
    model = fit(MLPRegressor, X, y, hidden_layer_sizes=(8, 8, 6), residual=True)
    h = X
    for weight, bias in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        out = np.maximum(h @ weight + bias, 0.0)
        h = out + h if h is not X and out.shape == h.shape else out
    found = (h @ model.coefs_[-1] + model.intercepts_[-1])[:, 0]
    np.testing.assert_allclose(found, model.predict(X), rtol=1e-9)

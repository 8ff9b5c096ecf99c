"""Without a norm, the networks train as scikit-learn's: same draws, same steps, same losses."""

from typing import Any

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.datasets import make_multilabel_classification
from sklearn.linear_model import PoissonRegressor

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BATCH = 60  # of 240 rows, so that both cut equal batches
ALPHA = 0.01
SGD: dict[str, Any] = {"solver": "sgd"}
SETTINGS: list[dict[str, Any]] = [
    {},
    SGD,
    {**SGD, "momentum": 0.0},
    {**SGD, "momentum": 0.99, "learning_rate_init": 1e-3},
    {**SGD, "nesterovs_momentum": False, "momentum": 0.5},
    {**SGD, "learning_rate": "invscaling", "power_t": 0.3},
    {**SGD, "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 1},
    {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
    {"learning_rate": "invscaling"},  # acts with 'sgd' only
    {"activation": "tanh"},
    {"activation": "logistic"},
    {"activation": "identity"},
    {"shuffle": True},
    {"hidden_layer_sizes": ()},
    {"hidden_layer_sizes": 9},
    {"tol": 0.05, "n_iter_no_change": 2},
]


@pytest.fixture(scope="module")
def multilabel() -> Table:
    X, y = make_multilabel_classification(240, 6, n_classes=4, random_state=3)
    return X / 10.0, y


@pytest.fixture(scope="module")
def counts(regression: Table) -> Table:
    """Two outputs of counts."""
    X, y = regression
    mean = np.exp(np.column_stack([y, -0.5 * y]) / 150.0)
    return X, np.random.default_rng(0).poisson(mean).astype(float)


def settings_of(settings: dict[str, Any]) -> dict[str, Any]:
    small = {"hidden_layer_sizes": (7, 5), "max_iter": 50, "random_state": 4, "shuffle": False}
    small |= {"batch_size": BATCH, "learning_rate_init": 0.01, "early_stopping": False}
    return {**small, **settings}


def pair(name: str, settings: dict[str, Any], divided_by: float = BATCH) -> tuple[Any, Any]:
    """Ours and scikit-learn's estimator, which divides its alpha by the size of a batch."""
    theirs = getattr(neural_network, name)(alpha=ALPHA * divided_by, **settings)
    kind = MLPClassifier if name == "MLPClassifier" else MLPRegressor
    ours = {"preset": "sklearn", "normalization": None, "dtype": "float64"}
    return kind(alpha=ALPHA, **ours, **settings), theirs


def fitted_pair(name: str, table: Table, settings: dict[str, Any]) -> tuple[Any, Any]:
    mine, other = pair(name, settings_of(settings))
    return mine.fit(*table), other.fit(*table)


def assert_same_weights(mine: Any, other: Any) -> None:
    for ours, theirs in zip(
        mine.coefs_ + mine.intercepts_, other.coefs_ + other.intercepts_, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9)


def assert_same_training(mine: Any, other: Any) -> None:
    assert mine.n_iter_ == other.n_iter_ and mine.t_ == other.t_
    assert mine.n_layers_ == other.n_layers_ and mine.n_outputs_ == other.n_outputs_
    assert mine.out_activation_ == other.out_activation_
    np.testing.assert_allclose(mine.loss_curve_, other.loss_curve_, rtol=1e-8)
    assert mine.loss_ == pytest.approx(other.loss_, rel=1e-8)
    assert mine.best_loss_ == pytest.approx(other.best_loss_, rel=1e-8)
    assert_same_weights(mine, other)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_classifier_trains_as_scikit_learns(
    binary: Table, multiclass: Table, multilabel: Table, settings: dict
) -> None:
    for X, y in (binary, multiclass, multilabel):
        mine, other = fitted_pair("MLPClassifier", (X, y), settings)
        assert_same_training(mine, other)
        np.testing.assert_array_equal(mine.classes_, other.classes_)
        np.testing.assert_allclose(mine.predict_proba(X), other.predict_proba(X), rtol=1e-7)
        np.testing.assert_array_equal(mine.predict(X), other.predict(X))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_regressor_trains_as_scikit_learns(
    regression: Table, counts: Table, settings: dict
) -> None:
    X, y = regression
    cases = [(X, y / y.std(), "squared_error"), (*counts, "poisson")]
    for X, y, loss in cases:
        mine, other = fitted_pair("MLPRegressor", (X, y), {**settings, "loss": loss})
        assert_same_training(mine, other)
        np.testing.assert_allclose(mine.predict(X), other.predict(X), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("settings", SETTINGS[:6], ids=str)
def test_several_outputs_take_the_steps_of_scikit_learns(regression: Table, settings: dict) -> None:
    """scikit-learn averages the squared loss over the outputs, but its gradient is of the sum."""
    X, y = regression
    Y = np.column_stack([y, -2.0 * y, X[:, 0] * y]) / y.std()
    mine, other = fitted_pair("MLPRegressor", (X, Y), {**settings, "tol": 0.0})
    assert_same_weights(mine, other)
    penalty = np.array(mine.history_["penalty"])
    loss = np.array(mine.loss_curve_) - penalty
    np.testing.assert_allclose(loss / 3 + penalty, other.loss_curve_, rtol=1e-8)


@pytest.mark.parametrize("settings", [{}, SGD], ids=str)
@pytest.mark.parametrize("weights", ["constant", "one batch"])
def test_sample_weights_weigh_as_scikit_learns(
    binary: Table, regression: Table, settings: dict, weights: str
) -> None:
    """scikit-learn divides by the weight of a batch, ours by the mean weight of all rows."""
    whole = weights == "one batch"
    weight = np.random.default_rng(0).uniform(0.1, 3.0, 240) if whole else np.full(240, 2.5)
    total = weight.sum() if whole else 2.5 * BATCH  # what scikit-learn divides its alpha by
    settings = settings_of({**settings, "batch_size": 240 if whole else BATCH})
    for name, (X, y) in (("MLPClassifier", binary), ("MLPRegressor", regression)):
        mine, other = pair(name, settings, divided_by=total)
        y = y / (1.0 if name == "MLPClassifier" else y.std())
        assert_same_training(mine.fit(X, y, weight), other.fit(X, y, weight))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_early_stopping_on_the_score_trains_as_scikit_learns(
    binary: Table, name: str, solver: str
) -> None:
    X, y = binary
    settings = {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 60, "tol": 1e-3}
    settings |= {"batch_size": 54, "learning_rate_init": 0.03, "solver": solver}
    mine, other = pair(name, settings_of({**settings, "shuffle": True}), divided_by=54)
    mine.set_params(scoring=None).fit(X, y)
    other.fit(X, y)
    assert mine.n_iter_ == other.n_iter_ < 60
    np.testing.assert_allclose(mine.validation_scores_, other.validation_scores_, rtol=1e-8)
    assert mine.best_validation_score_ == pytest.approx(other.best_validation_score_, rel=1e-8)
    assert mine.best_loss_ is other.best_loss_ is None
    assert_same_weights(mine, other)


@pytest.mark.parametrize("max_iter", [1, 3, 10])
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
def test_lbfgs_comes_as_far_as_scikit_learns(
    binary: Table, multiclass: Table, multilabel: Table, activation: str, max_iter: int
) -> None:
    settings = settings_of({"solver": "lbfgs", "activation": activation, "max_iter": max_iter})
    for table in (binary, multiclass, multilabel):
        mine, other = pair("MLPClassifier", settings, divided_by=240)
        mine.fit(*table)
        other.fit(*table)
        assert mine.n_iter_ == other.n_iter_ == max_iter
        assert mine.loss_ == pytest.approx(other.loss_, rel=1e-6)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_lbfgs_of_a_regressor_comes_as_far_as_scikit_learns(counts: Table, loss: str) -> None:
    X, y = counts[0], counts[1][:, 0]
    for max_iter in (1, 3, 10):
        settings = settings_of({"solver": "lbfgs", "max_iter": max_iter, "loss": loss})
        mine, other = pair("MLPRegressor", settings, divided_by=240)
        mine.fit(X, y)
        other.fit(X, y)
        assert mine.n_iter_ == other.n_iter_ == max_iter
        assert mine.loss_ == pytest.approx(other.loss_, rel=1e-6)
        np.testing.assert_allclose(mine.predict(X), other.predict(X), rtol=1e-4)


@pytest.mark.parametrize("normalization", [None, "batch"])
@pytest.mark.parametrize("seed", [0, 1])
def test_poisson_network_without_hidden_layer_is_the_glm(
    normalization: str | None, seed: int
) -> None:
    """Without a penalty, the scaling of columns and targets does not matter."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(100, 2))
    y = rng.poisson(np.exp(X @ [1.0, -0.5] + 1.0))
    weight = rng.uniform(0.5, 2.0, 100)
    glm = PoissonRegressor(alpha=0.0, tol=1e-9).fit(X, y, weight)
    settings = {"solver": "lbfgs", "alpha": 0.0, "tol": 1e-9, "random_state": seed}
    network = MLPRegressor("poisson", (), normalization=normalization, **settings, preset="sklearn")
    network.fit(X, y, weight)
    np.testing.assert_allclose(network.predict(X), glm.predict(X), rtol=1e-5)
    np.testing.assert_allclose(network.coefs_[0][:, 0], glm.coef_, rtol=1e-4)
    assert network.intercepts_[0][0] == pytest.approx(glm.intercept_, rel=1e-4)
    squared = network.set_params(loss="squared_error").fit(X, y, weight)
    assert not np.allclose(squared.predict(X), glm.predict(X), rtol=1e-4)

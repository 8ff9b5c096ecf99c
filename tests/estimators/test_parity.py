"""Without a norm, the networks train as scikit-learn's: same draws, same steps, same losses."""

from typing import Any

import numpy as np
import pytest
from sklearn import neural_network

import sknorm
from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BATCH = 60  # of 240 rows, so that both cut equal batches
SETTINGS: list[dict[str, Any]] = [
    {},
    {"solver": "sgd"},
    {"solver": "sgd", "nesterovs_momentum": False, "momentum": 0.5},
    {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 1},
    {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
    {"activation": "tanh"},
    {"activation": "logistic"},
    {"activation": "identity"},
    {"shuffle": False},
    {"hidden_layer_sizes": ()},
    {"tol": 0.05, "n_iter_no_change": 2},
]


def pair(
    ours: type, theirs: type, table: Table, settings: dict[str, Any], **extra: Any
) -> tuple[Any, Any]:
    """Both estimators, fitted; scikit-learn divides its alpha by the batch size."""
    common = {
        "hidden_layer_sizes": (7, 5), "max_iter": 12, "random_state": 4, "batch_size": BATCH,
        "learning_rate_init": 0.01, **settings,
    }  # fmt: skip
    mine = ours(alpha=0.01, normalization=None, dtype="float64", **common, **extra)
    return mine.fit(*table), theirs(alpha=0.01 * BATCH, **common).fit(*table)


def assert_same_training(mine: Any, other: Any) -> None:
    assert mine.n_iter_ == other.n_iter_ and mine.t_ == other.t_
    assert mine.n_layers_ == other.n_layers_ and mine.n_outputs_ == other.n_outputs_
    assert mine.out_activation_ == other.out_activation_
    np.testing.assert_allclose(mine.loss_curve_, other.loss_curve_, rtol=1e-8)
    assert mine.best_loss_ == pytest.approx(other.best_loss_, rel=1e-8)
    for ours, theirs in zip(
        mine.coefs_ + mine.intercepts_, other.coefs_ + other.intercepts_, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_classifier_trains_as_scikit_learns(
    binary: Table, multiclass: Table, settings: dict
) -> None:
    for X, y in (binary, multiclass):
        mine, other = pair(MLPClassifier, neural_network.MLPClassifier, (X, y), settings)
        assert_same_training(mine, other)
        np.testing.assert_allclose(mine.predict_proba(X), other.predict_proba(X), rtol=1e-6)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_regressor_trains_as_scikit_learns(regression: Table, settings: dict) -> None:
    X, y = regression
    mine, other = pair(MLPRegressor, neural_network.MLPRegressor, (X, y / y.std()), settings)
    assert_same_training(mine, other)
    np.testing.assert_allclose(mine.predict(X), other.predict(X), rtol=1e-6, atol=1e-9)


def test_early_stopping_on_accuracy_trains_as_scikit_learns(binary: Table) -> None:
    X, y = binary
    settings = {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 40, "tol": 1e-3}
    settings |= {"batch_size": 54, "learning_rate_init": 0.03}
    mine = MLPClassifier(
        (7, 5), alpha=0.01, normalization=None, scoring="accuracy", random_state=4, **settings
    ).fit(X, y)
    other = neural_network.MLPClassifier((7, 5), alpha=0.54, random_state=4, **settings).fit(X, y)
    assert mine.n_iter_ == other.n_iter_ < 40
    np.testing.assert_allclose(mine.validation_scores_, other.validation_scores_)
    np.testing.assert_allclose(mine.predict_proba(X), other.predict_proba(X), rtol=1e-6)


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_parameters_of_scikit_learn_exist_here(name: str) -> None:
    """Two aside: the evaluations of L-BFGS, and fits that go on where the last one ended."""
    ours, theirs = (getattr(package, name)().get_params() for package in (sknorm, neural_network))
    assert set(theirs) - {"max_fun", "warm_start"} <= set(ours)
    for parameter in ("activation", "solver", "learning_rate", "momentum", "beta_1", "beta_2"):
        assert ours[parameter] == theirs[parameter]

"""Row weights: zero is absence, an integer is a repetition, and only ratios matter."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])

ENGINES = [
    {},
    {"normalization": None, "solver": "sgd"},
    {"normalization": "ghost", "ghost_batch_size": 16},
    {"normalization": "layer", "dropout": 0.2, "input_dropout": 0.1},
    {"norm_statistics": "population", "n_members": 2},
    {"early_stopping": True},
    {"early_stopping": True, "scoring": None, "n_members": 2},
]


def small(estimator: type, **settings: Any) -> Any:
    """One narrow layer, trained for eight epochs in float64."""
    sizes = {"hidden_layer_sizes": (8,), "max_iter": 8, "random_state": 0, "dtype": "float64"}
    return estimator(**{**sizes, "learning_rate_init": 0.02, **settings})


def outputs(fitted: Any, X: np.ndarray) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


@each_estimator
@pytest.mark.parametrize("settings", ENGINES, ids=str)
def test_rows_of_weight_zero_change_nothing_bit_for_bit(
    multiclass: Table, estimator: type, settings: dict
) -> None:
    X, y = multiclass
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 4, len(y)) * rng.uniform(0.5, 2.0, len(y))
    kept = weight > 0
    wild = np.where(kept[:, None], X, 1e6 * X)
    everything = small(estimator, **settings).fit(wild, y, weight)
    present = small(estimator, **settings).fit(X[kept], y[kept], weight[kept])
    np.testing.assert_array_equal(outputs(everything, X), outputs(present, X))
    assert everything.loss_curve_ == present.loss_curve_
    assert everything.validation_scores_ == present.validation_scores_


@each_estimator
@pytest.mark.parametrize("settings", ENGINES, ids=str)
def test_weights_of_one_are_no_weights(binary: Table, estimator: type, settings: dict) -> None:
    X, y = binary
    weighted = small(estimator, **settings).fit(X, y, np.ones(len(y)))
    np.testing.assert_allclose(
        outputs(weighted, X), outputs(small(estimator, **settings).fit(X, y), X), atol=1e-10
    )


@each_estimator
@pytest.mark.parametrize("settings", ENGINES[:4], ids=str)
@pytest.mark.parametrize("factor", [1e-12, 1e3, 1e12])
def test_common_factor_of_the_weights_does_not_matter(
    binary: Table, estimator: type, settings: dict, factor: float
) -> None:
    """Up to the unbiased running variance, which counts the weight as rows."""
    X, y = binary
    settings = {**settings, "norm_statistics": "population", "alpha": 0.1}
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    plain = small(estimator, **settings).fit(X, y, weight)
    scaled = small(estimator, **settings).fit(X, y, weight * factor)
    np.testing.assert_allclose(outputs(scaled, X), outputs(plain, X), atol=1e-7)


@each_estimator
@pytest.mark.parametrize("normalization", ["batch", "layer", None])
@pytest.mark.parametrize("norm_statistics", ["running", "cumulative", "population"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_integer_weights_equal_repeated_rows_in_full_batches(
    binary: Table, estimator: type, normalization: str | None, norm_statistics: str, solver: str
) -> None:
    X, y = binary
    times = np.random.default_rng(2).integers(0, 4, len(y))
    rows = np.repeat(np.arange(len(y)), times)
    settings = {
        "normalization": normalization, "norm_statistics": norm_statistics, "solver": solver,
        "alpha": 0.01, "l1_ratio": 0.5, "max_iter": 15,
    }  # fmt: skip
    weighted = small(estimator, batch_size=np.count_nonzero(times), **settings).fit(X, y, times)
    repeated = small(estimator, batch_size=len(rows), **settings).fit(X[rows], y[rows])
    np.testing.assert_allclose(outputs(weighted, X), outputs(repeated, X), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-7)


def test_weights_follow_their_rows_into_split_and_score(binary: Table) -> None:
    X, y = binary
    weight = np.random.default_rng(3).uniform(0.5, 2.0, len(y))
    seen = []

    def score(estimator: Any, X_held: Any, y_held: Any, sample_weight: Any = None) -> float:
        seen.append((X_held, y_held, sample_weight))
        return accuracy_score(y_held, estimator.predict(X_held), sample_weight=sample_weight)

    fitted = small(MLPClassifier, early_stopping=True, scoring=score).fit(X, y, weight)
    assert len(seen) == fitted.n_iter_
    X_held, y_held, w_held = seen[0]
    assert len(y_held) == 24
    rows = [int(np.flatnonzero((row == X).all(axis=1))[0]) for row in X_held]
    np.testing.assert_array_equal(y_held, y[rows])
    np.testing.assert_array_equal(w_held, weight[rows])


@each_estimator
def test_loss_on_held_out_rows_is_weighted(binary: Table, estimator: type) -> None:
    """One heavy held-out row dominates the validation loss."""
    X, y = binary
    held: list[np.ndarray] = []

    def record(estimator: Any, X_held: Any, y_held: Any, sample_weight: Any = None) -> float:
        held[:] = [X_held, y_held, sample_weight]
        return 0.0

    weight = np.random.default_rng(4).uniform(0.1, 5.0, len(y))
    settings = {"early_stopping": True, "max_iter": 1}
    small(estimator, **settings, scoring=record).fit(X, y, weight)
    fitted = small(estimator, **settings, scoring="loss").fit(X, y, weight)
    X_held, y_held, w_held = held
    if estimator is MLPClassifier:
        losses = -np.log(fitted.predict_proba(X_held)[np.arange(len(y_held)), y_held])
    else:
        losses = 0.5 * ((fitted.predict(X_held) - y_held) / fitted.target_scale_) ** 2
    expected = -np.average(losses, weights=w_held)
    assert fitted.validation_scores_ == [pytest.approx(expected, rel=1e-9)]


@each_estimator
def test_loss_under_early_stopping_is_averaged_over_the_training_rows(
    binary: Table, estimator: type
) -> None:
    """Weights of the held-out rows do not change the scale of the training loss."""
    X, y = binary
    held: list[np.ndarray] = []

    def record(estimator: Any, X_held: Any, y_held: Any, sample_weight: Any = None) -> float:
        held[:] = [X_held]
        return 0.0

    settings = {"normalization": None, "early_stopping": True, "max_iter": 4, "batch_size": 216}
    settings = {**settings, "alpha": 0.5, "scoring": record}
    light = small(estimator, **settings).fit(X, y, np.ones(len(y)))
    is_held = np.array([(held[0] == row).all(axis=1).any() for row in X])
    heavy = small(estimator, **settings).fit(X, y, np.where(is_held, 100.0, 1.0))
    np.testing.assert_allclose(heavy.loss_curve_, light.loss_curve_, rtol=1e-9)

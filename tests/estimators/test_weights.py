"""Row weights: zero is absence, an integer is a repetition, and only ratios matter."""

import itertools
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
    return estimator(preset="sklearn", **{**sizes, "learning_rate_init": 0.02, **settings})


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


MORE = [
    {"norm_statistics": "cumulative", "alpha": 0.1},
    {"solver": "sgd", "penalty": "group_lasso", "alpha": 0.01},
    {"solver": "lbfgs", "alpha": 0.1},
    {"mixup_alpha": 0.2, "dtype": "float32", "n_members": 2},
]
FACTORS = itertools.cycle([1 / 240, 1e-300, 1e300])
UNITS = [pytest.param(case, next(FACTORS), id=str(case)) for case in [*ENGINES, *MORE]]


@each_estimator
@pytest.mark.parametrize(("settings", "factor"), UNITS)
def test_equal_weights_are_no_weights_bit_for_bit(
    binary: Table, estimator: type, settings: dict, factor: float
) -> None:
    X, y = binary
    plain = small(estimator, **settings).fit(X, y)
    scaled = small(estimator, **settings).fit(X, y, np.full(len(y), factor))
    np.testing.assert_array_equal(outputs(scaled, X), outputs(plain, X))
    assert scaled.loss_curve_ == plain.loss_curve_


@each_estimator
@pytest.mark.parametrize(("settings", "factor"), UNITS)
def test_common_factor_of_the_weights_does_not_matter(
    binary: Table, estimator: type, settings: dict, factor: float
) -> None:
    X, y = binary
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    plain = small(estimator, **settings).fit(X, y, weight)
    scaled = small(estimator, **settings).fit(X, y, weight * factor)
    tolerance = 1e-3 if "dtype" in settings else 1e-6
    np.testing.assert_allclose(outputs(scaled, X), outputs(plain, X), atol=tolerance)
    np.testing.assert_allclose(scaled.loss_curve_, plain.loss_curve_, rtol=tolerance)


def test_common_factor_of_class_weights_does_not_matter(multiclass: Table) -> None:
    X, y = multiclass
    fits = [
        small(MLPClassifier, class_weight={c: (c + 1) * factor for c in (0, 1, 2)}).fit(X, y)
        for factor in (1.0, 1e-3, 1e6)
    ]
    for other in fits[1:]:
        np.testing.assert_allclose(outputs(other, X), outputs(fits[0], X), atol=1e-7)


@each_estimator
@pytest.mark.parametrize("settings", [{}, {"n_bins": 16}, {"n_bins": "adaptive"}], ids=str)
def test_weights_whose_sum_overflows(binary: Table, estimator: type, settings: dict) -> None:
    X, y = binary
    weight = np.random.default_rng(1).uniform(1.0, 1.7, len(y))
    settings = {"early_stopping": True, "scoring": None, "n_bins": None, **settings}
    plain, scaled = (
        small(estimator, **settings).fit(X, y, each) for each in (weight, weight * 1e308)
    )
    np.testing.assert_allclose(scaled.input_mean_, plain.input_mean_, rtol=1e-12)
    np.testing.assert_allclose(outputs(scaled, X), outputs(plain, X), atol=1e-6)


def test_weights_that_overflow_with_squares_of_the_targets_of_held_out_rows(binary: Table) -> None:
    X, y = binary
    weight = np.random.default_rng(1).uniform(1.0, 1.7, len(y))
    plain, scaled = (
        small(MLPRegressor, early_stopping=True).fit(X, 1e10 * y, weight * factor)
        for factor in (1.0, 1e300)
    )
    np.testing.assert_allclose(scaled.validation_scores_, plain.validation_scores_, rtol=1e-6)


@pytest.mark.parametrize(("of_class", "of_row"), [(1e300, 1e10), (1e308, 1e308), (1e-200, 1e-200)])
def test_class_weights_whose_products_with_row_weights_leave_float64(
    binary: Table, of_class: float, of_row: float
) -> None:
    X, y = binary
    weight = np.random.default_rng(1).uniform(0.5, 1.7, len(y))
    plain, scaled = (
        small(MLPClassifier, class_weight={0: factor, 1: 0.7 * factor}).fit(X, y, weight * unit)
        for factor, unit in ((1.0, 1.0), (of_class, of_row))
    )
    np.testing.assert_allclose(outputs(scaled, X), outputs(plain, X), atol=1e-6)


def test_class_weight_beside_which_others_are_nothing(binary: Table) -> None:
    X, y = binary
    weight = np.full(len(y), 1e10)
    fitted = small(MLPClassifier, class_weight={0: 1e300}, max_iter=60).fit(X, y, weight)
    assert (fitted.predict(X) == 0).all()


@each_estimator
@pytest.mark.parametrize("factor", [1e-3, 1e300])
def test_common_factor_of_the_weights_does_not_matter_in_chunks(
    binary: Table, estimator: type, factor: float
) -> None:
    """The calls of ``partial_fit`` keep their weights beside each other."""
    X, y = binary
    weight = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    weight[120:] *= 5.0
    given = {"classes": [0, 1]} if estimator is MLPClassifier else {}
    fits = []
    for row_weights in (weight, weight * factor):
        fitted = small(estimator)
        for rows in (slice(None, 120), slice(120, None)):
            fitted.partial_fit(X[rows], y[rows], sample_weight=row_weights[rows], **given)
        fits.append(fitted)
    mean = np.average(X, axis=0, weights=weight)
    np.testing.assert_allclose(fits[1].input_mean_, mean, rtol=1e-9)
    np.testing.assert_allclose(outputs(fits[1], X), outputs(fits[0], X), atol=1e-7)


@each_estimator
def test_weights_of_very_different_size(binary: Table, estimator: type) -> None:
    """Light rows do not count, and heavy ones do not overflow."""
    X, y = binary
    heavy = np.arange(len(y)) % 2 == 0
    for dtype in ("float32", "float64"):
        fits = [
            small(estimator, dtype=dtype, max_iter=20).fit(X, y, np.where(heavy, high, low))
            for low, high in ((1e-12, 1e6), (1e-300, 1.0), (5e-324, 1e300))
        ]
        for fitted in fits:
            assert fitted.score(X[heavy], y[heavy]) > (0.8 if estimator is MLPClassifier else 0.5)
            np.testing.assert_allclose(outputs(fitted, X), outputs(fits[0], X), atol=1e-2)


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

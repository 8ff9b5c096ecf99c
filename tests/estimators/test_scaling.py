"""Units of the inputs do not matter under a norm; constant columns change nothing."""

from typing import Any

import numpy as np
import pytest

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
each_norm = pytest.mark.parametrize("normalization", ["batch", "ghost", "layer"])


def small(estimator: type, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (8, 6), "max_iter": 8, "random_state": 0}
    return estimator(preset="sklearn", **{**sizes, "learning_rate_init": 0.02, **settings})


def outputs(fitted: Any, X: np.ndarray) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


@each_estimator
@each_norm
@pytest.mark.parametrize(("unit", "shift"), [(1e6, 1e3), (1e-6, 0.0), (1.0, -50.0)])
def test_units_of_the_inputs_do_not_matter(
    binary: Table, estimator: type, normalization: str, unit: float, shift: float
) -> None:
    X, y = binary
    moved = X * unit + shift
    expected = outputs(small(estimator, normalization=normalization).fit(X, y), X)
    result = outputs(small(estimator, normalization=normalization).fit(moved, y), moved)
    np.testing.assert_allclose(result, expected, atol=1e-7)


@each_estimator
@each_norm
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_of_extreme_scale_count_as_much_as_any(
    binary: Table, estimator: type, normalization: str, dtype: type
) -> None:
    X, y = binary
    X = X.astype(dtype)
    extreme = (X * np.array([1e30, 1e-30, 1.0, 1e30, 1e-30, 1e-3])).astype(dtype)
    expected = outputs(small(estimator, normalization=normalization).fit(X, y), X)
    result = outputs(small(estimator, normalization=normalization).fit(extreme, y), extreme)
    np.testing.assert_allclose(result, expected, atol=1e-3 if dtype == np.float32 else 1e-7)


@each_estimator
@pytest.mark.parametrize("value", [0.0, 7.0, 0.1, -1e20, 1e-20])
@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_constant_column_changes_nothing_in_scaled_inputs(
    binary: Table, estimator: type, value: float, normalization: str
) -> None:
    """Whatever the constant, the networks see a column of zeros."""
    X, y = binary
    with_zero, with_value = (np.column_stack([X, np.full(len(y), c)]) for c in (0.0, value))
    settings = {"normalization": normalization, "max_iter": 20}
    zero = small(estimator, **settings).fit(with_zero, y)
    constant = small(estimator, **settings).fit(with_value, y)
    np.testing.assert_array_equal(outputs(constant, with_value), outputs(zero, with_zero))
    assert constant.score(with_value, y) > (0.85 if estimator is MLPClassifier else 0.5)


@each_estimator
def test_constant_float32_column_of_inexact_value_is_constant(
    binary: Table, estimator: type
) -> None:
    X, y = binary
    table = np.column_stack([X, np.full(len(y), 0.1)]).astype(np.float32)
    fitted = small(estimator).fit(table, y)
    assert fitted.input_scale_[-1] == 1.0
    assert np.isfinite(outputs(fitted, table)).all()


@each_estimator
def test_only_constant_columns_predict_the_mean(binary: Table, estimator: type) -> None:
    _, y = binary
    constant = np.ones((len(y), 3))
    result = outputs(small(estimator, max_iter=100).fit(constant, y), constant)
    result = result[:, 1] if estimator is MLPClassifier else result
    assert np.ptp(result) == 0.0
    np.testing.assert_allclose(result, y.mean(), atol=0.1)


@each_estimator
def test_large_mean_beside_small_deviation_is_learned(binary: Table, estimator: type) -> None:
    X, y = binary
    shifted = (X + 1e4).astype(np.float32)
    fitted = small(estimator, max_iter=30).fit(shifted, y)
    assert fitted.score(shifted, y) > (0.85 if estimator is MLPClassifier else 0.5)


@each_estimator
def test_input_statistics_are_weighted_and_public(binary: Table, estimator: type) -> None:
    X, y = binary
    weight = np.random.default_rng(0).uniform(0.1, 4.0, len(y))
    fitted = small(estimator, max_iter=1).fit(X, y, weight)
    mean = np.average(X, axis=0, weights=weight)
    deviation = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    np.testing.assert_allclose(fitted.input_mean_, mean, rtol=1e-10)
    np.testing.assert_allclose(fitted.input_scale_, deviation, rtol=1e-10)
    plain = small(estimator, max_iter=1, normalization=None).fit(X, y)
    assert not plain.input_mean_.any() and (plain.input_scale_ == 1.0).all()

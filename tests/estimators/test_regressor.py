"""Targets of the regressor: shapes, scaling, weights."""

from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import DataConversionWarning

from sknorm import MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def regressor(**settings: Any) -> MLPRegressor:
    """A small network, trained for 20 epochs."""
    small = {"hidden_layer_sizes": (16,), "max_iter": 20, "random_state": 0}
    return MLPRegressor(**{**small, "learning_rate_init": 0.03, **settings}, preset="sklearn")


def test_single_output_is_fitted_and_flat(regression: Table) -> None:
    X, y = regression
    fitted = regressor().fit(X, y)
    assert fitted.predict(X).shape == y.shape
    assert fitted.n_outputs_ == 1 and fitted.out_activation_ == "identity"
    assert fitted.score(X, y) > 0.9


def test_column_target_is_flattened_with_a_warning(regression: Table) -> None:
    X, y = regression
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        column = regressor().fit(X, y[:, None])
    assert column.predict(X).shape == y.shape
    np.testing.assert_array_equal(column.predict(X), regressor().fit(X, y).predict(X))


def test_outputs_of_very_different_scale_are_all_fitted(regression: Table) -> None:
    X, y = regression
    Y = np.column_stack([y, 1e6 * X[:, 0] + 1e7, 1e-6 * X[:, 1] - 3.0])
    fitted = regressor().fit(X, Y)
    prediction = fitted.predict(X)
    assert prediction.shape == Y.shape and fitted.n_outputs_ == 3
    residual = ((prediction - Y) ** 2).mean(axis=0) / Y.var(axis=0)
    assert np.all(residual < 0.1)


def test_power_of_two_units_of_the_target_scale_predictions_exactly(regression: Table) -> None:
    X, y = regression
    unit = 2.0**40
    prediction = regressor().fit(X, y).predict(X)
    np.testing.assert_array_equal(regressor().fit(X, y * unit).predict(X), prediction * unit)


@pytest.mark.parametrize(("unit", "shift"), [(1e8, 0.0), (1e-8, 0.0), (1.0, 1e4)])
def test_units_of_the_target_do_not_matter_under_a_norm(
    regression: Table, unit: float, shift: float
) -> None:
    X, y = regression
    prediction = regressor().fit(X, y).predict(X)
    other = regressor().fit(X, y * unit + shift).predict(X)
    np.testing.assert_allclose((other - shift) / unit, prediction, atol=1e-6 * y.std())


def test_target_is_standardized_by_default_exactly_where_inputs_are(regression: Table) -> None:
    X, y = regression
    normed = regressor().fit(X, y)
    np.testing.assert_allclose(normed.target_mean_, y.mean(), rtol=1e-12)
    np.testing.assert_allclose(normed.target_scale_, y.std(), rtol=1e-12)
    plain = regressor(normalization=None).fit(X, y / y.std())
    assert plain.target_mean_.tolist() == [0.0] and plain.target_scale_.tolist() == [1.0]


@pytest.mark.parametrize("normalization", ["batch", None])
def test_standardization_of_the_target_can_be_forced(
    regression: Table, normalization: str | None
) -> None:
    X, y = regression
    y = y / y.std() + 2.0
    on = regressor(standardize_target=True, normalization=normalization).fit(X, y)
    off = regressor(standardize_target=False, normalization=normalization).fit(X, y)
    np.testing.assert_allclose(on.target_mean_, y.mean(), rtol=1e-12)
    assert off.target_mean_.tolist() == [0.0] and off.target_scale_.tolist() == [1.0]
    assert off.score(X, y) > 0.7


def test_target_statistics_are_weighted(regression: Table) -> None:
    X, y = regression
    weight = np.random.default_rng(0).uniform(0.1, 5.0, len(y))
    fitted = regressor(max_iter=1).fit(X, y, weight)
    mean = np.average(y, weights=weight)
    np.testing.assert_allclose(fitted.target_mean_, mean, rtol=1e-12)
    variance = np.average((y - mean) ** 2, weights=weight)
    np.testing.assert_allclose(fitted.target_scale_, np.sqrt(variance), rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 3.0, -1e9, 0.1])
def test_constant_target_is_predicted(regression: Table, value: float) -> None:
    X, y = regression
    prediction = regressor(max_iter=60).fit(X, np.full_like(y, value)).predict(X)
    np.testing.assert_allclose(prediction, value, rtol=1e-3, atol=0.3)


@pytest.mark.parametrize("value", [1e60 / 7, -1e300 / 3])
def test_huge_constant_targets_are_predicted(value: float) -> None:
    """The mean of so many equal numbers is another one by rounding, far away in float32."""
    for rows in (200, 333):
        X = np.random.default_rng(0).normal(size=(rows, 2))
        model = MLPRegressor(preset="fast", n_bins=None, max_iter=1, random_state=0)
        y = np.column_stack([X[:, 0], np.full(rows, value)])
        np.testing.assert_allclose(model.fit(X, y).predict(X)[:, 1], value, rtol=1e-12)
        assert model.target_mean_[1] == value


def test_constant_output_beside_a_varying_one(regression: Table) -> None:
    X, y = regression
    Y = np.column_stack([y, np.full_like(y, 7.0)])
    prediction = regressor(max_iter=60).fit(X, Y).predict(X)
    np.testing.assert_allclose(prediction[:, 1], 7.0, atol=0.3)
    assert np.corrcoef(prediction[:, 0], y)[0, 1] > 0.95


def test_weights_decide_between_contradicting_rows(regression: Table) -> None:
    """Equal inputs, two targets: the prediction is drawn to the heavier one."""
    X, y = regression
    X2, y2 = np.vstack([X, X]), np.concatenate([np.zeros_like(y), np.ones_like(y)])
    light = np.concatenate([np.full(len(y), 9.0), np.ones(len(y))])
    fitted = regressor(alpha=0.0).fit(X2, y2, light)
    assert abs(fitted.predict(X).mean() - 0.1) < 0.05

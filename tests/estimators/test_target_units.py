"""Units of the targets follow what all calls of ``partial_fit`` have seen."""

from typing import Any

import numpy as np
import pytest

from sknorm import MLPRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(350, 4))
Y = 3 * X[:, 0] + X[:, 1]
COUNTS = RNG.poisson(np.exp(X[:, 0] + 3)).astype(float)
NOISE = RNG.normal(size=50)

CASES: dict[str, tuple[dict[str, Any], np.ndarray, np.ndarray]] = {
    "alike": ({}, Y[:50], Y[50:]),
    "nearly constant": ({}, 1e-3 * NOISE, Y[50:]),
    "constant": ({}, np.full(50, 4.0), Y[50:]),
    "another location": ({}, 0.01 * NOISE, 1e4 + Y[50:]),
    "larger": ({}, 2e5 * NOISE, Y[50:] * 1e4),
    "a bad record": ({}, np.r_[Y[:49], 1e6], Y[50:]),
    "two members": ({"n_members": 2}, 1e-3 * NOISE, Y[50:]),
    "median": ({"loss": "absolute_error"}, np.zeros(50), 1e3 * Y[50:] + 5e3),
    "huber": ({"loss": "huber"}, 1e-4 * NOISE, Y[50:]),
    "quantile": ({"loss": "quantile"}, np.zeros(50), 1e3 * Y[50:] + 5e3),
    "counts": ({"loss": "poisson"}, np.zeros(50), COUNTS[50:]),
    "amounts": ({"loss": "gamma"}, np.full(50, 1e-6), COUNTS[50:] + 1.0),
    "sgd": ({"solver": "sgd", "learning_rate_init": 0.02}, 1e-3 * NOISE, Y[50:]),
    "float32": ({"dtype": "float32"}, 1e-5 * NOISE, Y[50:]),
}


def streamed(first: np.ndarray, rest: np.ndarray, calls: int = 120, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (8,), "random_state": 0, "learning_rate_init": 0.006}
    model = MLPRegressor(**{**sizes, **settings}, preset="sklearn").partial_fit(X[:50], first)
    for _ in range(calls):
        model.partial_fit(X[50:], rest)
    return model


@pytest.mark.parametrize("case", CASES)
def test_a_first_call_unlike_the_others_does_no_harm(case: str) -> None:
    settings, first, rest = CASES[case]
    model = streamed(first, rest, **settings)
    alike = streamed(rest[:50], rest, **settings)
    # Of the sets of weights that last digits lead to, some are 0.1 behind where units moved far.
    loss = 0.2 if case in ("another location", "a bad record") else 0.03
    assert model.score(X[50:], rest) > alike.score(X[50:], rest) - loss


def test_outputs_of_unlike_units_each_follow_their_own() -> None:
    first = np.column_stack([1e-3 * NOISE, Y[:50]])
    rest = np.column_stack([Y[50:], Y[50:][::-1] * 0 + X[50:, 2]])
    model = streamed(first, rest)
    assert model.score(X[50:], rest) > 0.9


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "quantile"])
def test_units_stay_where_they_fit(loss: str) -> None:
    """So that calls with the same rows are the epochs of a fit."""
    y = COUNTS if loss == "poisson" else Y
    model = MLPRegressor(loss, (8,), random_state=0, preset="sklearn").partial_fit(X[:200], y[:200])
    first = model.target_mean_, model.target_scale_
    for start in range(0, 350, 50):
        model.partial_fit(X[start : start + 50], y[start : start + 50])
    np.testing.assert_array_equal((model.target_mean_, model.target_scale_), first)


@pytest.mark.parametrize("loss", ["squared_error", "gamma"])
def test_new_units_change_no_prediction_by_themselves(loss: str) -> None:
    """A call that learns nothing, but whose targets spread four times as far."""
    y = np.exp(X[:, 0])
    model = MLPRegressor(
        loss, (8,), random_state=0, learning_rate_init=0.01, solver="sgd", preset="sklearn"
    )
    for _ in range(2):
        model.partial_fit(X, y)
    before, scale = model.predict(X), model.target_scale_.copy()
    model.set_params(learning_rate_init=1e-12, norm_momentum=1e-12).partial_fit(X, 9 * y)
    assert model.target_scale_[0] > 2 * scale[0]
    np.testing.assert_allclose(model.predict(X), before, rtol=1e-6, atol=1e-6)


def test_units_after_a_fit_are_those_of_the_fit() -> None:
    model = MLPRegressor(hidden_layer_sizes=(8,), max_iter=1, random_state=0, preset="sklearn")
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model.fit(X, Y)
    scale = model.target_scale_
    model.partial_fit(X[:100], Y[:100])
    np.testing.assert_array_equal(model.target_scale_, scale)

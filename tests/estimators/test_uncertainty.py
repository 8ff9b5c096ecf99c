"""The spread of predictions over members and over dropout masks."""

from typing import Any

import numpy as np
import pytest

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])


def small(estimator: type = MLPRegressor, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (16, 8), "max_iter": 8, "random_state": 0}
    return estimator(preset="sklearn", **{**sizes, "learning_rate_init": 0.02, **settings})


def spread(fitted: Any, X: Any, **settings: Any) -> tuple[np.ndarray, np.ndarray]:
    predict = fitted.predict_proba if hasattr(fitted, "predict_proba") else fitted.predict
    return predict(X, return_std=True, **settings)


def mean(fitted: Any, X: Any, **settings: Any) -> np.ndarray:
    predict = fitted.predict_proba if hasattr(fitted, "predict_proba") else fitted.predict
    return predict(X, **settings)


def alone(stack: Any, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What each member predicts, trained alone by its seed."""
    parameters = {**stack.get_params(), "n_members": 1}
    models = [
        type(stack)(**{**parameters, "random_state": int(seed)}).fit(X, y)
        for seed in stack.member_seeds_
    ]
    return np.stack([mean(model, X) for model in models])


@each_estimator
@pytest.mark.parametrize("table", ["binary", "multiclass", "regression"])
def test_spread_of_an_ensemble(request: Any, estimator: type, table: str) -> None:
    X, y = request.getfixturevalue(table)
    y = y if estimator is MLPRegressor else np.digitize(y, [0.5, 1.5])
    stack = small(estimator, n_members=3).fit(X, y)
    value, std = spread(stack, X)
    members = alone(stack, X, y)
    np.testing.assert_allclose(value, members.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(std, members.std(axis=0), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(value, mean(stack, X), rtol=1e-12)
    assert value.shape == std.shape and value.dtype == std.dtype == X.dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_spread_of_means_whose_squares_overflow(binary: Table, dtype: str) -> None:
    X, _ = binary
    settings = {"loss": "poisson", "n_members": 3, "normalization": None, "dtype": dtype}
    fitted = small(**settings).fit(X, np.exp(X[:, 0]))
    power = 70.0 if dtype == "float32" else 600.0
    value = fitted.predict(X)
    far = X * power / np.log(value).max()
    value, std = spread(fitted, far.astype(dtype))
    assert value.max() > (1e25 if dtype == "float32" else 1e200)
    assert np.isfinite(std).all() and np.all(std <= 3.0 * value)


@each_estimator
@pytest.mark.parametrize("members", [1, 2])
def test_samples_are_reproducible_and_average_out(
    multiclass: Table, estimator: type, members: int
) -> None:
    X, y = multiclass
    fitted = small(estimator, dropout=0.2, n_members=members).fit(X, y)
    value, std = spread(fitted, X, n_samples=20)
    again = spread(fitted, X, n_samples=20)
    np.testing.assert_array_equal(value, again[0])
    np.testing.assert_array_equal(std, again[1])
    np.testing.assert_array_equal(value, mean(fitted, X, n_samples=20))
    plain = mean(fitted, X)
    few, many = (np.abs(mean(fitted, X, n_samples=n) - plain).mean() for n in (1, 400))
    # Means of probabilities stay off: the softmax is not linear.
    assert 0 < many < few / (3.0 if estimator is MLPRegressor else 1.5)
    assert np.all(std > 0)
    np.testing.assert_array_equal(plain, mean(fitted, X))  # masks leave no trace


@each_estimator
def test_samples_differ_and_the_first_ones_stay(binary: Table, estimator: type) -> None:
    X, y = binary
    fitted = small(estimator, dropout=0.3).fit(X, y)
    one, two, three = (mean(fitted, X, n_samples=n) for n in (1, 2, 3))
    second, third = 2 * two - one, 3 * three - 2 * two
    for first, other in ((one, second), (one, third), (second, third)):
        assert np.mean(np.abs(first - other) < 1e-9) < 0.2
    deviation = np.std([one, second, third], axis=0)
    np.testing.assert_allclose(spread(fitted, X, n_samples=3)[1], deviation, atol=1e-7)


@each_estimator
@pytest.mark.parametrize("name", ["dropout", "input_dropout"])
@pytest.mark.parametrize("normalization", ["batch", "layer", None])
def test_spread_is_that_of_the_dropout_in_training(
    binary: Table, estimator: type, name: str, normalization: Any
) -> None:
    """At the rate that a network was trained with, whatever the parameter is now."""
    X, y = binary
    means = []
    for rate in (1e-7, 0.05, 0.2, 0.5):
        fitted = small(estimator, normalization=normalization, **{name: rate}).fit(X, y)
        _, std = spread(fitted, X, n_samples=30)
        _, same = spread(fitted.set_params(**{name: 0.9}), X, n_samples=30)
        np.testing.assert_array_equal(same, std)
        means.append(std.mean())
    assert means[0] < 1e-3 * min(means[1:])


@pytest.mark.parametrize("count", [1, 7, 100, 9000])
@pytest.mark.parametrize("members", [1, 2])
def test_every_row_has_masks_of_its_own(binary: Table, count: int, members: int) -> None:
    """Also rows of different chunks of a large table."""
    X, y = binary
    fitted = small(dropout=0.5, hidden_layer_sizes=(64,), n_members=members).fit(X, y)
    same = np.repeat(X[:1], count, axis=0)
    predicted = fitted.predict(same, n_samples=1)
    assert len(np.unique(predicted)) > 0.99 * count
    assert np.ptp(fitted.predict(same)) < 1e-12
    if count > 1000:  # no chunk repeats the masks of another
        assert abs(np.corrcoef(predicted[:-1], predicted[1:])[0, 1]) < 0.1
        halves = predicted[: count // 2], predicted[count // 2 : 2 * (count // 2)]
        assert abs(np.corrcoef(*halves)[0, 1]) < 0.1


def test_masks_of_layers_and_samples_are_unrelated(binary: Table) -> None:
    X, y = binary
    fitted = small(dropout=0.5).fit(X, y)
    same = np.repeat(X[:1], 2000, axis=0)
    one, two = (fitted.predict(same, n_samples=n) for n in (1, 2))
    assert abs(np.corrcoef(one, 2 * two - one)[0, 1]) < 0.1


@pytest.mark.parametrize("normalization", ["batch", None])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_of_one_layer_has_its_variance(
    regression: Table, normalization: Any, rate: float
) -> None:
    """A kept unit is divided by 1 - rate, so a term's variance is its square rate / (1 - rate)."""
    X, y = regression
    settings = {"hidden_layer_sizes": (32,), "normalization": normalization}
    fitted = small(dropout=rate, **settings).fit(X, y)
    hidden = np.maximum(X @ fitted.coefs_[0] + fitted.intercepts_[0], 0.0)
    variance = ((hidden * fitted.coefs_[1][:, 0]) ** 2).sum(axis=1) * rate / (1.0 - rate)
    _, std = spread(fitted, X, n_samples=800)
    np.testing.assert_allclose(std / np.sqrt(variance), 1.0, atol=0.12)
    assert np.mean(std / np.sqrt(variance)) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("factor", [0.125, 1024.0])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "poisson"])
def test_spread_is_in_the_units_of_the_target(regression: Table, factor: float, loss: str) -> None:
    X, y = regression[0], np.abs(regression[1])
    settings = {"loss": loss, "n_members": 2, "dropout": 0.2}
    plain, scaled = small(**settings).fit(X, y), small(**settings).fit(X, factor * y)
    for given in ({}, {"n_samples": 5}):
        for ours, theirs in zip(spread(scaled, X, **given), spread(plain, X, **given), strict=True):
            np.testing.assert_allclose(ours, factor * theirs, rtol=1e-9)


def test_spread_does_not_depend_on_the_origin_of_the_target(regression: Table) -> None:
    X, y = regression
    plain, moved = (small(n_members=3).fit(X, y + shift) for shift in (0.0, 1e6))
    np.testing.assert_allclose(spread(moved, X)[1], spread(plain, X)[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("outputs", [1, 2])
def test_spread_of_several_outputs_and_quantiles(regression: Table, outputs: int) -> None:
    X, y = regression
    Y = y if outputs == 1 else np.column_stack([y, -100.0 * y])
    stack = small(n_members=3).fit(X, Y)
    assert spread(stack, X)[1].shape == Y.shape
    settings = {"loss": "quantile", "quantile": [0.1, 0.5, 0.9], "max_iter": 40}
    stack = small(n_members=3, **settings).fit(X, Y)
    value, std = spread(stack, X)
    members = alone(stack, X, Y)
    assert value.shape == std.shape == (*Y.shape, 3)
    # A few rows differ: their levels cross in a member, which sorts them where it is alone.
    assert np.isclose(std, members.std(axis=0), rtol=1e-6).mean() > 0.97
    assert np.any(np.diff(std, axis=-1) < 0)  # the spread of a level, not one in its order
    one = small(loss="quantile", n_members=2).fit(X, Y)
    assert spread(one, X)[1].shape == Y.shape


def test_spread_of_probabilities(binary: Table) -> None:
    X, y = binary
    stack = small(MLPClassifier, n_members=3).fit(X, y)
    value, std = spread(stack, X)
    assert value.shape == std.shape == (240, 2)
    np.testing.assert_array_equal(std[:, 0], std[:, 1])
    np.testing.assert_allclose(value.sum(axis=1), 1.0)
    labels = np.column_stack([y, X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    several = small(MLPClassifier, n_members=3).fit(X, labels)
    assert spread(several, X)[1].shape == (240, 3)
    np.testing.assert_allclose(spread(several, X)[1], alone(several, X, labels).std(axis=0),
                               rtol=1e-6)  # fmt: skip


@each_estimator
def test_spread_is_of_the_dtype_of_the_table(binary: Table, estimator: type) -> None:
    X, y = binary
    fitted = small(estimator, n_members=2, dropout=0.1).fit(X.astype(np.float32), y)
    for dtype in (np.float32, np.float64):
        for given in ({}, {"n_samples": 3}):
            value, std = spread(fitted, X.astype(dtype), **given)
            assert value.dtype == std.dtype == dtype


@each_estimator
def test_members_add_to_the_spread_of_masks(binary: Table, estimator: type) -> None:
    """Masks and members are pooled: all of them are networks that might be."""
    X, y = binary
    stack = small(estimator, n_members=4, dropout=0.1).fit(X, y)
    both = spread(stack, X, n_samples=100)[1]
    members = spread(stack, X)[1]
    assert both.mean() > members.mean()


@each_estimator
def test_spread_over_nothing_is_refused(binary: Table, estimator: type) -> None:
    X, y = binary
    single = small(estimator).fit(X, y)
    with pytest.raises(ValueError, match="return_std=True needs more than one network"):
        spread(single, X)
    with pytest.raises(ValueError, match="n_samples=5 asks for predictions under dropout"):
        mean(single, X, n_samples=5)
    dropped = small(estimator, dropout=0.1).fit(X, y)
    with pytest.raises(ValueError, match="return_std=True needs more than one network"):
        spread(dropped, X)
    for wrong in (0, -1, 2.5, "three", 2.0):
        with pytest.raises(ValueError, match=f"n_samples must be a positive.*{wrong!r}"):
            mean(dropped, X, n_samples=wrong)
    assert np.isfinite(mean(dropped, X, n_samples=np.int64(3))).all()

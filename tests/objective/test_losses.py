"""Each loss on its own: value, gradient, link, best constant, units and scorer."""

from typing import Any

import numpy as np
import pytest
from scipy import optimize, special
from sklearn import metrics
from sklearn.dummy import DummyClassifier, DummyRegressor

from sknorm.objective.losses import (
    AbsoluteError,
    BinaryLogLoss,
    Gamma,
    Huber,
    Loss,
    MulticlassLogLoss,
    Poisson,
    Quantile,
    SoftMulticlassLogLoss,
    SquaredError,
)

REAL: list[Loss] = [SquaredError(), AbsoluteError(), Huber(0.7), Quantile((0.3,)),
                    Quantile((0.1, 0.5, 0.8))]  # fmt: skip
POSITIVE: list[Loss] = [Poisson(), Gamma()]
CLASSES: list[Loss] = [BinaryLogLoss(), MulticlassLogLoss(4), SoftMulticlassLogLoss(4)]
ALL = REAL + POSITIVE + CLASSES
each_loss = pytest.mark.parametrize("loss", ALL, ids=repr)


def targets(loss: Loss, n: int = 41) -> np.ndarray:
    """Two targets a row of a kind that the loss is for, (n, m)."""
    rng = np.random.default_rng(3)
    if isinstance(loss, SoftMulticlassLogLoss):
        return rng.dirichlet(np.full(4, 0.5), n)
    if isinstance(loss, MulticlassLogLoss):
        return rng.permutation(np.r_[0, 1, 2, 3, rng.choice(4, n - 4, p=[0.5, 0.3, 0.1, 0.1])])[
            :, None
        ]
    if isinstance(loss, BinaryLogLoss):
        return (rng.uniform(size=(n, 2)) < [0.3, 0.8]).astype(float)
    if isinstance(loss, Gamma):
        return rng.gamma(2.0, [1.0, 5.0], (n, 2))
    if isinstance(loss, Poisson):
        return rng.poisson([0.8, 4.0], (n, 2)).astype(float)
    return rng.normal([3.0, -1.0], [1.0, 2.0], (n, 2)) ** 3


def weights(n: int = 41) -> np.ndarray:
    return np.random.default_rng(4).uniform(0.1, 3.0, n)


def random_raw(loss: Loss, y: np.ndarray) -> np.ndarray:
    count = loss.outputs(y.shape[1])
    return np.random.default_rng(5).normal(size=(len(y), count))


def by_metrics(loss: Loss, raw: np.ndarray, y: np.ndarray, weight: Any) -> float:
    """The mean loss as scikit-learn computes it."""
    columns = [(raw[:, o], y[:, o]) for o in range(min(raw.shape[1], y.shape[1]))]
    each: Any
    if isinstance(loss, MulticlassLogLoss):
        soft = y if isinstance(loss, SoftMulticlassLogLoss) else np.eye(4)[y[:, 0]]
        log_p = special.log_softmax(raw, axis=1)
        return float(np.average(-(soft * log_p).sum(axis=1), weights=weight))
    if isinstance(loss, Quantile):
        levels = len(loss.levels)
        return sum(
            metrics.mean_pinball_loss(
                y[:, o], raw[:, o * levels + k], sample_weight=weight, alpha=level
            )
            for o in range(y.shape[1])
            for k, level in enumerate(loss.levels)
        )
    if isinstance(loss, Huber):
        huber = special.huber(loss.delta, raw - y)
        return float(np.average(huber.sum(axis=1), weights=weight))
    each = {
        SquaredError: lambda r, t: 0.5 * metrics.mean_squared_error(t, r, sample_weight=weight),
        AbsoluteError: lambda r, t: metrics.mean_absolute_error(t, r, sample_weight=weight),
        Gamma: lambda r, t: 0.5 * metrics.mean_gamma_deviance(t, np.exp(r), sample_weight=weight),
        Poisson: lambda r, t: (
            0.5 * metrics.mean_poisson_deviance(t, np.exp(r), sample_weight=weight)
        ),
        BinaryLogLoss: lambda r, t: metrics.log_loss(t, special.expit(r), sample_weight=weight),
    }[type(loss)]
    return sum(each(r, t) for r, t in columns)


@each_loss
@pytest.mark.parametrize("weight", [None, weights()], ids=["equal", "weighted"])
def test_value_is_that_of_the_metrics(loss: Loss, weight: Any) -> None:
    y = targets(loss)
    raw = random_raw(loss, y)
    value, _ = loss.value_and_gradient(raw, y, weight)
    assert value == pytest.approx(by_metrics(loss, raw, y, weight), rel=1e-10)


@each_loss
@pytest.mark.parametrize("weight", [None, weights()], ids=["equal", "weighted"])
def test_gradient_against_central_differences(loss: Loss, weight: Any) -> None:
    y = targets(loss)
    raw = random_raw(loss, y)
    direction, epsilon = np.random.default_rng(6).normal(size=raw.shape), 1e-6
    _, gradient = loss.value_and_gradient(raw, y, weight)
    above, below = (
        loss.value_and_gradient(raw + sign * epsilon * direction, y, weight)[0]
        for sign in (1.0, -1.0)
    )
    slope = float((gradient * direction).sum())
    assert abs(slope) > 1e-3
    assert (above - below) / (2 * epsilon) == pytest.approx(slope, rel=1e-5, abs=1e-7)


@each_loss
def test_inputs_are_left_alone_and_dtypes_kept(loss: Loss) -> None:
    y = targets(loss)
    raw = random_raw(loss, y).astype(np.float32)
    before = raw.copy()
    y = y if y.dtype == np.int64 else y.astype(np.float32)
    value, gradient = loss.value_and_gradient(raw, y)
    np.testing.assert_array_equal(raw, before)
    assert isinstance(value, float) and gradient.dtype == np.float32
    assert gradient.shape == raw.shape


@each_loss
@pytest.mark.parametrize("weight", [np.ones(41), weights()], ids=["equal", "weighted"])
def test_initial_bias_is_the_best_constant(loss: Loss, weight: np.ndarray) -> None:
    """No constant that a search for it finds has a lower mean loss."""
    y = targets(loss)
    start = np.asarray(loss.initial_bias(y, weight), dtype=float)
    assert start.shape == (loss.outputs(y.shape[1]),)

    def mean_loss(constant: np.ndarray) -> float:
        return loss.value_and_gradient(np.tile(constant, (len(y), 1)), y, weight)[0]

    found = optimize.minimize(mean_loss, start + 0.3, method="Nelder-Mead",
                              options={"maxiter": 4000, "xatol": 1e-7, "fatol": 1e-12})  # fmt: skip
    values = np.unique(y) if isinstance(loss, AbsoluteError | Quantile) else []
    moved = [start.copy() for _ in values]
    for constant, value in zip(moved, values, strict=True):
        constant[0] = value
    best = min([found.fun, *map(mean_loss, moved)])
    assert mean_loss(start) <= best + 1e-7 * abs(best)
    assert mean_loss(start) < mean_loss(np.r_[start[0] + 0.5, start[1:]])


@each_loss
def test_initial_bias_counts_weights_as_repetitions(loss: Loss) -> None:
    y = targets(loss)
    times = np.arange(41) % 3
    repeated = np.repeat(y, times, axis=0)
    weighted = loss.initial_bias(y, times.astype(float))
    np.testing.assert_allclose(
        weighted, loss.initial_bias(repeated, np.ones(len(repeated))), rtol=1e-12
    )


@pytest.mark.parametrize(
    ("loss", "y"),
    [(Poisson(), np.zeros((5, 1))), (BinaryLogLoss(), np.ones((5, 1))),
     (MulticlassLogLoss(3), np.ones((5, 1), dtype=int))],
    ids=repr,
)  # fmt: skip
def test_initial_bias_is_finite_where_one_value_is_all(loss: Loss, y: np.ndarray) -> None:
    bias = loss.initial_bias(y, np.ones(5))
    assert np.isfinite(bias).all() and np.abs(bias).max() < 10


@pytest.mark.parametrize("loss", REAL, ids=repr)
def test_units_of_real_targets_follow_their_location_and_scale(loss: Loss) -> None:
    y, weight = targets(loss), weights()
    location, scale = loss.target_units(y, weight)
    moved = loss.target_units(1000.0 * y + 7.0, weight)
    np.testing.assert_allclose(moved[0], 1000.0 * location + 7.0, rtol=1e-9)
    np.testing.assert_allclose(moved[1], 1000.0 * scale, rtol=1e-9)
    assert location.shape == scale.shape == (2,) and np.all(scale > 0)


@pytest.mark.parametrize("loss", POSITIVE, ids=repr)
def test_units_of_positive_targets_are_their_means(loss: Loss) -> None:
    y, weight = targets(loss), weights()
    location, scale = loss.target_units(y, weight)
    np.testing.assert_array_equal(location, 0.0)
    np.testing.assert_allclose(scale, np.average(y, axis=0, weights=weight))
    np.testing.assert_array_equal(loss.target_units(np.zeros((4, 1)), np.ones(4))[1], 1.0)


@pytest.mark.parametrize("loss", REAL[1:], ids=repr)
def test_units_of_robust_losses_ignore_outliers(loss: Loss) -> None:
    y = np.random.default_rng(0).normal(5.0, 2.0, (1000, 1))
    y[:50] = 1e9
    location, scale = loss.target_units(y, np.ones(1000))
    assert location[0] == pytest.approx(5.0, abs=0.3) and scale[0] == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize("loss", REAL, ids=repr)
def test_units_of_a_constant_are_one(loss: Loss) -> None:
    location, scale = loss.target_units(np.full((30, 1), 1e5 / 3), np.ones(30))
    assert location[0] == pytest.approx(1e5 / 3) and scale[0] == 1.0


@pytest.mark.parametrize("loss", REAL[1:], ids=repr)
def test_units_where_most_targets_are_one_value(loss: Loss) -> None:
    y = np.r_[np.zeros(90), np.full(10, 30.0)][:, None]
    _, scale = loss.target_units(y, np.ones(100))
    assert scale[0] == pytest.approx(np.sqrt(90.0))


def test_classes_have_no_units() -> None:
    for loss in CLASSES:
        location, scale = loss.target_units(targets(loss), np.ones(41))
        assert not location.any() and np.all(scale == 1.0)


@each_loss
def test_inverse_link_is_that_of_the_output_activation(loss: Loss) -> None:
    raw = np.r_[random_raw(loss, targets(loss)), np.full((1, loss.outputs(2)), 30.0)]
    links = {
        "identity": lambda r: r, "exp": np.exp, "logistic": special.expit,
        "softmax": lambda r: special.softmax(r, axis=-1),
    }  # fmt: skip
    np.testing.assert_allclose(
        loss.inverse_link(raw[None], np)[0], links[loss.output_activation](raw), rtol=1e-12
    )


@pytest.mark.parametrize("loss", CLASSES, ids=repr)
@pytest.mark.filterwarnings("error")
def test_links_of_classes_do_not_overflow(loss: Loss) -> None:
    raw = np.array([[-1e5, 1e5, 0.0, 0.0]])
    p = loss.inverse_link(raw, np)
    assert np.isfinite(p).all() and p[0, 1] == 1.0 and p[0, 0] == 0.0


def test_outputs_of_a_network_for_two_targets() -> None:
    expected = [2, 2, 2, 2, 6, 2, 2, 2, 4, 4]
    assert [loss.outputs(2) for loss in ALL] == expected


@each_loss
def test_scorer_is_one_of_scikit_learn(loss: Loss) -> None:
    """And prefers the better of two predictions."""
    if loss in CLASSES:
        X, y = np.zeros((6, 1)), [0, 0, 0, 0, 1, 1]
        good, bad = DummyClassifier(strategy="prior"), DummyClassifier(strategy="uniform")
    else:
        X, y = np.zeros((6, 1)), [1.0, 1.5, 2.0, 2.5, 3.0, 30.0]
        good, bad = DummyRegressor(), DummyRegressor(strategy="constant", constant=100.0)
    scorer = metrics.check_scoring(good, scoring=loss.scorer)
    assert scorer(good.fit(X, y), X, y) > scorer(bad.fit(X, y), X, y)


@pytest.mark.parametrize("loss", CLASSES, ids=repr)
def test_smoothing_differs_by_member_and_is_off_by_default(loss: Loss) -> None:
    parameter = loss.parameter(2, np.array([0.0, 0.25]))
    assert parameter.tolist() == [[0.0], [0.25]]
    np.testing.assert_array_equal(loss.parameter(2), 0.0)


def test_parameters_of_the_kernels_are_one_row_a_member() -> None:
    assert Quantile((0.1, 0.9)).parameter(3).tolist() == [[0.1, 0.9]] * 3
    assert Huber(2.5).parameter(2).tolist() == [[2.5]] * 2
    assert SquaredError().parameter(3).shape == (3, 0)

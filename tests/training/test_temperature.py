"""Temperatures: the lowest loss on held-out rows, for all members at once, in one pass."""

from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.datasets import make_classification

from sknorm import MLPClassifier
from sknorm.backends import resolve
from sknorm.data.dataset import TrainingData
from sknorm.estimators.preparing import prepare
from sknorm.estimators.stages import Given
from sknorm.training.temperature import calibrated, calibrated_losses
from sknorm.training.validation_loss import losses_of, outputs

X, Y = make_classification(400, 8, n_informative=5, n_classes=3, flip_y=0.1, random_state=0)
TARGETS = {"binary": Y > 0, "multiclass": Y, "multilabel": (X[:, :2] > 0.0).astype(int)}
WEIGHT = np.random.default_rng(0).integers(1, 4, len(X)).astype(float)


def trained(target: str = "multiclass", members: int = 3, **changed: Any) -> Any:
    """A network that is too sure: it was trained for long on few rows."""
    settings = {"hidden_layer_sizes": (16,), "learning_rate": "cosine", "learning_rate_init": 0.02}
    model = MLPClassifier(preset="sklearn", **settings, n_members=members, random_state=0)
    model.set_params(max_iter=60, **changed)
    return model.fit(X[:100], TARGETS[target][:100])


def held(model: Any, target: str, rows: np.ndarray, weight: Any = WEIGHT) -> tuple[Any, ...]:
    """What the losses of a model's networks on rows of the table need."""
    return model.network_, model._fitted.target.loss, data_of(model, X, target, weight), rows


def data_of(model: Any, X: Any, target: str, weight: Any) -> TrainingData:
    """The table as the networks of a model see it."""
    prepared = prepare(model, Given(X, TARGETS[target], weight))
    given = prepared.rows, prepared.encoded, model._fitted.columns, prepared.dtype
    return TrainingData.encode(prepared.backend, *given)


def loss_at(of: tuple[Any, ...], logarithm: float, member: int) -> float:
    """Mean loss at one inverse temperature."""
    network, loss, *table = of
    factor = float(np.exp(logarithm))
    return float(losses_of(network, loss, outputs(network, *table), [factor])[0][0, member])


def prior(logarithm: float) -> float:
    return 0.5 * (logarithm / (0.15 if logarithm > 0.0 else 0.5)) ** 2


@pytest.mark.parametrize("target", TARGETS)
def test_it_is_the_lowest_loss_of_each_member(target: str) -> None:
    rows = np.stack([np.arange(100, 300), np.arange(200, 400), np.arange(150, 350)])
    of = held(trained(target), target, rows)
    losses, found = calibrated_losses(*of)
    assert np.abs(np.log(found)).max() > 0.05
    for member, (loss, factor) in enumerate(zip(losses, found, strict=True)):
        count = WEIGHT[rows[member]].sum()  # in units of the least one, which is one
        best = minimize_scalar(
            lambda t, k=member, n=count: loss_at(of, t, k) + prior(t) / n,
            bounds=(-2.2, 1.0), method="bounded",
        )  # fmt: skip
        assert np.log(factor) == pytest.approx(best.x, abs=0.02)
        assert loss == pytest.approx(loss_at(of, np.log(factor), member), rel=1e-6)


def test_a_weight_of_two_is_a_row_that_is_there_twice() -> None:
    model, rows = trained(members=1), np.arange(100, 250)[None]
    twice = np.sort(np.r_[rows[0], rows[0][:60]])[None]
    weight = np.ones(len(X))
    weight[rows[0][:60]] = 2.0
    weighted = calibrated_losses(*held(model, "multiclass", rows, weight))
    repeated = calibrated_losses(*held(model, "multiclass", twice, None))
    np.testing.assert_allclose(weighted, repeated, rtol=1e-5)


def test_each_member_is_scaled_as_it_would_be_alone() -> None:
    rows = np.stack([np.arange(100, 200), np.arange(150, 250), np.arange(90, 190)])
    network, *rest, _ = held(trained(), "multiclass", rows)
    together = calibrated_losses(network, *rest, rows)
    for k in range(3):
        alone = calibrated_losses(network.take([k]), *rest, rows[[k]])
        np.testing.assert_array_equal([each[k] for each in together], [each[0] for each in alone])


def test_few_rows_that_a_network_is_right_about_do_not_make_it_sure_without_end() -> None:
    model = trained(members=1)
    right = np.flatnonzero(model.predict(X) == Y)[None, :6]
    of = held(model, "multiclass", right, None)
    assert loss_at(of, np.log(100.0), 0) < loss_at(of, np.log(2.0), 0)
    losses, factor = calibrated_losses(*of)
    assert 1.0 <= factor[0] < 1.2
    assert np.isfinite(losses).all()


def test_outputs_are_those_of_a_scaled_head() -> None:
    rows = np.arange(100, 200)[None].repeat(3, axis=0)
    of = held(trained(), "multiclass", rows)
    before = of[0].parameters.flat.copy()
    _, factor = calibrated_losses(*of)
    scaled = calibrated(*of)
    np.testing.assert_array_equal(of[0].parameters.flat, before)
    (raw, *_), (expected, *_) = (next(outputs(each, *of[2:])) for each in (scaled, of[0]))
    np.testing.assert_allclose(raw, factor[:, None, None] * expected, rtol=1e-5, atol=1e-6)


def test_members_without_a_finite_loss_stay_as_they_are() -> None:
    rows = np.arange(100, 200)[None].repeat(3, axis=0)
    of = held(trained(), "multiclass", rows)
    of[0]["head.weight"][1] = np.nan
    losses, factor = calibrated_losses(*of)
    np.testing.assert_array_equal(np.isnan(losses), [False, True, False])
    np.testing.assert_array_equal(np.isnan(factor), [False, True, False])
    scaled = calibrated(*of)
    np.testing.assert_array_equal(scaled["head.bias"][1], of[0]["head.bias"][1])
    assert (scaled["head.bias"][0] != of[0]["head.bias"][0]).any()


def test_any_array_library() -> None:
    model, rows = trained(), np.arange(100, 200)[None].repeat(3, axis=0)
    network, loss, *_ = of = held(model, "multiclass", rows)
    data = data_of(model, strict.asarray(X), "multiclass", strict.asarray(WEIGHT))
    backend = resolve(strict.asarray(X))
    found = calibrated_losses(network.on(backend), loss, data, rows)
    for mine, expected in zip(found, calibrated_losses(*of), strict=True):
        np.testing.assert_allclose(backend.to_numpy(mine), expected, rtol=1e-4)

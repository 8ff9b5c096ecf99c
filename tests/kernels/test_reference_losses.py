"""Losses against naive formulas, differences, and logits that overflow naive formulas."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special
from sklearn import metrics

from sknorm.kernels import reference


def binary(t: np.ndarray, y: np.ndarray, parameter: np.ndarray) -> np.ndarray:
    s = parameter[:, :, None]
    return np.logaddexp(0.0, t) - (y * (1.0 - s) + s / 2.0) * t


def multiclass(t: np.ndarray, y: np.ndarray, parameter: np.ndarray) -> np.ndarray:
    y = np.broadcast_to(y, (*t.shape[:2], 1))
    logs, s = special.log_softmax(t, axis=2), parameter[:, :, None]
    chosen = np.take_along_axis(logs, y, axis=2)
    return -(1.0 - s) * chosen - s * logs.mean(axis=2, keepdims=True)


def soft_multiclass(t: np.ndarray, y: np.ndarray, parameter: np.ndarray) -> np.ndarray:
    s = parameter[:, :, None]
    return -((1.0 - s) * y + s / t.shape[2]) * special.log_softmax(t, axis=2)


def squared(t: np.ndarray, y: np.ndarray, parameter: np.ndarray) -> np.ndarray:
    return 0.5 * (t - y) ** 2


def absolute(t: np.ndarray, y: np.ndarray, parameter: np.ndarray) -> np.ndarray:
    return np.abs(t - y)


def huber(t: np.ndarray, y: np.ndarray, parameter: np.ndarray) -> np.ndarray:
    return special.huber(parameter[:, :, None], t - y)


def pinball(t: np.ndarray, y: np.ndarray, parameter: np.ndarray) -> np.ndarray:
    tau, d = parameter[:, None, None], y[..., None] - t.reshape(*t.shape[:2], y.shape[2], -1)
    return np.maximum(tau * d, (tau - 1.0) * d).reshape(t.shape)


def poisson(t: np.ndarray, y: np.ndarray, parameter: np.ndarray) -> np.ndarray:
    return np.exp(t) - y * t + special.xlogy(y, y) - y


def gamma(t: np.ndarray, y: np.ndarray, parameter: np.ndarray) -> np.ndarray:
    share = y / np.exp(t)
    return share - np.log(share) - 1.0


NAIVE: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "binary_log_loss": binary,
    "multiclass_log_loss": multiclass,
    "soft_multiclass_log_loss": soft_multiclass,
    "squared_error": squared,
    "absolute_error": absolute,
    "huber": huber,
    "pinball": pinball,
    "poisson": poisson,
    "gamma": gamma,
}


def objective(case: Any, z: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Weighted sum of the losses of each member."""
    a = case.arguments
    loss = NAIVE[case.kernel](z + bias[:, None], a["y"], a["parameter"])
    return np.sum(a["weight"][:, :, None] * loss, axis=(1, 2))


@pytest.mark.parametrize("name", NAIVE)
@pytest.mark.parametrize("shared", [True, False])
def test_value(cases: Any, name: str, shared: bool) -> None:
    case = cases.loss(name, 3, 9, 4, np.float64, shared)
    a = case.arguments
    want = a["value"] + objective(case, a["z"], a["bias"])
    np.testing.assert_allclose(case.run(reference)["value"], want, rtol=1e-12)


@pytest.mark.parametrize("name", NAIVE)
@pytest.mark.parametrize("shared", [True, False])
def test_gradient(cases: Any, name: str, shared: bool) -> None:
    case = cases.loss(name, 3, 9, 4, np.float64, shared)
    a, got, h = case.arguments, case.run(reference), 1e-6
    dz, db = cases.rng.normal(size=a["z"].shape), cases.rng.normal(size=a["bias"].shape)
    ahead = objective(case, a["z"] + h * dz, a["bias"] + h * db)
    behind = objective(case, a["z"] - h * dz, a["bias"] - h * db)
    along = np.sum(got["out"] * dz, axis=(1, 2)) + np.sum(got["dbias"] * db, axis=1)
    np.testing.assert_allclose(along, a["factor"] * (ahead - behind) / (2 * h), rtol=1e-7)


@pytest.mark.parametrize("name", NAIVE)
def test_output_may_be_the_input(cases: Any, name: str) -> None:
    case = cases.loss(name, 2, 5, 3, np.float32)
    want = case.run(reference)
    a = {k: v.copy() for k, v in case.arguments.items()}
    getattr(reference, name)(*list(a.values())[:-1], a["z"])
    np.testing.assert_array_equal(a["z"], want["out"])
    np.testing.assert_array_equal(a["dbias"], want["dbias"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", list(NAIVE)[:3])
def test_large_logits(cases: Any, name: str, dtype: type) -> None:
    case = cases.loss(name, 1, 2, 2, dtype)
    a = case.arguments
    a["z"][...] = np.array([[1e4, -1e4], [-1e4, 1e4]])
    a["bias"][...] = 0.0
    a["weight"][...] = 1.0
    a["parameter"][...] = 0.0
    a["value"][...] = 0.0
    # The first row is right in all targets and costs nothing, the second is wrong.
    a["y"] = np.array([[[0], [0]]]) if a["y"].dtype.kind == "i" else 0 * a["z"] + dtype([1, 0])
    got = case.run(reference)
    np.testing.assert_allclose(got["value"], 2e4)
    np.testing.assert_allclose(got["out"][0, 0], 0.0, atol=1e-30)
    np.testing.assert_allclose(np.abs(got["out"][0, 1]), a["factor"][0], rtol=1e-6)


@pytest.mark.parametrize("name", NAIVE)
def test_nan_stays_visible(cases: Any, name: str) -> None:
    case = cases.loss(name, 1, 3, 2, np.float64)
    case.arguments["z"][0, 1, 0] = np.nan
    got = case.run(reference)
    assert np.isnan(got["value"]).all()
    assert np.isnan(got["out"][0, 1, 0])
    assert np.isnan(got["dbias"][0, 0])


def mean_loss(case: Any) -> float:
    """Weighted mean loss of the first member, its value taken to start at 0."""
    case.arguments["value"][...] = 0.0
    return float(case.run(reference)["value"][0] / case.arguments["weight"][0].sum())


@pytest.mark.parametrize("name", ["poisson", "gamma"])
def test_deviances_are_those_of_scikit_learn(cases: Any, name: str) -> None:
    case = cases.loss(name, 1, 40, 1, np.float64)
    a = case.arguments
    deviance = getattr(metrics, f"mean_{name}_deviance")
    mean = np.exp(a["z"] + a["bias"][:, None])
    want = deviance(a["y"].ravel(), mean.ravel(), sample_weight=a["weight"].ravel())
    assert (a["y"] == 0.0).any() == (name == "poisson")
    np.testing.assert_allclose(2.0 * mean_loss(case), want, rtol=1e-12)


@pytest.mark.parametrize("targets", [1, 2])
def test_pinball_is_that_of_scikit_learn(cases: Any, targets: int) -> None:
    case, q = cases.loss("pinball", 1, 40, targets, np.float64), 3
    a = case.arguments
    a["parameter"] = np.array([[0.1, 0.5, 0.9]])
    a["z"], a["out"] = cases.rng.normal(size=(2, 1, 40, targets * q))
    a["bias"], a["dbias"] = cases.rng.normal(size=(2, 1, targets * q))
    t = a["z"][0] + a["bias"]
    want = sum(
        metrics.mean_pinball_loss(
            a["y"][0, :, c // q],
            t[:, c],
            sample_weight=a["weight"][0],
            alpha=[0.1, 0.5, 0.9][c % q],
        )
        for c in range(targets * q)
    )
    np.testing.assert_allclose(mean_loss(case), want, rtol=1e-12)


@pytest.mark.parametrize("name", ["multiclass_log_loss", "soft_multiclass_log_loss"])
def test_smoothed_log_loss_is_that_of_scikit_learn(cases: Any, name: str) -> None:
    """Every row is repeated with each class, which weighs what the smoothed target gives it."""
    n, o = 40, 4
    case = cases.loss(name, 1, n, o, np.float64)
    a = case.arguments
    a["parameter"][...] = 0.3
    y = a["y"][0] if a["y"].dtype.kind == "f" else np.eye(o)[a["y"][0, :, 0]]
    target = 0.7 * y + 0.3 / o
    probability = special.softmax(a["z"][0] + a["bias"], axis=1)
    want = metrics.log_loss(
        np.tile(np.arange(o), n), np.repeat(probability, o, axis=0),
        sample_weight=(a["weight"][0][:, None] * target).ravel(),
    )  # fmt: skip
    np.testing.assert_allclose(mean_loss(case), want, rtol=1e-12)


def test_smoothed_binary_log_loss_is_that_of_scikit_learn(cases: Any) -> None:
    case = cases.loss("binary_log_loss", 1, 40, 1, np.float64)
    a = case.arguments
    a["parameter"][...] = 0.3
    target = 0.7 * a["y"].ravel() + 0.15
    probability = special.expit(a["z"] + a["bias"][:, None]).ravel()
    want = metrics.log_loss(
        np.repeat([0, 1], 40), np.tile(probability, 2),
        sample_weight=np.concatenate([1.0 - target, target]) * np.tile(a["weight"][0], 2),
    )  # fmt: skip
    np.testing.assert_allclose(mean_loss(case), want, rtol=1e-12)


@pytest.mark.parametrize("name", ["binary_log_loss", "multiclass_log_loss"])
def test_smoothed_targets_are_matched_at_finite_logits(cases: Any, name: str) -> None:
    """The gradient vanishes where the shares are the smoothed targets."""
    case = cases.loss(name, 1, 6, 3, np.float64)
    a, smoothing = case.arguments, 0.2
    a["parameter"][...], a["bias"][...] = smoothing, 0.0
    if name == "binary_log_loss":
        a["y"] = np.round(a["y"])
        a["z"] = special.logit((1.0 - smoothing) * a["y"] + smoothing / 2.0)
    else:
        a["z"] = np.log((1.0 - smoothing) * np.eye(3)[a["y"][..., 0]] + smoothing / 3.0)
    np.testing.assert_allclose(case.run(reference)["out"], 0.0, atol=1e-15)


@pytest.mark.parametrize("name", ["absolute_error", "huber", "pinball", "squared_error"])
def test_no_slope_at_the_target(cases: Any, name: str) -> None:
    case = cases.loss(name, 2, 7, 1, np.float64)
    case.arguments["bias"][...] = 0.0
    case.arguments["z"][...] = case.arguments["y"]
    got = case.run(reference)
    np.testing.assert_array_equal(got["out"], 0.0)
    np.testing.assert_array_equal(got["value"], case.arguments["value"])

"""Losses against naive formulas, differences, and logits that overflow naive formulas."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from sknorm.kernels import reference


def binary(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, t) - y * t


def multiclass(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    y = np.broadcast_to(y, (*t.shape[:2], 1))
    return -np.take_along_axis(special.log_softmax(t, axis=2), y, axis=2)


def squared(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 0.5 * (t - y) ** 2


NAIVE: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "binary_log_loss": binary,
    "multiclass_log_loss": multiclass,
    "squared_error": squared,
}


def objective(case: Any, z: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Weighted sum of the losses of each member."""
    a = case.arguments
    loss = NAIVE[case.kernel](z + bias[:, None], a["y"])
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
@pytest.mark.parametrize("name", ["binary_log_loss", "multiclass_log_loss"])
def test_large_logits(cases: Any, name: str, dtype: type) -> None:
    case = cases.loss(name, 1, 2, 2, dtype)
    a = case.arguments
    a["z"][...] = np.array([[1e4, -1e4], [-1e4, 1e4]])
    a["bias"][...] = 0.0
    a["weight"][...] = 1.0
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

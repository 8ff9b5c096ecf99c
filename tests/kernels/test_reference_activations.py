"""Activations against SciPy's special functions, and derivatives against differences."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import special

from sknorm.kernels import codes
from sknorm.kernels.reference.activations import activate, derivative
from sknorm.kernels.reference.errors import erf, erfc

SELU = (codes.SELU_SCALE, codes.SELU_ALPHA)
NAIVE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda x: x,
    "logistic": special.expit,
    "tanh": np.tanh,
    "relu": lambda x: np.where(x > 0, x, 0.0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, special.expm1(np.minimum(x, 0))),
    "selu": lambda x: SELU[0] * np.where(x > 0, x, SELU[1] * special.expm1(np.minimum(x, 0))),
    "gelu": lambda x: x * special.ndtr(x),
    "silu": lambda x: x * special.expit(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(0.0, x)),
}
GRID = np.linspace(-12.0, 12.0, 4000)  # even, so that 0, where some have a kink, is not in it


def test_every_activation_is_tested() -> None:
    assert set(NAIVE) == set(codes.ACTIVATIONS)


@pytest.mark.parametrize("name", NAIVE)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 2e-6)])
def test_values(name: str, dtype: type, tolerance: float) -> None:
    x = GRID.astype(dtype)
    y = activate(codes.ACTIVATIONS[name], x)
    assert y.dtype == dtype
    # In its left tail gelu has as few digits as the square of its rounded argument.
    want = NAIVE[name](x.astype(np.float64))
    np.testing.assert_allclose(y, want, rtol=tolerance, atol=tolerance * 1e-6)


@pytest.mark.parametrize("name", NAIVE)
def test_derivatives(name: str) -> None:
    h = 1e-5
    slope = (NAIVE[name](GRID + h) - NAIVE[name](GRID - h)) / (2.0 * h)
    code = codes.ACTIVATIONS[name]
    np.testing.assert_allclose(derivative(code, GRID), slope, rtol=1e-8, atol=1e-9)
    single = derivative(code, GRID.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAIVE)
def test_far_from_zero(name: str, dtype: type) -> None:
    x = np.array([-1e30, -1e4, -90.0, 90.0, 1e4, 1e30], dtype=dtype)
    code = codes.ACTIVATIONS[name]
    y, slope = activate(code, x), derivative(code, x)
    assert np.all(np.isfinite(y))
    assert np.all(np.isfinite(slope))
    if name not in ("logistic", "tanh"):
        gain = codes.SELU_SCALE if name == "selu" else 1.0
        np.testing.assert_allclose(y[3:], gain * x[3:], rtol=1e-6)
        np.testing.assert_allclose(slope[3:], gain, rtol=1e-6)


@pytest.mark.parametrize("name", NAIVE)
def test_nan_stays_visible(name: str) -> None:
    assert np.isnan(activate(codes.ACTIVATIONS[name], np.array([np.nan]))).all()


def test_error_function() -> None:
    x = np.concatenate([np.linspace(-30, 30, 100_001), [0.46875, 4.0, 1e300, -1e300]])
    np.testing.assert_allclose(erf(x), special.erf(x), rtol=1e-15, atol=1e-15)
    normal = special.erfc(x) > 1e-300
    np.testing.assert_allclose(erfc(x)[normal], special.erfc(x)[normal], rtol=1e-13)

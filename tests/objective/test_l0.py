"""The L0 penalty: prox against all choices, and the gap, which is a local condition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sknorm.objective.penalties import L0

SHAPE = (3, 4)
finite = st.floats(-100.0, 100.0, allow_subnormal=False)
weights = arrays(np.float64, SHAPE, elements=finite)
strengths = st.floats(0.0, 10.0, allow_subnormal=False)
steps = st.floats(1e-3, 10.0)


@given(weights, strengths, steps)
def test_prox_minimizes_its_objective(w: np.ndarray, alpha: float, step: float) -> None:
    """Whatever is not zero costs the same, so w itself and zero are the only candidates."""
    penalty = L0(alpha)

    def objective(u: np.ndarray) -> np.ndarray:
        return step * alpha * (u != 0) + 0.5 * (u - w) ** 2

    grid = np.linspace(-101.0, 101.0, 405)[:, None, None]
    best = np.minimum(objective(np.zeros(SHAPE)), objective(w)).clip(max=objective(grid).min(0))
    found = objective(penalty.prox(w, step))
    np.testing.assert_allclose(found, best, rtol=1e-12, atol=1e-12)


@given(weights, strengths, steps)
def test_prox_leaves_a_weight_or_removes_it(w: np.ndarray, alpha: float, step: float) -> None:
    result = L0(alpha).prox(w, step)
    assert np.all((result == 0) | (result == w))
    assert np.all(result[w**2 < 1.999999 * alpha * step] == 0)
    np.testing.assert_array_equal(L0(alpha).prox(result, step), result)


@given(weights, strengths, steps, st.floats(0.1, 10.0))
def test_prox_scales(w: np.ndarray, alpha: float, step: float, scale: float) -> None:
    """As the square of the weights, but for weights at the threshold itself."""
    inside = np.abs(w**2 - 2 * alpha * step) > 1e-9 * (1 + w**2)
    got = L0(alpha * scale**2).prox(scale * w, step)
    np.testing.assert_array_equal(got[inside], (scale * L0(alpha).prox(w, step))[inside])


@given(weights, strengths)
def test_prox_takes_a_step_per_coordinate(w: np.ndarray, alpha: float) -> None:
    penalty, step = L0(alpha), np.linspace(0.01, 2.0, 12).reshape(SHAPE)
    each = [penalty.prox(np.array([x]), s)[0] for x, s in zip(w.flat, step.flat, strict=True)]
    np.testing.assert_array_equal(penalty.prox(w, step).ravel(), each)


def test_strength_zero_removes_nothing() -> None:
    w = np.array([1e-200, -1e-200, 0.0, np.nan])
    np.testing.assert_array_equal(L0(0.0).prox(w, 1.0), w)
    np.testing.assert_array_equal(np.isnan(L0(1.0).prox(w, 1.0)), np.isnan(w))


@given(weights, st.floats(0.1, 10.0), st.floats(1e-2, 1.0))
def test_gap_is_zero_at_fixed_points_of_the_proximal_step(
    w: np.ndarray, alpha: float, step: float
) -> None:
    """At the zeros, gradients too small to leave them; none elsewhere."""
    penalty = L0(alpha)
    w = penalty.prox(w, step)
    gradient = np.where(w == 0, 0.9 * np.sqrt(2 * alpha / step), 0.0)
    np.testing.assert_array_equal(penalty.prox(w - step * gradient, step), w)
    assert penalty.optimality_gap(w, gradient) == 0.0


def test_gap_is_the_largest_gradient_of_the_others() -> None:
    w, gradient = np.array([[0.0, 2.0], [-1.0, 0.0]]), np.array([[9.0, -0.3], [0.2, -7.0]])
    assert L0(1.0).optimality_gap(w, gradient) == 0.3


def test_value_counts() -> None:
    assert L0(0.5).value(np.array([[1.0, -2.0], [0.0, 1e-9]])) == pytest.approx(1.5)

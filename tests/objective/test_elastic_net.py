"""The elastic net: prox against brute force, gradients, and the optimality gap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize_scalar

from sknorm.objective.penalties import ElasticNet

SHAPE = (3, 4)
finite = st.floats(-100.0, 100.0, allow_subnormal=False)
weights = arrays(np.float64, SHAPE, elements=finite)
strengths = st.floats(0.0, 10.0, allow_subnormal=False)
ratios = st.floats(0.0, 1.0, allow_subnormal=False)
steps = st.floats(1e-3, 10.0)


@given(st.floats(-5.0, 5.0), strengths, ratios, steps)
def test_prox_minimizes_its_objective(w: float, alpha: float, ratio: float, step: float) -> None:
    penalty = ElasticNet(alpha, ratio)

    def objective(u: float) -> float:
        return step * alpha * ratio * abs(u) + 0.5 * (u - w) ** 2

    found = float(penalty.prox(np.array([w]), step)[0])
    brute = minimize_scalar(objective, bounds=(-6.0, 6.0), method="bounded")
    grid = np.linspace(-6.0, 6.0, 2001)
    best = min(brute.fun, objective(0.0), min(objective(u) for u in grid))
    assert objective(found) <= best + 1e-9


@given(weights, weights, strengths, ratios, steps)
def test_prox_does_not_move_points_apart(
    u: np.ndarray, v: np.ndarray, alpha: float, ratio: float, step: float
) -> None:
    penalty = ElasticNet(alpha, ratio)
    moved = np.linalg.norm(penalty.prox(u, step) - penalty.prox(v, step))
    assert moved <= np.linalg.norm(u - v) * (1 + 1e-12) + 1e-12


@given(weights, strengths, ratios, steps)
def test_prox_keeps_signs_and_gives_exact_zeros(
    w: np.ndarray, alpha: float, ratio: float, step: float
) -> None:
    result = ElasticNet(alpha, ratio).prox(w, step)
    assert np.all(result * w >= 0) and np.all(np.abs(result) <= np.abs(w))
    assert np.all(result[np.abs(w) <= alpha * ratio * step] == 0.0)


@given(weights, strengths, ratios)
def test_prox_takes_a_step_per_coordinate(w: np.ndarray, alpha: float, ratio: float) -> None:
    penalty, step = ElasticNet(alpha, ratio), np.linspace(0.01, 2.0, 12).reshape(SHAPE)
    each = [penalty.prox(np.array([x]), s)[0] for x, s in zip(w.flat, step.flat, strict=True)]
    np.testing.assert_array_equal(penalty.prox(w, step).ravel(), each)


@given(weights, strengths, ratios, st.floats(1e-2, 1.0))
def test_gap_is_zero_at_fixed_points_of_the_proximal_step(
    w: np.ndarray, alpha: float, ratio: float, step: float
) -> None:
    """For a loss whose gradient holds w where the step leaves it."""
    penalty = ElasticNet(alpha, ratio)
    at_zero = np.linspace(-1.0, 1.0, 12).reshape(SHAPE) * penalty.l1
    gradient = np.where(w == 0, at_zero, -penalty.l1 * np.sign(w)) - penalty.smooth_gradient(w)
    stepped = penalty.prox(w - step * (gradient + penalty.smooth_gradient(w)), step)
    np.testing.assert_allclose(stepped, w, atol=1e-9)
    assert penalty.optimality_gap(w, gradient) <= 1e-9


@given(weights, weights, strengths, ratios)
def test_gap_bounds_the_proximal_step(
    w: np.ndarray, gradient: np.ndarray, alpha: float, ratio: float
) -> None:
    """A step of length one moves no weight further than the gap, and some if it is not zero."""
    penalty = ElasticNet(alpha, ratio)
    gap = penalty.optimality_gap(w, gradient)
    moved = np.abs(penalty.prox(w - (gradient + penalty.smooth_gradient(w)), 1.0) - w).max()
    assert moved <= gap + 1e-9 * (1.0 + gap)
    if gap > 1e-6:
        assert moved > 0.0


@given(weights, strengths, ratios)
def test_smooth_gradient_is_that_of_the_squared_part(
    w: np.ndarray, alpha: float, ratio: float
) -> None:
    """Along a direction; the squared part is what ratio zero leaves of the value."""
    penalty, squared = ElasticNet(alpha, ratio), ElasticNet(alpha * (1.0 - ratio), 0.0)
    direction, epsilon = np.cos(np.arange(12.0)).reshape(SHAPE), 1e-3
    difference = squared.value(w + epsilon * direction) - squared.value(w - epsilon * direction)
    slope = float((penalty.smooth_gradient(w) * direction).sum())
    assert difference / (2 * epsilon) == pytest.approx(slope, rel=1e-6, abs=1e-6)


def test_value_is_the_formula() -> None:
    w = np.array([[1.0, -2.0], [0.0, 3.0]])
    assert ElasticNet(0.5, 1.0).value(w) == pytest.approx(0.5 * 6.0)
    assert ElasticNet(0.5, 0.0).value(w) == pytest.approx(0.25 * 14.0)
    assert ElasticNet(0.5, 0.25).value(w) == pytest.approx(0.5 * (1.5 + 0.375 * 14.0))


def test_only_matrices_are_penalized() -> None:
    penalty = ElasticNet(1.0, 0.5)
    for layer in (0, 1):
        assert penalty.applies_to(np.zeros((2, 3)), layer)
        assert not penalty.applies_to(np.zeros(3), layer)
